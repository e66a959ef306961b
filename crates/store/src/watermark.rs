//! The store's watermarks, and those who wait for one.
//!
//! All are log offsets, exclusive: everything before them has got that far. Always
//! `flushed ≤ written ≤ appended` and `dispatched ≤ written`.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use eruca_message::{LogOffset, Timestamp};

use crate::write_state::WriteStopped;

/// Most waiters; whoever comes after that many flushes by itself.
pub(crate) const FLUSH_WAITERS_MAX: usize = 64 << 10;

/// How far the log has got. Each is exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    /// Records have an offset up to here.
    pub appended: LogOffset,
    /// The operating system has them up to here: they survive a killed process, and readers see them.
    pub written: LogOffset,
    /// The disk has them up to here: they survive a power cut.
    pub flushed: LogOffset,
    /// Their entries are in the indexes up to here.
    pub dispatched: LogOffset,
}

/// The last record before a watermark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogTip {
    /// The watermark.
    pub(crate) end: u64,
    /// Where the last record before it starts.
    pub(crate) last_record: u64,
    /// When that was stored.
    pub(crate) store_timestamp: Timestamp,
}

/// Called once: with `Ok` when the log is flushed far enough, with the error when that will not happen.
pub type FlushWaiter = Box<dyn FnOnce(Result<(), WriteStopped>) + Send>;

/// What [`crate::MessageStore::wait_for_flush_work`] woke for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushWork {
    /// Someone waits for a flush.
    Waiters,
    /// Nobody does; the time is over.
    TimeOver,
    /// The store is being closed: the thread can end.
    Closing,
}

#[derive(Default)]
pub(crate) struct FlushWaiters {
    state: Mutex<WaitersState>,
    wake: Condvar,
}

#[derive(Default)]
struct WaitersState {
    /// By the end they wait for; the number keeps those apart that wait for the same.
    waiting: BTreeMap<(u64, u64), FlushWaiter>,
    next: u64,
    closing: bool,
}

impl FlushWaiters {
    fn state(&self) -> MutexGuard<'_, WaitersState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a waiter, unless there are too many: then it comes back.
    pub(crate) fn register(&self, end: u64, waiter: FlushWaiter) -> Result<(), FlushWaiter> {
        let mut state = self.state();
        if state.waiting.len() >= FLUSH_WAITERS_MAX {
            return Err(waiter);
        }
        let number = state.next;
        state.next += 1;
        let first = state.waiting.is_empty();
        state.waiting.insert((end, number), waiter);
        drop(state);
        // A flusher that runs takes the new one with its next round: it looks before it sleeps.
        if first {
            self.wake.notify_all();
        }
        Ok(())
    }

    /// Takes those that wait for at most `flushed`.
    pub(crate) fn take_up_to(&self, flushed: u64) -> Vec<FlushWaiter> {
        let mut state = self.state();
        let later = state.waiting.split_off(&(flushed.saturating_add(1), 0));
        std::mem::replace(&mut state.waiting, later).into_values().collect()
    }

    /// Takes those that wait for more than `end`.
    pub(crate) fn take_after(&self, end: u64) -> Vec<FlushWaiter> {
        self.state().waiting.split_off(&(end.saturating_add(1), 0)).into_values().collect()
    }

    /// Sleeps until someone waits, the store closes or `timeout` is over.
    pub(crate) fn wait(&self, timeout: Duration) -> FlushWork {
        let state = self.state();
        let idle = |state: &mut WaitersState| state.waiting.is_empty() && !state.closing;
        let (state, _) =
            self.wake.wait_timeout_while(state, timeout, idle).unwrap_or_else(PoisonError::into_inner);
        if state.closing {
            FlushWork::Closing
        } else if state.waiting.is_empty() {
            FlushWork::TimeOver
        } else {
            FlushWork::Waiters
        }
    }

    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.wake.notify_all();
    }
}

impl fmt::Debug for FlushWaiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlushWaiters").field("waiting", &self.state().waiting.len()).finish_non_exhaustive()
    }
}

/// The watermarks, and the last record before `written`.
#[derive(Debug, Default)]
pub(crate) struct LogProgress {
    appended: AtomicU64,
    written: AtomicU64,
    flushed: AtomicU64,
    queued: AtomicU64,
    tip: Mutex<LogTip>,
}

