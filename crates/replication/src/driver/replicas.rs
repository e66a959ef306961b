//! What threads, handlers and those who look at a broker share of its replication.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

use eruca_message::{Clock, LogOffset, Record, RecordHeader, Timestamp};
use eruca_store::{MessageStore, WriteStopped, WrittenListener};
use tokio::sync::Notify;

use super::from_master::CopyState;
use crate::{
    classic::{Shipped, SourceLog},
    group::GroupLog,
    in_sync::{Event, InSync, Outcome, SlaveState, Waiter},
    waits::Waits,
};

/// What can be set, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HaSettings {
    /// How a master sends.
    pub shipped: Shipped,
    /// A slave that lacks less is in sync (`haMaxGapNotInSync`), in bytes.
    pub gap_max_bytes: u64,
    /// A slave acknowledges what its disk has (`flushDiskType=SYNC_FLUSH`), not what its kernel has.
    pub acknowledges_flushed: bool,
    /// A slave without messages gets only the last segment of the log (`syncFromLastFile`); without a controller the master's
    /// setting counts.
    pub sync_from_last_file: bool,
    /// A slave never belongs to the in-sync set (`asyncLearner`); with a controller only.
    pub is_learner: bool,
}

/// Wakes the thread of one slave, where it sleeps.
#[derive(Debug, Default)]
pub(super) struct Bell {
    pub(super) notify: Notify,
    pub(super) sleeps: AtomicBool,
}

/// The replication as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// End of this log.
    pub log_end: LogOffset,
    /// The slaves that are connected, and whether each is in sync.
    pub slaves: Vec<(SlaveState, bool)>,
    /// The copy of a master's log, where this broker makes one.
    pub copy: Option<CopyState>,
}

/// The slaves of a broker, those who wait for them, and its own copying.
pub struct Replicas {
    store: Arc<MessageStore>,
    clock: Arc<dyn Clock>,
    settings: Box<dyn Fn() -> HaSettings + Send + Sync>,
    in_sync: Arc<Waits>,
    bells: RwLock<Vec<Arc<Bell>>>,
    connections: AtomicUsize,
    /// Rung when the first one waits.
    pub(super) waits: Notify,
    copy: Mutex<Option<CopyState>>,
    group: Option<Arc<GroupLog>>,
}

impl Replicas {
    /// None so far; `settings` says what is set at the moment; `group` is there with a controller. The store tells it when its log
    /// gets longer.
    pub fn new(
        store: Arc<MessageStore>,
        clock: Arc<dyn Clock>,
        settings: impl Fn() -> HaSettings + Send + Sync + 'static,
        group: Option<Arc<GroupLog>>,
    ) -> Arc<Replicas> {
        let in_sync = group.as_ref().map(|group| group.waits().clone()).unwrap_or_default();
        let replicas = Arc::new(Replicas {
            store: store.clone(),
            clock,
            settings: Box::new(settings),
            in_sync,
            bells: RwLock::default(),
            connections: AtomicUsize::new(0),
            waits: Notify::new(),
            copy: Mutex::default(),
            group,
        });
        store.set_written_listener(Arc::new(Written(Arc::downgrade(&replicas))));
        replicas
    }

    /// The log that is copied or given away.
    pub fn store(&self) -> &MessageStore {
        &self.store
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn settings(&self) -> HaSettings {
        (self.settings)()
    }

    pub(super) fn in_sync(&self) -> MutexGuard<'_, InSync> {
        self.in_sync.lock()
    }

    pub(super) fn copy_state(&self) -> MutexGuard<'_, Option<CopyState>> {
        self.copy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn source(&self) -> SourceLog {
        let (begin, end) = self.store.log_range();
        let for_empty = if self.settings().sync_from_last_file { self.store.last_segment() } else { begin };
        SourceLog { begin, end, for_empty }
    }

    /// What a controller adds.
    pub fn group(&self) -> Option<&Arc<GroupLog>> {
        self.group.as_ref()
    }

    /// Whether a master may acknowledge what only it has; without a controller always.
    pub fn has_lease(&self) -> bool {
        self.group.as_ref().is_none_or(|group| group.has_lease(self.now()))
    }

