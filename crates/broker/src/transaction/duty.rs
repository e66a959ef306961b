//! What begins and ends with the broker's role.

use std::sync::Arc;

use super::{
    rebuild::{Found, rebuild},
    service::{State, Transactions},
};
use crate::role::Escape;

impl Transactions {
    pub(crate) fn set_escape(&self, escape: Arc<Escape>) {
        // Once, at the start.
        let _ = self.escape.set(escape);
    }

    /// Finds out what is open: at a start, and when the broker became a master, or stands in for one.
    pub(crate) fn take_up(&self) {
        let found = rebuild(&self.store, &self.offsets, self.times(), &*self.clock);
        let Found { table, progress, from, unnoted } = found;
        *self.state() = State { table, progress, unnoted };
        // Where they were outside of the queues, they are no more.
        self.commit_offsets(from);
    }

    /// Whether producers are asked, for which the store must take messages; or, on a slave that stands in for its master, half
    /// messages are moved. A slave does neither.
    pub(crate) fn set_on_duty(&self, is_on_duty: bool) {
        if is_on_duty && !self.store.is_replica() {
            let unnoted = std::mem::take(&mut self.state().unnoted);
            self.note_at_start(&unnoted);
        }
        self.wake.set_on_duty(is_on_duty);
    }

    /// Whether what is open is known: on a slave it is the master's.
    pub(crate) fn is_on_duty(&self) -> bool {
        self.wake.is_on_duty()
    }
}
