//! Flushing: from the operating system to the disk, first the log, then the queues, then the checkpoint.
//!
//! The order is what recovery rests on: a queue entry is written to its file only when its record is on the
//! disk, and the checkpoint says only what is on the disk before it.

use std::{
    sync::{PoisonError, atomic::Ordering},
    time::Duration,
};

use eruca_message::LogOffset;

use crate::{
    checkpoint::Checkpoint,
    consume_queue::{QueueStep, Target},
    disk::{DiskError, DiskSpace},
    store::MessageStore,
    watermark::{FlushWaiter, FlushWork, LogTip},
    write_state::WriteStopped,
};

/// What `queue_flush_step` keeps from one time to the next.
#[derive(Debug, Default)]
pub(crate) struct QueueFlush {
    pub(crate) step: QueueStep,
    /// What the `checkpoint` file says.
    pub(crate) checkpoint: Checkpoint,
}

/// What [`MessageStore::queue_flush_step`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueFlushed {
    /// Queue entries written.
    pub entries: u64,
    /// Everything before this is on the disk, log and queues.
    pub up_to: LogOffset,
}

impl MessageStore {
    /// Calls `waiter` when the log is on the disk up to `end` (exclusive; see
    /// [`crate::Appended::log_offset_end`]), or with the error when writing stops before. It may be called at
    /// once, on this thread; else on the one that flushes. Where very many wait already, this thread flushes.
    ///
    /// `waiter` must be quick and must not call the steps of the store.
    pub fn on_flushed(&self, end: LogOffset, waiter: FlushWaiter) {
        if self.progress.flushed() >= end.0 {
            return waiter(Ok(()));
        }
        if let Err(why @ WriteStopped::Io { .. }) = self.gate.check() {
            return waiter(Err(why));
        }
        if let Err(waiter) = self.flush_waiters.register(end.0, waiter) {
            return match self.flush_step() {
                Ok(flushed) if flushed >= end => waiter(Ok(())),
                Ok(_) => waiter(Err(self.gate.check().err().unwrap_or(WriteStopped::ShuttingDown))),
                Err(why) => waiter(Err(why)),
            };
        }
        // It may have been flushed, or have failed, between the look and the registration.
        self.flush_waiters.take_up_to(self.progress.flushed()).into_iter().for_each(|waiter| waiter(Ok(())));
        if let Err(why @ WriteStopped::Io { .. }) = self.gate.check() {
            self.flush_waiters.take_after(0).into_iter().for_each(|waiter| waiter(Err(why.clone())));
        }
    }

    /// Sleeps until someone waits for a flush (then at once), the store is closed, or `timeout` is over: for the
    /// thread that calls [`MessageStore::flush_step`].
    pub fn wait_for_flush_work(&self, timeout: Duration) -> FlushWork {
        self.flush_waiters.wait(timeout)
    }

    /// Forces everything written so far to the disk and calls those who wait for it. One sync covers all that
    /// was written while the one before ran. Up to where the log is on the disk then.
    ///
    /// # Errors
    /// A failed sync: nothing is written until a restart, and all who wait are told.
    pub fn flush_step(&self) -> Result<LogOffset, WriteStopped> {
        self.flush_to_tip().map(|tip| LogOffset(tip.end))
    }

    fn flush_to_tip(&self) -> Result<LogTip, WriteStopped> {
        // Before as after: forcing much of a log that grows fast to the disk takes as long as it takes to fill a file.
        self.prepare_next_segment();
        let result = self.flush_written();
        match &result {
            Ok(tip) => self.flush_waiters.take_up_to(tip.end).into_iter().for_each(|waiter| waiter(Ok(()))),
            Err(why) => {
                self.flush_waiters.take_up_to(u64::MAX - 1).into_iter().for_each(|w| w(Err(why.clone())));
            }
        }
        result
    }

    fn flush_written(&self) -> Result<LogTip, WriteStopped> {
        let mut flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(why @ WriteStopped::Io { .. }) = self.gate.check() {
            return Err(why);
        }
        let tip = self.progress.tip();
        if tip.end > self.progress.flushed() {
            for segment in self.segments.overlapping(self.progress.flushed(), tip.end) {
                // Room lacking at this late moment is no better than any other failure: what the kernel held
                // may be gone.
                let synced = if planted!(LogSyncSkipped) { Ok(()) } else { segment.sync() };
                let synced = if planted!(FailedSyncIgnored) { Ok(()) } else { synced };
                synced.map_err(|error| self.stop(WriteStopped::from_io(&error)))?;
            }
            self.progress.set_flushed(tip.end);
        }
        *flushing = tip;
        drop(flushing);
        self.prepare_next_segment();
        Ok(tip)
    }

    /// Creates the file that comes after the present one when that is a quarter full, so that no append has to.
    fn prepare_next_segment(&self) {
        let written = self.progress.written();
        let size = self.segments.segment_size();
        if written % size <= size / 4 || matches!(self.gate.check(), Err(WriteStopped::Io { .. })) {
            return;
        }
        let next = written - written % size + size;
        if self.segments.find(next).is_some() {
            return;
        }
        match self.segments.find_or_create(next) {
            // As where an append creates it.
            Ok(_) => self.space_step(),
            Err(error) => {
                // The append that needs it will try again and then say so.
                if self.unprepared.swap(next, Ordering::Relaxed) != next {
                    tracing::warn!(%error, "the next file of the log could not be prepared");
                }
            }
        }
    }

    /// Flushes the log, writes the queue entries of what is flushed behind, forces them to the disk, and moves
    /// the checkpoint: recovery starts there. To be called about once a second.
    ///
    /// # Errors
    /// As [`MessageStore::flush_step`]; a full disk is tried again the next time.
    pub fn queue_flush_step(&self) -> Result<QueueFlushed, WriteStopped> {
        let mut flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_queues(&mut flush)
    }

