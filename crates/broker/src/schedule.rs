//! What the broker does by itself: few threads, each asleep until something is due.
//!
//! | thread | does |
//! |---|---|
//! | `eruca-flush` | forces the log to the disk: at once where sends wait for it, else every `flushIntervalCommitLog` |
//! | `eruca-store` | queue files and checkpoint, space and expiry, the tables' JSON files |
//! | `eruca-index` | puts new messages into the index of keys: when there are many, or some for a while |
//! | `eruca-pull` | pulls whose time is over or that were left to it, sends that wait too long, silent clients |
//! | `eruca-pop` | popped messages that nobody acknowledged in time, pops whose time is over or that were left to it |
//! | `eruca-delay` | delivers delayed messages |
//! | `eruca-timer` | delivers messages with a time of delivery of their own |
//! | `eruca-transaction` | asks producers what becomes of their half messages |

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use eruca_message::{Clock, Timestamp};
use eruca_store::{FlushWork, IndexStep, MessageStore, WriteState};

use crate::{
    assignment::MessageRequestModes,
    clients::{ConsumerIdsNotice, ConsumerTable, ProducerTable},
    delay::DelaySchedule,
    dispatch::Settled,
    filter::ConsumerFilters,
    handler::{FlushTimeouts, ParkedPop, ParkedPull},
    lite::LiteExpiry,
    long_poll::{PopHold, PullHold},
    persist::PersistError,
    pop::PopService,
    settings::Settings,
    stats::{BrokerStats, SAMPLE_INTERVAL_MS},
    stuck::StuckQueues,
    timer::TimerSchedule,
    transaction::{TransactionMetrics, Transactions},
};

/// Pause between two looks of the store and pull threads when nothing else wakes them.
const TICK: Duration = Duration::from_secs(1);
const SPACE_PERIOD_MS: i64 = 5_000;
const RETENTION_PERIOD_MS: i64 = 10_000;
const CLIENTS_PERIOD_MS: i64 = 10_000;
const GONE_PULLS_PERIOD_MS: i64 = 30_000;
/// Messages that are not indexed wait for so long: a query indexes what it needs, and many at once cost less.
const INDEX_PERIOD_MS: i64 = 5_000;
/// Or until they are so many bytes of the log.
const INDEX_BACKLOG_BYTES: u64 = 64 << 20;
/// Pause after a failure of the index.
const INDEX_RETRY: Duration = Duration::from_secs(30);

/// What the threads work on.
#[derive(Debug, Clone)]
pub struct Work {
    /// Store and tables.
    pub settled: Settled,
    /// Delayed messages.
    pub delay: Arc<DelaySchedule>,
    /// Messages with a time of delivery.
    pub timers: Arc<TimerSchedule>,
    /// Half messages.
    pub transactions: Arc<Transactions>,
    /// How many half messages of each topic are open, for a Java broker.
    pub(crate) transaction_metrics: Arc<TransactionMetrics>,
    /// Waiting pulls.
    pub hold: Arc<PullHold<ParkedPull>>,
    /// Waiting pops.
    pub pop_hold: Arc<PopHold<ParkedPop>>,
    /// What was popped.
    pub pop: Arc<PopService>,
    /// The end of lite topics.
    pub(crate) lite_expiry: Arc<LiteExpiry>,
    /// Which groups pop.
    pub modes: Arc<MessageRequestModes>,
    /// Waiting sends.
    pub flush_timeouts: Arc<FlushTimeouts>,
    /// Clients that may fall silent.
    pub producers: Arc<ProducerTable>,
    /// Clients that may fall silent.
    pub consumers: Arc<ConsumerTable>,
    /// What they filter by.
    pub consumer_filters: Arc<ConsumerFilters>,
    /// Tells the others of a group.
    pub notice: Arc<ConsumerIdsNotice>,
    /// Queues that nobody pulls.
    pub stuck: Arc<StuckQueues>,
    /// Counters.
    pub stats: Arc<BrokerStats>,
    /// Periods.
    pub settings: Arc<Settings>,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

/// The running threads. [`Schedule::stop`] ends them and waits.
#[derive(Debug)]
pub struct Schedule {
    work: Arc<Work>,
    stop: Arc<Stop>,
    index_bell: Arc<Bell>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Stop {
    stopped: Mutex<bool>,
    wake: Condvar,
}

impl Stop {
    /// Sleeps; false when the schedule was stopped.
    fn sleep(&self, longest: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let (stopped, _) = self
            .wake
            .wait_timeout_while(stopped, longest, |stopped| !*stopped)
            .unwrap_or_else(PoisonError::into_inner);
        !*stopped
    }

    fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.wake.notify_all();
    }
}

/// Wakes the thread of the index.
#[derive(Debug, Default)]
struct Bell {
    state: Mutex<BellState>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct BellState {
    is_rung: bool,
    is_stopped: bool,
}

impl Bell {
    fn state(&self) -> MutexGuard<'_, BellState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.state().is_rung = true;
        self.rung.notify_all();
    }

