//! The log and the queues of the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use super::{Key, ModelRecord};

/// Length of the filler that closes a segment.
const FILLER_LEN: u64 = 8;

/// A queue.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    /// Offset of the first of `messages`: 0, but for a queue whose deletion did not end.
    pub base: u64,
    /// Its messages: places in [`Model::log`], expired ones, too.
    pub messages: Vec<usize>,
    /// Lowest offset that the store says. It may lag behind the log's start after a failed trim.
    pub min: u64,
}

impl Queue {
    /// The offset of the next message.
    pub fn next(&self) -> u64 {
        self.base + self.messages.len() as u64
    }
}

/// What the store must hold.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// Every record that has a place, in the order of the log. Expired ones stay in this list.
    pub log: Vec<ModelRecord>,
    /// Every queue that was not deleted.
    pub queues: BTreeMap<Key, Queue>,
    /// Where the log starts.
    pub log_min: u64,
    /// Where the next record goes, if it fits.
    pub log_end: u64,
    /// Records that end at or before this are visible and survive a killed process.
    pub written: u64,
    /// Records that end at or before this are acknowledged to survive a power cut.
    pub flushed: u64,
    /// Records whose write failed in a way that only a restart ends: their senders got an error, and they may be there
    /// afterwards all the same.
    pub maybe: Vec<ModelRecord>,
    /// Topics whose deletion failed or was interrupted: their queues may be there after a restart, or not.
    pub uncertain: BTreeSet<Rc<str>>,
}

impl Model {
    /// Where a record of `len` bytes (or several that must not be parted) goes.
    pub fn place(&self, len: u64, segment: u64) -> u64 {
        let room = segment - self.log_end % segment;
        if len + FILLER_LEN <= room { self.log_end } else { self.log_end + room }
    }

    /// The offset of the next message of a queue.
    pub fn next_offset(&self, key: &Key) -> u64 {
        self.queues.get(key).map_or(0, Queue::next)
    }

    /// Adds a record behind the others.
    pub fn push(&mut self, record: ModelRecord) {
        self.log_end = record.end;
        if record.queue_offset.is_some() {
            self.queues.entry(record.key.clone()).or_default().messages.push(self.log.len());
        }
        self.log.push(record);
    }

    /// Takes the records that end behind `end` out of log and queues.
    pub fn cut(&mut self, end: u64) -> Vec<ModelRecord> {
        let keep = self.log.partition_point(|record| record.end <= end);
        for queue in self.queues.values_mut() {
            let left = queue.messages.partition_point(|place| *place < keep);
            queue.messages.truncate(left);
            queue.min = queue.min.min(queue.next());
        }
        // The store may keep an empty queue, or not: nobody can tell.
        self.queues.retain(|_, queue| queue.next() > 0);
        self.log_end = end;
        self.log.split_off(keep)
    }

    /// How many messages of a queue can be seen.
    pub fn visible(&self, queue: &Queue) -> u64 {
        queue.base + queue.messages.partition_point(|place| self.log[*place].end <= self.written) as u64
    }

    /// The lowest offset of a queue that has a record in the log.
    pub fn lowest(&self, queue: &Queue) -> u64 {
        let visible = self.visible(queue);
        let gone = queue.messages.partition_point(|place| self.log[*place].at < self.log_min) as u64;
        (queue.base + gone).min(visible)
    }

    /// The record of a message.
    pub fn message(&self, queue: &Queue, offset: u64) -> Option<&ModelRecord> {
        self.log.get(*queue.messages.get(usize::try_from(offset.checked_sub(queue.base)?).ok()?)?)
    }

    /// The record that starts at a place.
    pub fn record_at(&self, at: u64) -> Option<&ModelRecord> {
        self.log.binary_search_by_key(&at, |record| record.at).ok().and_then(|place| self.log.get(place))
    }

    /// The last record before `end`.
    pub fn last_before(&self, end: u64) -> Option<&ModelRecord> {
        let count = self.log.partition_point(|record| record.end <= end);
        count.checked_sub(1).and_then(|last| self.log.get(last))
    }
}
