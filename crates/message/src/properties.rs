//! Message properties: `name` 0x01 `value` 0x02, repeated; and the names that have a meaning.

use std::borrow::Cow;

use memchr::memchr;

/// Separates name and value.
pub const NAME_VALUE_SEPARATOR: u8 = 1;
/// Ends a property.
pub const PROPERTY_SEPARATOR: u8 = 2;
/// Most bytes that the properties of one message may have.
pub const MAX_PROPERTIES_LEN_BYTES: usize = 32_767;

/// Index keys, separated by one space.
pub const KEYS: &str = "KEYS";
/// The tag.
pub const TAGS: &str = "TAGS";
/// Whether the sender waits for flush and replication (`true` by default).
pub const WAIT_STORE_MSG_OK: &str = "WAIT";
/// Delay level.
pub const DELAY_TIME_LEVEL: &str = "DELAY";
/// Original topic of a message that was sent back.
pub const RETRY_TOPIC: &str = "RETRY_TOPIC";
/// Target topic while a message is parked.
pub const REAL_TOPIC: &str = "REAL_TOPIC";
/// Target queue while a message is parked.
pub const REAL_QUEUE_ID: &str = "REAL_QID";
/// `true` for the half message of a transaction.
pub const TRANSACTION_PREPARED: &str = "TRAN_MSG";
/// Id of the transaction of a half message: its unique id.
pub const TRANSACTION_ID: &str = "__transactionId__";
/// How often the producers were asked for the outcome of a half message.
pub const TRANSACTION_CHECK_TIMES: &str = "TRANSACTION_CHECK_TIMES";
/// Queue offset of the half message of which this one is a copy, where the copy was made before the first check.
pub const TRANSACTION_PREPARED_QUEUE_OFFSET: &str = "TRAN_PREPARED_QUEUE_OFFSET";
/// For how many seconds the outcome of a half message is not asked for.
pub const CHECK_IMMUNITY_TIME_IN_SECONDS: &str = "CHECK_IMMUNITY_TIME_IN_SECONDS";
/// Producer group.
pub const PRODUCER_GROUP: &str = "PGROUP";
/// Region of the broker.
pub const MSG_REGION: &str = "MSG_REGION";
/// Trace switch.
pub const TRACE_SWITCH: &str = "TRACE_ON";
/// The client's unique id.
pub const UNIQUE_KEY: &str = "UNIQ_KEY";
/// Message id of the first store of a message that was sent back.
pub const ORIGIN_MESSAGE_ID: &str = "ORIGIN_MESSAGE_ID";
/// How often the message was consumed, as the client sends it.
pub const RECONSUME_TIME: &str = "RECONSUME_TIME";
/// Most tries, as the client sends it.
pub const MAX_RECONSUME_TIMES: &str = "MAX_RECONSUME_TIMES";
/// Cluster name.
pub const CLUSTER: &str = "CLUSTER";
/// Original topic of a dead letter.
pub const DLQ_ORIGIN_TOPIC: &str = "DLQ_ORIGIN_TOPIC";
/// Original id of a dead letter.
pub const DLQ_ORIGIN_MESSAGE_ID: &str = "DLQ_ORIGIN_MESSAGE_ID";
/// Added by clients on pull: lowest offset of the queue.
pub const MIN_OFFSET: &str = "MIN_OFFSET";
/// Added by clients on pull: highest offset of the queue.
pub const MAX_OFFSET: &str = "MAX_OFFSET";
/// Start of consumption, local to a client.
pub const CONSUME_START_TIMESTAMP: &str = "CONSUME_START_TIME";
/// Ordering key.
pub const SHARDING_KEY: &str = "__SHARDINGKEY";
/// What a reply has in common with its request.
pub const CORRELATION_ID: &str = "CORRELATION_ID";
/// Client id of the one that waits for the reply.
pub const REPLY_TO_CLIENT: &str = "REPLY_TO_CLIENT";
/// How long it waits, in milliseconds.
pub const REQUEST_TTL: &str = "TTL";
/// When the broker passed the reply on.
pub const PUSH_REPLY_TIME: &str = "PUSH_REPLY_TIME";
/// Messages in an inner batch.
pub const INNER_NUM: &str = "INNER_NUM";
/// First queue offset of an inner batch.
pub const INNER_BASE: &str = "INNER_BASE";
/// Queues beside its own in which a message shall be, separated by commas (see [`crate::names::LMQ_PREFIX`]).
pub const INNER_MULTI_DISPATCH: &str = "INNER_MULTI_DISPATCH";
/// The message's offsets in those queues, in the same order, written by the broker.
pub const INNER_MULTI_QUEUE_OFFSET: &str = "INNER_MULTI_QUEUE_OFFSET";
/// Kind of a message in request-reply.
pub const MESSAGE_TYPE: &str = "MSG_TYPE";
/// Instance.
pub const INSTANCE_ID: &str = "INSTANCE_ID";
/// Relative delivery time, s.
pub const TIMER_DELAY_SEC: &str = "TIMER_DELAY_SEC";
/// Relative delivery time, ms.
pub const TIMER_DELAY_MS: &str = "TIMER_DELAY_MS";
/// Absolute delivery time, ms.
pub const TIMER_DELIVER_MS: &str = "TIMER_DELIVER_MS";
/// Delivery time that the broker keeps while a message is parked, ms.
pub const TIMER_OUT_MS: &str = "TIMER_OUT_MS";
/// When the broker put the message into the timer log, ms; `9223372036854775807` where it was due by then.
pub const TIMER_ENQUEUE_MS: &str = "TIMER_ENQUEUE_MS";
/// When the broker took it out again, ms.
pub const TIMER_DEQUEUE_MS: &str = "TIMER_DEQUEUE_MS";
/// How often the message was parked anew because its time is far away.
pub const TIMER_ROLL_TIMES: &str = "TIMER_ROLL_TIMES";
/// When the message was made, in one that the broker makes, ms.
pub const BORN_TIMESTAMP: &str = "BORN_TIMESTAMP";
/// Unique key of the message that this one recalls.
pub const TIMER_DEL_UNIQUE_KEY: &str = "TIMER_DEL_UNIQKEY";

