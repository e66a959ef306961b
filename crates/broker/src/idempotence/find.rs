//! Whether a record is the message that is sent again.

use eruca_message::{
    LogOffset, Properties, QueueOffset, Record, Timestamp,
    names::{SCHEDULE_TOPIC, TIMER_TOPIC},
    properties::{REAL_QUEUE_ID, REAL_TOPIC, TIMER_OUT_MS, UNIQUE_KEY},
};
use eruca_store::{KeyKind, MessageQuery, MessageStore};

use crate::delay::OutTime;

/// Where messages wait for their time.
const WAITING: [&str; 2] = [SCHEDULE_TOPIC, TIMER_TOPIC];
/// Same ids that a search in the index looks at.
const SAME_ID_MAX: usize = 16;
/// Bytes of records that it reads.
const SEARCH_BYTES_MAX: usize = 64 << 20;

/// A message that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// Start of its record.
    pub log_offset: LogOffset,
    /// End of its record.
    pub log_offset_end: LogOffset,
    /// The queue to which it was sent.
    pub queue_id: i32,
    /// Its place there; of a message that waits for its time, its place among those that wait.
    pub queue_offset: QueueOffset,
    /// When it was stored.
    pub store_timestamp: Timestamp,
    /// When it is delivered, where it has a time of its own.
    pub deliver_at: Option<Timestamp>,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) topic: &'a str,
    pub(super) unique_key: &'a str,
    pub(super) body: &'a [u8],
}

/// The record at `at`, if it is the same message and can still be consumed. What cannot be read is not: rather
/// the message twice than not at all.
pub(super) fn check(store: &MessageStore, at: LogOffset, wanted: &Candidate<'_>) -> Option<Earlier> {
    let bytes = store.record_at(at).ok().flatten()?;
    let record = Record::decode(&bytes).ok()?;
    let fields = &record.fields;
    if fields.body != wanted.body {
        return None;
    }
    let properties = Properties::decode(fields.properties);
    if properties.get(UNIQUE_KEY) != Some(wanted.unique_key) {
        return None;
    }
    let queue_id = match fields.topic == wanted.topic {
        true => fields.queue_id,
        false if WAITING.contains(&fields.topic) && properties.get(REAL_TOPIC) == Some(wanted.topic) => {
            properties.get(REAL_QUEUE_ID)?.parse().ok()?
        }
        false => return None,
    };
    // A topic that was deleted and made anew has other messages; the old record is still in the log.
    let entry =
        store.queue_entries(fields.topic, fields.queue_id, fields.queue_offset, 1).first().copied()?;
    (entry.log_offset == at).then_some(Earlier {
        log_offset: at,
        log_offset_end: LogOffset(at.0 + record.total_len as u64),
        queue_id,
        queue_offset: fields.queue_offset,
        store_timestamp: fields.store_timestamp,
        deliver_at: properties
            .get(TIMER_OUT_MS)
            .and_then(|out| out.parse().ok())
            .map(|out| OutTime(out).recall_time()),
    })
}

/// The same message, stored between `begin` and `end`, by the index of keys.
pub(super) fn search_index(
    store: &MessageStore,
    wanted: &Candidate<'_>,
    begin: Timestamp,
    end: Timestamp,
) -> Option<Earlier> {
    [wanted.topic].into_iter().chain(WAITING).find_map(|topic| {
        let outcome = store.query_by_key(&MessageQuery {
            topic,
            key: wanted.unique_key,
            kind: KeyKind::Key,
            begin,
            end,
            max_messages: SAME_ID_MAX,
            max_bytes: SEARCH_BYTES_MAX,
        });
        let mut records = Record::decode_all(&outcome.records).map_while(Result::ok);
        records.find_map(|record| check(store, record.fields.log_offset, wanted))
    })
}
