//! One queue: which indexes it has, and the entries that are not in its files yet.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{ConsumeQueueEntry, QueueFiles, TouchedFiles};
use crate::disk::DiskError;

/// One ConsumeQueue. Indexes are queue offsets.
#[derive(Debug)]
pub(crate) struct ConsumeQueue {
    /// Tells queues apart, also one that was deleted from its successor of the same name.
    number: u64,
    topic: Arc<str>,
    queue_id: i32,
    /// The next index to give; belongs to the append lock.
    next: AtomicU64,
    state: Mutex<QueueState>,
}

/// `min ≤ max`, `files_from ≤ stored ≤ max`; the entries `stored..max` are in `tail`.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueueState {
    /// Lowest index whose record is in the log.
    pub(crate) min: u64,
    /// End, exclusive.
    pub(crate) max: u64,
    /// Entries before this are in the files.
    pub(crate) stored: u64,
    /// Index of the first entry of the first file.
    pub(crate) files_from: u64,
    /// The entries from `stored` on.
    pub(crate) tail: Vec<ConsumeQueueEntry>,
    /// Whether it is in the table's list of queues with entries to write.
    listed: bool,
    /// Whether its files are gone for good.
    deleted: bool,
}

/// What became of an entry that recovery put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// Added at the end; `true` where the queue has to be listed.
    Added(bool),
    /// It belongs to a queue of this name that is no more, or was there.
    Skipped,
    /// Entries before it are missing.
    Gap {
        /// The first that is missing.
        expected: u64,
    },
}

/// How far recovery trusts what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rebuild {
    /// No record of this queue was found before on this walk.
    pub(crate) first_of_walk: bool,
    /// The walk began where the log begins: what was not found is not there.
    pub(crate) from_log_start: bool,
    /// The store was closed in order, so that no file is half written.
    pub(crate) files_are_whole: bool,
}

impl QueueState {
    /// What the files hold: `files_from..max`.
    pub(crate) fn stored(files_from: u64, max: u64) -> QueueState {
        QueueState { min: files_from, max, stored: max, files_from, ..QueueState::default() }
    }
}

