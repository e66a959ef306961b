//! Offsets that brokers keep.

use std::sync::Arc;

use eruca_message::MessageQueue;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{QueryConsumerOffsetRequest, QueryConsumerOffsetResponse, UpdateConsumerOffsetRequest},
};

use crate::{CallError, client::Session};

/// The brokers' table of one group's offsets (Java: `RemoteBrokerOffsetStore`).
pub(super) struct BrokerOffsets {
    session: Arc<Session>,
    group: String,
}

impl BrokerOffsets {
    pub(super) fn new(session: Arc<Session>, group: &str) -> Self {
        BrokerOffsets { session, group: group.to_owned() }
    }

    pub(super) async fn read(&self, queue: &MessageQueue) -> Result<Option<i64>, CallError> {
        let header = QueryConsumerOffsetRequest {
            consumer_group: self.group.clone(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            // The broker's default: a young queue is consumed from its start, so that what was sent just before the
            // consumer came is not lost.
            set_zero_if_not_found: None,
        };
        // Makes the broker's address known, where the queue did not come from a route of this session.
        self.session.reach(queue).await?;
        match self
            .session
            .call(&self.addr(queue)?, for_broker(RemotingCommand::request(&header), queue))
            .await
        {
            Ok(answer) => Ok(Some(answer.header::<QueryConsumerOffsetResponse>()?.offset)),
            Err(CallError::Refused { code: ResponseCode::QUERY_NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn write(&self, queue: &MessageQueue, offset: i64) -> Result<(), CallError> {
        let header = UpdateConsumerOffsetRequest {
            consumer_group: self.group.clone(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        self.session
            .call(&self.addr(queue)?, for_broker(RemotingCommand::request(&header), queue))
            .await
            .map(drop)
    }

    fn addr(&self, queue: &MessageQueue) -> Result<String, CallError> {
        self.session.addr_to_read(&queue.broker_name, crate::route_cache::MASTER_ID)
    }
}

/// Says which broker group is meant, for proxies that stand in front of several.
fn for_broker(mut request: RemotingCommand, queue: &MessageQueue) -> RemotingCommand {
    request.ext_fields.push("bname", &queue.broker_name);
    request
}
