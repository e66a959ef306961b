//! Pulls and pops that found nothing and wait for a message.
//!
//! `pull_waiters` and `pop_waiters` decide (event and time in, who is woken out); `pull_hold` and `pop_hold` hold them for
//! the broker's threads.

mod pop_hold;
mod pop_waiters;
mod pull_hold;
mod pull_waiters;

pub use pop_hold::PopHold;
pub use pop_waiters::{ANY_QUEUE, Lane, PopInterest, PopWaiterId, PopWaiterLimits, PopWaiters};
pub use pull_hold::{PullHold, PullRunner};
pub(crate) use pull_waiters::LET_GO_AFTER_MS;
pub use pull_waiters::{Interest, PullWaiters, WaiterId, WaiterLimits};
