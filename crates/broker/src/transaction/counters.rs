//! What transactions did since the start.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters, increased where it happens.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) prepared: AtomicU64,
    pub(super) committed: AtomicU64,
    pub(super) rolled_back: AtomicU64,
    pub(super) checks: AtomicU64,
    pub(super) given_up: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, count: usize) {
        counter.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// Numbers for people and tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TransactionCounts {
    /// Half messages that are open now.
    pub open: usize,
    /// Of these, how many wait for a producer of their group to come.
    pub orphaned: usize,
    /// Half messages stored since the start.
    pub prepared: u64,
    /// Committed since the start.
    pub committed: u64,
    /// Rolled back since the start.
    pub rolled_back: u64,
    /// Questions to producers since the start.
    pub checks: u64,
    /// Moved to `TRANS_CHECK_MAX_TIME_TOPIC` since the start.
    pub given_up: u64,
}

impl Counters {
    pub(super) fn counts(&self, open: usize, orphaned: usize) -> TransactionCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TransactionCounts {
            open,
            orphaned,
            prepared: read(&self.prepared),
            committed: read(&self.committed),
            rolled_back: read(&self.rolled_back),
            checks: read(&self.checks),
            given_up: read(&self.given_up),
        }
    }
}