impl LogProgress {
    /// Everything up to `tip` is there and flushed, entries up to `queued`.
    pub(crate) fn at(tip: LogTip, queued: u64) -> LogProgress {
        LogProgress {
            appended: AtomicU64::new(tip.end),
            written: AtomicU64::new(tip.end),
            flushed: AtomicU64::new(tip.end),
            queued: AtomicU64::new(queued.min(tip.end)),
            tip: Mutex::new(tip),
        }
    }

    fn tip_lock(&self) -> MutexGuard<'_, LogTip> {
        self.tip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last record that is written.
    pub(crate) fn tip(&self) -> LogTip {
        *self.tip_lock()
    }

    pub(crate) fn appended(&self) -> u64 {
        self.appended.load(Ordering::Acquire)
    }

    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Acquire)
    }

    pub(crate) fn flushed(&self) -> u64 {
        self.flushed.load(Ordering::Acquire)
    }

    /// Up to here the queue entries are on the disk, too.
    pub(crate) fn queued(&self) -> u64 {
        self.queued.load(Ordering::Acquire)
    }

    pub(crate) fn set_queued(&self, end: u64) {
        debug_assert!(end <= self.flushed(), "queued ≤ flushed");
        self.queued.fetch_max(end, Ordering::AcqRel);
    }

    /// Set under the append lock; goes back only when a failed write takes records back.
    pub(crate) fn set_appended(&self, end: u64) {
        self.appended.store(end, Ordering::Release);
    }

    pub(crate) fn set_written(&self, tip: LogTip) {
        debug_assert!(tip.end >= self.written(), "what is written stays written");
        *self.tip_lock() = tip;
        self.written.store(tip.end, Ordering::Release);
    }

    pub(crate) fn set_flushed(&self, end: u64) {
        debug_assert!(end <= self.written(), "flushed ≤ written");
        self.flushed.fetch_max(end, Ordering::AcqRel);
    }

    /// The log ends at `tip` again. Under the locks of all who move a watermark.
    pub(crate) fn cut_to(&self, tip: LogTip) {
        *self.tip_lock() = tip;
        // From behind, so that the inequalities hold for those who look meanwhile.
        self.queued.fetch_min(tip.end, Ordering::AcqRel);
        self.flushed.fetch_min(tip.end, Ordering::AcqRel);
        self.written.store(tip.end, Ordering::Release);
        self.appended.store(tip.end, Ordering::Release);
    }

    /// Entries that were on the disk from `end` on are not any more.
    pub(crate) fn take_back_queued(&self, end: u64) {
        self.queued.fetch_min(end, Ordering::AcqRel);
    }

    pub(crate) fn watermarks(&self) -> Watermarks {
        // Read from behind, so that the inequalities hold while others move them.
        let flushed = self.flushed();
        let written = self.written();
        let appended = self.appended().max(written);
        Watermarks {
            appended: LogOffset(appended),
            written: LogOffset(written),
            flushed: LogOffset(flushed),
            dispatched: LogOffset(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    #[test]
    fn waiters_come_by_their_end() {
        let waiters = FlushWaiters::default();
        let called = Arc::new(AtomicUsize::new(0));
        for end in [30, 10, 20, 20] {
            let called = Arc::clone(&called);
            let waiter: FlushWaiter = Box::new(move |_| {
                called.fetch_add(end, Ordering::SeqCst);
            });
            assert!(waiters.register(end as u64, waiter).is_ok());
        }
        assert_eq!(waiters.wait(Duration::from_secs(60)), FlushWork::Waiters);
        waiters.take_up_to(20).into_iter().for_each(|waiter| waiter(Ok(())));
        assert_eq!(called.load(Ordering::SeqCst), 50);
        assert_eq!(waiters.take_after(30).len(), 0);
        assert_eq!(waiters.take_after(29).len(), 1);
        assert_eq!(waiters.wait(Duration::ZERO), FlushWork::TimeOver);
        waiters.close();
        assert_eq!(waiters.wait(Duration::from_secs(60)), FlushWork::Closing);
    }

    #[test]
    fn registering_wakes_the_flusher_at_once() {
        let waiters = Arc::new(FlushWaiters::default());
        let flusher = std::thread::spawn({
            let waiters = Arc::clone(&waiters);
            move || waiters.wait(Duration::from_secs(600))
        });
        assert!(waiters.register(1, Box::new(|_| {})).is_ok());
        assert_eq!(flusher.join().unwrap(), FlushWork::Waiters);
    }
}
