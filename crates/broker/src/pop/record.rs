//! What is noted about pops in the revive topic, in Java's form, so that a store can change hands.
//!
//! A record is an ordinary message: its tag tells its kind, its body is JSON with sorted members.
//!
//! | tag | body (Java) | meaning |
//! |---|---|---|
//! | `ck` | `PopCheckPoint` | these messages of a queue were popped |
//! | `ack` | `AckMsg` | one of them was consumed |
//! | `bAck` | `BatchAckMsg` | several of them were consumed |
//!
//! All times are ms since 1970, `it` is a length in ms.

use std::sync::Arc;

use eruca_protocol::body::{self, BodyError};
use serde::{Deserialize, Serialize};

use super::state::{CheckPoint, PopKey, QueueKey};

/// Tag of a check point.
pub(super) const TAG_CHECK_POINT: &str = "ck";
/// Tag of an acknowledgement.
pub(super) const TAG_ACK: &str = "ack";
/// Tag of an acknowledgement of several messages.
pub(super) const TAG_BATCH_ACK: &str = "bAck";
/// Most messages of a check point: Java counts them in a signed byte, and marks those consumed in 32 bits.
const CHECK_POINT_MESSAGES_MAX: usize = 127;

/// A record that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ReviveRecord {
    /// Messages were popped.
    CheckPoint(CheckPoint),
    /// Messages of a pop were consumed.
    Acks(PopKey, Vec<i64>),
}

/// Java's `PopCheckPoint`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct CheckPointBody {
    /// Bits of messages that were consumed when this was written: none.
    bm: i32,
    /// Broker name.
    #[serde(skip_serializing_if = "Option::is_none")]
    bn: Option<String>,
    /// Group.
    #[serde(alias = "cid")]
    c: Option<String>,
    /// Offsets less `so`; none where they are adjacent.
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<Vec<i64>>,
    it: i64,
    /// Number of messages.
    n: i64,
    pt: i64,
    q: i32,
    /// Of no use to a reader; Java writes it.
    #[serde(rename = "reviveTime")]
    revive_time: i64,
    /// Place in the revive queue, which only a reader knows.
    ro: i64,
    /// How often a reader put it there again.
    #[serde(skip_serializing_if = "Option::is_none")]
    rp: Option<String>,
    so: i64,
    /// Whether the messages come again without being counted as tried.
    sp: bool,
    /// Topic.
    t: Option<String>,
}

/// Java's `AckMsg` and `BatchAckMsg`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct AckBody {
    #[serde(alias = "ackOffset")]
    ao: i64,
    #[serde(alias = "ackOffsetList", skip_serializing_if = "Option::is_none")]
    aol: Option<Vec<i64>>,
    #[serde(alias = "brokerName")]
    bn: Option<String>,
    #[serde(alias = "consumerGroup")]
    c: Option<String>,
    #[serde(alias = "popTime")]
    pt: i64,
    #[serde(alias = "queueId")]
    q: i32,
    #[serde(alias = "startOffset")]
    so: i64,
    #[serde(alias = "topic")]
    t: Option<String>,
}

/// Why a record says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadRecord {
    #[error("its tag is '{0}', which is none of a record of pops")]
    Tag(String),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("it names no topic or no group")]
    Nameless,
    #[error("it has {count} messages, at most {CHECK_POINT_MESSAGES_MAX} can be popped at once")]
    TooMany { count: i64 },
}

/// Body of a check point's record.
pub(super) fn encode_check_point(check_point: &CheckPoint, broker_name: &str) -> Vec<u8> {
    let CheckPoint { key, invisible_ms, offsets, suspend, .. } = check_point;
    body::to_json(&CheckPointBody {
        bm: 0,
        bn: Some(broker_name.to_owned()),
        c: Some(key.queue.group.to_string()),
        d: Some(offsets.iter().map(|offset| offset.wrapping_sub(key.start)).collect()),
        it: *invisible_ms,
        n: offsets.len() as i64,
        pt: key.pop_time,
        q: key.queue.queue_id,
        revive_time: check_point.due().0,
        ro: 0,
        rp: None,
        so: key.start,
        sp: *suspend,
        t: Some(key.queue.topic.to_string()),
    })
}

/// Body of the record that `offsets` of a pop were consumed: an `ack` for one, a `bAck` for several.
pub(super) fn encode_acks(key: &PopKey, offsets: &[i64], broker_name: &str) -> Vec<u8> {
    let (ao, aol) = match offsets {
        [one] => (*one, None),
        many => (-1, Some(many.to_vec())),
    };
    body::to_json(&AckBody {
        ao,
        aol,
        bn: Some(broker_name.to_owned()),
        c: Some(key.queue.group.to_string()),
        pt: key.pop_time,
        q: key.queue.queue_id,
        so: key.start,
        t: Some(key.queue.topic.to_string()),
    })
}

