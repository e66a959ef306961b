//! Pulls that found nothing and wait for a message.
//!
//! `pull_waiters` decides (event and time in, woken pulls out); `pull_hold` holds it for the broker's threads.

mod pull_hold;
mod pull_waiters;

pub use pull_hold::{PullHold, PullRunner};
pub(crate) use pull_waiters::LET_GO_AFTER_MS;
pub use pull_waiters::{Interest, PullWaiters, WaiterId, WaiterLimits};
