//! Queue locks: which member of a group alone consumes a queue, for consumption in order.

mod queue_locks;

pub use queue_locks::QueueLocks;