impl ConsumeQueue {
    pub(crate) fn new(number: u64, topic: Arc<str>, queue_id: i32, state: QueueState) -> ConsumeQueue {
        ConsumeQueue { number, topic, queue_id, next: AtomicU64::new(state.max), state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
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
        debug_assert_eq!(state.max, index, "entries become visible in the order of their indexes");
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
        let count = {
            let state = self.state();
            if from >= state.max || from < state.files_from {
                return Ok(());
            }
            if let Some(skip) = from.checked_sub(state.stored) {
                let skip = usize::try_from(skip).unwrap_or(usize::MAX);
                let count = usize::try_from(count).unwrap_or(usize::MAX);
                into.extend(state.tail.iter().skip(skip).take(count));
                return Ok(());
            }
            count.min(state.stored - from)
        };
        match files.read(self, from, count, into) {
            // Expired or deleted since we looked: nothing there.
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(()),
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

    /// Writes those entries behind whose records end at or before `log_end`. How many, and whether some are left.
    /// One caller at a time.
    pub(crate) fn write_behind(
        &self,
        files: &QueueFiles,
        log_end: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(u64, bool), DiskError> {
        let (from, entries) = {
            let mut state = self.state();
            if state.deleted {
                state.listed = false;
                return Ok((0, false));
            }
            let ready = state
                .tail
                .iter()
                .take_while(|entry| entry.is_blank() || entry.log_offset_end().0 <= log_end)
                .count();
            (state.stored, state.tail.get(..ready).unwrap_or_default().to_vec())
        };
        // Without the lock: a slow disk must not hold up those who publish.
        files.write(self, from, &entries, touched)?;
        let mut state = self.state();
        if state.stored != from {
            return Ok((0, !state.tail.is_empty()));
        }
        state.stored += entries.len() as u64;
        if state.tail.len() == entries.len() {
            // An idle queue keeps no memory.
            state.tail = Vec::new();
        } else {
            state.tail.drain(..entries.len());
        }
        let left = !state.tail.is_empty();
        state.listed = left;
        Ok((entries.len() as u64, left))
    }

    /// Puts the entry of a record in that recovery found in the log.
    pub(crate) fn rebuild(
        &self,
        files: &QueueFiles,
        index: u64,
        entry: ConsumeQueueEntry,
        how: Rebuild,
        touched: &mut TouchedFiles,
    ) -> Result<Rebuilt, DiskError> {
        let (min, max) = self.range();
        let mut list = false;
        if index < min {
            return Ok(Rebuilt::Skipped);
        }
        if index > max {
            if !how.from_log_start {
                return Ok(Rebuilt::Gap { expected: max });
            }
            if min == max {
                self.start_at(files, index, touched)?;
            } else {
                tracing::warn!(topic = %self.topic, queue_id = self.queue_id, from = max, to = index,
                    "messages of the queue are missing in the log, their places stay empty");
                for missing in max..index {
                    list |= self.publish(missing, ConsumeQueueEntry::BLANK).1;
                }
            }
        } else if index < max {
            let there = self.entry(files, index)?.unwrap_or(ConsumeQueueEntry::BLANK);
            if there.log_offset > entry.log_offset && !there.is_blank() {
                // A topic of this name was deleted and made anew after this record.
                return Ok(Rebuilt::Skipped);
            }
            if how.files_are_whole && there == entry {
                return Ok(Rebuilt::Skipped);
            }
            // Everything behind the first record of the walk may be half written; index 0 again is a topic
            // that was made anew. Any other repetition is a record that is there twice.
            if !how.first_of_walk && index != 0 {
                return Ok(Rebuilt::Skipped);
            }
            self.truncate(files, index, touched)?;
        } else if how.first_of_walk && !how.files_are_whole {
            self.truncate(files, index, touched)?;
        }
        list |= self.publish(index, entry).1;
        self.next.store(index + 1, Ordering::Relaxed);
        Ok(Rebuilt::Added(list))
    }

    /// Lets an empty queue begin at `index`; what its files hold is of an older queue.
    fn start_at(&self, files: &QueueFiles, index: u64, touched: &mut TouchedFiles) -> Result<(), DiskError> {
        let old_first = self.state().files_from;
        self.truncate(files, old_first, touched)?;
        let mut state = self.state();
        let first = files.file_of(index);
        *state = QueueState {
            min: index,
            max: index,
            stored: index,
            files_from: first,
            listed: state.listed,
            ..QueueState::default()
        };
        drop(state);
        files.remove(self, old_first)
    }

    /// Cuts the queue so that it ends at `index`, in memory and in the files.
    pub(crate) fn truncate(
        &self,
        files: &QueueFiles,
        index: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(), DiskError> {
        let mut state = self.state();
        let files_end = files.file_of(state.stored) + files.entries_per_file();
        if index < state.stored || index == state.max {
            files.truncate(self, index.min(state.stored), files_end, touched)?;
        }
        if index < state.stored {
            state.stored = index;
            state.tail = Vec::new();
        } else {
            let keep = usize::try_from(index - state.stored).unwrap_or(usize::MAX);
            state.tail.truncate(keep);
        }
        state.max = index;
        state.min = state.min.min(index);
        self.next.store(index, Ordering::Relaxed);
        Ok(())
    }

    /// Cuts the entries at the end whose records reach beyond `log_end`; `clear`: whatever else stands behind
    /// the last entry goes, too. How many entries.
    pub(crate) fn cut_beyond(
        &self,
        files: &QueueFiles,
        log_end: u64,
        clear: bool,
        touched: &mut TouchedFiles,
    ) -> Result<u64, DiskError> {
        let (min, max) = self.range();
        let mut end = max;
        while end > min {
            match self.entry(files, end - 1)? {
                Some(entry) if entry.is_blank() || entry.log_offset_end().0 <= log_end => break,
                Some(_) | None => end -= 1,
            }
        }
        if end < max || (clear && self.state().tail.is_empty()) {
            self.truncate(files, end, touched)?;
        }
        Ok(max - end)
    }

    /// Moves the lowest index to the first entry whose record is at or behind `log_min`, and removes the files
    /// that are no longer needed.
    pub(crate) fn expire(&self, files: &QueueFiles, log_min: u64) -> Result<(), DiskError> {
        let (min, max) = self.range();
        let is_gone = |index| -> Result<bool, DiskError> {
            let entry = self.entry(files, index)?;
            Ok(entry.is_none_or(|entry| entry.is_blank() || entry.log_offset.0 < log_min))
        };
        if min == max || !is_gone(min)? {
            return Ok(());
        }
        let (mut low, mut high) = (min + 1, max);
        while low < high {
            let middle = low + (high - low) / 2;
            if is_gone(middle)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let (mut first, keep) = {
            let mut state = self.state();
            state.min = low;
            // The file of the last stored entry stays: it says where the queue ends.
            let keep = files.file_of(low).min(files.file_of(state.stored.saturating_sub(1)));
            let first = state.files_from;
            state.files_from = state.files_from.max(keep);
            (first, keep)
        };
        while first < keep {
            files.remove(self, first)?;
            first += files.entries_per_file();
        }
        Ok(())
    }

    /// How many entries are not in the files.
    pub(crate) fn unwritten(&self) -> u64 {
        self.state().tail.len() as u64
    }

    /// Marks the queue as deleted and removes its files; entries that were not written are dropped: how many.
    /// No `write_behind` runs meanwhile.
    pub(crate) fn delete(&self, files: &QueueFiles) -> Result<u64, DiskError> {
        let (mut first, end, dropped) = {
            let mut state = self.state();
            state.deleted = true;
            let dropped = std::mem::take(&mut state.tail).len() as u64;
            state.max = state.stored;
            (state.files_from, state.stored, dropped)
        };
        // From the last to the first would leave a queue without its end when the process dies halfway; so the
        // other way round: what is left then is an expired queue.
        while first <= end {
            files.remove(self, first)?;
            first += files.entries_per_file();
        }
        Ok(dropped)
    }
}
