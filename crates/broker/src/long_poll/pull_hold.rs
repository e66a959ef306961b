//! The waiting pulls between the threads that park, wake and time them out.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering, fence},
    },
    time::Duration,
};

use eruca_message::Timestamp;
use eruca_store::{Arrival, ArrivalListener};

use super::{Interest, PullWaiters, WaiterId, WaiterLimits};

/// So many woken pulls are run by the thread that appended; a hop to another thread would cost more than they do. The
/// rest is left to the pull thread, so that a queue with many groups does not hold up its producers.
const RUN_INLINE_MAX: usize = 8;

/// Runs pulls that were woken.
pub trait PullRunner<T>: Send + Sync {
    /// Reads again and answers, without waiting a second time.
    fn run(&self, pull: T);
}

/// The waiting pulls of a broker.
pub struct PullHold<T> {
    waiters: Mutex<PullWaiters<T>>,
    /// As many as wait, for a look without the lock. Set under the lock. Who parks looks at the queue again after that,
    /// so that an append which saw 0 here is seen there.
    count: AtomicUsize,
    runner: OnceLock<Weak<dyn PullRunner<T>>>,
    left: Mutex<Left<T>>,
    wake: Condvar,
}

/// Locked before `waiters`, never after.
struct Left<T> {
    pulls: VecDeque<T>,
    stopped: bool,
}

impl<T: Send> PullHold<T> {
    /// No one waits.
    pub fn new(limits: WaiterLimits) -> Self {
        PullHold {
            waiters: Mutex::new(PullWaiters::new(limits)),
            count: AtomicUsize::new(0),
            runner: OnceLock::new(),
            left: Mutex::new(Left { pulls: VecDeque::new(), stopped: false }),
            wake: Condvar::new(),
        }
    }

    /// Sets who runs woken pulls. Once.
    pub fn set_runner(&self, runner: Weak<dyn PullRunner<T>>) -> bool {
        self.runner.set(runner).is_ok()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether no one waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether [`PullHold::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.left().stopped
    }

    /// Whether one that waits for messages of the queue is as `is_wanted` says.
    pub fn any(&self, topic: &str, queue_id: i32, is_wanted: impl FnMut(&T) -> bool) -> bool {
        self.waiters().of_queue(topic, queue_id).any(is_wanted)
    }

    /// Takes a pull in; gives it back where too many wait or none may any more. A message may have arrived since the pull looked: the caller
    /// looks at the queue again, and takes the pull out with [`PullHold::take`] if there is one.
    pub fn park(&self, interest: Interest, pull: T) -> Result<WaiterId, T> {
        let left = self.left();
        if left.stopped {
            return Err(pull);
        }
        let mut waiters = self.waiters();
        let is_first = waiters.next_deadline().is_none_or(|next| interest.deadline < next);
        let parked = waiters.park(interest, pull);
        self.count.store(waiters.len(), Ordering::SeqCst);
        drop(waiters);
        drop(left);
        fence(Ordering::SeqCst);
        if is_first && parked.is_ok() {
            // The pull thread sleeps until a deadline that is no longer the next one.
            self.wake.notify_one();
        }
        parked
    }

    /// Takes out one; `None` where it was woken before.
    pub fn take(&self, topic: &str, queue_id: i32, id: WaiterId) -> Option<T> {
        self.with_waiters(|waiters| waiters.take(topic, queue_id, id))
    }

    /// Takes out those that are not to be kept.
    pub fn retain(&self, keep: impl FnMut(&T) -> bool) -> Vec<T> {
        self.with_waiters(|waiters| waiters.retain(keep))
    }

    /// Runs those whose time is over, and those that [`ArrivalListener::arrived`] left to this thread.
    pub fn step(&self, now: Timestamp) {
        let left = std::mem::take(&mut self.left().pulls);
        self.run_all(left);
        let expired = self.with_waiters(|waiters| waiters.expired(now));
        self.run_all(expired);
    }

    /// Sleeps until there is something for [`PullHold::step`], at most `longest`. False when [`PullHold::stop`] was
    /// called.
    pub fn wait_for_work(&self, now: Timestamp, longest: Duration) -> bool {
        let left = self.left();
        if !left.pulls.is_empty() || left.stopped {
            return !left.stopped;
        }
        // Looked at under the lock that a notice takes, so that none is missed.
        let next = self.waiters().next_deadline();
        let until = next.map_or(longest, |next| {
            Duration::from_millis(next.ms_since(now).max(1).unsigned_abs()).min(longest)
        });
        let (left, _) = self.wake.wait_timeout(left, until).unwrap_or_else(PoisonError::into_inner);
        !left.stopped
    }

    /// Lets all waiting pulls go and ends the pull thread.
    pub fn stop(&self) {
        let mut left = self.left();
        left.stopped = true;
        drop(left);
        self.wake.notify_all();
        let all = self.with_waiters(PullWaiters::take_all);
        self.run_all(all);
    }

    fn run_all(&self, pulls: impl IntoIterator<Item = T>) {
        if let Some(runner) = self.runner.get().and_then(Weak::upgrade) {
            pulls.into_iter().for_each(|pull| runner.run(pull));
        }
    }

    fn with_waiters<R>(&self, change: impl FnOnce(&mut PullWaiters<T>) -> R) -> R {
        let mut waiters = self.waiters();
        let result = change(&mut waiters);
        self.count.store(waiters.len(), Ordering::SeqCst);
        result
    }

    fn waiters(&self) -> MutexGuard<'_, PullWaiters<T>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn left(&self) -> MutexGuard<'_, Left<T>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> ArrivalListener for PullHold<T> {
    fn arrived(&self, arrivals: &[Arrival]) {
        fence(Ordering::SeqCst);
        if self.count.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut woken = Vec::new();
        self.with_waiters(|waiters| waiters.arrived(arrivals, |pull| woken.push(pull)));
        if woken.len() > RUN_INLINE_MAX {
            self.left().pulls.extend(woken.drain(RUN_INLINE_MAX..));
            self.wake.notify_one();
        }
        self.run_all(woken);
    }
}

impl<T> fmt::Debug for PullHold<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PullHold").field("len", &self.count.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}
