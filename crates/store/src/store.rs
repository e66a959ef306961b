//! The store from outside: what it holds, opening, closing and looking at it.
//!
//! Appending is in `append`, flushing in `flush`, reading in `read` and `query`, expiry in `retention`.

use std::{
    fmt,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use eruca_message::{Clock, LogOffset, Timestamp};

use crate::{
    append::AppendState,
    arrival::{ArrivalListener, WrittenListener},
    cold::ColdChunks,
    commit_log::{Segments, Staging},
    config::StoreConfig,
    consume_queue::{BatchTable, QueueTable},
    damage::DamagedRecords,
    disk::{Disk, DiskError, DiskLock},
    error::OpenError,
    flush::QueueFlush,
    index::KeyIndex,
    read_limit::ReadLimit,
    recovery::{self, RecoveryReport},
    replica::Copying,
    retention::ClockWatch,
    watermark::{FlushWaiters, LogProgress, LogTip, Watermarks},
    write_state::{WriteGate, WriteState, WriteStopped},
};

/// A message store: one CommitLog and the ConsumeQueues over it.
///
/// Shared by many threads behind an [`Arc`]. It starts no thread: whoever owns it calls
/// [`MessageStore::flush_step`], [`MessageStore::queue_flush_step`], [`MessageStore::index_step`],
/// [`MessageStore::space_step`] and [`MessageStore::retention_step`] from time to time. Dropping it without [`MessageStore::close`] is to the
/// directory what a killed process is.
pub struct MessageStore {
    pub(crate) config: StoreConfig,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) segments: Segments,
    pub(crate) queues: QueueTable,
    pub(crate) batch_queues: BatchTable,
    pub(crate) index: KeyIndex,
    pub(crate) progress: LogProgress,
    pub(crate) gate: WriteGate,
    pub(crate) flush_waiters: FlushWaiters,
    pub(crate) listener: OnceLock<Arc<dyn ArrivalListener>>,
    /// Tells the stores of a process apart.
    pub(crate) number: u64,
    pub(crate) read_limit: ReadLimit,
    pub(crate) written_listener: OnceLock<Arc<dyn WrittenListener>>,
    /// Held by the one who takes something away from the log, at whichever end.
    pub(crate) shrinking: Mutex<()>,
    /// Counts the steps of those who cut the log's end off: what was read across one is read again.
    pub(crate) cuts: AtomicU64,
    /// Held by the one who copies another store's log into this one.
    pub(crate) copying: Mutex<Copying>,
    pub(crate) append: Mutex<AppendState>,
    /// Held by the one who writes; the buffer that is being written.
    pub(crate) writing: Mutex<Staging>,
    /// Held by the one who flushes; what was flushed last.
    pub(crate) flushing: Mutex<LogTip>,
    pub(crate) queue_flush: Mutex<QueueFlush>,
    /// The segment that could not be prepared ahead, as was said once.
    pub(crate) unprepared: AtomicU64,
    pub(crate) clock_watch: Mutex<ClockWatch>,
    /// For how many steps an order to delete what has expired still holds.
    pub(crate) delete_steps_by_hand: AtomicU32,
    pub(crate) damaged: DamagedRecords,
    pub(crate) cold: ColdChunks,
    /// Given back with the store, or when it is closed.
    lock: Mutex<Option<Box<dyn DiskLock>>>,
}

