//! One queue while recovery brings it up to the log of messages.

use std::sync::atomic::Ordering;

use super::{ConsumeQueue, ConsumeQueueEntry, QueueFiles, TouchedFiles, queue::QueueState};
use crate::disk::DiskError;

/// What became of an entry that recovery put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rebuilt {
    /// Added at the end; `true` where the queue has to be listed.
    Added(bool),
    /// It was there, and is the last one now.
    Kept,
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
    /// The queues' ends are known from the queue log: what contradicts them is a gap.
    pub(crate) ends_are_known: bool,
    /// No record of this queue was found before on this walk.
    pub(crate) first_of_walk: bool,
    /// The walk began where the log begins: what was not found is not there.
    pub(crate) from_log_start: bool,
    /// The store was closed in order, so that no file is half written.
    pub(crate) files_are_whole: bool,
    /// The record's entry was on the disk: where it is not there now, its topic was deleted.
    pub(crate) entry_was_there: bool,
}

impl ConsumeQueue {
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
        if how.entry_was_there && !how.files_are_whole && self.begins_behind(files, index, entry)? {
            return Ok(Rebuilt::Skipped);
        }
        if how.entry_was_there && index < max && self.entry(files, index)? == Some(entry) {
            if !how.files_are_whole {
                // It stays where it is, so that this holds for the next recovery, too, if this one does not end.
                self.truncate(files, index + 1, touched)?;
            }
            return Ok(Rebuilt::Kept);
        }
        if index < min && (how.files_are_whole || how.ends_are_known) {
            return Ok(Rebuilt::Skipped);
        }
        if index < min {
            // Its record is in the log, so it has not expired: the queue's first files never got to the disk.
            self.start_at(files, index, touched)?;
            list |= self.publish(index, entry).1;
            self.next.store(index + 1, Ordering::Relaxed);
            return Ok(Rebuilt::Added(list));
        }
        if how.ends_are_known && index != max {
            let is_there = index < max && self.entry(files, index)? == Some(entry);
            return Ok(if is_there { Rebuilt::Skipped } else { Rebuilt::Gap { expected: max } });
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
        } else if how.first_of_walk && !how.files_are_whole && !how.ends_are_known {
            self.truncate(files, index, touched)?;
        }
        list |= self.publish(index, entry).1;
        self.next.store(index + 1, Ordering::Relaxed);
        Ok(Rebuilt::Added(list))
    }

    /// Whether the queue is a younger one than that in which `entry` was at `index`: it ends before that, and has
    /// nothing, or only records behind it.
    fn begins_behind(
        &self,
        files: &QueueFiles,
        index: u64,
        entry: ConsumeQueueEntry,
    ) -> Result<bool, DiskError> {
        let (min, max) = self.range();
        if index < max {
            return Ok(false);
        }
        if min == max {
            return Ok(index > max);
        }
        let last = self.entry(files, max - 1)?;
        Ok(last.is_some_and(|last| !last.is_blank() && last.log_offset > entry.log_offset))
    }

    /// Lets a queue that never had an entry begin at `index`.
    pub(crate) fn begin_at(
        &self,
        files: &QueueFiles,
        index: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(), DiskError> {
        self.start_at(files, index, touched)
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
            chained: index,
            files_from: first,
            listed: state.listed,
            ..QueueState::default()
        };
        drop(state);
        files.remove(self, old_first)
    }

    /// Cuts the queue so that it ends at `index`, in memory and in the files. For recovery, and only where nothing of
    /// the queue is in the queue log.
    pub(crate) fn truncate(
        &self,
        files: &QueueFiles,
        index: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(), DiskError> {
        let mut state = self.state();
        debug_assert_eq!(state.chain_len(), 0, "what the queue log says is not cut");
        let files_end = files.file_of(state.stored) + files.entries_per_file();
        if index < state.stored || index == state.max {
            files.truncate(self, index.min(state.stored), files_end, touched)?;
        }
        if index < state.stored {
            state.stored = index;
            state.chained = index;
            state.tail = Vec::new();
        } else {
            let keep = usize::try_from(index - state.stored).unwrap_or(usize::MAX);
            state.tail.truncate(keep);
        }
        state.max = index;
        state.min = state.min.min(index);
        let next = index.saturating_sub(u64::from(planted!(OffsetReusedAfterTruncation)));
        self.next.store(next, Ordering::Relaxed);
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
}
