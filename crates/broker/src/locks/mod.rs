//! Queue locks: which member of a group alone consumes a queue, for consumption in order.

mod majority;
mod queue_locks;

pub(crate) use majority::Majority;
pub use queue_locks::QueueLocks;
