//! What others of a group want and did not pop in time goes into the group's retry topic: from there they get it when they pop again, and
//! until then it comes round again and again.

use eruca_message::{
    Record,
    properties::{DELAY_TIME_LEVEL, ORIGIN_GROUP, RETRY_TOPIC, find},
};
use eruca_store::AppendMessage;

use super::{members::Others, plan::Plan, pop_message::PopMessageHandler};
use crate::{handler::send_back::as_handed_over, pop::QueueKey, reply::HandlerError};

/// After which a message that was handed over comes: a minute by default.
const WAIT_LEVEL: &str = "5";

impl PopMessageHandler {
    /// Hands these messages over, unless they are left where they are: others may still come for them, or want them in order. Staged, as
    /// what is popped.
    pub(super) fn hands_over(
        &self,
        plan: &Plan,
        queue: &QueueKey,
        others: &Others,
    ) -> Result<bool, HandlerError> {
        let mut records = Record::decode_all(&others.records).map_while(Result::ok).peekable();
        let Some(first) = records.peek() else { return Ok(false) };
        let now = self.clock.now();
        let is_left = self.left.leaves(queue, others.offsets.start, first.fields.properties, now);
        // Nobody pops a retry topic in order. A slave stores nothing.
        if is_left || plan.is_order || self.store.is_replica() {
            return Ok(false);
        }
        let to = self.pop.ensure_retry_topic(&queue.topic, &queue.group);
        for record in records {
            let mut properties = as_handed_over(&record);
            if find(record.fields.properties, RETRY_TOPIC).is_none() {
                properties.remove(RETRY_TOPIC);
            }
            properties.set(ORIGIN_GROUP, &*queue.group);
            properties.set(DELAY_TIME_LEVEL, WAIT_LEVEL);
            let properties = properties.to_bytes();
            self.pop.put_again(AppendMessage::moved(&record, &to, 0, &properties))?;
        }
        Ok(true)
    }
}
