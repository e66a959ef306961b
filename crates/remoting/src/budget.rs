//! Bytes that all connections together may hold: half frames that came in, and answers not yet gone out.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::Waker,
};

/// A count of bytes with a limit. Charging always succeeds: who is over the limit stops reading until it is not.
#[derive(Debug)]
pub(crate) struct Budget {
    limit_bytes: usize,
    used_bytes: AtomicUsize,
    paused: Mutex<Paused>,
}

/// Connections that stopped reading because of a budget.
#[derive(Debug)]
struct Paused {
    wakers: Vec<Waker>,
    /// Counts how often all of them were woken; the first round is 1.
    round: u64,
}

/// In which round of a budget a connection asked to be woken; so that it asks once in each.
#[derive(Debug, Default)]
pub(crate) struct WaitRound(u64);

impl Budget {
    pub(crate) fn new(limit_bytes: usize) -> Budget {
        Budget {
            limit_bytes,
            used_bytes: AtomicUsize::new(0),
            paused: Mutex::new(Paused { wakers: Vec::new(), round: 1 }),
        }
    }

    pub(crate) fn charge(&self, bytes: usize) {
        if bytes > 0 {
            self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    /// Gives bytes back, and wakes those who wait for it once the limit is not exceeded any more.
    pub(crate) fn release(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let before = self.used_bytes.fetch_sub(bytes, Ordering::AcqRel);
        debug_assert!(before >= bytes, "released {bytes} bytes of {before}");
        if before > self.limit_bytes && before.saturating_sub(bytes) <= self.limit_bytes {
            let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
            paused.round += 1;
            let wakers = std::mem::take(&mut paused.wakers);
            drop(paused);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Whether no new request should be read.
    pub(crate) fn is_over(&self) -> bool {
        self.used_bytes.load(Ordering::Acquire) > self.limit_bytes
    }

    /// Whether even requests that were begun cannot be finished: twice the limit is in use.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.used_bytes.load(Ordering::Acquire) > self.limit_bytes.saturating_mul(2)
    }

    /// Registers to be woken when the budget is not over its limit. False when it is not over it now.
    pub(crate) fn wait(&self, asked: &mut WaitRound, waker: &Waker) -> bool {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked at under the lock: a release after this finds the waker.
        if !self.is_over() {
            return false;
        }
        if asked.0 != paused.round {
            asked.0 = paused.round;
            paused.wakers.push(waker.clone());
        }
        true
    }

    pub(crate) fn used_bytes(&self) -> usize {
        self.used_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicUsize};

    use super::*;

    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn waiters_are_woken_when_the_limit_is_kept_again() {
        let budget = Budget::new(10);
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        budget.charge(10);
        let mut asked = WaitRound::default();
        assert!(!budget.wait(&mut asked, &waker), "at the limit is not over it");
        budget.charge(5);
        assert!(budget.is_over() && budget.wait(&mut asked, &waker) && budget.wait(&mut asked, &waker));
        budget.release(3);
        assert_eq!(count.0.load(Ordering::Relaxed), 0, "still over");
        budget.release(2);
        assert_eq!(count.0.load(Ordering::Relaxed), 1, "woken once though it asked twice");
        assert!(!budget.is_over());
        budget.charge(11);
        assert!(budget.is_exhausted());
    }
}
