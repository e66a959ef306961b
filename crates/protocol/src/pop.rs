//! The texts of POP: receipt handles, and what an answer to `POP_MESSAGE` says about offsets.
//!
//! All are numbers separated by blanks (Java: `ExtraInfoUtil`):
//!
//! | text | form |
//! |---|---|
//! | receipt handle (`extraInfo`, property `POP_CK`) | `startOffset popTime invisibleTime reviveQid retry brokerName queueId queueOffset` |
//! | `startOffsetInfo` | `retry queueId startOffset`, joined by `;` |
//! | `msgOffsetInfo` | `retry queueId offset,offset,…`, joined by `;` |
//! | `orderCountInfo` | `retry queueId count` and `retry qo<queueId>%<offset> count`, joined by `;` |
//!
//! Times are milliseconds since 1970, the invisible time is a length in milliseconds.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use eruca_message::names::{is_pop_retry_topic_v2, is_retry_topic, pop_retry_topic_v1, pop_retry_topic_v2};

/// `reviveQid` of a handle that belongs to consumption in order: there is no check point of it.
pub const ORDER_REVIVE_QUEUE: i32 = 999;
/// Longest receipt handle that is looked at, in bytes: eight numbers and a broker's name.
const HANDLE_MAX_BYTES: usize = 512;
/// Most queues in one text of an answer.
const QUEUES_MAX: usize = 4096;
/// Most offsets of one queue in one text of an answer.
const OFFSETS_MAX: usize = 4096;

/// From which topic a message was popped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum PopTopic {
    /// The topic itself: `0`.
    #[default]
    Normal,
    /// The retry topic `%RETRY%group_topic`: `1`.
    RetryV1,
    /// The retry topic `%RETRY%group+topic`: `2`.
    RetryV2,
}

impl PopTopic {
    /// What `topic` is.
    pub fn of(topic: &str) -> Self {
        match (is_retry_topic(topic), is_pop_retry_topic_v2(topic)) {
            (_, true) => PopTopic::RetryV2,
            (true, false) => PopTopic::RetryV1,
            (false, false) => PopTopic::Normal,
        }
    }

    /// As it stands in the texts.
    pub fn digit(self) -> char {
        match self {
            PopTopic::Normal => '0',
            PopTopic::RetryV1 => '1',
            PopTopic::RetryV2 => '2',
        }
    }

    /// From the texts.
    pub fn from_text(text: &str) -> Option<Self> {
        match text {
            "0" => Some(PopTopic::Normal),
            "1" => Some(PopTopic::RetryV1),
            "2" => Some(PopTopic::RetryV2),
            _ => None,
        }
    }

    /// The topic in which the message lies that a pop of `topic` for `group` brought.
    pub fn real_topic(self, topic: &str, group: &str) -> String {
        match self {
            PopTopic::Normal => topic.to_owned(),
            PopTopic::RetryV1 => pop_retry_topic_v1(topic, group),
            PopTopic::RetryV2 => pop_retry_topic_v2(topic, group),
        }
    }
}

impl fmt::Display for PopTopic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char(self.digit())
    }
}

/// Why a text of POP is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PopTextError {
    /// A part is missing.
    #[error(
        "the receipt handle '{handle}' has {parts} parts, it needs at least {needed}: use the handle of the pop's answer as it is"
    )]
    TooFewParts {
        /// The handle, cut where it is very long.
        handle: String,
        /// Parts that it has.
        parts: usize,
        /// Parts that are needed.
        needed: usize,
    },
    /// A part is not what it must be.
    #[error(
        "{part} of the receipt handle is '{value}', it must be {expected}: use the handle of the pop's answer as it is"
    )]
    BadPart {
        /// Name of the part.
        part: &'static str,
        /// Its text, cut where it is very long.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
    /// The handle is longer than any that there is.
    #[error(
        "the receipt handle has {len} bytes, the limit is {limit}: use the handle of the pop's answer as it is"
    )]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A text of an answer is not understood.
    #[error("the answer's text of offsets is not understood at '{part}'")]
    BadOffsets {
        /// The part, cut where it is very long.
        part: String,
    },
}

