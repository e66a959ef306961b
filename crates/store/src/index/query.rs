//! Finding messages by key, unique id or tag.

use bytes::{Bytes, BytesMut};
use eruca_message::{LogOffset, Record, Timestamp};

use super::{
    build::IndexStep,
    key::{KeyKind, has_key, query_hash},
};
use crate::store::MessageStore;

/// Bytes of the log that a query indexes itself before it looks, so that it finds what was stored before it.
const CATCH_UP_BYTES: u64 = 64 << 20;
/// Entries that one query looks at.
const STEPS_MAX: u32 = 200_000;

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageQuery<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// A unique id, a word of `KEYS`, or a tag.
    pub key: &'a str,
    /// Which of them.
    pub kind: KeyKind,
    /// Earliest store time, inclusive.
    pub begin: Timestamp,
    /// Latest store time, inclusive.
    pub end: Timestamp,
    /// Most messages; the newest ones are chosen.
    pub max_messages: usize,
    /// Most bytes of records, but for the first.
    pub max_bytes: usize,
}

/// What a query brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryOutcome {
    /// The records, back to back, in the order of the log.
    pub records: Bytes,
    /// How many.
    pub message_count: usize,
    /// Store time of the last message that is indexed.
    pub indexed_timestamp: Timestamp,
    /// Where that message lies.
    pub indexed_log_offset: LogOffset,
}

/// What a query has found, newest first.
#[derive(Debug, Default)]
struct Found {
    messages: Vec<(LogOffset, Bytes)>,
    bytes: usize,
    is_full: bool,
}

impl MessageStore {
    /// Finds the newest messages of a topic that have a key and were stored in a span of time. What cannot be read or
    /// is damaged is logged and left out.
    pub fn query_by_key(&self, query: &MessageQuery<'_>) -> QueryOutcome {
        // Store times never go back along the log: behind an indexed message that is younger there is nothing to find.
        let newest = self.index.files().last().map(|file| file.header());
        if newest.is_none_or(|newest| newest.is_empty() || newest.end_timestamp <= query.end) {
            let _: IndexStep = self.index_step(CATCH_UP_BYTES);
        }
        if !self.config.index_enabled
            && let Err(error) = self.load_index(&mut self.index.builder())
        {
            tracing::warn!(%error, "index files cannot be read");
        }
        let files = self.index.files();
        let hash = query_hash(query.topic, query.key, query.kind);
        let (mut found, mut steps) = (Found::default(), STEPS_MAX);
        found.is_full = query.max_messages == 0;
        for file in files.iter().rev().filter(|file| !file.header().is_empty()) {
            let header = file.header();
            if found.is_full || steps == 0 {
                break;
            }
            if header.begin_timestamp <= query.end && header.end_timestamp >= query.begin {
                let followed = file.follow(hash, (query.begin, query.end), &mut steps, |at| {
                    self.take(query, at, &mut found);
                    !found.is_full
                });
                if let Err(error) = followed {
                    tracing::warn!(%error, "an index file cannot be read, a query leaves it out");
                }
            }
            if header.begin_timestamp < query.begin {
                break;
            }
        }
        if steps == 0 {
            tracing::warn!(
                topic = query.topic,
                key = query.key,
                entries = STEPS_MAX,
                "a query was ended early: give it a narrower span of time"
            );
        }
        let last = files.last().map(|file| file.header());
        found.messages.sort_unstable_by_key(|(at, _)| *at);
        let mut records = BytesMut::with_capacity(found.bytes);
        found.messages.iter().for_each(|(_, record)| records.extend_from_slice(record));
        QueryOutcome {
            records: records.freeze(),
            message_count: found.messages.len(),
            indexed_timestamp: last.map_or(Timestamp(0), |header| header.end_timestamp),
            indexed_log_offset: last.map_or(LogOffset(0), |header| header.end_log_offset),
        }
    }

    /// Adds the message at `at`, where it is one that is looked for: its entry says no more than a hash.
    fn take(&self, query: &MessageQuery<'_>, at: LogOffset, found: &mut Found) {
        // A message may have a key twice, or be indexed twice after a crash.
        if found.messages.iter().any(|(there, _)| *there == at) {
            return;
        }
        let record = match self.record_at(at) {
            Ok(Some(record)) => record,
            // Expired meanwhile, or an entry that leads nowhere.
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, "a query leaves a message out");
                return;
            }
        };
        let is_wanted = Record::decode(&record).is_ok_and(|record| {
            record.fields.topic == query.topic
                && (query.begin..=query.end).contains(&record.fields.store_timestamp)
                && has_key(record.fields.properties, query.key, query.kind)
        });
        if !is_wanted {
            return;
        }
        if !found.messages.is_empty() && found.bytes.saturating_add(record.len()) > query.max_bytes {
            found.is_full = true;
            return;
        }
        found.bytes += record.len();
        found.messages.push((at, record));
        found.is_full = found.messages.len() >= query.max_messages;
    }
}