/// Reads a record. `own_name` is the name of this group of brokers, where the record may be of another one.
///
/// # Errors
/// It says nothing that could be done.
pub(super) fn decode(tag: &str, bytes: &[u8], own_name: Option<&str>) -> Result<ReviveRecord, BadRecord> {
    match tag {
        TAG_CHECK_POINT => decode_check_point(bytes, own_name).map(ReviveRecord::CheckPoint),
        TAG_ACK | TAG_BATCH_ACK => {
            let ack: AckBody = body::from_json(bytes)?;
            let queue = queue_key(ack.t.as_deref(), ack.c.as_deref(), ack.q)?;
            let offsets = ack.aol.unwrap_or_else(|| vec![ack.ao]);
            let broker = other_than(own_name, ack.bn);
            Ok(ReviveRecord::Acks(PopKey { queue, start: ack.so, pop_time: ack.pt, broker }, offsets))
        }
        other => Err(BadRecord::Tag(other.chars().take(40).collect())),
    }
}

fn decode_check_point(bytes: &[u8], own_name: Option<&str>) -> Result<CheckPoint, BadRecord> {
    let read: CheckPointBody = body::from_json(bytes)?;
    let queue = queue_key(read.t.as_deref(), read.c.as_deref(), read.q)?;
    let diffs = read.d.filter(|diffs| !diffs.is_empty());
    let count = diffs.as_ref().map_or(read.n, |diffs| diffs.len() as i64);
    if !(0..=CHECK_POINT_MESSAGES_MAX as i64).contains(&count) {
        return Err(BadRecord::TooMany { count });
    }
    let offset = |diff: i64| read.so.saturating_add(diff);
    let offsets: Vec<i64> = match diffs {
        Some(diffs) => diffs.into_iter().map(offset).collect(),
        None => (0..count).map(offset).collect(),
    };
    let consumed = |index: usize| index < 32 && read.bm & (1i32 << index) != 0;
    let offsets = offsets.into_iter().enumerate().filter(|(index, _)| !consumed(*index));
    Ok(CheckPoint {
        key: PopKey { queue, start: read.so, pop_time: read.pt, broker: other_than(own_name, read.bn) },
        invisible_ms: read.it.max(0),
        offsets: offsets.map(|(_, offset)| offset).collect(),
        suspend: read.sp,
    })
}

/// The group of brokers that a record names, where it is another one.
fn other_than(own_name: Option<&str>, name: Option<String>) -> Option<Arc<str>> {
    let own_name = own_name?;
    name.filter(|name| !name.is_empty() && name != own_name).map(Arc::from)
}

fn queue_key(topic: Option<&str>, group: Option<&str>, queue_id: i32) -> Result<QueueKey, BadRecord> {
    match (topic, group) {
        (Some(topic), Some(group)) if !topic.is_empty() && !group.is_empty() => {
            Ok(QueueKey::new(topic, group, queue_id))
        }
        _ => Err(BadRecord::Nameless),
    }
}

/// Java's `UNIQ_KEY` of a check point's record.
pub(super) fn check_point_unique_key(key: &PopKey, broker_name: &str) -> String {
    let PopKey { queue: QueueKey { topic, group, queue_id }, start, pop_time, .. } = key;
    format!("{topic}@{queue_id}@{start}@{group}@{pop_time}@{broker_name}@ck")
}

