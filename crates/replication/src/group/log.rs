//! The log of a broker whose group has a controller: whose bytes it holds, what part the broker has, and what is confirmed.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use eruca_message::{Clock, LogOffset, Timestamp};
use eruca_store::{MessageStore, ReplicaCut, WriteStopped, planted};

use crate::{
    auto_switch::{Epoch, EpochError, Epochs, Member, Said, SourceLog},
    waits::Waits,
};

/// Everything is confirmed.
const ALL: u64 = u64::MAX;

/// Writes the epochs to the disk, before the log gets a byte of theirs; what went wrong in words.
pub type KeepEpochs = Box<dyn Fn(&Epochs) -> Result<(), String> + Send + Sync>;

/// Is told where the own log will end, while what is to be cut off can still be read.
pub type BeforeCut = Box<dyn Fn(LogOffset) + Send + Sync>;

/// Is told what was cut off the own log.
pub type Cut = Box<dyn Fn(&ReplicaCut) + Send + Sync>;

/// Is told that the set of in-sync brokers may have to change.
pub type Changed = Box<dyn Fn() + Send + Sync>;

/// What a group is started with.
pub struct GroupParts {
    /// The log.
    pub store: Arc<MessageStore>,
    /// Who wrote it, as `epochFileCheckpoint` says.
    pub epochs: Epochs,
    /// Writes that file.
    pub keep: KeepEpochs,
    /// The broker towards its controller.
    pub member: Member,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// Why a broker cannot begin its time as master.
#[derive(Debug, thiserror::Error)]
pub enum ReignError {
    /// The epochs cannot be.
    #[error("{0}")]
    Epoch(#[from] EpochError),
    /// The file cannot be written.
    #[error("the epochs of the log cannot be written: {0}")]
    Keep(String),
    /// What was appended cannot be written.
    #[error("{0}")]
    Stopped(#[from] WriteStopped),
}

struct State {
    epochs: Epochs,
    member: Member,
    /// What a slave's master last said.
    told: LogOffset,
    /// The newest epoch that the controller told of.
    newest_epoch: i32,
    in_sync: BTreeSet<i64>,
    /// The slave whose every acknowledgement is waited for.
    awaited: Option<i64>,
}

/// Shared by the connections, the broker's talk with its controller, and those who wait for the whole in-sync set.
pub struct GroupLog {
    store: Arc<MessageStore>,
    clock: Arc<dyn Clock>,
    keep: KeepEpochs,
    state: Mutex<State>,
    /// Held by the one who copies, for every change of the log: whether there may be any.
    may_copy: Mutex<bool>,
    confirmed: AtomicU64,
    lease_until: AtomicI64,
    /// What was told last, and whether by a master. One after the other, so that an older state is never told after a newer one.
    telling: Mutex<(u64, bool)>,
    changed: OnceLock<Changed>,
    before_cut: OnceLock<BeforeCut>,
    cut: OnceLock<Cut>,
    waits: Arc<Waits>,
}

impl GroupLog {
    /// No more is confirmed than was before, and nothing copied, until the controller says what the broker is. Epochs of which the log has
    /// lost every byte, at either end, are forgotten.
    pub fn new(parts: GroupParts) -> GroupLog {
        let GroupParts { store, mut epochs, keep, member, clock } = parts;
        let (begin, end) = store.log_range();
        epochs.truncate(end);
        epochs.forget_before(begin);
        let told = store.confirmed_before();
        store.set_read_limit(Some(told));
        store.note_confirmed(Some(told));
        let state = State { epochs, member, told, newest_epoch: -1, in_sync: BTreeSet::new(), awaited: None };
        GroupLog {
            store,
            clock,
            keep,
            state: Mutex::new(state),
            may_copy: Mutex::new(false),
            confirmed: AtomicU64::new(told.0),
            lease_until: AtomicI64::new(i64::MIN),
            telling: Mutex::default(),
            changed: OnceLock::new(),
            before_cut: OnceLock::new(),
            cut: OnceLock::new(),
            waits: Arc::default(),
        }
    }

    /// Sets who is told when a part of the log is about to be cut off. Once, before anything is copied.
    pub fn before_cut(&self, before_cut: BeforeCut) {
        let _ = self.before_cut.set(before_cut);
    }

    /// Sets who is told when a part of the log was cut off: queues end earlier then. Once, before anything is copied.
    pub fn on_cut(&self, cut: Cut) {
        let _ = self.cut.set(cut);
    }

    /// Sets who is told when the set of in-sync brokers may have to change. Once.
    pub fn on_change(&self, changed: Changed) {
        let _ = self.changed.set(changed);
    }

    /// Those who wait for slaves.
    pub fn waits(&self) -> &Arc<Waits> {
        &self.waits
    }

    /// The log itself.
    pub fn store(&self) -> &MessageStore {
        &self.store
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> LogOffset {
        self.store.log_range().1
    }

    fn look_over(&self) {
        if let Some(changed) = self.changed.get() {
            changed();
        }
    }

    /// From now on an acknowledgement of this slave is a change ([`GroupLog::on_change`]), too.
    pub fn await_slave(&self, slave: Option<i64>) {
        self.state().awaited = slave;
    }

    /// Up to where a slave has this master's log, as far as it said; `None` where it is not connected, or this is no master.
    pub fn acknowledged_by(&self, slave: i64) -> Option<LogOffset> {
        self.state().member.sync()?.acknowledged_by(slave)
    }

    /// Changes what the broker knows of its group; what became readable then, or may be acknowledged, is told by
    /// [`GroupLog::tell`].
    pub fn with_member<T>(&self, change: impl FnOnce(&mut Member) -> T) -> T {
        change(&mut self.state().member)
    }

    /// Who wrote the log.
    pub fn epochs(&self) -> Epochs {
        self.state().epochs.clone()
    }

    /// Number of the newest of them; -1 where there is none.
    pub fn last_epoch(&self) -> i32 {
        self.state().epochs.last_number()
    }

    /// Up to where everyone has the log who may become master; the log's end where that is this broker alone.
    pub fn confirmed(&self) -> LogOffset {
        match self.confirmed.load(Ordering::Acquire) {
            ALL => self.end(),
            confirmed => LogOffset(confirmed),
        }
    }

    /// The brokers in sync, as the controller last confirmed to this master; empty for a slave.
    pub fn in_sync_set(&self) -> BTreeSet<i64> {
        self.state().in_sync.clone()
    }

    /// The connections of those.
    pub(crate) fn in_sync_sessions(&self) -> BTreeSet<u64> {
        self.state().member.sync().map(|sync| sync.sessions_in_sync()).unwrap_or_default()
    }

    /// Whether a master may acknowledge what only it has: no other one can have been elected. See [`Member::has_lease`].
    pub fn has_lease(&self, now: Timestamp) -> bool {
        planted!(LeaseIgnored) || now.0 < self.lease_until.load(Ordering::Acquire)
    }

    /// Brings what others see up to date: what consumers may read, what is acknowledged, who is in sync.
    pub fn tell(&self) {
        let mut telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let end = self.end();
        let (confirmed, is_master, lease_until, in_sync) = {
            let state = &mut *self.state();
            let lease_until = state.member.lease_until();
            let (confirmed, is_master, is_all) = match state.member.sync() {
                Some(sync) => {
                    let is_alone = sync.electable().len() == 1 || planted!(MasterTrustsItself);
                    (sync.confirm(end), true, is_alone)
                }
                None => (state.told, false, false),
            };
            // A master that begins another epoch does not show less meanwhile.
            state.told = state.told.max(confirmed);
            let confirmed = if is_all { ALL } else { state.told.0 };
            let in_sync = state.member.sync().map(|sync| sync.members().clone()).unwrap_or_default();
            let before = std::mem::replace(&mut state.in_sync, in_sync.clone());
            (confirmed, is_master, lease_until, (before != in_sync).then_some((before, in_sync)))
        };
        self.lease_until.store(lease_until.map_or(i64::MIN, |until| until.0), Ordering::Release);
        if let Some((before, now)) = in_sync
            && !now.is_empty()
        {
            match before.is_subset(&now) {
                true => tracing::info!(?before, ?now, "the in-sync set has grown"),
                false => tracing::warn!(?before, ?now, "the in-sync set has shrunk"),
            }
        }
        if std::mem::replace(&mut *telling, (confirmed, is_master)) == (confirmed, is_master) {
            return;
        }
        self.confirmed.store(confirmed, Ordering::Release);
        let shows_all = confirmed == ALL || planted!(UnconfirmedShown);
        let limit = (!shows_all).then_some(LogOffset(confirmed));
        self.store.set_read_limit(limit);
        self.store.note_confirmed(limit);
        if is_master {
            self.waits.confirmed(LogOffset(confirmed));
        }
    }

    /// The broker is master from here on, in this epoch: nothing is copied any more, everything that comes is this epoch's. `open`
    /// takes up what waits in queues, of which it sees all, and opens the store.
    ///
    /// # Errors
    /// The broker cannot be master.
    pub fn reign(
        &self,
        number: i32,
        open: impl FnOnce() -> Result<(), WriteStopped>,
    ) -> Result<(), ReignError> {
        let (start, confirmed) = self.begin_epoch(number)?;
        let now = self.clock.now();
        self.with_member(|member| member.reign(start, confirmed, now));
        self.tell();
        Ok(self.showing_everything(open)?)
    }

    /// Where it begins, and what was confirmed before. Nothing is appended yet.
    fn begin_epoch(&self, number: i32) -> Result<(LogOffset, LogOffset), ReignError> {
        *self.may_copy.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.store.set_replica(true)?;
        let (begin, end) = self.store.log_range();
        let mut epochs = self.epochs();
        epochs.forget_before(begin);
        if epochs.last_number() != number {
            // A log that was written without a controller belongs to the first master with one.
            let start = if epochs.last().is_some() { end } else { begin };
            epochs.begin(Epoch { number, start })?;
            if !planted!(ReignEpochNotKept) {
                (self.keep)(&epochs).map_err(ReignError::Keep)?;
            }
        }
        let mut state = self.state();
        state.epochs = epochs;
        state.newest_epoch = state.newest_epoch.max(number);
        drop(state);
        Ok((end, self.confirmed().min(end)))
    }

    /// Does `work` while readers see all that is written.
    fn showing_everything<T>(&self, work: impl FnOnce() -> T) -> T {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let limit = self.store.read_limit();
        self.store.set_read_limit(None);
        let done = work();
        self.store.set_read_limit(limit);
        done
    }

    /// The broker is a slave from here on, of a master of this epoch or a later one. Whoever waits for messages of the own time as
    /// master is told so: other ones may come to lie in their places.
    pub fn follow(&self, epoch: i32) {
        let confirmed = self.confirmed();
        self.waits.confirmed(LogOffset(0));
        self.waits.give_up("this broker is not the master of its group any more");
        let mut state = self.state();
        state.newest_epoch = state.newest_epoch.max(epoch);
        state.told = state.told.max(confirmed);
        drop(state);
        *self.may_copy.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// The newest epoch that the controller told of.
    pub fn newest_epoch(&self) -> i32 {
        self.state().newest_epoch
    }

    /// The number that the controller gave; `None` before.
    pub fn id(&self) -> Option<i64> {
        self.state().member.id()
    }

    /// The log as a master gives it away; `None` where the broker is none, or `session` of the slave is not of its epoch, so that nothing
    /// that the slave says on it would count. `flushed_only`: slaves show their readers no more than the
    /// disk has, so that nobody has seen what a power cut takes.
    pub fn with_source<T>(
        &self,
        flushed_only: bool,
        session: Option<(i64, u64)>,
        use_it: impl FnOnce(&SourceLog<'_>) -> T,
    ) -> Option<T> {
        let (begin, end) = self.store.log_range();
        let shown = if flushed_only { self.store.watermarks().flushed } else { end };
        let confirmed = self.confirmed().min(shown).min(end);
        let state = &mut *self.state();
        let sync = state.member.sync()?;
        if session.is_some_and(|(slave, session)| !sync.is_connected(slave, session)) {
            return None;
        }
        let last_segment = self.store.last_segment();
        Some(use_it(&SourceLog { begin, last_segment, end, epochs: &state.epochs, confirmed }))
    }

    /// A slave said something on connection `session`.
    pub fn said(&self, session: u64, slave: i64, said: Said) {
        let (now, end) = (self.clock.now(), self.end());
        let must_look = {
            let state = &mut *self.state();
            let Some(sync) = state.member.sync() else { return };
            match said {
                Said::Hello { broker_id, is_learner } => {
                    sync.connected(broker_id, session, is_learner, now);
                    false
                }
                Said::Has(has) => {
                    let was_joining = sync.is_joining();
                    sync.acknowledged(slave, session, has, end, now);
                    sync.has_joiner() || sync.is_joining() != was_joining || state.awaited == Some(slave)
                }
            }
        };
        if must_look {
            self.look_over();
        }
    }

    /// Its connection ended.
    pub fn gone(&self, session: u64, slave: i64) {
        let now = self.clock.now();
        if let Some(sync) = self.state().member.sync() {
            sync.disconnected(slave, session, now);
        }
        self.look_over();
    }

    /// A slave's master says what is confirmed.
    pub(super) fn told_confirmed(&self, up_to: LogOffset) -> bool {
        let mut state = self.state();
        let is_news = up_to > state.told;
        state.told = state.told.max(up_to);
        is_news
    }

    /// For the one who copies: changes the log unless it may not be changed any more.
    pub(super) fn while_copying<T>(&self, change: impl FnOnce() -> T) -> Option<T> {
        let may_copy = self.may_copy.lock().unwrap_or_else(PoisonError::into_inner);
        may_copy.then(change)
    }

    /// Keeps the epochs of a copy.
    pub(super) fn keep_epochs(&self, epochs: &Epochs) -> Result<(), String> {
        (self.keep)(epochs)?;
        self.state().epochs = epochs.clone();
        Ok(())
    }

    /// The log will end there.
    pub(super) fn will_be_cut(&self, end: LogOffset) {
        if end < self.end()
            && let Some(tell) = self.before_cut.get()
        {
            tell(end);
        }
    }

    /// The log was cut.
    pub(super) fn was_cut(&self, cut: &ReplicaCut) {
        {
            let mut state = self.state();
            state.told = state.told.min(cut.end);
        }
        if let Some(tell) = self.cut.get() {
            tell(cut);
        }
    }
}

impl fmt::Debug for GroupLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupLog").field("confirmed", &self.confirmed).finish_non_exhaustive()
    }
}