/// Names one popped message, as its consumer gives it back with an acknowledgement (Java: `extraInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReceiptHandle {
    /// First offset of the pop, by which its check point is known.
    pub start_offset: i64,
    /// When it was popped.
    pub pop_time: i64,
    /// How long it is invisible then.
    pub invisible_time: i64,
    /// Queue of the revive topic, or [`ORDER_REVIVE_QUEUE`].
    pub revive_queue_id: i32,
    /// From which topic it came.
    pub topic: PopTopic,
    /// The broker.
    pub broker_name: String,
    /// Its queue; -1 where the handle does not say.
    pub queue_id: i32,
    /// Its place in the queue; -1 where the handle does not say.
    pub queue_offset: i64,
}

impl ReceiptHandle {
    /// Reads a handle. Old ones have six or seven parts.
    ///
    /// # Errors
    /// [`PopTextError`] says which part is wrong.
    pub fn parse(text: &str) -> Result<Self, PopTextError> {
        if text.len() > HANDLE_MAX_BYTES {
            return Err(PopTextError::TooLong { len: text.len(), limit: HANDLE_MAX_BYTES });
        }
        let parts: Vec<&str> = text.split(' ').collect();
        let part = |index: usize| {
            parts.get(index).copied().ok_or_else(|| PopTextError::TooFewParts {
                handle: shown(text),
                parts: parts.len(),
                needed: 6,
            })
        };
        let bad = |part, value: &str, expected| PopTextError::BadPart { part, value: shown(value), expected };
        let integer = |index, name| {
            let text = part(index)?;
            text.parse::<i64>().map_err(|_| bad(name, text, "an integer"))
        };
        let queue = |index, name| {
            let text = part(index)?;
            text.parse::<i32>().map_err(|_| bad(name, text, "an integer of 32 bits"))
        };
        let topic = PopTopic::from_text(part(4)?).ok_or_else(|| bad("retry", parts[4], "0, 1 or 2"))?;
        Ok(ReceiptHandle {
            start_offset: integer(0, "startOffset")?,
            pop_time: integer(1, "popTime")?,
            invisible_time: integer(2, "invisibleTime")?,
            revive_queue_id: queue(3, "reviveQid")?,
            topic,
            broker_name: part(5)?.to_owned(),
            queue_id: if parts.len() > 6 { queue(6, "queueId")? } else { -1 },
            queue_offset: if parts.len() > 7 { integer(7, "queueOffset")? } else { -1 },
        })
    }

    /// Whether the message was popped in order.
    pub fn is_order(&self) -> bool {
        self.revive_queue_id == ORDER_REVIVE_QUEUE
    }
}

impl fmt::Display for ReceiptHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ReceiptHandle { start_offset, pop_time, invisible_time, revive_queue_id, .. } = self;
        let ReceiptHandle { topic, broker_name, queue_id, queue_offset, .. } = self;
        write!(
            f,
            "{start_offset} {pop_time} {invisible_time} {revive_queue_id} {topic} {broker_name} {queue_id}"
        )?;
        if *queue_offset >= 0 {
            write!(f, " {queue_offset}")?;
        }
        Ok(())
    }
}

/// What a pop brought from one queue: an entry of `startOffsetInfo` and one of `msgOffsetInfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOffsets {
    /// From which topic.
    pub topic: PopTopic,
    /// The queue.
    pub queue_id: i32,
    /// Where the pop began.
    pub start: i64,
    /// The messages' places, rising.
    pub offsets: Vec<i64>,
}

impl QueueOffsets {
    /// Adds this queue to `startOffsetInfo` and `msgOffsetInfo`.
    pub fn push_to(&self, start_offset_info: &mut String, msg_offset_info: &mut String) {
        let QueueOffsets { topic, queue_id, start, offsets } = self;
        separate(start_offset_info);
        separate(msg_offset_info);
        // Writing to a string cannot fail.
        let _ = write!(start_offset_info, "{topic} {queue_id} {start}");
        let _ = write!(msg_offset_info, "{topic} {queue_id} ");
        for (index, offset) in offsets.iter().enumerate() {
            let _ = write!(msg_offset_info, "{}{offset}", if index > 0 { "," } else { "" });
        }
    }

