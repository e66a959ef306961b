//! One queue: which indexes it has, and the entries that are not in its files yet.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{ConsumeQueueEntry, QueueFiles};
use crate::{disk::DiskError, queue_log::QueueRecord};

/// One ConsumeQueue. Indexes are queue offsets.
#[derive(Debug)]
pub(crate) struct ConsumeQueue {
    /// Tells queues apart, also one that was deleted from its successor of the same name.
    pub(super) number: u64,
    pub(super) topic: Arc<str>,
    pub(super) queue_id: i32,
    /// The next index to give; belongs to the append lock.
    pub(super) next: AtomicU64,
    state: Mutex<QueueState>,
}

/// `min ≤ max`, `files_from ≤ stored ≤ chained ≤ max`: the entries before `stored` are in the queue's own files,
/// `stored..chained` in the queue log, `chained..max` in `tail`. Mostly `stored = chained`.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueState {
    /// Lowest index whose record is in the log.
    pub(crate) min: u64,
    /// No record of the queue lies before this log offset; to spare a look at the entry of `min`.
    pub(crate) min_log_offset: u64,
    /// End, exclusive.
    pub(crate) max: u64,
    /// Entries before this are in the files.
    pub(crate) stored: u64,
    /// Entries before this are in the files or in the queue log.
    pub(crate) chained: u64,
    /// Where the last chunk in the queue log starts; meaningless while `stored = chained`.
    pub(crate) chain: u64,
    /// Index of the first entry of the first file.
    pub(crate) files_from: u64,
    /// The entries from `chained` on.
    pub(crate) tail: Vec<ConsumeQueueEntry>,
    /// Whether the queue log knows the queue.
    pub(super) is_logged: bool,
    /// Whether it is in the table's list of queues with entries to write.
    pub(super) listed: bool,
    /// Whether its files are gone for good.
    pub(super) deleted: bool,
}

impl QueueState {
    /// What the files hold: `files_from..max`.
    pub(crate) fn stored(files_from: u64, max: u64) -> QueueState {
        QueueState { min: files_from, max, stored: max, chained: max, files_from, ..QueueState::default() }
    }

    /// What the queue log says.
    pub(crate) fn logged(record: &QueueRecord<'_>) -> QueueState {
        QueueState {
            min: record.min,
            max: record.chained,
            stored: record.stored,
            chained: record.chained,
            chain: record.chain,
            files_from: record.files_from,
            is_logged: true,
            ..QueueState::default()
        }
    }

    /// How many entries are in the queue log only.
    pub(super) fn chain_len(&self) -> u64 {
        self.chained - self.stored
    }

    /// The entries in memory whose records end at or before `log_end`.
    pub(super) fn ready(&self, log_end: u64) -> &[ConsumeQueueEntry] {
        let is_ready = |entry: &&ConsumeQueueEntry| entry.is_blank() || entry.log_offset_end().0 <= log_end;
        let count = self.tail.iter().take_while(is_ready).count();
        self.tail.get(..count).unwrap_or_default()
    }

    /// The first `count` entries in memory are elsewhere now.
    pub(super) fn drop_from_tail(&mut self, count: usize) {
        if self.tail.len() <= count {
            // An idle queue keeps no memory.
            self.tail = Vec::new();
        } else {
            self.tail.drain(..count);
        }
        self.listed = !self.tail.is_empty();
    }
}