/// Java's `UNIQ_KEY` of the record of acknowledgements. With several, Java says -1 for the offset.
pub(super) fn acks_unique_key(key: &PopKey, offsets: &[i64], broker_name: &str) -> String {
    let PopKey { queue: QueueKey { topic, group, queue_id }, pop_time, .. } = key;
    let offset = if let [one] = offsets { *one } else { -1 };
    format!("{topic}@{queue_id}@{offset}@{group}@{pop_time}@{broker_name}@ack")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Records in a store of a Java 5.5.0 broker.
    const CHECK_POINT: &[u8] = br#"{"bm":0,"bn":"broker-a","c":"g_pop","d":[0,1,2,3,4,5,6,7,8,9],"it":10000,"n":10,"pt":1795415708865,"q":0,"reviveTime":1795415718865,"ro":0,"so":0,"sp":false,"t":"GPop"}"#;
    const ACK: &[u8] = br#"{"ao":3,"bn":"broker-a","c":"g_pop","pt":1795415708865,"q":0,"so":0,"t":"GPop"}"#;

    fn check_point(bytes: &[u8]) -> CheckPoint {
        match decode(TAG_CHECK_POINT, bytes, None).unwrap() {
            ReviveRecord::CheckPoint(check_point) => check_point,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn javas_records_are_read_and_written_to_the_same_bytes() {
        let read = check_point(CHECK_POINT);
        assert_eq!(read.offsets, (0..10).collect::<Vec<i64>>());
        assert_eq!(read.due().0, 1_795_415_718_865);
        assert_eq!(encode_check_point(&read, "broker-a"), CHECK_POINT);
        let ReviveRecord::Acks(key, offsets) = decode(TAG_ACK, ACK, Some("broker-a")).unwrap() else {
            panic!("an ack")
        };
        assert_eq!((&key, &offsets[..]), (&read.key, &[3][..]));
        assert_eq!(encode_acks(&key, &offsets, "broker-a"), ACK);
        assert_eq!(check_point_unique_key(&key, "broker-a"), "GPop@0@0@g_pop@1795415708865@broker-a@ck");
        assert_eq!(acks_unique_key(&key, &[3], "broker-a"), "GPop@0@3@g_pop@1795415708865@broker-a@ack");
    }

    #[test]
    fn older_forms_are_read() {
        let adjacent = br#"{"bm":2,"cid":"g","it":1,"n":3,"pt":5,"q":1,"so":7,"t":"T"}"#;
        assert_eq!(check_point(adjacent).offsets, [7, 9], "the second was consumed");
        let long =
            br#"{"ackOffset":8,"startOffset":7,"consumerGroup":"g","topic":"T","queueId":1,"popTime":5}"#;
        let ReviveRecord::Acks(key, offsets) = decode(TAG_ACK, long, Some("b")).unwrap() else {
            panic!("an ack")
        };
        assert_eq!((&key, offsets), (&check_point(adjacent).key, vec![8]));
        let many = br#"{"ao":-1,"aol":[8,9],"bn":"b","c":"g","pt":5,"q":1,"so":7,"t":"T"}"#;
        let ReviveRecord::Acks(key, offsets) = decode(TAG_BATCH_ACK, many, Some("b")).unwrap() else {
            panic!("acks")
        };
        assert_eq!(offsets, [8, 9]);
        assert_eq!(encode_acks(&key, &offsets, "b"), many);
    }

    #[test]
    fn records_of_another_group_of_brokers_name_it() {
        let own = check_point(CHECK_POINT);
        assert_eq!(own.key.broker, None);
        let Ok(ReviveRecord::CheckPoint(other)) = decode(TAG_CHECK_POINT, CHECK_POINT, Some("broker-b"))
        else {
            panic!("a check point")
        };
        assert_eq!(other.key.broker.as_deref(), Some("broker-a"));
        let Ok(ReviveRecord::Acks(acked, _)) = decode(TAG_ACK, ACK, Some("broker-b")) else {
            panic!("an ack")
        };
        assert_eq!(acked, other.key);
        assert_ne!(acked, own.key, "the same queue of another group is another queue");
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for (tag, bytes) in [
            ("x", &b"{}"[..]),
            (TAG_CHECK_POINT, b"{"),
            (TAG_CHECK_POINT, br#"{"c":"g"}"#),
            (TAG_ACK, br#"{"t":"T"}"#),
            (TAG_CHECK_POINT, br#"{"c":"g","t":"T","n":1000000000}"#),
        ] {
            assert!(decode(tag, bytes, Some("b")).is_err(), "{tag}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for tag in [TAG_CHECK_POINT, TAG_ACK, TAG_BATCH_ACK] {
                let _ = decode(tag, &bytes, Some("b"));
            }
        }

        #[test]
        fn no_numbers_make_the_reader_panic(
            so in proptest::num::i64::ANY, n in proptest::num::i64::ANY, bm in proptest::num::i32::ANY,
            pt in proptest::num::i64::ANY, it in proptest::num::i64::ANY, d in proptest::collection::vec(proptest::num::i64::ANY, 0..5),
        ) {
            let text = format!(r#"{{"t":"T","c":"g","so":{so},"n":{n},"bm":{bm},"pt":{pt},"it":{it},"d":{d:?}}}"#);
            if let Ok(ReviveRecord::CheckPoint(check_point)) = decode(TAG_CHECK_POINT, text.as_bytes(), Some("b")) {
                let _ = encode_check_point(&check_point, "b");
            }
        }
    }
}
