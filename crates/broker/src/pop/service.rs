//! POP as the broker has it: what is in flight, where each group pops next, and both in the log.
//!
//! Locks, in this order: a queue's turn, `state` or `cursors`, the tables.

use std::{
    cell::RefCell,
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use eruca_message::{
    Clock, LogOffset, Timestamp,
    names::revive_topic,
    properties::{self, TAGS},
};
use eruca_store::{AppendMessage, MessageStore, WriteState, WriteStopped};

use super::{
    handle::AckHandle,
    log::{CHECK_POINT_LEAD_MS, PopLog},
    orders::Orders,
    record::{self, ReviveRecord},
    recover::Timers,
    state::{Acked, CheckPoint, PopKey, PopState, QueueKey},
};
use crate::{
    HandlerError, config::BrokerConfig, delay::Parking, groups::GroupTable, handler::ParkedPop,
    lite::LiteRegistry, long_poll::PopHold, offsets::OffsetTable, persist::PersistError, role::Escape,
    settings::Settings, topics::TopicTable,
};

/// Check points kept in memory, about 300 bytes each; of more only the log knows.
const CHECK_POINTS_MAX: usize = 500_000;
/// So many woken pops are run by the thread that settled; the rest is left to the pop thread.
const RUN_INLINE_MAX: usize = 8;
/// Locks of queues: two queues may share one.
const TURNS: usize = 256;

/// What POP is made of.
#[derive(Debug)]
pub struct PopParts {
    /// Messages.
    pub store: Arc<MessageStore>,
    /// Topics.
    pub topics: Arc<TopicTable>,
    /// Groups.
    pub groups: Arc<GroupTable>,
    /// Where groups are.
    pub offsets: Arc<OffsetTable>,
    /// The way of records into the log.
    pub parking: Arc<Parking>,
    /// Pops that wait.
    pub hold: Arc<PopHold<ParkedPop>>,
    /// Who subscribes to lite topics.
    pub lite: Arc<LiteRegistry>,
    /// Configuration.
    pub settings: Arc<Settings>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What records say where they were stored.
    pub store_host: SocketAddr,
    /// Of the machine or its cgroup.
    pub memory_bytes: u64,
}

/// All that is in flight, and what is needed to keep it (Java: `PopMessageProcessor` and `PopReviveService` among
/// others).
pub struct PopService {
    /// Tells this service's staged pops from those of another in the same process.
    number: u64,
    pub(super) parts: PopParts,
    pub(super) log: PopLog,
    pub(super) state: Mutex<PopState>,
    /// Where groups pop next, while that is not committed.
    cursors: Mutex<HashMap<QueueKey, i64>>,
    /// Counts resets of offsets: a pop from before one does not commit.
    pub(super) resets: AtomicU64,
    turns: Vec<Mutex<()>>,
    hasher: RandomState,
    pub(super) orders: Orders,
    pops: AtomicU64,
    pub(super) revive_queue_nums: i32,
    /// Whether an offset was committed that must not be on the disk before the log is.
    pub(super) committed: AtomicBool,
    /// Whether what is not acknowledged in time comes again: on a slave its master sees to that.
    is_on_duty: AtomicBool,
    /// Held by a step.
    pub(super) stepping: Mutex<()>,
    /// The way to another group, of a slave that stands in for its master.
    pub(super) escape: OnceLock<Arc<Escape>>,
}

/// The right to pop from a queue.
#[derive(Debug)]
pub struct Turn<'s>(#[expect(dead_code, reason = "held for its drop")] MutexGuard<'s, ()>);

/// What this thread popped and did not settle.
#[derive(Debug)]
struct Staged {
    service: u64,
    queue: QueueKey,
    /// None where messages were passed over only.
    check_point: Option<PopKey>,
    next: i64,
    resets: u64,
}

thread_local! {
    static STAGED: RefCell<Vec<Staged>> = const { RefCell::new(Vec::new()) };
}

/// Numbers for services.
static SERVICES: AtomicU64 = AtomicU64::new(0);

