//! One queue's entries on their way out of the memory: to its own files or to the queue log; and what the queue log
//! says about it at start.

use std::sync::atomic::Ordering;

use super::{ConsumeQueue, ConsumeQueueEntry, QueueFiles, TouchedFiles, queue::QueueState};
use crate::{
    disk::DiskError,
    queue_log::{QueueLog, QueueRecord},
};

/// What [`ConsumeQueue::write_behind`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WrittenBehind {
    /// Entries that are no longer in memory.
    pub(crate) entries: u64,
    /// Whether some are left.
    pub(crate) has_more: bool,
    /// Whether entries came out of the queue log.
    pub(crate) was_chained: bool,
}

/// Entries of a queue that were put into the queue log, and hold when its step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    from: u64,
    count: u64,
    position: u64,
}

impl Chunk {
    /// How many entries.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }
}

/// Entries that must be in the queue log.
fn read_chain(
    files: &QueueFiles,
    number: u64,
    chain: u64,
    (from, to): (u64, u64),
) -> Result<Vec<ConsumeQueueEntry>, DiskError> {
    let log = files.queue_log();
    log.read_chain(number, chain, from, to)?.ok_or_else(|| {
        let lost = std::io::Error::other(format!("entries {from} to {to} are not there"));
        DiskError::at("read entries of a queue from", log.dir())(lost)
    })
}

impl ConsumeQueue {
    /// How many entries the queue log would hold if what is ready went there, too.
    pub(crate) fn run_len(&self, log_end: u64) -> u64 {
        let state = self.state();
        state.chain_len() + state.ready(log_end).len() as u64
    }

    /// Whether entries of the queue are in the queue log only.
    pub(crate) fn is_chained(&self) -> bool {
        self.state().chain_len() > 0
    }

    /// Whether the queue log knows the queue.
    pub(crate) fn is_logged(&self) -> bool {
        self.state().is_logged
    }

    /// The entries that are in the queue log only, and the index of the first; the error names what is not there.
    pub(crate) fn chained_entries(
        &self,
        files: &QueueFiles,
    ) -> Result<(u64, Vec<ConsumeQueueEntry>), DiskError> {
        let (from, to, chain) = {
            let state = self.state();
            // What expired may be gone from there.
            (state.min.clamp(state.stored, state.chained), state.chained, state.chain)
        };
        let entries = match from < to {
            true => read_chain(files, self.number, chain, (from, to))?,
            false => Vec::new(),
        };
        Ok((from, entries))
    }

    /// Writes those entries to the queue's files whose records end at or before `log_end`, and those before them that
    /// are in the queue log. One caller at a time.
    pub(crate) fn write_behind(
        &self,
        files: &QueueFiles,
        log_end: u64,
        touched: &mut TouchedFiles,
    ) -> Result<WrittenBehind, DiskError> {
        let (min, files_from, stored, chained, chain, ready) = {
            let mut state = self.state();
            if state.deleted {
                state.listed = false;
                return Ok(WrittenBehind::default());
            }
            (
                state.min,
                state.files_from,
                state.stored,
                state.chained,
                state.chain,
                state.ready(log_end).to_vec(),
            )
        };
        let from_tail = ready.len();
        let entries = match chained > stored {
            false => ready,
            true => {
                // What expired in the queue log may be gone from there.
                let live = min.clamp(stored, chained);
                let mut entries = vec![ConsumeQueueEntry::BLANK; (live - stored) as usize];
                if live < chained {
                    entries.extend(read_chain(files, self.number, chain, (live, chained))?);
                }
                entries.extend(ready);
                entries
            }
        };
        if stored == files_from && files.queue_log().is_active() && !entries.is_empty() {
            // A queue of this name may have been deleted when the power went: where the queue log is in use, nobody
            // has looked.
            files.remove_strays(self)?;
        }
        // Without the lock: a slow disk must not hold up those who publish.
        files.write(self, stored, &entries, touched)?;
        let mut state = self.state();
        if (state.stored, state.chained) != (stored, chained) {
            let has_more = !state.tail.is_empty();
            return Ok(WrittenBehind { entries: 0, has_more, was_chained: false });
        }
        state.stored = chained + from_tail as u64;
        state.chained = state.stored;
        state.drop_from_tail(from_tail);
        Ok(WrittenBehind { entries: from_tail as u64, has_more: state.listed, was_chained: chained > stored })
    }

