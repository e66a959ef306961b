//! The waiting pops between the threads that park, wake and time them out.

use std::{
    cell::Cell,
    collections::VecDeque,
    fmt,
    sync::{
        Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering, fence},
    },
    time::Duration,
};

use eruca_message::Timestamp;
use eruca_store::Arrival;

use super::{
    pop_waiters::{PopInterest, PopWaiterId, PopWaiterLimits, PopWaiters},
    pull_hold::PullRunner,
};

thread_local! {
    /// Set while this thread will run woken pops itself, when it has settled.
    static RUNS_WOKEN: Cell<bool> = const { Cell::new(false) };
}

/// The waiting pops of a broker.
///
/// A woken pop appends to the log, and what is appended has to be settled. So it is not run by the store's listener, in
/// the middle of another settling, but put aside: for the thread that settles, behind it, or for the pop thread.
pub struct PopHold<T> {
    inner: Mutex<Inner<T>>,
    /// As many as wait, for a look without the lock. Set under the lock. Who parks looks at the queues again after that,
    /// so that an append which saw 0 here is seen there.
    waiting: AtomicUsize,
    /// As many as are woken, for a look without the lock. Set under the lock.
    woken: AtomicUsize,
    runner: OnceLock<Weak<dyn PullRunner<T>>>,
    wake: Condvar,
}

struct Inner<T> {
    waiters: PopWaiters<T>,
    woken: VecDeque<T>,
    /// When the pop thread wakes by itself; the end of time while it is awake.
    wakes_at: Timestamp,
    is_called: bool,
    is_stopped: bool,
}

impl<T: Send> PopHold<T> {
    /// No one waits.
    pub fn new() -> Self {
        let inner = Inner {
            waiters: PopWaiters::default(),
            woken: VecDeque::new(),
            wakes_at: Timestamp(i64::MAX),
            is_called: false,
            is_stopped: false,
        };
        PopHold {
            inner: Mutex::new(inner),
            waiting: AtomicUsize::new(0),
            woken: AtomicUsize::new(0),
            runner: OnceLock::new(),
            wake: Condvar::new(),
        }
    }

    /// Sets who runs woken pops. Once.
    pub fn set_runner(&self, runner: Weak<dyn PullRunner<T>>) -> bool {
        self.runner.set(runner).is_ok()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether no one waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many pops of a group wait for a queue, or for any.
    pub fn waiting_pops(&self, topic: &str, group: &str, queue_id: i32) -> usize {
        self.lock().waiters.waiting_pops(topic, group, queue_id)
    }

    /// Whether [`PopHold::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        self.lock().is_stopped
    }

    /// Takes a pop in; gives it back where too many wait or none may any more. A message may have arrived since the pop
    /// looked: the caller looks at the queues again, and takes the pop out with [`PopHold::take`] if there is one.
    pub fn park(&self, interest: PopInterest, limits: PopWaiterLimits, pop: T) -> Result<PopWaiterId, T> {
        let deadline = interest.deadline;
        let mut inner = self.lock();
        if inner.is_stopped {
            return Err(pop);
        }
        let parked = inner.waiters.park(interest, limits, pop)?;
        self.waiting.store(inner.waiters.len(), Ordering::SeqCst);
        self.call_at(&mut inner, deadline);
        drop(inner);
        fence(Ordering::SeqCst);
        Ok(parked)
    }

    /// Takes out one; `None` where it was woken before.
    pub fn take(&self, id: PopWaiterId) -> Option<T> {
        self.with_waiters(|waiters, _| waiters.take(id))
    }

    /// Takes out those that are not to be kept.
    pub fn retain(&self, keep: impl Fn(&T) -> bool) -> Vec<T> {
        self.with_waiters(|waiters, _| waiters.retain(keep))
    }

