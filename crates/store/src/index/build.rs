//! Bringing the index up to the log.

use eruca_message::{LogOffset, RecordHeader};

use super::{
    files::Builder,
    scan::{Keys, ScanLimits, scan_keys},
};
use crate::{disk::DiskError, store::MessageStore};

/// Keys put in at once: 3 MB while it lasts. The more, the fewer reads and writes of slots fall to each.
const KEYS_AT_ONCE: usize = 128 << 10;
/// Bytes of the log that are indexed before a clean stop; what is left is for the next start.
const BEFORE_STOP_BYTES: u64 = 1 << 30;

/// How far [`MessageStore::index_step`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexStep {
    /// Everything that readers see is indexed.
    CaughtUp,
    /// There is more.
    More,
    /// A file could not be read or written: to be tried again after a while. It was logged.
    Failed,
    /// Nothing is indexed (`messageIndexEnable`).
    Disabled,
}

impl MessageStore {
    /// Puts messages into the index that are new in the log, `bytes` of it or a little more. To be called when
    /// [`MessageStore::index_backlog_bytes`] is worth it: the more at once, the less it costs.
    ///
    /// The first call puts in order what a killed process left, which may take a second.
    pub fn index_step(&self, bytes: u64) -> IndexStep {
        if !self.config.index_enabled {
            return IndexStep::Disabled;
        }
        let log_end = self.progress.written();
        match self.index_up_to(log_end, bytes) {
            Ok(indexed) => {
                if self.index.note_failing(false) {
                    tracing::info!(up_to = indexed, "the index of keys is written again");
                }
                if indexed >= log_end { IndexStep::CaughtUp } else { IndexStep::More }
            }
            Err(error) => {
                if self.index.note_failing(true) {
                    tracing::error!(%error, "the index of keys cannot be written, it is tried again: queries by key \
                        do not find the newest messages until then, sends go on");
                }
                IndexStep::Failed
            }
        }
    }

    /// Bytes of the log that are not indexed yet; 0 where nothing is indexed at all.
    pub fn index_backlog_bytes(&self) -> u64 {
        match self.config.index_enabled {
            true => self.progress.written().saturating_sub(self.index.indexed()),
            false => 0,
        }
    }

    fn index_up_to(&self, log_end: u64, bytes: u64) -> Result<u64, DiskError> {
        let mut builder = self.index.builder();
        let builder = &mut *builder;
        // The end of the log may have been cut off since.
        let log_end = log_end.min(self.progress.written());
        self.load_index(builder)?;
        let start = self.index.indexed();
        let mut at = start;
        while at < log_end && at.saturating_sub(start) < bytes {
            builder.keys.list.clear();
            builder.keys.last = None;
            let limits = ScanLimits { log_end, bytes: bytes - (at - start), keys: KEYS_AT_ONCE };
            let next = scan_keys(&self.segments, at, limits, &mut builder.keys)?;
            self.index.put(builder, self.clock.now())?;
            self.index.set_indexed(next);
            if next <= at {
                break;
            }
            at = next;
        }
        if at >= log_end {
            // An idle index keeps no memory.
            (builder.keys, builder.scratch) = (Keys::default(), super::file::BatchScratch::default());
        }
        Ok(at)
    }

    pub(super) fn load_index(&self, builder: &mut Builder) -> Result<(), DiskError> {
        self.index.load(builder, |at| self.record_len_at(at))
    }

    /// Length of the record at `at`; `None` where none starts there.
    pub(super) fn record_len_at(&self, at: LogOffset) -> Result<Option<u64>, DiskError> {
        let mut head = Vec::new();
        if !self.segments.read_append(&mut head, 8, at.0)? {
            return Ok(None);
        }
        let header = RecordHeader::peek(&head).filter(|header| header.is_record());
        Ok(header.and_then(|header| u64::try_from(header.total_len).ok()))
    }

    /// Indexes what is there and forces the newest file to the disk, before the store is closed. Whether the next start can
    /// take the files as they are: after a failure, which is logged, slots may lead to entries that are not there, and only
    /// a start as after a crash looks for that.
    pub(crate) fn close_index(&self) -> bool {
        if !self.config.index_enabled {
            // Files that a crash left behind are put in order all the same: who switches the index on again trusts them.
            return self.load_index(&mut self.index.builder()).inspect_err(log_unclosed).is_ok();
        }
        if self.index_step(BEFORE_STOP_BYTES) == IndexStep::Failed {
            return false;
        }
        self.index.sync().inspect_err(log_unclosed).is_ok()
    }
}

fn log_unclosed(error: &DiskError) {
    tracing::error!(%error, "the index of keys may not be on the disk: the next start looks for what it lacks");
}