impl ConsumeQueue {
    pub(crate) fn new(number: u64, topic: Arc<str>, queue_id: i32, state: QueueState) -> ConsumeQueue {
        ConsumeQueue { number, topic, queue_id, next: AtomicU64::new(state.max), state: Mutex::new(state) }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn queue_id(&self) -> i32 {
        self.queue_id
    }

    /// Gives out `count` indexes; the first of them. Under the append lock only.
    pub(crate) fn assign(&self, count: u64) -> u64 {
        let first = self.next.load(Ordering::Relaxed);
        self.next.store(first + count, Ordering::Relaxed);
        first
    }

    /// The next index to give, in a copy where another store gave those before. Under the append lock only.
    pub(crate) fn set_next(&self, next: u64) {
        self.next.store(next, Ordering::Relaxed);
    }

    /// Takes back the indexes from `from` on. Under the append lock only.
    pub(crate) fn take_back(&self, from: u64) {
        self.next.store(from, Ordering::Relaxed);
    }

    /// Lowest index, and end (exclusive).
    pub(crate) fn range(&self) -> (u64, u64) {
        let state = self.state();
        (state.min, state.max)
    }

    /// Makes the entry of index `index` visible. The end with it, and whether the queue has to be listed.
    pub(crate) fn publish(&self, index: u64, entry: ConsumeQueueEntry) -> (u64, bool) {
        let mut state = self.state();
        debug_assert!(
            state.max == index || planted!(CopiedOffsetsForgotten),
            "entries become visible in the order of their indexes"
        );
        if state.min == state.max && !entry.is_blank() {
            state.min_log_offset = entry.log_offset.0;
        }
        state.tail.push(entry);
        state.max += 1;
        let list = !state.listed && !state.deleted;
        state.listed |= list;
        (state.max, list)
    }

    /// Reads up to `count` entries from `from` on; fewer where a file or the memory ends. None where `from`
    /// is outside of the queue, or where the file has none.
    pub(crate) fn read(
        &self,
        files: &QueueFiles,
        from: u64,
        count: u64,
        into: &mut Vec<ConsumeQueueEntry>,
    ) -> Result<(), DiskError> {
        // What the queue log holds moves to the files now and then: one more look where it just did.
        for _ in 0..2 {
            let (number, chain, to) = {
                let state = self.state();
                if from >= state.max || from < state.files_from {
                    return Ok(());
                }
                if let Some(skip) = from.checked_sub(state.chained) {
                    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                    let count = usize::try_from(count).unwrap_or(usize::MAX);
                    into.extend(state.tail.iter().skip(skip).take(count));
                    return Ok(());
                }
                if from < state.stored {
                    let count = count.min(state.stored - from);
                    drop(state);
                    return match files.read(self, from, count, into) {
                        // Expired or deleted since we looked: nothing there.
                        Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(()),
                        result => result,
                    };
                }
                (self.number, state.chain, state.chained.min(from.saturating_add(count)))
            };
            if let Some(entries) = files.queue_log().read_chain(number, chain, from, to)? {
                into.extend(entries);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether [`ConsumeQueue::read`] would not wait for the queue's own files.
    pub(crate) fn is_cached(&self, files: &QueueFiles, from: u64, count: u64) -> Result<bool, DiskError> {
        let stored = {
            let state = self.state();
            if from < state.files_from || from >= state.stored {
                return Ok(true);
            }
            state.stored
        };
        match files.is_cached(self, from, count.min(stored - from)) {
            // Expired or deleted since we looked: nothing to wait for.
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(true),
            result => result,
        }
    }

    /// One entry.
    pub(crate) fn entry(
        &self,
        files: &QueueFiles,
        index: u64,
    ) -> Result<Option<ConsumeQueueEntry>, DiskError> {
        let mut found = Vec::with_capacity(1);
        self.read(files, index, 1, &mut found)?;
        Ok(found.first().copied())
    }

    /// Moves the lowest index to the first entry whose record is at or behind `log_min`, and removes the files
    /// that are no longer needed.
    pub(crate) fn expire(&self, files: &QueueFiles, log_min: u64) -> Result<(), DiskError> {
        self.expire_entries(files, log_min)?;
        self.remove_expired(files)
    }

    /// The first half of [`ConsumeQueue::expire`]: in memory.
    pub(crate) fn expire_entries(&self, files: &QueueFiles, log_min: u64) -> Result<(), DiskError> {
        let (min, max) = self.range();
        if min == max || self.state().min_log_offset >= log_min {
            return Ok(());
        }
        let live = |index| -> Result<Option<ConsumeQueueEntry>, DiskError> {
            let entry = self.entry(files, index)?;
            Ok(entry.filter(|entry| !entry.is_blank() && entry.log_offset.0 >= log_min))
        };
        if let Some(first) = live(min)? {
            self.state().min_log_offset = first.log_offset.0;
            return Ok(());
        }
        let (mut low, mut high) = (min + 1, max);
        while low < high {
            let middle = low + (high - low) / 2;
            if live(middle)?.is_none() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut state = self.state();
        // The end may have been cut off since.
        state.min = low.min(state.max);
        state.min_log_offset = log_min;
        Ok(())
    }

    /// The second half of [`ConsumeQueue::expire`]: on the disk.
    pub(crate) fn remove_expired(&self, files: &QueueFiles) -> Result<(), DiskError> {
        let (mut first, keep) = {
            let mut state = self.state();
            // The file of the last stored entry stays: it says where the queue ends.
            let keep = files.file_of(state.min).min(files.file_of(state.stored.saturating_sub(1)));
            let first = state.files_from;
            state.files_from = state.files_from.max(keep);
            (first, keep)
        };
        while first < keep {
            if let Err(error) = files.remove(self, first) {
                // Still there, for the next try.
                let mut state = self.state();
                state.files_from = state.files_from.min(first);
                return Err(error);
            }
            first += files.entries_per_file();
        }
        Ok(())
    }

    /// How many entries are not in the files.
    pub(crate) fn unwritten(&self) -> u64 {
        self.state().tail.len() as u64
    }

    /// Marks the queue as deleted; entries that are in memory only are dropped: how many. No step runs meanwhile.
    pub(crate) fn retire(&self) -> u64 {
        let mut state = self.state();
        state.deleted = true;
        let dropped = std::mem::take(&mut state.tail).len() as u64;
        state.max = state.stored;
        state.chained = state.stored;
        dropped
    }

    /// Removes the files of a queue that was retired.
    pub(crate) fn remove_files(&self, files: &QueueFiles) -> Result<(), DiskError> {
        let (mut first, end) = {
            let state = self.state();
            (state.files_from, state.stored)
        };
        // From the last to the first would leave a queue without its end when the process dies halfway; so the
        // other way round: what is left then is an expired queue.
        while first <= end {
            files.remove(self, first)?;
            first += files.entries_per_file();
        }
        Ok(())
    }
}
