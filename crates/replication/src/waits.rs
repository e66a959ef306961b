//! The slaves and those who wait for them, shared by threads.

use std::sync::{Mutex, MutexGuard, PoisonError};

use eruca_message::{LogOffset, Timestamp};

use crate::in_sync::{InSync, Outcome, Waiter};

/// An [`InSync`] behind a lock, which is never held while somebody is called.
#[derive(Default)]
pub struct Waits(Mutex<InSync>);

impl Waits {
    /// What it is at the moment.
    pub fn lock(&self) -> MutexGuard<'_, InSync> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that may become master have the log up to here: calls those who waited for that.
    pub fn confirmed(&self, up_to: LogOffset) {
        let ready = self.lock().confirmed(up_to);
        ready.into_iter().for_each(|waiter| waiter(Outcome::Replicated));
    }

    /// Calls `waiter` when `slaves` slaves have the log up to `end`, or at `deadline`; perhaps at once, on this thread. `true`: it is
    /// the first one that waits.
    pub fn wait(
        &self,
        end: LogOffset,
        slaves: usize,
        deadline: Timestamp,
        now: Timestamp,
        waiter: Waiter,
    ) -> bool {
        let waits = self.lock().wait(end, slaves, deadline, now, waiter);
        match waits {
            Ok(is_first) => is_first,
            Err((waiter, outcome)) => {
                waiter(outcome);
                false
            }
        }
    }

    /// Ends waits whose time is over. When the next one's is.
    pub fn expire(&self, now: Timestamp) -> Option<Timestamp> {
        let (late, next) = {
            let mut in_sync = self.lock();
            (in_sync.expire(now), in_sync.next_deadline())
        };
        late.into_iter().for_each(|(waiter, outcome)| waiter(outcome));
        next
    }

    /// Ends all waits.
    pub fn give_up(&self, why: &str) {
        let all = self.lock().give_up(why);
        all.into_iter().for_each(|(waiter, outcome)| waiter(outcome));
    }
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waits").finish_non_exhaustive()
    }
}
