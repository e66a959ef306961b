//! Commits that a kill parted from their operations: the message is in the log, what settles its half message is not.
//!
//! An end appends the message at once, its operation when its thread settles. Another thread may have written the one before
//! the other was there; a write that goes on in the next segment is two; and a power cut may leave only the beginning of a
//! write. So a start looks at the end of the log whether an open half message is committed there, in the queues that those go
//! to. Without that its producer would be asked, and the message delivered again.

use std::{
    collections::{BTreeSet, HashMap},
    hash::{BuildHasher, RandomState},
    ops::ControlFlow,
};

use eruca_message::{
    LogOffset, QueueOffset, Record,
    names::{SCHEDULE_TOPIC, TIMER_TOPIC},
    properties::{self, UNIQUE_KEY},
    sys_flag,
    transaction::Half,
};
use eruca_store::MessageStore;

use super::{
    rebuild::record,
    table::{Closed, HalfTable},
};
use crate::{delay::Parking, queue_walk::for_each_backwards};

/// How far back from the end of the log is looked: many times what the threads of a broker can have staged at a time.
const TAIL_BYTES: u64 = 64 << 20;

/// Where the messages of open half messages would lie, and how to know them.
#[derive(Debug, Default)]
pub(super) struct Unnoted {
    hasher: RandomState,
    queues: HashMap<String, BTreeSet<i32>>,
    /// Some are to be delivered later.
    is_parked: bool,
    /// Half messages by where they lie, copies and what they are copies of.
    by_place: HashMap<LogOffset, QueueOffset>,
    /// By the hash of their id: the last one. A commit may name what a later copy is of, whose operation is there.
    by_key: HashMap<u64, (QueueOffset, LogOffset)>,
}

impl Unnoted {
    /// A half message lies there that may be open.
    pub(super) fn note(
        &mut self,
        offset: QueueOffset,
        log_offset: LogOffset,
        half: &Half<'_>,
        properties: &[u8],
    ) {
        match self.queues.get_mut(half.topic) {
            Some(queues) => drop(queues.insert(half.queue_id)),
            None => drop(self.queues.insert(half.topic.to_owned(), [half.queue_id].into())),
        }
        self.is_parked |= Parking::concerns(properties);
        self.by_place.insert(log_offset, offset);
        if let Some(key) = half.unique_key {
            self.by_key.insert(self.hasher.hash_one(key), (offset, log_offset));
        }
    }

    /// Settles in `table` what is committed at the end of the log: the offsets that an operation has to name.
    pub(super) fn settle(mut self, store: &MessageStore, table: &mut HalfTable) -> Vec<QueueOffset> {
        let mut settled = Vec::new();
        if table.len() == 0 {
            return settled;
        }
        if self.is_parked {
            self.queues.insert(TIMER_TOPIC.to_owned(), [0].into());
            let levels = store.config().delay_levels.max_level();
            self.queues.insert(SCHEDULE_TOPIC.to_owned(), (0..levels).collect());
        }
        for (topic, queue_ids) in &self.queues {
            for queue_id in queue_ids {
                for_each_at_the_end(store, topic, *queue_id, |message| {
                    if let Some((offset, at)) = self.half_of(message)
                        && let Ok(key) = table.begin_end(offset, at)
                    {
                        settled.extend(table.offsets_of(key));
                        table.close(key, Closed::Committed);
                    }
                });
            }
        }
        settled
    }

    /// The half message of a committed one.
    fn half_of(&self, message: &Record<'_>) -> Option<(QueueOffset, LogOffset)> {
        let fields = &message.fields;
        if fields.sys_flag & sys_flag::TRANSACTION_MASK != sys_flag::TRANSACTION_COMMIT {
            return None;
        }
        let half_at = u64::try_from(fields.prepared_transaction_offset).ok().map(LogOffset);
        if let Some(at) = half_at
            && let Some(offset) = self.by_place.get(&at)
        {
            return Some((*offset, at));
        }
        let key = std::str::from_utf8(properties::find(fields.properties, UNIQUE_KEY)?).ok()?;
        let (offset, at) = self.by_key.get(&self.hasher.hash_one(key))?;
        // What came after it is another transaction.
        (*at < fields.log_offset).then_some((*offset, *at))
    }
}

/// The messages of a queue that lie at the end of the log, the last one first.
fn for_each_at_the_end(store: &MessageStore, topic: &str, queue_id: i32, mut each: impl FnMut(&Record<'_>)) {
    let from = LogOffset(store.watermarks().written.0.saturating_sub(TAIL_BYTES));
    let _ = for_each_backwards(store, topic, queue_id, QueueOffset(0), |offset, entry| {
        if entry.log_offset < from {
            return ControlFlow::Break(());
        }
        if let Some(bytes) = record(store, entry.log_offset, "message", offset)
            && let Ok(message) = Record::decode(&bytes)
        {
            each(&message);
        }
        ControlFlow::Continue(())
    });
}