impl MessageStore {
    /// Opens the store in `config.root`, and puts it in order where it was not closed. Directories that are
    /// missing are created.
    ///
    /// # Errors
    /// [`OpenError`] names the file or setting, and the remedy.
    pub fn open(
        config: StoreConfig,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
    ) -> Result<(MessageStore, RecoveryReport), OpenError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        config.validate()?;
        let lock = recovery::take_directory(&config, &*disk)?;
        let was_closed = recovery::mark_open(&config, &*disk)?;
        let recovery::Recovered { segments, queues, batch_queues, flush, tip, queued, report } =
            recovery::recover(&config, &disk, was_closed)?;
        let index = KeyIndex::new(&config, &disk, was_closed, flush.checkpoint.index_timestamp, tip.end);
        if let Err(error) = index.cut_to_log() {
            tracing::warn!(%error, "the index of keys cannot be read");
        }
        // An empty store has nothing to lose.
        let last_stored = if tip.end == 0 { clock.now() } else { tip.store_timestamp };
        let store = MessageStore {
            index,
            segments,
            queues,
            batch_queues,
            progress: LogProgress::at(tip, queued),
            gate: WriteGate::default(),
            flush_waiters: FlushWaiters::default(),
            listener: OnceLock::new(),
            read_limit: ReadLimit::default(),
            written_listener: OnceLock::new(),
            shrinking: Mutex::default(),
            cuts: AtomicU64::new(0),
            copying: Mutex::default(),
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            append: Mutex::new(AppendState::at(tip)),
            writing: Mutex::default(),
            flushing: Mutex::new(tip),
            queue_flush: Mutex::new(flush),
            unprepared: AtomicU64::new(0),
            clock_watch: Mutex::new(ClockWatch::since(last_stored)),
            delete_steps_by_hand: AtomicU32::new(0),
            damaged: DamagedRecords::default(),
            cold: ColdChunks::default(),
            lock: Mutex::new(Some(lock)),
            config,
            disk,
            clock,
        };
        // The first append of a new store creates no file, either.
        if let Err(error) = store.segments.find_or_create(tip.end) {
            // A full disk is no reason not to serve what is there.
            if !error.is_full() {
                return Err(error.into());
            }
            store.stop_for(&error);
        }
        store.space_step();
        Ok((store, report))
    }

    /// Sets who is told of messages that become visible. Once: a second listener is refused with `false`.
    pub fn set_arrival_listener(&self, listener: Arc<dyn ArrivalListener>) -> bool {
        self.listener.set(listener).is_ok()
    }

    /// Sets who is told that the log got longer. Once: a second listener is refused with `false`.
    pub fn set_written_listener(&self, listener: Arc<dyn WrittenListener>) -> bool {
        self.written_listener.set(listener).is_ok()
    }

    pub(crate) fn tell_written(&self) {
        if let Some(listener) = self.written_listener.get() {
            listener.written();
        }
    }

    /// Start of the log, and its end as readers see it (exclusive).
    pub fn log_range(&self) -> (LogOffset, LogOffset) {
        let min = self.segments.min();
        (LogOffset(min), LogOffset(self.progress.written().max(min)))
    }

    /// Where the last segment of the log begins.
    pub fn last_segment(&self) -> LogOffset {
        let (begin, end) = self.log_range();
        LogOffset(end.0 - end.0 % self.config().segment_size_bytes).max(begin)
    }

    /// How far the log has got.
    pub fn watermarks(&self) -> Watermarks {
        self.progress.watermarks()
    }

    /// Whether messages are taken, and if not, why.
    pub fn write_state(&self) -> WriteState {
        self.gate.state()
    }

    /// Since when no messages are taken; `None` where they are.
    pub fn write_stopped_since(&self) -> Option<Timestamp> {
        self.gate.stopped_since()
    }

    /// Whether this log is a copy of another store's (true) or takes messages of its own. What was appended before is
    /// written when this returns: the end of the log stays where it is then.
    ///
    /// # Errors
    /// Something that was appended could not be written; the log is a copy all the same.
    pub fn set_replica(&self, is_replica: bool) -> Result<(), WriteStopped> {
        {
            // Under this lock nothing is between its check and its place in the log.
            let _append = self.append_lock();
            self.gate.set_replica(is_replica, self.clock.now());
        }
        self.settle()
    }

    /// Whether it is a copy of another store's log, and takes no messages of its own.
    pub fn is_replica(&self) -> bool {
        self.gate.is_replica()
    }

    /// The settings.
    pub fn config(&self) -> &StoreConfig {
        &self.config
    }

    /// Takes no more messages, brings everything to the disk, and leaves the directory so that the next start
    /// has nothing to put in order. A second call does nothing.
    ///
    /// # Errors
    /// Where something could not be brought to the disk: the next start recovers then.
    pub fn close(&self) -> Result<(), WriteStopped> {
        if let Err(why @ WriteStopped::Io { .. }) = self.gate.check() {
            self.flush_waiters.close();
            self.unlock();
            return Err(why);
        }
        self.stop(WriteStopped::ShuttingDown);
        let result = self.close_in_order();
        self.flush_waiters.close();
        self.unlock();
        result
    }

    fn close_in_order(&self) -> Result<(), WriteStopped> {
        if self.lock.lock().unwrap_or_else(PoisonError::into_inner).is_none() {
            return Ok(());
        }
        self.settle()?;
        let index_is_whole = self.close_index();
        if !self.close_queues()? {
            tracing::info!(
                queues = self.queues.chains(),
                "so many queues have entries in the queue log that their files are left as they are: the next start reads \
                 the queue log, and a Java broker would make the queues anew from the messages"
            );
            return Ok(());
        }
        if !index_is_whole {
            return Ok(());
        }
        let abort = self.config.abort_path();
        let removed = self.disk.remove_file(&abort).map_err(DiskError::at("remove", &abort));
        let synced = removed.and_then(|()| {
            self.disk.sync_dir(&self.config.root).map_err(DiskError::at("sync", &self.config.root))
        });
        synced.map_err(|error| WriteStopped::from_io(&error))
    }

    fn unlock(&self) {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl fmt::Debug for MessageStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageStore")
            .field("root", &self.config.root)
            .field("watermarks", &self.watermarks())
            .field("write_state", &self.write_state())
            .finish_non_exhaustive()
    }
}
