//! Members of a group that ask for different messages, as while a new version of them is rolled out. They share queues, so
//! what one of them passes over nobody else would get: it leaves to the others what they want, and goes on behind it when
//! they have taken it. What they do not take within a minute goes into the group's retry topic, and comes from there when they pop again; what
//! is to be popped in order waits for them.

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use eruca_message::{Record, Timestamp, names::is_lmq, properties::find};
use eruca_store::EntryFilter;

use super::lite;
use crate::{
    clients::{HANDED_OVER, WantedBy},
    filter::{MessageFilter, ReadFilter, tags_code_of},
    pop::QueueKey,
};

/// So long a message is left to members that want it. Then they do not pop, or not this queue.
const LEFT_FOR_MS: i64 = 60_000;
/// So long others are not waited for again, unless one is seen to pop.
const OVERDUE_MS: i64 = 600_000;
/// Longest properties that are kept in mind.
const PROPERTIES_KEPT_BYTES: usize = 1_024;
/// Most queues in which something is left to others.
const QUEUES_MAX: usize = 10_000;

/// What a pop wants, and what other members of its group want.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes<'p> {
    pub(super) own: &'p MessageFilter,
    /// Of the whole group; none where all want the same.
    pub(super) all: &'p [MessageFilter],
}

/// The front of what was read, which is for the pop itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Front {
    pub(super) records: Bytes,
    pub(super) offsets: Vec<i64>,
    /// The messages behind it, which others want and the pop does not.
    pub(super) others: Option<Others>,
}

/// Messages one after the other that others want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Others {
    pub(super) records: Bytes,
    /// Of the first, and of the message behind the last.
    pub(super) offsets: Range<i64>,
}

impl Wishes<'_> {
    /// The front of these records of a queue of `topic`, up to the first that others want and the pop does not, and what they want.
    pub(super) fn front(&self, topic: &str, records: &Bytes) -> Front {
        let (mut offsets, mut taken) = (Vec::new(), 0);
        let mut others: Option<(Range<i64>, usize)> = None;
        for record in Record::decode_all(records).map_while(Result::ok) {
            let own = record.fields.queue_offset.to_i64();
            let of_lmq = is_lmq(topic).then(|| lite::offset_in(topic, record.fields.properties)).flatten();
            let offset = of_lmq.unwrap_or(own);
            let is_for_others = !self.all.is_empty()
                && WantedBy::of(Some(self.own), self.all, record.fields.properties) == WantedBy::Others;
            match (&mut others, is_for_others) {
                (None, false) => {
                    offsets.push(offset);
                    taken += record.total_len;
                }
                (None, true) => others = Some((offset..offset.saturating_add(1), record.total_len)),
                (Some((range, len)), true) => {
                    range.end = offset.saturating_add(1);
                    *len += record.total_len;
                }
                (Some(_), false) => break,
            }
        }
        let others = others.map(|(offsets, len)| Others {
            records: records.slice(taken..taken.saturating_add(len)),
            offsets,
        });
        Front { records: records.slice(..taken), offsets, others }
    }
}

/// Whether a message with these properties is wanted, as its queue entry and its properties say.
fn matches(filter: &impl EntryFilter, of_message: &[u8]) -> bool {
    filter.matches_entry(tags_code_of(of_message)) && filter.matches_properties(of_message)
}

/// Chooses what anybody of the group wants, in one read.
#[derive(Debug)]
pub(super) struct AnyWish<'p> {
    filters: Vec<ReadFilter<'p>>,
}

impl<'p> AnyWish<'p> {
    pub(super) fn new(wishes: Wishes<'p>) -> Self {
        let filters = std::iter::once(wishes.own).chain(wishes.all);
        AnyWish { filters: filters.map(MessageFilter::for_read).collect() }
    }
}

impl EntryFilter for AnyWish<'_> {
    fn matches_entry(&self, tags_code: i64) -> bool {
        self.filters.iter().any(|filter| filter.matches_entry(tags_code))
    }

    fn matches_properties(&self, of_message: &[u8]) -> bool {
        self.filters.iter().any(|filter| matches(filter, of_message))
    }

    fn needs_properties(&self) -> bool {
        self.filters.iter().any(EntryFilter::needs_properties)
    }

    fn is_spent(&self) -> bool {
        self.filters.iter().any(EntryFilter::is_spent)
    }
}

/// Chooses of messages that come again all but those that were handed over and nobody wants any more, as those who did have gone. The rest
/// was matched before.
#[derive(Debug)]
pub(super) struct Again<'p>(pub(super) AnyWish<'p>);