    fn stop(&self) {
        self.state().is_stopped = true;
        self.rung.notify_all();
    }

    /// Sleeps until `longest` is over, or it is rung where `wakes` says so; false when the schedule was stopped.
    fn wait(&self, longest: Duration, wakes: bool) -> bool {
        let sleeps = |state: &mut BellState| !(state.is_stopped || state.is_rung && wakes);
        let (mut state, _) = self
            .rung
            .wait_timeout_while(self.state(), longest, sleeps)
            .unwrap_or_else(PoisonError::into_inner);
        state.is_rung = false;
        !state.is_stopped
    }
}

/// A period that is looked at again and again.
#[derive(Debug, Clone, Copy)]
struct Every {
    next: Timestamp,
}

impl Every {
    fn from(now: Timestamp, period_ms: i64) -> Every {
        Every { next: now.add_ms(period_ms) }
    }

    /// Whether the period is over; then the next one begins. A clock that was set back does not stop it for long.
    fn is_due(&mut self, now: Timestamp, period_ms: i64) -> bool {
        let due = now >= self.next || self.next.ms_since(now) > period_ms;
        if due {
            self.next = now.add_ms(period_ms);
        }
        due
    }
}

impl Schedule {
    /// Starts the threads.
    pub fn start(work: Work) -> io::Result<Schedule> {
        let work = Arc::new(work);
        let stop = Arc::new(Stop::default());
        let index_bell = Arc::new(Bell::default());
        let schedule = Schedule {
            work: work.clone(),
            stop: stop.clone(),
            index_bell: index_bell.clone(),
            threads: Mutex::default(),
        };
        schedule.thread("eruca-flush", {
            let work = work.clone();
            move || work.flush_log()
        })?;
        schedule.thread("eruca-store", {
            let (work, stop, bell) = (work.clone(), stop.clone(), index_bell.clone());
            move || work.keep_store(&stop, &bell)
        })?;
        schedule.thread("eruca-index", {
            let work = work.clone();
            move || work.index_messages(&index_bell)
        })?;
        schedule.thread("eruca-pull", {
            let work = work.clone();
            move || work.let_go()
        })?;
        schedule.thread("eruca-pop", {
            let work = work.clone();
            move || work.keep_pops()
        })?;
        schedule.thread("eruca-delay", {
            let work = work.clone();
            move || work.delay.run()
        })?;
        schedule.thread("eruca-timer", {
            let work = work.clone();
            move || work.timers.run()
        })?;
        schedule.thread("eruca-transaction", move || work.transactions.run())?;
        Ok(schedule)
    }

    fn thread(&self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Ok(())
    }

    /// Writes the tables, closes the store, and ends all threads. A second call does nothing.
    pub fn stop(&self) {
        self.work.delay.stop();
        self.work.timers.stop();
        self.work.transactions.stop();
        self.work.hold.stop();
        self.work.pop_hold.stop();
        self.stop.stop();
        self.index_bell.stop();
        let mut threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        if threads.is_empty() {
            return;
        }
        // The flush thread ends when the store is closed; the others must not touch it any more then.
        let flush = threads.remove(0);
        join_all(threads);
        self.work.persist_all();
        if let Err(error) = self.work.settled.store.close() {
            tracing::error!(%error, "the store was not closed in order, the next start recovers it");
        }
        join_all(vec![flush]);
    }
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        let name = thread.thread().name().unwrap_or_default().to_owned();
        if thread.join().is_err() {
            tracing::error!(thread = name, "thread ended with a panic");
        }
    }
}

impl Work {
    fn store(&self) -> &MessageStore {
        &self.settled.store
    }

    fn flush_log(&self) {
        let interval = Duration::from_millis(self.store().config().flush_interval_ms);
        loop {
            let is_due = match self.store().wait_for_flush_work(interval) {
                FlushWork::Closing => return,
                FlushWork::Waiters => true,
                FlushWork::TimeOver => {
                    let marks = self.store().watermarks();
                    marks.written > marks.flushed
                }
            };
            if is_due {
                // A failure is the store's state from then on, and logged there.
                let _ = self.store().flush_step();
            }
        }
    }

    fn index_messages(&self, bell: &Bell) {
        const LONG: Duration = Duration::from_secs(3600);
        let (mut pause, mut wakes) = (Duration::ZERO, true);
        while bell.wait(pause, wakes) {
            (pause, wakes) = match self.store().index_step(INDEX_BACKLOG_BYTES) {
                IndexStep::More => (Duration::ZERO, true),
                IndexStep::CaughtUp => (LONG, true),
                IndexStep::Failed => (INDEX_RETRY, false),
                IndexStep::Disabled => return,
            };
        }
    }

