//! Transactions at rest: half messages, and the operations that tell which of them are settled.
//!
//! A half message lies in [`names::TRANS_HALF_TOPIC`], queue 0, as an ordinary record; its properties say where it goes
//! (`REAL_TOPIC`, `REAL_QID`) and who is asked for the outcome (`PGROUP`). That it was committed, rolled back, replaced by a
//! copy or given up is told by an operation in [`names::TRANS_OP_HALF_TOPIC`], queue 0, with tag [`OP_TAG`]; its body is
//! queue offsets of half messages, in decimal, each followed by a comma: `0,1,3,`. It does not say which of these happened.

use crate::{
    QueueOffset, Record, names,
    properties::{
        self, CHECK_IMMUNITY_TIME_IN_SECONDS, NAME_VALUE_SEPARATOR, PRODUCER_GROUP, PROPERTY_SEPARATOR,
        REAL_QUEUE_ID, REAL_TOPIC, TRANSACTION_CHECK_TIMES, TRANSACTION_PREPARED_QUEUE_OFFSET, UNIQUE_KEY,
        encode_property,
    },
};

/// Tag of an operation: the half messages are settled.
pub const OP_TAG: &str = "d";
/// The properties of an operation, as a Java broker writes them.
pub const OP_PROPERTIES: &[u8] = b"WAIT\x01true\x02TAGS\x01d\x02";

/// The body of an operation on the half messages at `offsets`.
pub fn encode_op_body(offsets: impl IntoIterator<Item = QueueOffset>) -> Vec<u8> {
    let mut body = Vec::new();
    for offset in offsets {
        body.extend_from_slice(offset.0.to_string().as_bytes());
        body.push(b',');
    }
    body
}

/// The offsets in the body of an operation. What is no number is passed over, as Java does.
pub fn op_offsets(body: &[u8]) -> impl Iterator<Item = QueueOffset> {
    body.split(|byte| *byte == b',').filter_map(|text| {
        let text = std::str::from_utf8(text).ok()?;
        let offset = text.parse::<i64>().ok()?;
        u64::try_from(offset).ok().map(QueueOffset)
    })
}

/// Why a record is no half message that can ever be settled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotHalf {
    /// It lies elsewhere.
    #[error("it lies in topic {topic}, not in {}", names::TRANS_HALF_TOPIC)]
    Topic {
        /// Where it lies.
        topic: String,
    },
    /// It does not say where it goes.
    #[error("it does not say to which topic it goes (property {REAL_TOPIC})")]
    NoTopic,
    /// It does not say to which queue it goes.
    #[error("it does not say to which queue it goes (property {REAL_QUEUE_ID})")]
    NoQueue,
    /// It does not say who sent it.
    #[error("it does not say which producer group sent it (property {PRODUCER_GROUP})")]
    NoGroup,
}

/// What the properties of a half message say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Half<'a> {
    /// Where it goes when it is committed.
    pub topic: &'a str,
    /// To which queue, from 0.
    pub queue_id: i32,
    /// Whose members are asked for the outcome.
    pub group: &'a str,
    /// The producer's id of the message, which is the transaction's id.
    pub unique_key: Option<&'a str>,
    /// How often a member was asked.
    pub check_times: u32,
    /// `CHECK_IMMUNITY_TIME_IN_SECONDS`, as it was sent.
    pub immunity: Option<&'a str>,
    /// The half message of which this one is a copy that was made before the first check.
    pub copy_of: Option<QueueOffset>,
}