/// Priority, a number from 0 up; the higher the sooner (5.4).
pub const PRIORITY: &str = "_SYS_MSG_PRIORITY_";
/// Name of the lite topic below the message's topic (5.5).
pub const LITE_TOPIC: &str = "__LITE_TOPIC";

/// Receipt handle of a popped message.
pub const POP_CHECK_POINT: &str = "POP_CK";
/// When a message was popped first, in ms since 1970.
pub const FIRST_POP_TIME: &str = "1ST_POP_TIME";
/// The group for which a message comes again in a pop retry topic.
pub const ORIGIN_GROUP: &str = "ORIGIN_GROUP";

/// Why properties cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PropertiesError {
    /// More bytes than a record can hold.
    #[error(
        "the message's properties have {len} bytes, the limit is {MAX_PROPERTIES_LEN_BYTES}: send less in properties or move it to the body"
    )]
    TooLong {
        /// Encoded length in bytes.
        len: usize,
    },
}

/// Properties in the order in which they were written. Names are unique: the last value wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(Vec<(String, String)>);

impl Properties {
    /// No properties.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the encoded form. Entries without a name or value are skipped, as Java does; bytes that
    /// are not UTF-8 are replaced.
    pub fn decode(bytes: &[u8]) -> Self {
        let mut properties = Properties::default();
        for (name, value) in iter(bytes) {
            properties.set(name, value);
        }
        properties
    }

    /// Appends the encoded form to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        for (name, value) in &self.0 {
            encode_property(out, name, value);
        }
    }

    /// The encoded form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.0.iter().map(|(n, v)| n.len() + v.len() + 2).sum());
        self.encode(&mut out);
        out
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Sets `name` to `value`, replacing an earlier value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        match self.0.iter_mut().find(|(n, _)| *n == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }

    /// Removes `name`; its value, if it was there.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(n, _)| n == name)?;
        Some(self.0.remove(index).1)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Appends one encoded property to `out`.
pub fn encode_property(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.push(NAME_VALUE_SEPARATOR);
    out.extend_from_slice(value.as_bytes());
    out.push(PROPERTY_SEPARATOR);
}

/// The properties in encoded `bytes`, in order, duplicates and all, without building a table.
pub fn iter(bytes: &[u8]) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    raw_pairs(bytes).map(|(name, value)| (String::from_utf8_lossy(name), String::from_utf8_lossy(value)))
}