    /// Messages became visible. To be called by the store's listener.
    pub fn arrived(&self, arrivals: &[Arrival]) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.with_waiters(|waiters, woken| waiters.arrived(arrivals, woken));
        }
    }

    /// There may be something for `group` in a queue of `topic`.
    pub fn notify(&self, topic: &str, group: &str, queue_id: i32) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.with_waiters(|waiters, woken| waiters.notify(topic, group, queue_id, woken));
        }
    }

    /// Leaves a pop that could not wait to the pop thread.
    pub fn leave(&self, pop: T) {
        self.with_waiters(|_, woken| woken.push_back(pop));
    }

    /// Does `settle`, which wakes pops, and runs some of those that it woke on this thread: a hop to another would cost
    /// more than they do.
    pub fn running_woken<R>(&self, settle: impl FnOnce() -> R, most: usize) -> R {
        RUNS_WOKEN.set(true);
        let result = settle();
        RUNS_WOKEN.set(false);
        if self.woken.load(Ordering::Acquire) > 0 {
            self.run_woken(most);
            let inner = self.lock();
            if !inner.woken.is_empty() {
                self.wake.notify_one();
            }
        }
        result
    }

    /// Runs pops whose time is over, and those that were woken.
    pub fn step(&self, now: Timestamp) {
        let expired = self.with_waiters(|waiters, _| waiters.expired(now));
        self.run_all(expired);
        self.run_woken(usize::MAX);
    }

    fn run_woken(&self, most: usize) {
        let woken: Vec<T> = {
            let mut inner = self.lock();
            let count = inner.woken.len().min(most);
            let woken = inner.woken.drain(..count).collect();
            self.woken.store(inner.woken.len(), Ordering::Release);
            woken
        };
        self.run_all(woken);
    }

    /// Sleeps until there is something to do: a pop is woken or its time is over, it is `until`, or
    /// [`PopHold::call_before`] was called since the last sleep. At most `longest`. False when [`PopHold::stop`] was
    /// called.
    pub fn wait_for_work(&self, now: Timestamp, until: Option<Timestamp>, longest: Duration) -> bool {
        let mut inner = self.lock();
        let is_called = std::mem::take(&mut inner.is_called);
        if is_called || !inner.woken.is_empty() || inner.is_stopped {
            return !inner.is_stopped;
        }
        let next = inner.waiters.next_deadline().into_iter().chain(until).min();
        let sleep = next.map_or(longest, |next| {
            Duration::from_millis(next.ms_since(now).max(1).unsigned_abs()).min(longest)
        });
        inner.wakes_at = next.unwrap_or(Timestamp(i64::MAX));
        let (mut inner, _) = self.wake.wait_timeout(inner, sleep).unwrap_or_else(PoisonError::into_inner);
        inner.wakes_at = Timestamp(i64::MIN);
        inner.is_called = false;
        !inner.is_stopped
    }

    /// There is something to do at `at`: wakes the pop thread if it would sleep longer.
    pub fn call_before(&self, at: Timestamp) {
        self.call_at(&mut self.lock(), at);
    }

    fn call_at(&self, inner: &mut Inner<T>, at: Timestamp) {
        if inner.wakes_at == Timestamp(i64::MIN) {
            // It is awake, and may have looked already.
            inner.is_called = true;
        } else if at < inner.wakes_at {
            inner.is_called = true;
            self.wake.notify_one();
        }
    }

    /// Lets all waiting pops go and ends the pop thread.
    pub fn stop(&self) {
        let all = self.with_waiters(|waiters, _| waiters.take_all());
        let woken = {
            let mut inner = self.lock();
            inner.is_stopped = true;
            std::mem::take(&mut inner.woken)
        };
        self.wake.notify_all();
        self.run_all(all);
        self.run_all(woken);
    }

    fn run_all(&self, pops: impl IntoIterator<Item = T>) {
        if let Some(runner) = self.runner.get().and_then(Weak::upgrade) {
            pops.into_iter().for_each(|pop| runner.run(pop));
        }
    }

    fn with_waiters<R>(&self, change: impl FnOnce(&mut PopWaiters<T>, &mut VecDeque<T>) -> R) -> R {
        let mut inner = self.lock();
        let Inner { waiters, woken, .. } = &mut *inner;
        let before = woken.len();
        let result = change(waiters, woken);
        if woken.len() > before && !RUNS_WOKEN.get() {
            self.wake.notify_one();
        }
        self.waiting.store(inner.waiters.len(), Ordering::SeqCst);
        self.woken.store(inner.woken.len(), Ordering::Release);
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Send> Default for PopHold<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for PopHold<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PopHold").field("len", &self.waiting.load(Ordering::Relaxed)).finish_non_exhaustive()
    }
}