    /// Brings up to date what depends on the in-sync set: what consumers may read, what is acknowledged.
    pub fn tell_group(&self) {
        if let Some(group) = &self.group {
            group.tell();
        }
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// A slave came.
    pub(super) fn joined(&self, session: u64, address: String) -> Arc<Bell> {
        let bell = Arc::new(Bell::default());
        self.bells.write().unwrap_or_else(PoisonError::into_inner).push(bell.clone());
        self.connections.fetch_add(1, Ordering::SeqCst);
        self.in_sync().joined(session, address, self.now());
        bell
    }

    /// It went.
    pub(super) fn left(&self, session: u64, bell: &Arc<Bell>) {
        self.connections.fetch_sub(1, Ordering::SeqCst);
        self.bells.write().unwrap_or_else(PoisonError::into_inner).retain(|other| !Arc::ptr_eq(other, bell));
        self.in_sync().left(session, self.now());
    }

    /// A slave has the log up to `has`: calls those who waited for that.
    pub(super) fn acknowledged(&self, session: u64, has: LogOffset) {
        let end = self.store.log_range().1;
        let ready = self.in_sync().acknowledged(session, has, end, self.now());
        ready.into_iter().for_each(|waiter| waiter(Outcome::Replicated));
    }

    /// Calls `waiter` when `slaves` slaves have the log up to `end`, or after `timeout_ms`; perhaps at once, on this thread.
    pub fn wait(&self, end: LogOffset, slaves: usize, timeout_ms: i64, waiter: Waiter) {
        let now = self.now();
        if self.in_sync.wait(end, slaves, now.add_ms(timeout_ms), now, waiter) {
            self.waits.notify_one();
        }
    }

    /// How many slaves are connected and have said what they have.
    pub fn copies(&self) -> usize {
        self.in_sync().slaves().filter(|slave| slave.acknowledged.is_some()).count()
    }

    /// How many copies are in sync, this one with them.
    pub fn copies_in_sync(&self) -> usize {
        if let Some(group) = &self.group {
            return group.in_sync_set().len();
        }
        if self.connections() == 0 {
            return 1;
        }
        let gap_max_bytes = self.settings().gap_max_bytes;
        self.in_sync().copies_in_sync(self.store.log_range().1, gap_max_bytes)
    }

    /// Which slaves lack the end of the log, in words, where `slaves` should have it.
    pub fn missing(&self, slaves: usize) -> String {
        self.in_sync().missing(self.store.log_range().1, slaves, self.now())
    }

    /// The replication as it stands. Reads a record for each slave that lacks one.
    pub fn status(&self) -> Status {
        let (log_end, gap_max_bytes) = (self.store.log_range().1, self.settings().gap_max_bytes);
        let of_group = self.group.as_ref().map(|group| group.in_sync_sessions());
        let mut slaves: Vec<_> = self
            .in_sync()
            .sessions()
            .map(|(session, slave)| {
                let is_in_sync = match &of_group {
                    Some(sessions) => sessions.contains(&session),
                    None => slave.is_near(log_end, gap_max_bytes),
                };
                (slave.clone(), is_in_sync)
            })
            .collect();
        for (slave, _) in slaves.iter_mut().filter(|(slave, _)| slave.behind_bytes(log_end) > 0) {
            slave.lacks_since = self.stored_at(slave.acknowledged.unwrap_or_default());
        }
        Status { log_end, slaves, copy: self.copy_state().clone() }
    }

    /// When the first record from `from` on was stored. `None`: not to be told, as where a Java slave has a part of a record.
    fn stored_at(&self, from: LogOffset) -> Option<Timestamp> {
        let mut at = from.max(self.store.log_range().0);
        let mut head = Vec::new();
        self.store.read_raw_log(at, 8, &mut head).ok()?;
        if RecordHeader::peek(&head)?.is_blank() {
            let segment_bytes = self.store.config().segment_size_bytes;
            at = LogOffset((at.0 / segment_bytes + 1) * segment_bytes);
        }
        let record = self.store.record_at(at).ok()??;
        Some(Record::decode(&record).ok()?.fields.store_timestamp)
    }

    /// Ends waits whose time is over, which the service does by itself: for tests without one.
    pub fn expire_now(&self) {
        self.expire();
    }

    /// Ends waits whose time is over. When the next one's is.
    pub(super) fn expire(&self) -> Option<Timestamp> {
        self.in_sync.expire(self.now())
    }

    /// Logs which slaves came into sync, and which fell behind.
    pub(super) fn judge(&self) {
        let gap_max_bytes = self.settings().gap_max_bytes;
        let events = self.in_sync().judge(self.store.log_range().1, gap_max_bytes);
        for event in events {
            match event {
                Event::InSync { address, behind_bytes } => {
                    tracing::info!(slave = address, behind_bytes, "a slave is in sync");
                }
                Event::FellBehind { address, behind_bytes } => {
                    tracing::warn!(
                        slave = address,
                        behind_bytes,
                        gap_max_bytes,
                        "a slave is behind by more than haMaxGapNotInSync"
                    );
                }
            }
        }
    }

    /// Ends all waits.
    pub(super) fn give_up(&self, why: &str) {
        self.in_sync.give_up(why);
    }

    fn ring(&self) {
        if self.connections() == 0 {
            return;
        }
        // The end of the log is stored before this look; a thread that goes to sleep says so before it looks at the end.
        fence(Ordering::SeqCst);
        for bell in &*self.bells.read().unwrap_or_else(PoisonError::into_inner) {
            if bell.sleeps.load(Ordering::SeqCst) && bell.sleeps.swap(false, Ordering::SeqCst) {
                bell.notify.notify_one();
            }
        }
    }
}

impl std::fmt::Debug for Replicas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replicas").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// The store outlives nobody: it only knows who listens as long as that lives.
struct Written(std::sync::Weak<Replicas>);

impl WrittenListener for Written {
    fn written(&self) {
        if let Some(replicas) = self.0.upgrade() {
            replicas.ring();
        }
    }

    fn dropped(&self, from: LogOffset, why: &WriteStopped) {
        let Some(replicas) = self.0.upgrade() else { return };
        let lost = replicas.in_sync().take_after(from);
        lost.into_iter().for_each(|waiter| waiter(Outcome::Lost(why.clone())));
    }
}
