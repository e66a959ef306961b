//! What a start finds open: the half queue from where it is settled, less what the op queue says is settled.
//!
//! The same for what a Java broker left. Java copies a half message when it asks for it, and tells so only by the offsets,
//! which it writes every 5 s: after a kill both are in the queue. The copy, which has the same id and more checks,
//! replaces the one before.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
};

use eruca_message::{
    Clock, LogOffset, QueueOffset, Record, Timestamp,
    names::{TRANS_GROUP, TRANS_HALF_TOPIC, TRANS_OP_HALF_TOPIC},
    transaction::{Half, op_offsets},
};
use eruca_store::{ConsumeQueueEntry, MessageStore, ReadError, planted};

use super::{
    progress::{Progress, Settled},
    table::{HalfTable, NewHalf},
    unnoted::Unnoted,
};
use crate::offsets::OffsetTable;

/// Queue entries read at a time.
const STRIDE: usize = 4_096;

/// When producers are asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// `transactionTimeOut`.
    pub(super) timeout_ms: i64,
    /// `transactionCheckInterval`.
    pub(super) interval_ms: i64,
}

impl Times {
    /// When the producer of a half message is asked next, after it was stored at `stored`.
    pub(super) fn due(self, half: &Half<'_>, stored: Timestamp, born: Timestamp) -> Timestamp {
        match half {
            Half { check_times: 1.., .. } => stored.add_ms(self.interval_ms),
            // A copy that Java made within the immunity, which began earlier.
            Half { copy_of: Some(_), .. } => born
                .add_ms(half.immunity_ms(self.timeout_ms))
                .min(stored.add_ms(half.immunity_ms(self.timeout_ms))),
            // Not from its birth: the producer's clock may be wrong, and sending it may have taken several tries.
            _ => stored.add_ms(half.immunity_ms(self.timeout_ms)),
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) table: HalfTable,
    pub(super) progress: Progress,
    /// Where it was begun to read: where the group's offsets are, brought into the queues' ranges.
    pub(super) from: Settled,
    /// Half messages that are committed, and not yet noted as settled.
    pub(super) unnoted: Vec<QueueOffset>,
}

/// Reads both queues from where the offsets of [`TRANS_GROUP`] are.
pub(super) fn rebuild(store: &MessageStore, offsets: &OffsetTable, times: Times, clock: &dyn Clock) -> Found {
    let started = clock.now();
    let start = |topic| {
        let range = store.queue_range(topic, 0);
        let committed =
            offsets.committed(TRANS_GROUP, topic, 0).and_then(|offset| u64::try_from(offset).ok());
        // Beyond the end after a power cut took the end of the log: what comes to lie there must not count as settled.
        QueueOffset(committed.unwrap_or(range.min.0)).clamp(range.min, range.max)
    };
    let half_end = store.queue_range(TRANS_HALF_TOPIC, 0).max;
    let half = if planted!(HalfQueueFromItsEnd) { half_end } else { start(TRANS_HALF_TOPIC) };
    let from = Settled { half, op: start(TRANS_OP_HALF_TOPIC) };
    let settled = read_operations(store, from.op);
    let mut finder = Finder {
        store,
        times,
        settled,
        table: HalfTable::new(half_end),
        hasher: RandomState::new(),
        by_key: HashMap::new(),
        unnoted: Unnoted::default(),
    };
    for_each_entry(store, TRANS_HALF_TOPIC, from.half, |offset, entry| finder.look(offset, entry));
    let Finder { mut table, unnoted, .. } = finder;
    let unnoted = unnoted.settle(store, &mut table);
    if half_end > from.half {
        tracing::info!(
            open = table.len(),
            committed_by_an_end_that_was_interrupted = unnoted.len(),
            half_messages = half_end.0 - from.half.0,
            took_ms = clock.now().ms_since(started),
            "half messages of transactions looked through"
        );
    }
    Found { table, progress: Progress::new(from), from, unnoted }
}

/// Offsets of half messages that are settled.
fn read_operations(store: &MessageStore, from: QueueOffset) -> HashSet<QueueOffset> {
    let mut settled = HashSet::new();
    for_each_entry(store, TRANS_OP_HALF_TOPIC, from, |offset, entry| {
        let Some(bytes) = record(store, entry.log_offset, "operation", offset) else { return };
        match Record::decode(&bytes) {
            Ok(record) => settled.extend(op_offsets(record.fields.body)),
            Err(error) => tracing::warn!(%offset, %error, "operation not understood, passed over"),
        }
    });
    settled
}

fn for_each_entry(
    store: &MessageStore,
    topic: &str,
    from: QueueOffset,
    mut each: impl FnMut(QueueOffset, &ConsumeQueueEntry),
) {
    let mut at = from;
    loop {
        let entries = store.queue_entries(topic, 0, at, STRIDE);
        if entries.is_empty() {
            return;
        }
        for entry in &entries {
            if !entry.is_blank() {
                each(at, entry);
            }
            at = at.add_messages(1);
        }
    }
}

pub(super) fn record(
    store: &MessageStore,
    at: LogOffset,
    what: &str,
    offset: QueueOffset,
) -> Option<bytes::Bytes> {
    match store.record_at(at) {
        Ok(Some(record)) => Some(record),
        // Expired, as its whole file.
        Ok(None) => None,
        Err(error @ (ReadError::Damaged { .. } | ReadError::Disk(_))) => {
            tracing::error!(%offset, %error, "{what} of a transaction cannot be read, passed over");
            None
        }
    }
}

struct Finder<'a> {
    store: &'a MessageStore,
    times: Times,
    settled: HashSet<QueueOffset>,
    table: HalfTable,
    hasher: RandomState,
    /// The last one of each id: hash, offset, checks.
    by_key: HashMap<u64, (QueueOffset, LogOffset, u32)>,
    unnoted: Unnoted,
}

impl Finder<'_> {
    fn look(&mut self, offset: QueueOffset, entry: &ConsumeQueueEntry) {
        if self.settled.contains(&offset) {
            return;
        }
        let Some(bytes) = record(self.store, entry.log_offset, "half message", offset) else { return };
        let record = match Record::decode(&bytes) {
            Ok(record) => record,
            Err(error) => return tracing::warn!(%offset, %error, "half message not understood, passed over"),
        };
        let half = match Half::of(&record) {
            Ok(half) => half,
            Err(error) => {
                return tracing::warn!(%offset, %error, "a half message can never be settled, passed over");
            }
        };
        if half.copy_of.is_some_and(|original| self.settled.contains(&original)) {
            return;
        }
        self.unnoted.note(offset, entry.log_offset, &half, record.fields.properties);
        let stored = record.fields.store_timestamp;
        let (log_offset, times) = (entry.log_offset, half.check_times);
        let due = self.times.due(&half, stored, record.fields.born_timestamp);
        let key = half.unique_key.map(|key| self.hasher.hash_one(key));
        let before = key.and_then(|key| self.by_key.insert(key, (offset, log_offset, times)));
        if let Some((before, at, times_before)) = before
            && (half.copy_of == Some(before) || times > times_before)
            && self.table.begin_end(before, at) == Ok(before)
        {
            return self.table.copied(before, offset, log_offset, times, due);
        }
        self.table.opened(&NewHalf {
            offset,
            log_offset,
            group: half.group,
            topic: half.topic,
            since: stored,
            check_times: times,
            due,
        });
    }
}
