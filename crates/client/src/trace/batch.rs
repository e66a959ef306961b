//! Records of traces, as many as go into one message.

use std::collections::BTreeSet;

use eruca_message::{Message, trace::TraceRecord};

/// Longest body; Java's readers and writers have the same.
const BODY_MAX_BYTES: usize = 128_000;
/// Longest text of keys: all properties of a message together have 32,767 bytes.
const KEYS_MAX_BYTES: usize = 24_000;
/// Most records: each key is an entry in the broker's index.
const RECORDS_MAX: usize = 100;

/// Records on their way into one message.
#[derive(Debug, Default)]
pub(super) struct Batch {
    body: String,
    keys: BTreeSet<String>,
    keys_len_bytes: usize,
    records: usize,
}

impl Batch {
    /// Takes `record` in, or says that it belongs into the next message. The first one always goes in.
    pub(super) fn push(&mut self, record: &TraceRecord) -> bool {
        let body_len_bytes = self.body.len();
        record.encode(&mut self.body);
        let new: BTreeSet<&str> = record.index_keys().filter(|key| !self.keys.contains(*key)).collect();
        let keys_len_bytes = self.keys_len_bytes + new.iter().map(|key| key.len() + 1).sum::<usize>();
        let is_too_much = self.body.len() > BODY_MAX_BYTES
            || keys_len_bytes > KEYS_MAX_BYTES
            || self.records >= RECORDS_MAX;
        if is_too_much && self.records > 0 {
            self.body.truncate(body_len_bytes);
            return false;
        }
        self.keys.extend(new.into_iter().map(str::to_owned));
        self.keys_len_bytes = keys_len_bytes;
        self.records += 1;
        true
    }

    /// Whether it need not wait for more.
    pub(super) fn is_full(&self) -> bool {
        self.records >= RECORDS_MAX
    }

    /// How many records it has.
    pub(super) fn len(&self) -> u64 {
        self.records as u64
    }

    /// The message; nothing is left.
    pub(super) fn take(&mut self, topic: &str) -> Message {
        let Batch { body, keys, .. } = std::mem::take(self);
        let keys: Vec<String> = keys.into_iter().collect();
        Message::new(topic, body).with_keys(keys.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::Timestamp;

    use super::*;

    fn record(id: &str, keys: Option<&str>) -> TraceRecord {
        TraceRecord::SubBefore {
            time: Timestamp(1),
            region: "r".into(),
            group: "g".into(),
            request_id: "R".into(),
            message_id: id.into(),
            retry_times: 0,
            keys: keys.map(str::to_owned),
        }
    }

    #[test]
    fn keys_are_named_once() {
        let mut batch = Batch::default();
        assert!(batch.push(&record("B", Some("k A"))) && batch.push(&record("B", Some("l"))));
        let message = batch.take("t");
        assert_eq!(message.keys(), Some("A B k l"));
        assert_eq!(TraceRecord::decode_all(std::str::from_utf8(&message.body).unwrap()).count(), 2);
        assert_eq!(batch.len(), 0);
    }

    #[test]
    fn a_message_has_room_for_so_much_only() {
        let mut batch = Batch::default();
        for id in 0..RECORDS_MAX {
            assert!(!batch.is_full() && batch.push(&record(&id.to_string(), None)));
        }
        assert!(batch.is_full() && !batch.push(&record("one more", None)));
        assert!(!batch.take("t").keys().unwrap().contains("one more"));
        let long = "k".repeat(KEYS_MAX_BYTES);
        assert!(batch.push(&record("alone", Some(&long))), "the first one goes in, however large");
        assert!(!batch.push(&record("other", None)));
        assert!(!batch.take("t").keys().unwrap().contains("other"));
    }
}
