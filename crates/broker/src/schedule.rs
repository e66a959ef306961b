//! What the broker does by itself: few threads, each asleep until something is due.
//!
//! | thread | does |
//! |---|---|
//! | `eruca-flush` | forces the log to the disk: at once where sends wait for it, else every `flushIntervalCommitLog` |
//! | `eruca-store` | queue files and checkpoint, space and expiry, the tables' JSON files |
//! | `eruca-pull` | pulls whose time is over or that were left to it, sends that wait too long, silent clients |
//! | `eruca-delay` | delivers delayed messages |

use std::{
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use eruca_message::{Clock, Timestamp};
use eruca_store::{FlushWork, MessageStore, WriteState};

use crate::{
    clients::{ConsumerIdsNotice, ConsumerTable, ProducerTable},
    delay::DelaySchedule,
    dispatch::Settled,
    handler::{FlushTimeouts, ParkedPull},
    long_poll::PullHold,
    persist::PersistError,
    settings::Settings,
    stats::{BrokerStats, SAMPLE_INTERVAL_MS},
};

/// Pause between two looks of the store and pull threads when nothing else wakes them.
const TICK: Duration = Duration::from_secs(1);
const SPACE_PERIOD_MS: i64 = 5_000;
const RETENTION_PERIOD_MS: i64 = 10_000;
const CLIENTS_PERIOD_MS: i64 = 10_000;
const GONE_PULLS_PERIOD_MS: i64 = 30_000;

/// What the threads work on.
#[derive(Debug, Clone)]
pub struct Work {
    /// Store and tables.
    pub settled: Settled,
    /// Delayed messages.
    pub delay: Arc<DelaySchedule>,
    /// Waiting pulls.
    pub hold: Arc<PullHold<ParkedPull>>,
    /// Waiting sends.
    pub flush_timeouts: Arc<FlushTimeouts>,
    /// Clients that may fall silent.
    pub producers: Arc<ProducerTable>,
    /// Clients that may fall silent.
    pub consumers: Arc<ConsumerTable>,
    /// Tells the others of a group.
    pub notice: Arc<ConsumerIdsNotice>,
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
        let schedule = Schedule { work: work.clone(), stop: stop.clone(), threads: Mutex::default() };
        schedule.thread("eruca-flush", {
            let work = work.clone();
            move || work.flush_log()
        })?;
        schedule.thread("eruca-store", {
            let (work, stop) = (work.clone(), stop.clone());
            move || work.keep_store(&stop)
        })?;
        schedule.thread("eruca-pull", {
            let work = work.clone();
            move || work.let_go()
        })?;
        schedule.thread("eruca-delay", move || work.delay.run())?;
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
        self.work.hold.stop();
        self.stop.stop();
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

    fn keep_store(&self, stop: &Stop) {
        let now = self.clock.now();
        let mut space = Every::from(now, SPACE_PERIOD_MS);
        let mut retention = Every::from(now, RETENTION_PERIOD_MS);
        let mut tables = Every::from(now, 0);
        let mut delay = Every::from(now, 0);
        let mut flushed_up_to = None;
        while stop.sleep(TICK) {
            let now = self.clock.now();
            let written = self.store().watermarks().written;
            if flushed_up_to != Some(written) {
                flushed_up_to = self.store().queue_flush_step().ok().map(|flushed| flushed.up_to);
            }
            let is_stopped = matches!(self.store().write_state(), WriteState::Stopped(_));
            if is_stopped || space.is_due(now, SPACE_PERIOD_MS) {
                self.store().space_step();
            }
            if retention.is_due(now, RETENTION_PERIOD_MS) {
                self.store().retention_step(now);
            }
            let config = self.settings.now();
            let is_urgent = self.settled.offsets.is_persist_urgent();
            if is_urgent || tables.is_due(now, config.flush_consumer_offset_interval) {
                self.persist_tables();
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
            }
            if gone.is_due(now, GONE_PULLS_PERIOD_MS) {
                drop(self.hold.retain(ParkedPull::is_wanted));
            }
            if sample.is_due(now, SAMPLE_INTERVAL_MS) {
                self.stats.sample_step(now);
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
        note("consumerOffset.json", self.settled.offsets.persist_step());
    }

    fn persist_all(&self) {
        self.settled.topics.settle();
        self.settled.groups.settle();
        self.settled.offsets.settle();
        self.persist_tables();
        note("delayOffset.json", self.delay.persist_step());
    }
}

/// A table that could not be written is still dirty, and tried again with the next period.
fn note(table: &'static str, result: Result<(), PersistError>) {
    if let Err(error) = result {
        tracing::error!(table, %error, "table not written, trying again");
    }
}