impl EntryFilter for Again<'_> {
    fn matches_entry(&self, _tags_code: i64) -> bool {
        true
    }

    fn matches_properties(&self, of_message: &[u8]) -> bool {
        find(of_message, HANDED_OVER).is_none() || self.0.matches_properties(of_message)
    }

    fn needs_properties(&self) -> bool {
        true
    }

    fn is_spent(&self) -> bool {
        self.0.is_spent()
    }
}

/// What is left to others, by queue.
#[derive(Debug, Default)]
pub(super) struct LeftToOthers {
    queues: Mutex<HashMap<QueueKey, Left>>,
}

/// What is left to others in a queue.
#[derive(Debug)]
struct Left {
    at: i64,
    since: Timestamp,
    /// They did not come in time: what is theirs is not waited for any more.
    is_overdue: bool,
    /// Properties of the message, by which it is known when somebody comes who wants it.
    properties: Option<Box<[u8]>>,
}

impl LeftToOthers {
    /// Whether the message at `offset`, at which a pop has come, is left to others; else they do not pop, or not this queue, and their
    /// messages are not waited for until one of them comes.
    pub(super) fn leaves(&self, queue: &QueueKey, offset: i64, properties: &[u8], now: Timestamp) -> bool {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(left) = queues.get_mut(queue) {
            let waited_ms = now.ms_since(left.since);
            if left.is_overdue && waited_ms < OVERDUE_MS {
                return false;
            }
            if !left.is_overdue && left.at == offset && waited_ms >= LEFT_FOR_MS {
                (left.is_overdue, left.since) = (true, now);
                tracing::warn!(
                    topic = %queue.topic, queue_id = queue.queue_id, group = %queue.group, offset,
                    "members of a group ask for different messages, and one that another member wants was not popped by it for \
                     {} s; let all members subscribe alike, or use two groups",
                    LEFT_FOR_MS / 1_000
                );
                return false;
            }
            if !left.is_overdue && left.at == offset {
                return true;
            }
        }
        if queues.len() >= QUEUES_MAX {
            queues.retain(|_, left| now.ms_since(left.since) < LEFT_FOR_MS);
        }
        if queues.len() < QUEUES_MAX {
            let properties = (properties.len() <= PROPERTIES_KEPT_BYTES).then(|| properties.into());
            let left = Left { at: offset, since: now, is_overdue: false, properties };
            queues.insert(queue.clone(), left);
        }
        true
    }

    /// Somebody who wants this pops a queue.
    pub(super) fn comes(&self, queue: &QueueKey, own: &MessageFilter) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let is_awaited = |left: &Left| {
            left.is_overdue && left.properties.as_deref().is_some_and(|properties| own.matches(properties))
        };
        if queues.get(queue).is_some_and(is_awaited) {
            queues.remove(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use eruca_message::java_hash_code;

    use super::*;

    #[test]
    fn a_message_is_left_to_others_for_a_minute() {
        let (left, queue) = (LeftToOthers::default(), QueueKey::new("T", "g", 0));
        let leaves = |offset, now| left.leaves(&queue, offset, b"TAGS\x01a\x02", Timestamp(now));
        assert!(leaves(5, 1_000));
        assert!(leaves(5, 60_999));
        assert!(!leaves(5, 61_000));
        assert!(!leaves(6, 61_000), "the next one is not waited for either");
        let tag = |tag| MessageFilter::Tags(Arc::from([i64::from(java_hash_code(tag))]));
        left.comes(&queue, &tag("b"));
        assert!(!leaves(7, 70_000));
        left.comes(&queue, &tag("a"));
        assert!(leaves(8, 71_000), "one who wants it has come");
        assert!(leaves(9, 500_000), "and has taken it: this one has its own minute");
        assert!(!leaves(9, 560_000));
        assert!(!leaves(10, 1_159_999));
        assert!(leaves(11, 1_160_000), "now and then they are waited for again");
    }

    #[test]
    fn a_read_brings_what_anybody_wants_and_each_filter_is_asked_as_a_whole() {
        let tags = MessageFilter::Tags(Arc::from([i64::from(java_hash_code("a"))]));
        let sql = MessageFilter::Sql(Arc::new(eruca_filter::SqlFilter::compile("n > 5").unwrap()));
        let all = [tags.clone(), sql];
        let any = AnyWish::new(Wishes { own: &tags, all: &all });
        assert!(any.needs_properties() && any.matches_entry(0));
        assert!(any.matches_properties(b"TAGS\x01a\x02"));
        assert!(any.matches_properties(b"TAGS\x01b\x02n\x017\x02"));
        assert!(
            !any.matches_properties(b"TAGS\x01b\x02n\x013\x02"),
            "the tags' filter takes any properties, but not this tag"
        );
    }
}
