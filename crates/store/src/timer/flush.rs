//! Bringing the timer files to the disk, while others work with them.

use std::{path::PathBuf, sync::Arc};

use eruca_message::Timestamp;

use super::{
    check::Check,
    files::TimerFiles,
    log::LogFile,
    wheel::{Changes, write_slots},
};
use crate::disk::{DiskError, DiskFile};

/// One flush. [`TimerFiles::begin_flush`] takes what changed, [`TimerFlush::run`] brings it to the disk without holding the
/// files, [`TimerFiles::end_flush`] notes it.
///
/// Before `run` the messages themselves must be on the disk: those that wait, and those that were delivered
/// ([`crate::MessageStore::flush_step`]).
#[derive(Debug)]
pub struct TimerFlush {
    log_files: Vec<LogFile>,
    slots: Changes,
    wheel: Option<Arc<dyn DiskFile>>,
    wheel_path: PathBuf,
    check: Check,
    check_path: PathBuf,
}

impl TimerFlush {
    /// Brings log and wheel to the disk, in this order.
    ///
    /// # Errors
    /// What was not written comes with the next flush.
    pub fn run(&self) -> Result<(), DiskError> {
        self.log_files.iter().try_for_each(LogFile::sync)?;
        if let Some(wheel) = self.wheel.as_ref().filter(|_| !self.slots.is_empty()) {
            write_slots(&self.slots, &**wheel).map_err(DiskError::at("write", &self.wheel_path))?;
            wheel.sync_data().map_err(DiskError::at("sync", &self.wheel_path))?;
        }
        Ok(())
    }

    /// Makes what [`TimerFiles::end_flush`] wrote survive a power cut.
    ///
    /// # Errors
    /// The start after a power cut reads more again.
    pub fn finish(&self, check: &dyn DiskFile) -> Result<(), DiskError> {
        check.sync_data().map_err(DiskError::at("sync", &self.check_path))
    }
}

impl TimerFiles {
    /// Takes what changed since the last flush; `None` where nothing did.
    pub fn begin_flush(&mut self, now: Timestamp) -> Option<TimerFlush> {
        let queue_offset = self.queue_offset.0;
        let check = Check {
            read_ms: self.delivered.before.0,
            log_pos: self.log.end(),
            queue_offset,
            master_queue_offset: queue_offset,
            state_version: self.check.state_version,
            timestamp: now.0,
            counter: self.check.counter.max(self.followed_counter).saturating_add(1),
        };
        let is_same =
            Check { timestamp: self.check.timestamp, counter: self.check.counter, ..check } == self.check;
        if !self.has_files() || (is_same && self.wheel.changes() == 0) {
            return None;
        }
        let (slots, wheel) = self.wheel.begin_flush();
        Some(TimerFlush {
            log_files: self.log.files_from(self.check.log_pos),
            slots,
            wheel,
            wheel_path: self.wheel.path().to_owned(),
            check,
            check_path: self.check_path.clone(),
        })
    }

    /// Writes `timercheck` after [`TimerFlush::run`]; the file, for [`TimerFlush::finish`].
    ///
    /// # Errors
    /// The next flush writes all of it again.
    pub fn end_flush(&mut self, flush: &TimerFlush) -> Result<Arc<dyn DiskFile>, DiskError> {
        let file = self.check_file()?;
        let before = std::mem::replace(&mut self.check, flush.check);
        file.write_all_at(&self.whole_check(), 0).map_err(|error| {
            self.check = before;
            DiskError::at("write", &self.check_path)(error)
        })?;
        self.wheel.end_flush();
        Ok(file)
    }
}
