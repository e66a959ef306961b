//! Members of a group that ask for different messages, as while a new version of them is rolled out. They share queues, so
//! what one of them passes over nobody else would get: it leaves to the others what they want, and goes on behind it when
//! they have taken it.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use eruca_message::{Record, Timestamp, names::is_lmq};
use eruca_store::EntryFilter;

use super::lite;
use crate::{
    clients::WantedBy,
    filter::{MessageFilter, ReadFilter, tags_code_of},
    pop::QueueKey,
};

/// So long a message is left to members that want it. Then they do not pop, or not this queue.
const LEFT_FOR_MS: i64 = 60_000;
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
    /// The message behind it, which others want and the pop does not.
    pub(super) others_at: Option<i64>,
}

impl Wishes<'_> {
    /// The front of these records of a queue of `topic`, up to the first that others want and the pop does not.
    pub(super) fn front(&self, topic: &str, records: &Bytes) -> Front {
        let (mut offsets, mut taken) = (Vec::new(), 0);
        for record in Record::decode_all(records).map_while(Result::ok) {
            let own = record.fields.queue_offset.to_i64();
            let of_lmq = is_lmq(topic).then(|| lite::offset_in(topic, record.fields.properties)).flatten();
            let offset = of_lmq.unwrap_or(own);
            if !self.all.is_empty()
                && WantedBy::of(Some(self.own), self.all, record.fields.properties) == WantedBy::Others
            {
                return Front { records: records.slice(..taken), offsets, others_at: Some(offset) };
            }
            offsets.push(offset);
            taken += record.total_len;
        }
        Front { records: records.slice(..taken), offsets, others_at: None }
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

/// Since when messages are left to others, by queue.
#[derive(Debug, Default)]
pub(super) struct LeftToOthers {
    since: Mutex<HashMap<QueueKey, (i64, Timestamp)>>,
}

impl LeftToOthers {
    /// Whether the message at `offset`, at which a pop has come, is left to others. Not for ever: then it is passed over, and
    /// that is said.
    pub(super) fn leaves(&self, queue: &QueueKey, offset: i64, now: Timestamp) -> bool {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, first)) = since.get(queue).copied().filter(|(at, _)| *at == offset) {
            if now.ms_since(first) < LEFT_FOR_MS {
                return true;
            }
            since.remove(queue);
            tracing::warn!(
                topic = %queue.topic, queue_id = queue.queue_id, group = %queue.group, offset = at,
                "members of a group ask for different messages, and one that another member wants was not popped by it for \
                 {} s: it is passed over; let all members subscribe alike, or use two groups",
                LEFT_FOR_MS / 1_000
            );
            return false;
        }
        if since.len() >= QUEUES_MAX {
            since.retain(|_, (_, first)| now.ms_since(*first) < LEFT_FOR_MS);
        }
        if since.len() < QUEUES_MAX {
            since.insert(queue.clone(), (offset, now));
        }
        true
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
        assert!(left.leaves(&queue, 5, Timestamp(1_000)));
        assert!(left.leaves(&queue, 5, Timestamp(60_999)));
        assert!(!left.leaves(&queue, 5, Timestamp(61_000)));
        assert!(left.leaves(&queue, 6, Timestamp(61_000)), "the next one has its own minute");
        assert!(left.leaves(&queue, 7, Timestamp(200_000)));
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
