//! `PEEK_MESSAGE`: looks at what a pop would bring, and takes nothing.

use bytes::BytesMut;
use eruca_message::QueueOffset;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{PeekMessageRequest, PopMessageRequest, PopMessageResponse},
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{EveryMessage, ReadLimits};

use super::{
    plan::{MESSAGES_MAX, Plan},
    pop_message::{PopMessageHandler, answer},
};
use crate::{filter::MessageFilter, pop::QueueKey, reply::HandlerError};

impl PopMessageHandler {
    /// Answers with messages of the queue, or of any queue and the retry topic, from where the group is.
    ///
    /// # Errors
    /// It is refused.
    pub fn peek(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: PeekMessageRequest = request.header()?;
        let config = self.settings.now();
        let topic =
            self.admit(&header.topic, &header.consumer_group, header.queue_id, &config, caller.peer_addr())?;
        let as_pop = PopMessageRequest {
            consumer_group: header.consumer_group,
            topic: header.topic,
            queue_id: header.queue_id,
            max_msg_nums: header.max_msg_nums.min(MESSAGES_MAX),
            ..PopMessageRequest::default()
        };
        let plan = Plan::of_pop(as_pop, &topic, MessageFilter::All, &config, self.clock.now())?;
        let turn = self.pop.next_pop();
        let (mut records, mut messages, mut rest) = (BytesMut::new(), 0, 0i64);
        let again = plan.retry_topics(&config).into_iter().flat_map(|topic| {
            let queue_nums = self.topics.get(&topic).map_or(0, |config| config.read_queue_nums);
            (0..queue_nums).map(move |queue_id| (topic.clone(), queue_id))
        });
        let queues = plan.queues(turn).into_iter().map(|queue_id| (plan.topic.to_string(), queue_id));
        for (of_topic, queue_id) in queues.chain(again) {
            let queue = QueueKey::new(of_topic, plan.group.clone(), queue_id);
            let from = self.pop.look(&queue).unwrap_or_else(|| self.pop.first_position(&queue, true));
            let left = plan.max_messages - messages;
            let limits =
                ReadLimits { max_messages: left, max_entries_scanned: left, ..ReadLimits::default() };
            let at = QueueOffset(from.max(0).unsigned_abs());
            if left == 0 {
                break;
            }
            let read = self.store.read(&queue.topic, queue.queue_id, at, &limits, &EveryMessage);
            records.extend_from_slice(&read.records);
            messages += read.message_count.min(left);
            rest += i64::try_from(read.max_offset.0.saturating_sub(read.next_offset.0)).unwrap_or(i64::MAX);
        }
        let (code, remark) = match messages {
            0 => (ResponseCode::PULL_NOT_FOUND, "NO_MESSAGE_IN_QUEUE"),
            _ => (ResponseCode::SUCCESS, "FOUND"),
        };
        let mut reply = answer(code, &PopMessageResponse { rest_num: rest, ..Default::default() }, remark);
        (reply.opaque, reply.encoding) = (request.opaque, request.encoding);
        Ok(Reply::Now(reply.with_body(records.freeze())))
    }
}