impl PopService {
    /// POP over these parts; `directory` is the store's `config`. What was in flight is known again from the log.
    ///
    /// # Errors
    /// `consumerOrderInfo.json` cannot be read.
    pub fn open(directory: &Path, parts: PopParts) -> Result<Self, PersistError> {
        let config = parts.settings.now();
        let now = parts.clock.now();
        let log = PopLog::new(
            parts.store.clone(),
            parts.parking.clone(),
            &config.broker_cluster_name,
            &config.broker_name,
            parts.store_host,
        );
        let service = PopService {
            number: SERVICES.fetch_add(1, Ordering::Relaxed),
            log,
            state: Mutex::new(PopState::new(CHECK_POINTS_MAX)),
            cursors: Mutex::default(),
            resets: AtomicU64::new(0),
            turns: (0..TURNS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            orders: Orders::open(directory)?,
            // Two brokers that start at once do not begin with the same queue.
            pops: AtomicU64::new(RandomState::new().hash_one(now.0) >> 32),
            revive_queue_nums: parts
                .topics
                .get(&revive_topic(&config.broker_cluster_name))
                .map_or(config.revive_queue_num, |topic| topic.read_queue_nums.max(1)),
            committed: AtomicBool::new(false),
            is_on_duty: AtomicBool::new(!parts.store.is_replica()),
            stepping: Mutex::default(),
            escape: OnceLock::new(),
            parts,
        };
        if service.is_on_duty() {
            service.recover(now, Timers::Ours);
        }
        Ok(service)
    }

    pub(crate) fn set_escape(&self, escape: Arc<Escape>) {
        // Once, at the start.
        let _ = self.escape.set(escape);
    }

    /// The broker became a master, or stands in for one: what is in flight is known from the log. What was due by `dealt_until`
    /// another broker dealt with, where one did.
    pub(crate) fn take_up(&self, timers: Timers, dealt_until: Option<Timestamp>) {
        *self.state() = match dealt_until {
            Some(until) => PopState::after_another(CHECK_POINTS_MAX, until),
            None => PopState::new(CHECK_POINTS_MAX),
        };
        self.cursors().clear();
        self.recover(self.parts.clock.now(), timers);
    }

    /// Whether copies of what is not acknowledged may be put somewhere.
    pub(super) fn takes_copies(&self) -> bool {
        let is_open = matches!(self.parts.store.write_state(), WriteState::Open);
        is_open || self.escape.get().is_some_and(|escape| escape.is_open())
    }

    /// This slave stands in for its master no more: until when what was popped is dealt with, which that one need not do again.
    /// Nothing is under way any more when this returns.
    pub(crate) fn stand_down(&self) -> Timestamp {
        self.is_on_duty.store(false, Ordering::Release);
        let stepping = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
        let has_read_all = (0..self.revive_queue_nums).all(|queue| {
            self.state().revive_queue_next(queue)
                >= self.parts.store.queue_range(self.log.topic(), queue).max.0
        });
        let until = self.state().dealt_until(self.parts.clock.now()).filter(|_| has_read_all);
        drop(stepping);
        self.set_on_duty(false);
        until.unwrap_or(Timestamp(0))
    }

    /// While this is a slave that stands in for its master: since when records of pops that its timers came to are not dealt with, the time at
    /// which the first of them was due; the end of time where there is none.
    pub(crate) fn stands_in_since(&self) -> Option<Timestamp> {
        let stands_in = self.parts.store.is_replica() && self.is_on_duty();
        stands_in.then(|| {
            let first = self.state().first_due();
            first.map_or(Timestamp(i64::MAX), |due| due.add_ms(-CHECK_POINT_LEAD_MS))
        })
    }

    /// The timers of a slave that stands in for its master came to a record of a pop: it is known here from now on, as there is no revive
    /// topic to put it into.
    ///
    /// # Errors
    /// There is no room for it now.
    pub(crate) fn passed(&self, properties: &[u8], body: &[u8]) -> Result<(), WriteStopped> {
        let tag = properties::find_str(properties, TAGS).unwrap_or_default();
        match record::decode(tag, body, None) {
            Ok(ReviveRecord::CheckPoint(check_point)) => {
                let due = check_point.due();
                if !self.state().passed(check_point) {
                    return Err(WriteStopped::Replica);
                }
                self.parts.hold.call_before(due);
            }
            Ok(ReviveRecord::Acks(key, offsets)) => {
                self.state().revive_acks(&key, &offsets, self.parts.clock.now());
            }
            Err(error) => tracing::warn!(%error, "a record of a pop says nothing, passed over"),
        }
        Ok(())
    }

    pub(crate) fn set_on_duty(&self, is_on_duty: bool) {
        self.is_on_duty.store(is_on_duty, Ordering::Release);
        if !is_on_duty {
            // Another broker sees to it from now on.
            *self.state() = PopState::new(CHECK_POINTS_MAX);
        }
        self.parts.hold.call_before(self.parts.clock.now());
    }

    pub(super) fn is_on_duty(&self) -> bool {
        self.is_on_duty.load(Ordering::Acquire)
    }

    /// A number that grows with each pop: which queue comes first, which revive queue, whether the retry topic is tried
    /// first.
    pub fn next_pop(&self) -> u64 {
        self.pops.fetch_add(1, Ordering::Relaxed)
    }

    /// How many queues the revive topic has.
    pub fn revive_queue_nums(&self) -> i32 {
        self.revive_queue_nums
    }

    /// Waits for the right to pop from this queue. What is done with it should not wait for the disk.
    pub fn turn(&self, queue: &QueueKey) -> Turn<'_> {
        let index = self.hasher.hash_one(queue) as usize % TURNS;
        // There is always one of this number.
        let turn = self.turns.get(index).unwrap_or(&self.turns[0]);
        Turn(turn.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Messages are given out: notes it in the log and here. To be settled before anybody is told, by
    /// [`PopService::settled`]. `next` is where the group pops next. The end of what was appended is returned.
    ///
    /// # Errors
    /// The store does not take it: nothing was given out.
    pub fn popped(
        &self,
        _turn: &Turn<'_>,
        check_point: CheckPoint,
        revive_queue: i32,
        next: i64,
    ) -> Result<LogOffset, HandlerError> {
        let now = self.parts.clock.now();
        let appended = self.log.check_point(&check_point, revive_queue, now)?;
        let (key, due) = (check_point.key.clone(), check_point.due());
        self.state().popped(check_point);
        self.stage(key.queue.clone(), Some(key), next);
        self.parts.hold.call_before(due);
        Ok(appended.log_offset_end)
    }

    /// Whether a pop of this name is in flight: two in one millisecond must not have one name.
    pub fn is_taken(&self, key: &PopKey) -> bool {
        self.state().contains(key)
    }

    /// Appends a message that is for the group's retry topic, perhaps later; it is staged as pops are.
    ///
    /// # Errors
    /// The store does not take it.
    pub(crate) fn put_again(&self, message: AppendMessage<'_>) -> Result<(), HandlerError> {
        let parts = &self.parts;
        let message =
            AppendMessage { store_host: parts.store_host, prepared_transaction_offset: 0, ..message };
        parts.parking.append(&parts.store, &message, parts.clock.now()).map(drop)
    }

    /// Messages that do not match were passed over.
    pub fn passed_over(&self, _turn: &Turn<'_>, queue: QueueKey, next: i64) {
        self.stage(queue, None, next);
    }

    fn stage(&self, queue: QueueKey, check_point: Option<PopKey>, next: i64) {
        self.cursors().insert(queue.clone(), next);
        let resets = self.resets.load(Ordering::Acquire);
        let staged = Staged { service: self.number, queue, check_point, next, resets };
        STAGED.with_borrow_mut(|all| all.push(staged));
    }

    /// Settles the store as `settle` does, and what this thread popped with it; then runs some of the pops that were woken
    /// by what was settled.
    ///
    /// # Errors
    /// What `settle` says.
    pub fn settling(&self, settle: impl FnOnce() -> Result<(), WriteStopped>) -> Result<(), WriteStopped> {
        let both = || {
            let settled = settle();
            self.settled(&settled);
            settled
        };
        self.parts.hold.running_woken(both, RUN_INLINE_MAX)
    }

    /// Commits what this thread popped, or undoes it. To be called on the thread that popped, when the store has settled:
    /// an offset in the kernel must not say more than the check points there, or messages would be lost.
    pub fn settled(&self, result: &Result<(), WriteStopped>) {
        let mine = STAGED.with_borrow_mut(|all| {
            if all.is_empty() {
                Vec::new()
            } else {
                all.extract_if(.., |one| one.service == self.number).collect()
            }
        });
        for staged in mine {
            match result {
                Ok(()) => self.commit(&staged),
                Err(_) => {
                    if let Some(key) = &staged.check_point {
                        self.state().forget(key);
                    }
                    self.cursors().remove(&staged.queue);
                }
            }
        }
        self.orders.settle();
    }

    fn commit(&self, staged: &Staged) {
        let Staged { queue, next, resets, .. } = staged;
        let QueueKey { topic, group, queue_id } = queue;
        let offsets = &self.parts.offsets;
        // Under this lock, so that of two threads the later one does not set the offset back.
        let mut cursors = self.cursors();
        if self.resets.load(Ordering::Acquire) != *resets || offsets.has_reset(group, topic, *queue_id) {
            return;
        }
        if offsets.committed(group, topic, *queue_id).is_none_or(|committed| committed < *next) {
            // The check point of what was popped is in the log by now.
            self.commit_on_log(queue, *next);
        }
        if cursors.get(queue).is_some_and(|cursor| cursor <= next) {
            cursors.remove(queue);
        }
    }

    /// The group goes on at `next`: what the store has there is not what was expected.
    pub fn corrected(&self, _turn: &Turn<'_>, queue: &QueueKey, next: i64) {
        self.cursors().remove(queue);
        self.commit_on_log(queue, next);
    }

    /// `offsets` of the pop that the handle names were consumed. A stale handle does nothing.
    ///
    /// # Errors
    /// The store does not take it.
    pub fn ack(&self, key: &PopKey, handle: &AckHandle, offsets: &[i64]) -> Result<(), HandlerError> {
        let now = self.parts.clock.now();
        let acked = self.state().ack(key, handle.due, offsets, now);
        match acked {
            Acked::Stale => Ok(()),
            Acked::Yes(offsets) => {
                self.log.acks(key, &offsets, handle.due, handle.revive_queue, now).map(drop)
            }
            Acked::Unknown => self.log.acks(key, offsets, handle.due, handle.revive_queue, now).map(drop),
        }
    }

    /// A message in flight becomes visible `invisible_ms` after now. Its new pop time; `None` where the handle is stale.
    ///
    /// # Errors
    /// The store does not take it.
    pub fn change_invisible_time(
        &self,
        key: &PopKey,
        handle: &AckHandle,
        offset: i64,
        invisible_ms: i64,
        suspend: bool,
    ) -> Result<Option<i64>, HandlerError> {
        let now = self.parts.clock.now();
        // The new check point must not have the old one's name.
        let pop_time = now.0.max(key.pop_time.saturating_add(1));
        let to = CheckPoint {
            key: PopKey::new(key.queue.clone(), offset, pop_time),
            invisible_ms,
            offsets: vec![offset],
            suspend,
        };
        let due = to.due();
        {
            let mut state = self.state();
            if let Acked::Stale = state.change(key, handle.due, to.clone(), now) {
                return Ok(None);
            }
        }
        // First the new one: a crash in between lets the message come again twice rather than never.
        self.log.check_point(&to, handle.revive_queue, now)?;
        self.log.acks(key, &[offset], handle.due, handle.revive_queue, now)?;
        self.parts.hold.call_before(due);
        Ok(Some(pop_time))
    }

    /// Writes `consumerOrderInfo.json` if it is out of date. To be called every few seconds and at the end.
    ///
    /// # Errors
    /// The file cannot be written; the next time all is tried again.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        let PopParts { topics, groups, clock, .. } = &self.parts;
        self.orders.retain(clock.now(), |queue| {
            let topic = topics.get(&queue.topic);
            groups.get(&queue.group).is_some()
                && topic.is_some_and(|topic| queue.queue_id < topic.read_queue_nums)
        });
        self.orders.persist_step()
    }

    /// Flushes the log where offsets of pops were committed since the last time: after a power cut it must not lack the
    /// check points of what `consumerOffset.json` says was popped. False where it could not be flushed.
    pub fn may_persist_offsets(&self) -> bool {
        if !self.committed.swap(false, Ordering::AcqRel) {
            return true;
        }
        let flushed = self.parts.store.flush_step();
        if let Err(error) = &flushed {
            self.committed.store(true, Ordering::Release);
            tracing::warn!(%error, "consumerOffset.json is not written: the log could not be flushed");
        }
        flushed.is_ok()
    }

    /// How many check points are in memory.
    pub fn check_points(&self) -> usize {
        self.state().len()
    }

    pub(super) fn config(&self) -> Arc<BrokerConfig> {
        self.parts.settings.now()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, PopState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cursors(&self) -> MutexGuard<'_, HashMap<QueueKey, i64>> {
        self.cursors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for PopService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopService").field("check_points", &self.check_points()).finish_non_exhaustive()
    }
}
