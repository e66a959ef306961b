//! Telling those who wait that messages arrived.

use std::sync::Arc;

use eruca_message::{LogOffset, QueueOffset, Timestamp};

use crate::write_state::WriteStopped;

/// A message that readers can see from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Topic name.
    pub topic: Arc<str>,
    /// Queue number.
    pub queue_id: i32,
    /// Index of the message in the queue.
    pub queue_offset: QueueOffset,
    /// End of the queue with this message in it, exclusive.
    pub queue_offset_max: QueueOffset,
    /// Hash of the tag, or the time of delivery (ms) in the schedule topic.
    pub tags_code: i64,
    /// Where its record starts.
    pub log_offset: LogOffset,
    /// Length of its record in bytes.
    pub size_bytes: u32,
    /// When it was stored.
    pub store_timestamp: Timestamp,
}

/// Is told of messages as they become visible.
pub trait ArrivalListener: Send + Sync {
    /// These messages can be read now. Called on the thread that settled them, after every lock of the store
    /// is given back: it may read from the store. Two threads that settle at once may call it at once, and
    /// in either order.
    fn arrived(&self, arrivals: &[Arrival]);
}

/// Is told that the log got longer, and what did not get into it: the one who ships it to copies.
pub trait WrittenListener: Send + Sync {
    /// [`crate::MessageStore::log_range`] ends further ahead. Called for every settling that wrote something, on its
    /// thread, without a lock of the store: it must cost next to nothing.
    fn written(&self);

    /// What was appended from `from` on could not be written, or was cut off again: it is not in the log, and its places are given again.
    fn dropped(&self, from: LogOffset, why: &WriteStopped);
}