    /// Takes the entries that are in the queue log only back into memory, because that log is removed. Whether the queue has
    /// to be listed. No step runs meanwhile.
    pub(crate) fn unchain(&self, files: &QueueFiles) -> Result<bool, DiskError> {
        if !self.is_chained() {
            return Ok(false);
        }
        let (live, entries) = self.chained_entries(files)?;
        let mut state = self.state();
        // What expired in the queue log may be gone from there.
        let mut tail = vec![ConsumeQueueEntry::BLANK; (live - state.stored) as usize];
        tail.extend(entries);
        tail.append(&mut state.tail);
        state.tail = tail;
        state.chained = state.stored;
        let list = !state.listed;
        state.listed = true;
        Ok(list)
    }

    /// Puts those entries into the queue log whose records end at or before `log_end`; `None` where there are none.
    /// They count with [`ConsumeQueue::chunk_holds`]. One caller at a time.
    pub(crate) fn put_chunk(&self, log: &QueueLog, log_end: u64) -> Result<Option<Chunk>, DiskError> {
        let mut state = self.state();
        if state.deleted {
            state.listed = false;
            return Ok(None);
        }
        if !state.is_logged {
            log.put_queue(&self.record(&state))?;
            state.is_logged = true;
        }
        let ready = state.ready(log_end);
        if ready.is_empty() {
            return Ok(None);
        }
        let (from, count) = (state.chained, ready.len() as u64);
        let position = log.put_chunk(self.number, from, state.chain, ready)?;
        Ok(Some(Chunk { from, count, position }))
    }

    /// The step of the queue log holds in which `chunk` was put. Whether entries are left, and whether these are the
    /// first in the queue log.
    pub(crate) fn chunk_holds(&self, chunk: &Chunk) -> (bool, bool) {
        let mut state = self.state();
        if state.deleted || state.chained != chunk.from {
            return (!state.tail.is_empty(), false);
        }
        let is_first = state.chain_len() == 0;
        state.chained += chunk.count;
        state.chain = chunk.position;
        state.drop_from_tail(usize::try_from(chunk.count).unwrap_or(usize::MAX));
        (state.listed, is_first)
    }

    /// Puts how far the queue's files go into the queue log, or the whole queue where the log does not know it.
    pub(crate) fn put_stored(&self, log: &QueueLog) -> Result<(), DiskError> {
        let mut state = self.state();
        if state.deleted {
            return Ok(());
        }
        if state.is_logged {
            return log.put_stored(self.number, state.stored);
        }
        state.is_logged = true;
        log.put_queue(&self.record(&state))
    }

    /// Puts the whole queue into the queue log.
    pub(crate) fn put_whole(&self, log: &QueueLog) -> Result<(), DiskError> {
        let mut state = self.state();
        state.is_logged = true;
        log.put_queue(&self.record(&state))
    }

    fn record<'a>(&'a self, state: &QueueState) -> QueueRecord<'a> {
        QueueRecord {
            number: self.number,
            topic: &self.topic,
            queue_id: self.queue_id,
            min: state.min.min(state.chained),
            files_from: state.files_from,
            stored: state.stored,
            chained: state.chained,
            chain: state.chain,
        }
    }

    /// Takes what the queue log says about the queue at start; `false` for what cannot be.
    pub(crate) fn restore_chunk(&self, first: u64, count: u64, position: u64) -> bool {
        let mut state = self.state();
        let fits = first == state.chained;
        state.chained = first + count;
        state.chain = position;
        self.restored(&mut state);
        fits
    }

    /// As [`ConsumeQueue::restore_chunk`].
    pub(crate) fn restore_stored(&self, stored: u64) -> bool {
        let mut state = self.state();
        let fits = stored >= state.chained;
        state.stored = stored;
        state.chained = stored;
        self.restored(&mut state);
        fits
    }

    fn restored(&self, state: &mut QueueState) {
        state.max = state.chained;
        self.next.store(state.max, Ordering::Relaxed);
    }

    /// Whether the queue has files of its own.
    pub(crate) fn has_files(&self) -> bool {
        let state = self.state();
        state.stored > state.files_from
    }
}