    fn keep_store(&self, stop: &Stop, index_bell: &Bell) {
        let now = self.clock.now();
        let mut space = Every::from(now, SPACE_PERIOD_MS);
        let mut retention = Every::from(now, RETENTION_PERIOD_MS);
        let mut tables = Every::from(now, 0);
        let mut delay = Every::from(now, 0);
        let mut metrics = Every::from(now, 0);
        let mut timers = Every::from(now, 0);
        let mut index = Every::from(now, INDEX_PERIOD_MS);
        let mut flushed_up_to = None;
        while stop.sleep(TICK) {
            let now = self.clock.now();
            let written = self.store().watermarks().written;
            if flushed_up_to != Some(written) || self.store().has_confirmed_more() {
                flushed_up_to = self.store().queue_flush_step().ok().map(|flushed| flushed.up_to);
            }
            let backlog_bytes = self.store().index_backlog_bytes();
            if backlog_bytes > INDEX_BACKLOG_BYTES
                || (index.is_due(now, INDEX_PERIOD_MS) && backlog_bytes > 0)
            {
                index_bell.ring();
            }
            let is_stopped = matches!(self.store().write_state(), WriteState::Stopped(_));
            if is_stopped || space.is_due(now, SPACE_PERIOD_MS) {
                self.store().space_step();
            }
            if retention.is_due(now, RETENTION_PERIOD_MS) {
                self.store().retention_step(now);
                self.timers.expire_step();
            }
            let config = self.settings.now();
            self.store().set_read_ahead(config.data_read_ahead_enable);
            if timers.is_due(now, config.timer_flush_interval) {
                self.timers.flush_step();
            }
            let is_urgent = self.settled.offsets.is_persist_urgent();
            if is_urgent || tables.is_due(now, config.flush_consumer_offset_interval) {
                self.persist_tables();
            }
            self.lite_expiry.step(now);
            if metrics.is_due(now, config.transaction_metric_flush_interval) {
                self.persist_transaction_metrics();
            }
            if delay.is_due(now, config.flush_delay_offset_interval) {
                note("delayOffset.json", self.delay.persist_step());
            }
        }
    }

    fn let_go(&self) {
        let now = self.clock.now();
        let mut clients = Every::from(now, CLIENTS_PERIOD_MS);
        let mut gone = Every::from(now, GONE_PULLS_PERIOD_MS);
        let mut sample = Every::from(now, SAMPLE_INTERVAL_MS);
        while self.hold.wait_for_work(self.clock.now(), TICK) {
            let now = self.clock.now();
            self.hold.step(now);
            self.flush_timeouts.step(now);
            if clients.is_due(now, CLIENTS_PERIOD_MS) {
                self.expire_clients(now);
                self.stuck.step(now);
            }
            if gone.is_due(now, GONE_PULLS_PERIOD_MS) {
                drop(self.hold.retain(ParkedPull::is_wanted));
            }
            if sample.is_due(now, SAMPLE_INTERVAL_MS) {
                self.stats.sample_step(now);
            }
        }
    }

    fn keep_pops(&self) {
        let mut gone = Every::from(self.clock.now(), GONE_PULLS_PERIOD_MS);
        let mut next = None;
        while self.pop_hold.wait_for_work(self.clock.now(), next, TICK) {
            let now = self.clock.now();
            self.pop_hold.step(now);
            next = self.pop.step(now);
            if gone.is_due(now, GONE_PULLS_PERIOD_MS) {
                drop(self.pop_hold.retain(ParkedPop::is_wanted));
            }
        }
    }

    fn expire_clients(&self, now: Timestamp) {
        let timeout_ms = self.settings.now().channel_expired_timeout;
        self.producers.expire_step(now, timeout_ms);
        for group in self.consumers.expire_step(now, timeout_ms) {
            self.notice.send(&group);
        }
    }

    fn persist_tables(&self) {
        note("topics.json", self.settled.topics.persist_step());
        note("subscriptionGroup.json", self.settled.groups.persist_step());
        note("messageRequestMode.json", self.modes.persist_step());
        note("consumerOrderInfo.json", self.pop.persist_step());
        if self.pop.may_persist_offsets() {
            note("consumerOffset.json", self.settled.offsets.persist_step());
        }
        let filters = self.consumer_filters.step(&self.consumers.expressions(), self.clock.now());
        note("consumerFilter.json", filters);
    }

    fn persist_transaction_metrics(&self) {
        if !self.transactions.is_on_duty() {
            return;
        }
        let open = self.transactions.open_by_topic();
        let is_topic = |topic: &str| self.settled.topics.contains(topic);
        note("transactionMetrics", self.transaction_metrics.persist(&open, is_topic, self.clock.now()));
    }

    fn persist_all(&self) {
        self.transactions.persist();
        self.persist_transaction_metrics();
        self.settled.topics.settle();
        self.settled.groups.settle();
        self.settled.offsets.settle();
        self.persist_tables();
        note("delayOffset.json", self.delay.persist_step());
        self.timers.flush_step();
        let (topics, now) = (&self.settled.topics, self.clock.now());
        note("timermetrics", self.timers.persist_metrics(topics, now));
    }
}

/// A table that could not be written is still dirty, and tried again with the next period.
fn note(table: &'static str, result: Result<(), PersistError>) {
    if let Err(error) = result {
        tracing::error!(table, %error, "table not written, trying again");
    }
}
