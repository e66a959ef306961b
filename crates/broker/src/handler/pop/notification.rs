//! `NOTIFICATION`: tells when a pop would bring something, and takes nothing.

use eruca_message::{QueueOffset, names::is_retry_topic};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    request::{NotificationRequest, NotificationResponse},
};
use eruca_remoting::{Caller, Reply};

use super::{plan::Plan, pop_message::PopMessageHandler};
use crate::{pop::QueueKey, reply::HandlerError};

/// So few messages are looked at for one that matches; of more, one is taken to match (Java:
/// `maxMessageFilterNumForNotification`).
const LOOKED_AT_MAX: i64 = 64;

impl PopMessageHandler {
    /// Answers at once where there is a message, else when one comes or the time is over.
    ///
    /// # Errors
    /// It is refused.
    pub fn notification(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: NotificationRequest = request.header()?;
        let config = self.settings.now();
        let topic =
            self.admit(&header.topic, &header.consumer_group, header.queue_id, &config, caller.peer_addr())?;
        let filter = self.filter_of(&header.topic, header.exp.as_deref(), header.exp_type.as_deref())?;
        let plan = Plan::of_notification(header, &topic, filter, self.clock.now());
        self.serve_or_park(caller, request, plan)
    }

    /// Whether a queue has a message from there on that the plan wants.
    pub(super) fn is_wanted_from(&self, plan: &Plan, queue: &QueueKey, from: i64) -> bool {
        let range = self.store.readable_queue_range(&queue.topic, queue.queue_id);
        let left = range.max.to_i64().saturating_sub(from);
        if left <= 0 || left > LOOKED_AT_MAX || is_retry_topic(&queue.topic) {
            return left > 0;
        }
        let from = QueueOffset(from.max(0).unsigned_abs());
        let entries =
            self.store.queue_entries(&queue.topic, queue.queue_id, from, left.unsigned_abs() as usize);
        entries.is_empty() || entries.iter().any(|entry| plan.filter.matches_entry(entry.tags_code))
    }
}

/// The answer.
pub(super) fn reply(has_msg: bool, polling_full: bool) -> RemotingCommand {
    let request = RemotingCommand::request_without_header(RequestCode::NOTIFICATION);
    let mut reply = request.reply(ResponseCode::SUCCESS);
    eruca_protocol::HeaderFields::encode_to(
        &NotificationResponse { has_msg, polling_full },
        &mut reply.ext_fields,
    );
    reply
}
