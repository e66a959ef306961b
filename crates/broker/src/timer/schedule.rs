//! The thread of the timers, and what others ask of them.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use eruca_message::{Clock, QueueOffset, Timestamp, names::TIMER_TOPIC};
use eruca_store::{Arrival, MessageStore, OpenError, TimerSettings, WHEEL_SLOTS};

use super::{
    engine::{Engine, NextStep, Rules},
    following::Progress,
};
use crate::{
    delay::{SlotCounts, Wake},
    role::Escape,
    settings::Settings,
    stats::BrokerStats,
};

/// While messages keep coming they are taken in so often: not one by one.
const REST_MS: i64 = 5;
/// So many versions of the timer files a master that was lost may have had that its slave has not heard of: one a second.
const STAND_IN_VERSIONS: i64 = 10_000;
/// Slots at the end of the wheel that no message is put into, as in Java.
const BLANK_SLOTS: i64 = 60;
/// A message must be parked anew before its record expires; this is no less than Java's smallest.
const WINDOW_MIN_MS: i64 = 60_000;

/// Delivers messages at a time of their own (Java: `TimerMessageStore`).
#[derive(Debug)]
pub struct TimerSchedule {
    /// None with `timerWheelEnable=false`.
    engine: Option<Mutex<Engine>>,
    store: Arc<MessageStore>,
    settings: Arc<Settings>,
    stats: Arc<BrokerStats>,
    clock: Arc<dyn Clock>,
    wake: Wake,
    taken: AtomicU64,
    delivered: AtomicU64,
    rates: Mutex<Rates>,
}

/// What an administrator is shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TimerInfo {
    /// How far delivery is behind, in s.
    pub read_behind_s: i64,
    /// Messages of the timer topic that were not taken into the wheel.
    pub offset_behind: i64,
    /// Messages in the wheel, less recalls.
    pub congest_num: i64,
    /// Messages taken into the wheel in a second.
    pub enqueue_tps: f64,
    /// Messages delivered in a second.
    pub dequeue_tps: f64,
}

#[derive(Debug, Default)]
struct Rates {
    at: Timestamp,
    taken: u64,
    delivered: u64,
    shown: (f64, f64),
}

impl TimerSchedule {
    /// Over the store's timer topic and timer files.
    ///
    /// # Errors
    /// The files cannot be read, or were made with other settings.
    pub fn open(
        store: Arc<MessageStore>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let config = settings.now();
        let files = TimerSettings {
            log_file_bytes: config.mapped_file_size_timer_log,
            precision_ms: config.timer_precision_ms(),
        };
        let engine = match config.timer_wheel_enable {
            true => Some(Mutex::new(Engine::new(store.open_timers(files, clock.now())?))),
            false => None,
        };
        let wake = Wake::default();
        wake.set_on_duty(!store.is_replica());
        Ok(TimerSchedule {
            engine,
            store,
            settings,
            stats,
            clock,
            wake,
            taken: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            rates: Mutex::default(),
        })
    }

    /// Sets the way out while the broker stands in for its master.
    pub(crate) fn set_escape(&self, escape: Arc<Escape>) {
        if let Some(mut engine) = self.engine() {
            engine.escape = Some(escape);
        }
    }

    /// The broker became a master: what waits is read anew from where the former master was.
    pub(crate) fn take_up(&self) {
        if let Some(mut engine) = self.engine() {
            engine.take_up(&self.store);
        }
    }

    /// The log lost its end, and with it perhaps what was delivered: that is delivered again.
    pub(crate) fn log_was_cut(&self) {
        if let Some(mut engine) = self.engine() {
            engine.log_was_cut(&self.store);
        }
    }

    /// Another broker is as far as the 56 bytes of its `timercheck` say: a slave's master, and the log has all that it delivered; or
    /// the slave that stood in for this master, which sent it elsewhere. Of records of pops those that speak of a time after
    /// `keep_pops_after` go to the revive topic, where that is said.
    ///
    /// # Errors
    /// The bytes are none, or a file of the timers cannot be written.
    pub(crate) fn follow(&self, check: &[u8], keep_pops_after: Option<Timestamp>) -> Result<(), String> {
        let fields = check.as_chunks::<8>().0;
        let field = |at: usize| fields.get(at).map(|bytes| i64::from_be_bytes(*bytes));
        let (Some(read), Some(taken)) = (field(0), field(3)) else {
            return Err(format!(
                "a timer check point has 56 bytes, that of the other broker has {}",
                check.len()
            ));
        };
        let (read, taken) = (Timestamp(read.max(0)), QueueOffset(u64::try_from(taken).unwrap_or(0)));
        let rules = self.rules();
        loop {
            let Some(mut engine) = self.engine() else { return Ok(()) };
            if self.wake.is_on_duty() {
                // It goes on by itself meanwhile.
                return Ok(());
            }
            engine.files.follow_counter(field(6).unwrap_or(0));
            let progress = Progress { read, taken, keep_pops_after };
            let is_more = engine.follow(&self.store, &self.stats, &rules, &progress, self.clock.now());
            if !is_more.map_err(|stuck| stuck.to_string())? {
                return Ok(());
            }
        }
    }

