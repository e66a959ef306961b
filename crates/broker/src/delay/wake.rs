//! Sleeping until something is due, or something earlier comes.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use eruca_message::{Clock, Timestamp};

/// Longest sleep where something is due later: a wall clock that was moved forward is noticed by then.
const SLEEP_MAX_MS: i64 = 30_000;

/// The bed of one thread.
#[derive(Debug)]
pub(crate) struct Wake {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// When the sleeper wakes by itself; while it is awake, or has nothing to wait for, the end of time.
    wakes_at: Timestamp,
    is_called: bool,
    is_stopped: bool,
    /// It has nothing to do until it is on duty again.
    is_off_duty: bool,
}

impl Default for Wake {
    fn default() -> Self {
        let state =
            State { wakes_at: Timestamp(i64::MAX), is_called: false, is_stopped: false, is_off_duty: false };
        Wake { state: Mutex::new(state), changed: Condvar::new() }
    }
}

impl Wake {
    /// Something is due at `due`: wakes the sleeper if that is earlier than what it waits for.
    pub(crate) fn due_at(&self, due: Timestamp) {
        let mut state = self.lock();
        if due < state.wakes_at {
            state.is_called = true;
            self.changed.notify_one();
        }
    }

    /// Ends the sleep now and for ever.
    pub(crate) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_one();
    }

    /// Whether there is anything to do; where it was off duty the sleeper looks at once.
    pub(crate) fn set_on_duty(&self, is_on_duty: bool) {
        let mut state = self.lock();
        state.is_off_duty = !is_on_duty;
        state.is_called = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_on_duty(&self) -> bool {
        !self.lock().is_off_duty
    }

    /// Waits until there may be something to do; false when stopped.
    pub(crate) fn wait_for_duty(&self) -> bool {
        let off_duty = |state: &mut State| state.is_off_duty && !state.is_stopped;
        let state = self.changed.wait_while(self.lock(), off_duty).unwrap_or_else(PoisonError::into_inner);
        !state.is_stopped
    }

    /// To be called before looking for what is due: what comes from now on is not missed.
    pub(crate) fn begin(&self) {
        self.lock().is_called = false;
    }

    /// Sleeps until `due` (`None`: without end), until [`Wake::due_at`] something earlier since [`Wake::begin`], or
    /// until stopped.
    pub(crate) fn sleep(&self, due: Option<Timestamp>, clock: &dyn Clock) {
        let mut state = self.lock();
        state.wakes_at = due.unwrap_or(Timestamp(i64::MAX));
        while !state.is_called && !state.is_stopped {
            let Some(due) = due else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            // The clock shows whole milliseconds that have passed: never early.
            let left_ms = due.ms_since(clock.now()).clamp(0, SLEEP_MAX_MS);
            if left_ms == 0 {
                break;
            }
            let left = Duration::from_millis(left_ms.unsigned_abs());
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wakes_at = Timestamp(i64::MAX);
    }

    /// Sleeps until `until`, whatever comes before that, or until stopped: what came is found by the look after it.
    pub(crate) fn rest(&self, until: Timestamp, clock: &dyn Clock) {
        let mut state = self.lock();
        state.wakes_at = Timestamp(i64::MIN);
        while !state.is_stopped {
            let left_ms = until.ms_since(clock.now()).clamp(0, SLEEP_MAX_MS);
            if left_ms == 0 {
                break;
            }
            let left = Duration::from_millis(left_ms.unsigned_abs());
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.wakes_at = Timestamp(i64::MAX);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
