//! Reading records of traces.

use std::str::FromStr;

use super::record::{
    FIELD_END, NOTHING, RECORD_END, TraceError, TraceKind, TraceOutcome, TraceRecord, TraceTransactionState,
};
use crate::Timestamp;

/// More than any record has.
const FIELDS_MAX: usize = 16;

impl TraceRecord {
    /// The records in `body`; one that cannot be read stands for itself alone. Empty records are passed over.
    pub fn decode_all(body: &str) -> impl Iterator<Item = Result<TraceRecord, TraceError>> + '_ {
        body.split(RECORD_END).filter(|record| !record.is_empty()).map(TraceRecord::decode)
    }

    /// Reads one record, without its end.
    fn decode(text: &str) -> Result<TraceRecord, TraceError> {
        let values: Vec<&str> = text.splitn(FIELDS_MAX, FIELD_END).collect();
        let kind = values.first().copied().unwrap_or_default();
        let fields = |kind| Fields { kind, values: &values };
        match kind {
            "Pub" => fields("Pub").publish(),
            "SubBefore" => fields("SubBefore").sub_before(),
            "SubAfter" => fields("SubAfter").sub_after(),
            "EndTransaction" => fields("EndTransaction").end_transaction(),
            "Recall" => fields("Recall").recall(),
            other => Err(TraceError::Kind { kind: beginning(other) }),
        }
    }
}

/// Reads the fields of a record.
struct Fields<'a> {
    kind: &'static str,
    values: &'a [&'a str],
}

impl Fields<'_> {
    fn raw(&self, index: usize, field: &'static str) -> Result<&str, TraceError> {
        let len = self.values.len();
        self.values.get(index).copied().ok_or(TraceError::Short { kind: self.kind, field, len })
    }

    fn text(&self, index: usize, field: &'static str) -> Result<String, TraceError> {
        self.raw(index, field).map(str::to_owned)
    }

    fn optional(&self, index: usize, field: &'static str) -> Result<Option<String>, TraceError> {
        let text = self.raw(index, field)?;
        Ok((!text.is_empty() && text != NOTHING).then(|| text.to_owned()))
    }

    fn number<T: FromStr>(&self, index: usize, field: &'static str) -> Result<T, TraceError> {
        let text = self.raw(index, field)?;
        text.parse().map_err(|_| self.wrong(field, text, "a number"))
    }

    fn time(&self, index: usize) -> Result<Timestamp, TraceError> {
        self.number(index, "time").map(Timestamp)
    }

    /// As Java reads it: whatever is not `true` is false.
    fn flag(&self, index: usize, field: &'static str) -> Result<bool, TraceError> {
        self.raw(index, field).map(|text| text.eq_ignore_ascii_case("true"))
    }

    fn wrong(&self, field: &'static str, value: &str, expected: &'static str) -> TraceError {
        TraceError::Field { kind: self.kind, field, value: beginning(value), expected }
    }

    fn kind(&self, index: usize) -> Result<TraceKind, TraceError> {
        Ok(match self.raw(index, "kind")? {
            "0" => TraceKind::Normal,
            "1" => TraceKind::Half,
            "2" => TraceKind::TransactionEnd,
            "3" => TraceKind::Delayed,
            "4" => TraceKind::Ordered,
            other => return Err(self.wrong("kind", other, "0 to 4")),
        })
    }

    fn publish(&self) -> Result<TraceRecord, TraceError> {
        // Clients before 4.3 do not write the broker's id of the message.
        let success = if self.values.len() == 13 { 12 } else { 13 };
        Ok(TraceRecord::Pub {
            time: self.time(1)?,
            region: self.text(2, "region")?,
            group: self.text(3, "group")?,
            topic: self.text(4, "topic")?,
            message_id: self.text(5, "message id")?,
            tags: self.optional(6, "tags")?,
            keys: self.optional(7, "keys")?,
            store_host: self.text(8, "store host")?,
            body_len_bytes: self.number(9, "body length")?,
            cost_ms: self.number(10, "cost")?,
            kind: self.kind(11)?,
            offset_message_id: if success == 13 {
                self.text(12, "offset message id")?
            } else {
                String::new()
            },
            is_success: self.flag(success, "success")?,
            client_host: self.values.get(14).map(|host| (*host).to_owned()),
        })
    }

    fn sub_before(&self) -> Result<TraceRecord, TraceError> {
        Ok(TraceRecord::SubBefore {
            time: self.time(1)?,
            region: self.text(2, "region")?,
            group: self.text(3, "group")?,
            request_id: self.text(4, "request id")?,
            message_id: self.text(5, "message id")?,
            retry_times: self.number(6, "retry times")?,
            keys: self.optional(7, "keys")?,
        })
    }

    fn sub_after(&self) -> Result<TraceRecord, TraceError> {
        let outcome = match self.values.get(6).copied() {
            // Old clients do not say.
            None | Some("0") => TraceOutcome::Success,
            Some("1") => TraceOutcome::TimedOut,
            Some("2") => TraceOutcome::Exception,
            Some("3") => TraceOutcome::Nothing,
            Some("4") => TraceOutcome::Failed,
            Some(other) => return Err(self.wrong("outcome", other, "0 to 4")),
        };
        let by = match self.values.len() {
            0..=8 => None,
            _ => Some((self.time(7)?, self.text(8, "group")?)),
        };
        Ok(TraceRecord::SubAfter {
            request_id: self.text(1, "request id")?,
            message_id: self.text(2, "message id")?,
            cost_ms: self.number(3, "cost")?,
            is_success: self.flag(4, "success")?,
            keys: self.optional(5, "keys")?,
            outcome,
            by,
        })
    }

    fn end_transaction(&self) -> Result<TraceRecord, TraceError> {
        let state = match self.raw(11, "state")? {
            "COMMIT_MESSAGE" => TraceTransactionState::Commit,
            "ROLLBACK_MESSAGE" => TraceTransactionState::Rollback,
            "UNKNOW" => TraceTransactionState::Unknown,
            other => return Err(self.wrong("state", other, "COMMIT_MESSAGE, ROLLBACK_MESSAGE or UNKNOW")),
        };
        Ok(TraceRecord::EndTransaction {
            time: self.time(1)?,
            region: self.text(2, "region")?,
            group: self.text(3, "group")?,
            topic: self.text(4, "topic")?,
            message_id: self.text(5, "message id")?,
            tags: self.optional(6, "tags")?,
            keys: self.optional(7, "keys")?,
            store_host: self.text(8, "store host")?,
            kind: self.kind(9)?,
            transaction_id: self.optional(10, "transaction id")?,
            state,
            from_check: self.flag(12, "from check")?,
        })
    }

    fn recall(&self) -> Result<TraceRecord, TraceError> {
        Ok(TraceRecord::Recall {
            time: self.time(1)?,
            region: self.text(2, "region")?,
            group: self.text(3, "group")?,
            topic: self.text(4, "topic")?,
            message_id: self.text(5, "message id")?,
            is_success: self.flag(6, "success")?,
        })
    }
}

/// So much of a text as an error names.
fn beginning(text: &str) -> String {
    text.chars().take(64).collect()
}