    /// Whether anything is delivered: a slave only follows its master. Off duty nothing is under way any more when this returns.
    pub(crate) fn set_on_duty(&self, is_on_duty: bool) {
        self.wake.set_on_duty(is_on_duty);
        if !is_on_duty {
            // A step holds it to its end.
            drop(self.engine());
        }
    }

    pub(super) fn engine(&self) -> Option<MutexGuard<'_, Engine>> {
        self.engine.as_ref().map(|engine| engine.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Delivers until [`TimerSchedule::stop`]: for a thread of its own, which sleeps as long as nothing is due or comes.
    pub fn run(&self) {
        while self.wake.wait_for_duty() {
            self.wake.begin();
            let now = self.clock.now();
            let Some((next, has_taken)) = self.step(now) else { return };
            match next {
                NextStep::Now => {}
                NextStep::At(due) if has_taken => self.wake.rest(due.min(now.add_ms(REST_MS)), &*self.clock),
                NextStep::OnArrival if has_taken => self.wake.rest(now.add_ms(REST_MS), &*self.clock),
                NextStep::At(due) => self.wake.sleep(Some(due), &*self.clock),
                NextStep::OnArrival => self.wake.sleep(None, &*self.clock),
            }
        }
    }

    fn step(&self, now: Timestamp) -> Option<(NextStep, bool)> {
        let rules = self.rules();
        let step = self.engine()?.step(&self.store, &self.stats, &rules, now);
        self.taken.fetch_add(step.taken as u64, Ordering::Relaxed);
        self.delivered.fetch_add(step.delivered as u64, Ordering::Relaxed);
        Some((step.next, step.taken > 0))
    }

    /// Does what its thread does, once.
    #[cfg(test)]
    pub(crate) fn step_by_hand(&self, now: Timestamp) {
        self.step(now);
    }

    fn rules(&self) -> Rules {
        let config = self.settings.now();
        let reserved_ms = i64::from(self.store.config().file_reserved_hours).saturating_mul(3_600_000);
        Rules {
            window_ms: window_ms(config.timer_roll_window_slot, config.timer_precision_ms(), reserved_ms),
            stop_enqueue: config.timer_stop_enqueue,
            stop_dequeue: config.timer_stop_dequeue,
        }
    }

    /// Ends [`TimerSchedule::run`].
    pub fn stop(&self) {
        self.wake.stop();
    }

    /// Messages became visible: wakes the thread if some are for it. To be called by the store's listener.
    pub fn arrived(&self, arrivals: &[Arrival]) {
        if arrivals.iter().any(|arrival| &*arrival.topic == TIMER_TOPIC) {
            self.wake.due_at(Timestamp(i64::MIN + 1));
        }
    }

    /// Brings the timer files to the disk. To be called every `timerFlushIntervalMs`, and at the end.
    pub fn flush_step(&self) {
        let Some(flush) = self.engine().and_then(|mut engine| engine.files.begin_flush(self.clock.now()))
        else {
            return;
        };
        // The messages first: the files must not know of any that the log lacks, nor lack any that the log lost.
        if let Err(error) = self.store.flush_step() {
            tracing::warn!(%error, "the timer files are not flushed: the log could not be");
            return;
        }
        let check = flush.run().and_then(|()| {
            let engine = self.engine();
            engine.map(|mut engine| engine.files.end_flush(&flush)).transpose()
        });
        let result = check.and_then(|file| file.map_or(Ok(()), |file| flush.finish(&*file)));
        if let Err(error) = result {
            tracing::error!(%error, "the timer files are not on the disk, trying again");
        }
    }

    /// Removes files of the timer log whose messages have expired.
    pub fn expire_step(&self) {
        let log_min = self.store.log_range().0;
        let result = self.engine().map_or(Ok(()), |mut engine| engine.files.expire(log_min));
        if let Err(error) = result {
            tracing::error!(%error, "old files of the timer log are left");
        }
    }

    /// The 56 bytes of Java's `timercheck`; `None` with `timerWheelEnable=false`.
    ///
    /// A slave that stands in for its master says with `pops_open_from` from where records of pops are not dealt with, for a Java master
    /// that comes back: it goes on there. And its version is above the master's, which else would not take it.
    pub fn checkpoint(&self, pops_open_from: Option<Timestamp>) -> Option<Vec<u8>> {
        let engine = self.engine()?;
        let check = engine.files.checkpoint();
        let mut fields: Vec<i64> = check.as_chunks::<8>().0.iter().map(|b| i64::from_be_bytes(*b)).collect();
        if let [read, .., counter] = &mut fields[..] {
            if *read == 0 {
                // Nothing ever waited. A Java slave would, as master, go through all seconds since 1970.
                *read = engine.files.slot_start(self.clock.now()).0;
            }
            if let Some(from) = pops_open_from {
                *read = engine.files.slot_start(from).0.min(*read);
                *counter = counter.saturating_add(STAND_IN_VERSIONS);
            }
        }
        Some(fields.into_iter().flat_map(i64::to_be_bytes).collect())
    }

    /// Directory of the store.
    pub(super) fn root(&self) -> &std::path::Path {
        &self.store.config().root
    }

    /// Whether a message ever waited.
    pub(super) fn has_files(&self) -> bool {
        self.engine().is_some_and(|engine| engine.files.has_files())
    }

    /// What an administrator is shown.
    pub fn info(&self) -> TimerInfo {
        let now = self.clock.now();
        let Some((count, slot_behind_ms, next)) = self.engine().map(|engine| {
            let delivered = engine.files.delivered().before;
            // An empty wheel is not behind, however long ago the last slot was.
            let next = engine.files.next_slot(delivered).map_or(0, |slot| now.ms_since(slot).max(0));
            (engine.files.count(), next, engine.files.queue_offset())
        }) else {
            return TimerInfo::default();
        };
        let (enqueue_tps, dequeue_tps) = self.rates(now);
        let max = self.store.queue_range(TIMER_TOPIC, 0).max;
        TimerInfo {
            read_behind_s: slot_behind_ms / 1_000,
            offset_behind: i64::try_from(max.0.saturating_sub(next.0)).unwrap_or(i64::MAX),
            congest_num: count,
            enqueue_tps,
            dequeue_tps,
        }
    }

    /// Rates since the last time that somebody asked, of at least a second.
    fn rates(&self, now: Timestamp) -> (f64, f64) {
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        let passed_ms = now.ms_since(rates.at);
        if passed_ms >= 1_000 {
            let taken = self.taken.load(Ordering::Relaxed);
            let delivered = self.delivered.load(Ordering::Relaxed);
            let per_second = |count: u64| count as f64 * 1_000.0 / passed_ms as f64;
            rates.shown = (per_second(taken - rates.taken), per_second(delivered - rates.delivered));
            (rates.at, rates.taken, rates.delivered) = (now, taken, delivered);
        }
        rates.shown
    }
}

impl SlotCounts for TimerSchedule {
    /// 0 where it cannot be told.
    fn count_at(&self, time: Timestamp) -> i64 {
        self.engine().and_then(|engine| engine.files.count_at(time).ok()).map_or(0, i64::from)
    }
}

/// After which wait a message is parked anew: as configured, as far as the wheel reaches, and before its record expires.
fn window_ms(slots: i64, precision_ms: i64, reserved_ms: i64) -> i64 {
    let longest = WHEEL_SLOTS / 2 - BLANK_SLOTS;
    let slots = if (2..=longest).contains(&slots) { slots } else { longest };
    slots.saturating_mul(precision_ms).min((reserved_ms / 3 * 2).max(WINDOW_MIN_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_parked_anew_before_their_records_expire() {
        const HOUR_MS: i64 = 3_600_000;
        assert_eq!(window_ms(172_800, 1_000, 72 * HOUR_MS), 48 * HOUR_MS, "Java's default");
        assert_eq!(window_ms(172_800, 1_000, 24 * HOUR_MS), 16 * HOUR_MS);
        assert_eq!(window_ms(0, 1_000, 1_000 * HOUR_MS), 604_740_000);
        assert_eq!(window_ms(2, 1_000, 72 * HOUR_MS), 2_000);
        assert_eq!(window_ms(172_800, 1_000, 0), 60_000);
    }
}
