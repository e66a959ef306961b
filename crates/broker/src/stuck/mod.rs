//! Queues that nobody pulls although their group is online: a listener that does not return, a member that hangs, one that
//! allocates by another strategy than the rest.
//!
//! A group's consumers share the queues among themselves, so the broker does not know an owner. It sees who pulled last,
//! and when. A pull that waits for messages counts until it is answered.

mod state;
mod watch;

pub use watch::StuckQueues;