/// As [`iter`], as they lie there.
pub fn raw_pairs(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        loop {
            let now = rest?;
            let (entry, later) = match memchr(PROPERTY_SEPARATOR, now) {
                Some(end) => (now.get(..end).unwrap_or_default(), now.get(end + 1..)),
                None => (now, None),
            };
            rest = later;
            if let Some(separator) = memchr(NAME_VALUE_SEPARATOR, entry)
                && let (Some(name), Some(value)) = (entry.get(..separator), entry.get(separator + 1..))
                && !name.is_empty()
                && !value.is_empty()
            {
                return Some((name, value));
            }
        }
    })
}

/// The pairs in encoded `text`, in order, duplicates and all; a pair without a name or a value is none.
pub fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        loop {
            let now = rest?;
            let entry = match memchr(PROPERTY_SEPARATOR, now.as_bytes()) {
                Some(end) => {
                    rest = now.get(end + 1..);
                    now.get(..end).unwrap_or_default()
                }
                None => {
                    rest = None;
                    now
                }
            };
            let Some(separator) = memchr(NAME_VALUE_SEPARATOR, entry.as_bytes()) else { continue };
            let (Some(name), Some(value)) = (entry.get(..separator), entry.get(separator + 1..)) else {
                continue;
            };
            if !name.is_empty() && !value.is_empty() {
                return Some((name, value));
            }
        }
    })
}

/// The raw value of `name` in encoded `bytes` (the last one, where there are several), without allocation.
pub fn find<'a>(bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut found = None;
    let mut rest = bytes;
    loop {
        let (entry, later) = match memchr(PROPERTY_SEPARATOR, rest) {
            Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..)),
            None => (rest, None),
        };
        if let Some(value) =
            entry.strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(&[NAME_VALUE_SEPARATOR]))
            && !value.is_empty()
        {
            found = Some(value);
        }
        let Some(later) = later else { return found };
        rest = later;
    }
}

/// As [`find`], as text; `None` also where the value is not UTF-8.
pub fn find_str<'a>(bytes: &'a [u8], name: &str) -> Option<&'a str> {
    find(bytes, name).and_then(|value| std::str::from_utf8(value).ok())
}

/// The offset of a message in a light queue, from the values of its [`INNER_MULTI_DISPATCH`] (names, by commas) and
/// [`INNER_MULTI_QUEUE_OFFSET`] (an offset for each); `None` where they name no offset in that queue. Its record tells the offset in the queue
/// of its topic only.
pub fn offset_in_light_queue(queue: &str, dispatched: &str, offsets: &str) -> Option<i64> {
    let place = dispatched.split(',').position(|name| name == queue)?;
    offsets.split(',').nth(place)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_an_offset_in_each_light_queue() {
        let offset = |queue| offset_in_light_queue(queue, "%LMQ%a,%LMQ%b,%LMQ%c", "7,x");
        assert_eq!(
            [offset("%LMQ%a"), offset("%LMQ%b"), offset("%LMQ%c"), offset("a")],
            [Some(7), None, None, None]
        );
    }

    #[test]
    fn javas_bytes() {
        let bytes = b"KEYS\x01k1 k2\x02WAIT\x01true\x02TAGS\x01tagA\x02";
        let properties = Properties::decode(bytes);
        assert_eq!(properties.get(KEYS), Some("k1 k2"));
        assert_eq!(properties.to_bytes(), bytes);
        assert_eq!(find_str(bytes, TAGS), Some("tagA"));
        assert_eq!(find_str(bytes, "AGS"), None);
    }

    #[test]
    fn odd_input_is_skipped_and_last_wins() {
        let text = "\x02a\x01\x02\x01b\x02noseparator\x02k\x01v1\x02k\x01v2";
        assert_eq!(pairs(text).collect::<Vec<_>>(), [("k", "v1"), ("k", "v2")]);
        let bytes = b"\x02a\x01\x02\x01b\x02noseparator\x02k\x01v1\x02k\x01v2";
        let properties = Properties::decode(bytes);
        assert_eq!(properties.iter().collect::<Vec<_>>(), [("k", "v2")]);
        assert_eq!(find_str(bytes, "k"), Some("v2"));
    }
}
