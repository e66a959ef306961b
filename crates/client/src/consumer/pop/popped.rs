//! One message that was popped.

use eruca_message::{StoredMessage, Timestamp};
use eruca_protocol::pop::ReceiptHandle;

/// A message that no other member of the group gets until its invisible time is over.
///
/// Acknowledge it with [`PopConsumer::ack`](crate::PopConsumer::ack), or it comes again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoppedMessage {
    /// The message. Its queue and offset are those of the topic it lies in, which for one that comes again is a retry topic.
    pub stored: StoredMessage,
    /// The topic it was popped from, in which it may come again.
    pub(super) topic: String,
    pub(super) handle: ReceiptHandle,
}

impl PoppedMessage {
    /// When the message becomes visible to others, by the broker's clock.
    pub fn visible_at(&self) -> Timestamp {
        Timestamp(self.handle.pop_time.saturating_add(self.handle.invisible_time))
    }

    /// How often the message was given out, this time included.
    pub fn attempt(&self) -> i32 {
        self.stored.reconsume_times.saturating_add(1)
    }

    /// The name by which the broker knows this delivery, as Java's clients write it (`POP_CK`).
    pub fn receipt_handle(&self) -> String {
        self.handle.to_string()
    }

    /// The message, and the handle by which it is acknowledged.
    pub(in crate::consumer) fn into_parts(self) -> (StoredMessage, ReceiptHandle) {
        (self.stored, self.handle)
    }
}