    /// The same, for one who holds the lock.
    pub(crate) fn flush_queues(&self, flush: &mut QueueFlush) -> Result<QueueFlushed, WriteStopped> {
        let tip = self.flush_to_tip()?;
        let QueueFlush { step, checkpoint } = flush;
        let target = Target::Policy(self.config.queue_log);
        let own = step.write(&self.queues, tip.end, target).map_err(|error| self.stop_for(&error))?;
        let in_batches = self.batch_queues.write_behind(tip.end).map_err(|error| self.stop_for(&error))?;
        if !planted!(QueueSyncSkipped) {
            step.sync(&self.queues).map_err(|error| self.stop(WriteStopped::from_io(&error)))?;
        }
        let now = Checkpoint {
            log_timestamp: tip.store_timestamp,
            queue_timestamp: tip.store_timestamp,
            queue_log_offset: LogOffset(tip.last_record),
            index_timestamp: self.index.sealed(),
            confirm_offset: self.read_limit.to_note(tip.end).unwrap_or(checkpoint.confirm_offset),
            ..*checkpoint
        };
        let log_min = self.queues.trimmed_to();
        let committed = step.commit(&self.queues, now, (log_min, tip.end));
        let (visible, shared) = committed.map_err(|error| self.stop_for(&error))?;
        let entries = own + shared;
        if visible != *checkpoint {
            let path = self.config.checkpoint_path();
            visible.store(&*self.disk, &path).map_err(|error| self.stop_for(&error))?;
            *checkpoint = visible;
        }
        self.read_limit.noted(now.confirm_offset);
        if let Err(error) = self.queues.files().queue_log().expire(log_min) {
            tracing::warn!(%error, "an old file of the queue log could not be removed, it is tried again");
        }
        self.progress.set_queued(tip.end);
        Ok(QueueFlushed { entries: entries + in_batches, up_to: LogOffset(tip.end) })
    }

    /// Flushes all, and leaves the queues in their own files, where these are not too many. Whether they are there.
    pub(crate) fn close_queues(&self) -> Result<bool, WriteStopped> {
        let mut flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_queues(&mut flush)?;
        let log = self.queues.files().queue_log();
        if !log.is_active() {
            return Ok(true);
        }
        let policy = self.config.queue_log;
        let chains = self.queues.chains();
        if chains > policy.close_max {
            return Ok(false);
        }
        if chains > 0 {
            self.queues.list_chained();
            flush
                .step
                .write(&self.queues, self.progress.flushed(), Target::OwnFiles)
                .map_err(|error| self.stop_for(&error))?;
            self.flush_queues(&mut flush)?;
        }
        if self.queues.len() <= policy.queues_min {
            // Few queues again: their files say everything, and files of others must not.
            let removed = self.queues.remove_strays().and_then(|()| log.remove());
            removed.map_err(|error| WriteStopped::from_io(&error))?;
        }
        Ok(true)
    }

    /// Looks whether the disk has room (and, where that was lacking, whether files can be opened): stops writing where it
    /// has not, lets it go on where it has again.
    /// To be called every few seconds.
    pub fn space_step(&self) {
        let dir = &self.config.commit_log_dir;
        let space = match self.disk.space(dir) {
            Ok(space) => space,
            Err(error) => {
                tracing::warn!(dir = %dir.display(), %error, "free space of the disk cannot be told");
                return;
            }
        };
        if space.used_ratio() >= self.config.disk_warning_ratio {
            self.stop(self.disk_full(space));
        } else if self.can_open_files() && self.gate.cause_is_gone() {
            tracing::info!(dir = %dir.display(), free_bytes = space.free_bytes, "what stopped writing is over, it goes on");
        }
    }

    /// Asked only where it is in doubt.
    fn can_open_files(&self) -> bool {
        !matches!(self.gate.check(), Err(WriteStopped::TooManyFiles { .. }))
            || self.disk.list(&self.config.commit_log_dir).is_ok()
    }

    fn disk_full(&self, space: DiskSpace) -> WriteStopped {
        let whole = space.used_bytes.saturating_add(space.free_bytes);
        let threshold_bytes = (whole as f64 * (1.0 - self.config.disk_warning_ratio)).ceil() as u64;
        let path = self.config.commit_log_dir.clone();
        WriteStopped::DiskFull { path, free_bytes: space.free_bytes, threshold_bytes }
    }

    /// Stops writing for a failed file operation; the reason.
    pub(crate) fn stop_for(&self, error: &DiskError) -> WriteStopped {
        if !error.is_full() {
            return self.stop(WriteStopped::from_io(error));
        }
        let space = self.disk.space(&self.config.commit_log_dir);
        // Where even that cannot be told, nothing is free as far as we know.
        self.stop(self.disk_full(space.unwrap_or(DiskSpace { used_bytes: 0, free_bytes: 0 })))
    }

    /// Stops writing; the reason that holds from now on.
    pub(crate) fn stop(&self, why: WriteStopped) -> WriteStopped {
        if self.gate.stop(why.clone(), self.clock.now()) {
            match &why {
                WriteStopped::ShuttingDown => {
                    tracing::info!("the store takes no more messages: shutting down")
                }
                WriteStopped::Replica | WriteStopped::DiskFull { .. } | WriteStopped::TooManyFiles { .. } => {
                    tracing::warn!(reason = %why, "writing stopped")
                }
                WriteStopped::Io { .. } => tracing::error!(reason = %why, "writing stopped"),
            }
        }
        self.gate.check().err().unwrap_or(why)
    }
}
