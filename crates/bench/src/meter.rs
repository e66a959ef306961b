//! What all threads of a load count together.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use hdrhistogram::Histogram;

use crate::failures::{Failures, Kind};

/// Latencies are told apart from a microsecond up to ten minutes, to three digits.
const LATENCY_MIN_NS: u64 = 1_000;
const LATENCY_MAX_NS: u64 = 600_000_000_000;
const DIGITS: u8 = 3;

/// Latencies in nanoseconds.
pub(crate) type Latencies = Histogram<u64>;

/// No latencies.
pub(crate) fn no_latencies() -> Latencies {
    Histogram::new_with_bounds(LATENCY_MIN_NS, LATENCY_MAX_NS, DIGITS)
        .unwrap_or_else(|_| unreachable!("the bounds are constants in order"))
}

/// Counters that grow while a load runs.
#[derive(Debug)]
pub(crate) struct Meter {
    messages: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
    latencies: Mutex<Latencies>,
    failures: Mutex<Failures>,
    stop: AtomicBool,
}

/// Counters at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Messages that were acknowledged or received.
    pub(crate) messages: u64,
    /// Requests that brought them.
    pub(crate) requests: u64,
    /// Bytes of bodies that were sent, or of answers with messages.
    pub(crate) bytes: u64,
}

impl Counts {
    /// What came since `earlier`.
    pub(crate) fn since(self, earlier: Counts) -> Counts {
        Counts {
            messages: self.messages - earlier.messages,
            requests: self.requests - earlier.requests,
            bytes: self.bytes - earlier.bytes,
        }
    }
}

impl Meter {
    pub(crate) fn new() -> Meter {
        Meter {
            messages: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            latencies: Mutex::new(no_latencies()),
            failures: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    /// Counts successes, warm-up included.
    pub(crate) fn count(&self, more: Counts) {
        self.messages.fetch_add(more.messages, Ordering::Relaxed);
        self.requests.fetch_add(more.requests, Ordering::Relaxed);
        self.bytes.fetch_add(more.bytes, Ordering::Relaxed);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            messages: self.messages.load(Ordering::Relaxed),
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }

    /// To record measured latencies; held for a batch of them.
    pub(crate) fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves the latencies of late to `all`; returns them.
    pub(crate) fn drain_latencies(&self, all: &mut Latencies) -> Latencies {
        let mut fresh = no_latencies();
        std::mem::swap(&mut *self.latencies(), &mut fresh);
        // Of the same bounds: they can be added.
        let _ = all.add(&fresh);
        fresh
    }

    /// Counts failures, warm-up included: see [`Failures::add`].
    pub(crate) fn fail(&self, kind: Kind, count: u64, explanation: impl FnOnce() -> String) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).add(kind, count, explanation);
    }

    pub(crate) fn failures(&self) -> Failures {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has the load end early: nothing more is sent.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_drained_once() {
        let meter = Meter::new();
        meter.latencies().saturating_record(2_000_000);
        let mut all = no_latencies();
        assert_eq!(meter.drain_latencies(&mut all).len(), 1);
        assert_eq!(meter.drain_latencies(&mut all).len(), 0);
        assert_eq!(all.len(), 1);
        let p50 = all.value_at_quantile(0.5);
        assert!((1_990_000..2_010_000).contains(&p50), "{p50}");
    }

    #[test]
    fn what_is_out_of_bounds_is_counted_at_the_bound() {
        let mut all = no_latencies();
        all.saturating_record(0);
        all.saturating_record(u64::MAX);
        assert_eq!(all.len(), 2);
        assert!(all.max() >= LATENCY_MAX_NS);
    }
}