impl<'a> Half<'a> {
    /// Reads the properties of a record of the half topic.
    ///
    /// # Errors
    /// [`NotHalf`]: it lies elsewhere, or lacks what is needed to settle it.
    pub fn of(record: &Record<'a>) -> Result<Half<'a>, NotHalf> {
        match record.fields.topic {
            names::TRANS_HALF_TOPIC => Self::of_properties(record.fields.properties),
            topic => Err(NotHalf::Topic { topic: topic.to_owned() }),
        }
    }

    /// Reads encoded properties, wherever they lie.
    ///
    /// # Errors
    /// As [`Half::of`].
    pub fn of_properties(encoded: &'a [u8]) -> Result<Half<'a>, NotHalf> {
        let find = |name| properties::find_str(encoded, name);
        let queue_id = find(REAL_QUEUE_ID).and_then(|id| id.parse().ok()).filter(|id: &i32| *id >= 0);
        let copy_of = find(TRANSACTION_PREPARED_QUEUE_OFFSET).and_then(|offset| offset.parse::<i64>().ok());
        Ok(Half {
            topic: find(REAL_TOPIC).ok_or(NotHalf::NoTopic)?,
            queue_id: queue_id.ok_or(NotHalf::NoQueue)?,
            group: find(PRODUCER_GROUP).ok_or(NotHalf::NoGroup)?,
            unique_key: find(UNIQUE_KEY),
            check_times: find(TRANSACTION_CHECK_TIMES).and_then(|times| times.parse().ok()).unwrap_or(0),
            immunity: find(CHECK_IMMUNITY_TIME_IN_SECONDS),
            copy_of: copy_of.and_then(|offset| u64::try_from(offset).ok()).map(QueueOffset),
        })
    }

    /// How long after its birth nobody is asked for the outcome, in ms: what the message asks for, but at least
    /// `timeout_ms` (`transactionTimeOut`); Java takes a text that is no number for 0.
    pub fn immunity_ms(&self, timeout_ms: i64) -> i64 {
        let asked = self.immunity.and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        asked.saturating_mul(1000).max(timeout_ms)
    }
}

/// The properties of the message that a committed half message becomes: all but where it goes, byte for byte.
pub fn committed_properties(encoded: &[u8]) -> Vec<u8> {
    without(encoded, &[REAL_TOPIC, REAL_QUEUE_ID])
}

/// The properties of the copy of a half message after so many checks.
pub fn checked_properties(encoded: &[u8], check_times: u32) -> Vec<u8> {
    let mut out = without(encoded, &[TRANSACTION_CHECK_TIMES]);
    encode_property(&mut out, TRANSACTION_CHECK_TIMES, &check_times.to_string());
    out
}

/// Encoded properties without some, in their order.
pub fn without(encoded: &[u8], names: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded.len() + 1);
    for entry in encoded.split(|byte| *byte == PROPERTY_SEPARATOR).filter(|entry| !entry.is_empty()) {
        let is_named = |name: &&str| {
            entry
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.first() == Some(&NAME_VALUE_SEPARATOR))
        };
        if !names.iter().any(is_named) {
            out.extend_from_slice(entry);
            out.push(PROPERTY_SEPARATOR);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const JAVAS: &[u8] = b"MSG_REGION\x01DefaultRegion\x02UNIQ_KEY\x01FD01\x02PGROUP\x01gp_trans\x02\
        __transactionId__\x01FD01\x02TRAN_MSG\x01true\x02WAIT\x01true\x02TRANSACTION_CHECK_TIMES\x011\x02\
        REAL_TOPIC\x01GTrans\x02colour\x01blue\x02REAL_QID\x013\x02";

    #[test]
    fn javas_half_message_is_understood() {
        let half = Half::of_properties(JAVAS).unwrap();
        assert_eq!((half.topic, half.queue_id, half.group), ("GTrans", 3, "gp_trans"));
        assert_eq!((half.unique_key, half.check_times, half.copy_of), (Some("FD01"), 1, None));
        assert_eq!(half.immunity_ms(6_000), 6_000);
        let asks = Half { immunity: Some("9"), ..half };
        assert_eq!((asks.immunity_ms(6_000), asks.immunity_ms(10_000)), (9_000, 10_000));
        assert_eq!(Half { immunity: Some("soon"), ..half }.immunity_ms(6_000), 6_000);
        for (name, why) in [
            (REAL_TOPIC, NotHalf::NoTopic),
            (REAL_QUEUE_ID, NotHalf::NoQueue),
            (PRODUCER_GROUP, NotHalf::NoGroup),
        ] {
            assert_eq!(Half::of_properties(&without(JAVAS, &[name])), Err(why));
        }
    }

    #[test]
    fn a_committed_message_keeps_all_but_where_it_goes() {
        let committed = String::from_utf8(committed_properties(JAVAS)).unwrap();
        assert!(!committed.contains("REAL_") && committed.contains("TRAN_MSG\u{1}true\u{2}"), "{committed}");
        assert_eq!(committed.len(), JAVAS.len() - "REAL_TOPIC GTrans ".len() - "REAL_QID 3 ".len());
        let checked = checked_properties(JAVAS, 2);
        assert!(checked.ends_with(b"TRANSACTION_CHECK_TIMES\x012\x02"));
        assert_eq!(checked.len(), JAVAS.len());
    }

    #[test]
    fn javas_operation_is_understood() {
        assert_eq!(op_offsets(b"0,1,3,4,").map(|offset| offset.0).collect::<Vec<_>>(), [0, 1, 3, 4]);
        assert_eq!(op_offsets(b",x,-1,7").collect::<Vec<_>>(), [QueueOffset(7)]);
        assert_eq!(encode_op_body([QueueOffset(0), QueueOffset(12)]), b"0,12,");
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_written_is_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            offsets in proptest::collection::vec(0..=i64::MAX as u64, 0..20),
        ) {
            let _ = (op_offsets(&bytes).count(), Half::of_properties(&bytes));
            let _ = (committed_properties(&bytes), checked_properties(&bytes, 7));
            let offsets: Vec<QueueOffset> = offsets.into_iter().map(QueueOffset).collect();
            prop_assert_eq!(op_offsets(&encode_op_body(offsets.clone())).collect::<Vec<_>>(), offsets);
        }
    }
}