    /// Reads both texts.
    ///
    /// # Errors
    /// One is not understood, or they do not speak of the same queues.
    pub fn parse(start_offset_info: &str, msg_offset_info: &str) -> Result<Vec<QueueOffsets>, PopTextError> {
        let mut queues = Vec::new();
        for part in entries(msg_offset_info).take(QUEUES_MAX) {
            let bad = || PopTextError::BadOffsets { part: shown(part) };
            let (topic, queue_id, offsets) = three(part).ok_or_else(bad)?;
            let offsets = offsets.split(',').take(OFFSETS_MAX).map(|offset| offset.parse().ok());
            let offsets = offsets.collect::<Option<Vec<i64>>>().ok_or_else(bad)?;
            let queue_id = queue_id.parse().map_err(|_| bad())?;
            queues.push(QueueOffsets { topic, queue_id, start: -1, offsets });
        }
        for part in entries(start_offset_info).take(QUEUES_MAX) {
            let bad = || PopTextError::BadOffsets { part: shown(part) };
            let (topic, queue_id, start) = three(part).ok_or_else(bad)?;
            let queue_id: i32 = queue_id.parse().map_err(|_| bad())?;
            let start = start.parse().map_err(|_| bad())?;
            let found = queues.iter_mut().find(|queue| (queue.topic, queue.queue_id) == (topic, queue_id));
            found.ok_or_else(bad)?.start = start;
        }
        match queues.iter().find(|queue| queue.start < 0) {
            Some(queue) => {
                Err(PopTextError::BadOffsets { part: format!("{} {}", queue.topic, queue.queue_id) })
            }
            None => Ok(queues),
        }
    }
}

/// Adds to `orderCountInfo` how often the messages of a queue that are given in order were given before.
///
/// `counts` are those of the offsets that were; `least` is the least of all messages of this pop.
pub fn push_order_counts(
    order_count_info: &mut String,
    topic: PopTopic,
    queue_id: i32,
    counts: impl IntoIterator<Item = (i64, i32)>,
    least: i32,
) {
    for (offset, count) in counts {
        separate(order_count_info);
        // Writing to a string cannot fail.
        let _ = write!(order_count_info, "{topic} qo{queue_id}%{offset} {count}");
    }
    separate(order_count_info);
    let _ = write!(order_count_info, "{topic} {queue_id} {least}");
}

/// How often messages that were given in order were given before: `orderCountInfo`, read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderCounts {
    /// By topic, queue and offset, and by topic and queue (no offset) the least of all.
    counts: BTreeMap<(PopTopic, i32, Option<i64>), i32>,
}

impl OrderCounts {
    /// Reads the text.
    ///
    /// # Errors
    /// It is not understood.
    pub fn parse(order_count_info: &str) -> Result<Self, PopTextError> {
        let mut counts = BTreeMap::new();
        for part in entries(order_count_info).take(OFFSETS_MAX) {
            let bad = || PopTextError::BadOffsets { part: shown(part) };
            let (topic, place, count) = three(part).ok_or_else(bad)?;
            let (queue_id, offset) = match place.strip_prefix("qo").map(|place| place.split_once('%')) {
                None => (place, None),
                Some(Some((queue_id, offset))) => (queue_id, Some(offset.parse().map_err(|_| bad())?)),
                Some(None) => return Err(bad()),
            };
            let queue_id = queue_id.parse().map_err(|_| bad())?;
            counts.insert((topic, queue_id, offset), count.parse().map_err(|_| bad())?);
        }
        Ok(OrderCounts { counts })
    }

    /// Of a message; `None` where the text says nothing of its queue.
    pub fn of(&self, topic: PopTopic, queue_id: i32, offset: i64) -> Option<i32> {
        let find = |offset| self.counts.get(&(topic, queue_id, offset)).copied();
        find(Some(offset)).or_else(|| find(None))
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push(';');
    }
}

fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').filter(|part| !part.is_empty())
}

