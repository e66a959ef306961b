//! What an acknowledgement says of the pop that it belongs to.

use eruca_message::Timestamp;
use eruca_protocol::pop::ReceiptHandle;

use crate::HandlerError;

/// What the log needs to know of a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AckHandle {
    /// When the messages become visible.
    pub due: Timestamp,
    /// Queue of the revive topic in which their check point is noted.
    pub revive_queue: i32,
}

impl AckHandle {
    /// Of a receipt handle; `revive_queue_nums` is how many queues the revive topic has.
    ///
    /// # Errors
    /// There is no such queue.
    pub fn of(handle: &ReceiptHandle, revive_queue_nums: i32) -> Result<Self, HandlerError> {
        Self::new(handle.pop_time, handle.invisible_time, handle.revive_queue_id, revive_queue_nums)
    }

    /// From the parts of a handle.
    ///
    /// # Errors
    /// There is no such queue of the revive topic, or a time that cannot be.
    pub fn new(
        pop_time: i64,
        invisible_time: i64,
        revive_queue: i32,
        revive_queue_nums: i32,
    ) -> Result<Self, HandlerError> {
        let bad = |what: &str, value: i64, allowed: String| {
            HandlerError::invalid_parameter(format!(
                "{what} of the receipt handle is {value}, {allowed}: use the handle of the pop's answer as it is"
            ))
        };
        if !(0..revive_queue_nums).contains(&revive_queue) {
            let allowed = format!("the revive topic has the queues 0 to {}", revive_queue_nums - 1);
            return Err(bad("reviveQid", i64::from(revive_queue), allowed));
        }
        for (what, value) in [("popTime", pop_time), ("invisibleTime", invisible_time)] {
            if value < 0 {
                return Err(bad(what, value, "it must not be below 0".to_owned()));
            }
        }
        Ok(AckHandle { due: Timestamp(pop_time.saturating_add(invisible_time)), revive_queue })
    }
}
