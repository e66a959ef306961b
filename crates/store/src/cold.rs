//! Reads far behind the end of the log: they must not make a thread wait that serves others, and not drive the end of
//! the log out of the page cache.
//!
//! The last [`StoreConfig::hot_tail_bytes`] are read without a question. What lies before them is read from the page cache
//! only, where the caller may not wait, and by a thread that may wait otherwise. That one asks the kernel for the whole
//! chunk and the next (`POSIX_FADV_WILLNEED`), where most of it is wanted. The chunks that were asked for are remembered in
//! the order in which they were read last, and the kernel may forget (`POSIX_FADV_DONTNEED`) the one that nobody has read for
//! longest. Chunks that were in the page cache anyway are none of ours.
//!
//! [`StoreConfig::hot_tail_bytes`]: crate::StoreConfig::hot_tail_bytes

use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    disk::{Advice, DiskError},
    store::MessageStore,
};

const CHUNK_BYTES: u64 = 4 << 20;
/// As much of the page cache is taken by what the disk was read for: 256 MiB.
const CHUNKS_MAX: usize = 64;
/// A chunk is asked for where at least one byte in so many is wanted.
const SPARSE: u64 = 16;

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as it takes.
    Allowed,
    /// Not at all: [`DiskError::would_have_to_wait`] instead.
    Never,
}

/// The chunks that the kernel was asked for, the one first that nobody has read for longest.
#[derive(Debug, Default)]
pub(crate) struct ColdChunks {
    chunks: Mutex<VecDeque<u64>>,
    /// The kernel is not asked for any.
    is_off: AtomicBool,
}

impl ColdChunks {
    fn chunks(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.chunks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.chunks().len()
    }

    fn knows(&self, chunk: u64) -> bool {
        self.chunks().contains(&chunk)
    }

    /// A chunk is read. Whether it was asked for before.
    fn touch(&self, chunk: u64) -> bool {
        let mut chunks = self.chunks();
        let Some(place) = chunks.iter().rposition(|known| *known == chunk) else { return false };
        if place + 1 != chunks.len() {
            chunks.remove(place);
            chunks.push_back(chunk);
        }
        true
    }

    /// A chunk is asked for; the one that may be forgotten for it.
    fn add(&self, chunk: u64) -> Option<u64> {
        let mut chunks = self.chunks();
        if chunks.contains(&chunk) {
            return None;
        }
        chunks.push_back(chunk);
        if chunks.len() > CHUNKS_MAX { chunks.pop_front() } else { None }
    }
}

impl MessageStore {
    /// Whether the kernel is asked for more than a reader far behind the end has read; it is, unless this says otherwise.
    pub fn set_read_ahead(&self, is_on: bool) {
        self.cold.is_off.store(!is_on, Ordering::Relaxed);
    }

    /// Appends `len` bytes of the log from `at` to `into`; `false` where the log does not hold them in one segment.
    pub(crate) fn read_log(
        &self,
        into: &mut Vec<u8>,
        len: usize,
        at: u64,
        wait: Wait,
    ) -> Result<bool, DiskError> {
        if wait == Wait::Allowed || !self.is_cold(at) {
            return self.segments.read_append(into, len, at);
        }
        match self.segments.find(at) {
            Some(segment) if at + len as u64 <= segment.end() => {
                if segment.read_cached(into, len, at)? {
                    return Ok(true);
                }
                Err(DiskError::would_have_to_wait(&segment.path))
            }
            Some(_) | None => Ok(false),
        }
    }

    fn is_cold(&self, at: u64) -> bool {
        at.saturating_add(self.config.hot_tail_bytes) < self.progress.written()
    }

    /// To be called before `wanted_bytes` of a range of the log are read.
    pub(crate) fn prepare_read(&self, range: Range<u64>, wanted_bytes: usize, wait: Wait) {
        if !self.is_cold(range.start) || self.cold.is_off.load(Ordering::Relaxed) {
            return;
        }
        let mut chunk = range.start / CHUNK_BYTES;
        let is_known = self.cold.touch(chunk);
        let is_dense = (range.end - range.start) / SPARSE <= wanted_bytes as u64;
        if is_known || !is_dense {
            return;
        }
        if wait == Wait::Never {
            // The kernel itself reads ahead of who reads on and on: what it brings is ours, too.
            if chunk > 0 && self.cold.knows(chunk - 1) {
                self.remember(chunk);
            }
            return;
        }
        // What is in the page cache anyway stays as it is.
        if self.is_cached(range.start) && self.is_cached(range.end.saturating_sub(1)) {
            return;
        }
        // One more, so that the next read finds it there.
        let last = range.end / CHUNK_BYTES + 1;
        while chunk <= last && self.is_cold(chunk * CHUNK_BYTES) {
            if !self.cold.touch(chunk) {
                self.remember(chunk);
                self.advise(chunk, Advice::WillNeed);
            }
            chunk += 1;
        }
    }

    fn is_cached(&self, at: u64) -> bool {
        // An error is told by the read itself.
        self.segments
            .find(at)
            .is_none_or(|segment| segment.read_cached(&mut Vec::new(), 1, at).unwrap_or(true))
    }

    fn remember(&self, chunk: u64) {
        if let Some(forgotten) = self.cold.add(chunk) {
            self.advise(forgotten, Advice::DontNeed);
        }
    }

    fn advise(&self, chunk: u64, advice: Advice) {
        let (from, to) = (chunk * CHUNK_BYTES, (chunk + 1) * CHUNK_BYTES);
        for segment in self.segments.overlapping(from, to) {
            segment.advise(advice, from.max(segment.start), to.min(segment.end()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunk_that_was_read_longest_ago_is_forgotten() {
        let chunks = ColdChunks::default();
        for chunk in 0..CHUNKS_MAX as u64 {
            assert!(!chunks.touch(chunk));
            assert_eq!(chunks.add(chunk), None);
        }
        // A second reader comes behind the first one.
        assert!(chunks.touch(0) && chunks.touch(1));
        assert_eq!(chunks.add(100), Some(2));
        assert_eq!(chunks.add(101), Some(3));
        assert!(chunks.touch(0) && !chunks.touch(2));
        let order: Vec<u64> = (200..300).filter_map(|chunk| chunks.add(chunk)).collect();
        assert_eq!(order[CHUNKS_MAX - 4..CHUNKS_MAX], [1, 100, 101, 0]);
    }
}