fn three(part: &str) -> Option<(PopTopic, &str, &str)> {
    let (topic, rest) = part.split_once(' ')?;
    let (queue_id, value) = rest.split_once(' ')?;
    Some((PopTopic::from_text(topic)?, queue_id, value))
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the capture of a Java 5.5.0 client.
    const JAVAS: &str = "0 1795415708865 10000 0 0 broker-a 0 1";

    #[test]
    fn javas_handle_is_read_and_written() {
        let handle = ReceiptHandle::parse(JAVAS).unwrap();
        assert_eq!((handle.pop_time, handle.invisible_time), (1_795_415_708_865, 10_000));
        assert_eq!((handle.broker_name.as_str(), handle.queue_id, handle.queue_offset), ("broker-a", 0, 1));
        assert!(!handle.is_order());
        assert_eq!(handle.to_string(), JAVAS);
        let order = ReceiptHandle::parse("5 1 2 999 2 b").unwrap();
        assert!(order.is_order());
        assert_eq!((order.topic, order.queue_id, order.queue_offset), (PopTopic::RetryV2, -1, -1));
    }

    #[test]
    fn a_bad_handle_is_refused_by_its_bad_part() {
        for (text, said) in [
            ("", "has 1 parts"),
            ("1 2 3 4 0", "has 5 parts"),
            ("x 2 3 4 0 b", "startOffset of the receipt handle is 'x'"),
            ("1 2 3 4 7 b", "retry of the receipt handle is '7', it must be 0, 1 or 2"),
            ("1 2 3 99999999999 0 b", "reviveQid"),
            ("1 2 3 4 0 b q", "queueId"),
        ] {
            let error = ReceiptHandle::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
        assert!(
            ReceiptHandle::parse(&"1 ".repeat(1000)).unwrap_err().to_string().contains("the limit is 512")
        );
    }

    #[test]
    fn javas_offset_texts_are_written_and_read() {
        let (mut start, mut messages) = (String::new(), String::new());
        let queues = vec![
            QueueOffsets { topic: PopTopic::Normal, queue_id: 0, start: 0, offsets: vec![0, 1, 2] },
            QueueOffsets { topic: PopTopic::RetryV1, queue_id: 1, start: 4, offsets: vec![7] },
        ];
        queues.iter().for_each(|queue| queue.push_to(&mut start, &mut messages));
        assert_eq!((start.as_str(), messages.as_str()), ("0 0 0;1 1 4", "0 0 0,1,2;1 1 7"));
        assert_eq!(QueueOffsets::parse(&start, &messages), Ok(queues));
        assert_eq!(QueueOffsets::parse("", ""), Ok(Vec::new()));
        for (start, messages) in [("0 0 0", ""), ("", "0 0 1"), ("0 0", "0 0 1"), ("0 0 0", "0 0 x")] {
            assert!(QueueOffsets::parse(start, messages).is_err(), "{start} {messages}");
        }
    }

    #[test]
    fn order_counts_of_a_queue() {
        let mut text = String::new();
        push_order_counts(&mut text, PopTopic::Normal, 3, [(7, 2), (8, 1)], 1);
        push_order_counts(&mut text, PopTopic::Normal, 4, [], 0);
        assert_eq!(text, "0 qo3%7 2;0 qo3%8 1;0 3 1;0 4 0");
        let counts = OrderCounts::parse(&text).unwrap();
        let of = |queue, offset| counts.of(PopTopic::Normal, queue, offset);
        assert_eq!((of(3, 7), of(3, 9), of(4, 1), of(5, 1)), (Some(2), Some(1), Some(0), None));
        for bad in ["0 qo3 2", "0 qo3%x 2", "0 3 x", "0 3"] {
            assert!(OrderCounts::parse(bad).is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_readers_panic(text in ".{0,200}", other in "[0-9 ;,a-z-]{0,100}") {
            let _ = ReceiptHandle::parse(&text);
            let _ = ReceiptHandle::parse(&other);
            let _ = QueueOffsets::parse(&text, &other);
            let _ = QueueOffsets::parse(&other, &other);
            let _ = OrderCounts::parse(&other);
        }

        #[test]
        fn handles_come_back_as_they_were(start in 0..i64::MAX, pop in 0..i64::MAX, queue in 0..9i32, at in 0..i64::MAX) {
            let handle = ReceiptHandle {
                start_offset: start, pop_time: pop, invisible_time: 1, revive_queue_id: queue,
                topic: PopTopic::RetryV1, broker_name: "b-a".into(), queue_id: queue, queue_offset: at,
            };
            proptest::prop_assert_eq!(ReceiptHandle::parse(&handle.to_string()), Ok(handle));
        }
    }
}
