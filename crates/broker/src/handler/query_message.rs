//! Looking at single messages and at the entries of a queue.

use std::sync::Arc;

use eruca_message::{LogOffset, QueueOffset};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumeQueueData, QueryConsumeQueueResponseBody},
    request::{QueryConsumeQueueRequest, ViewMessageByIdRequest},
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;

use super::consumer_offset::signed;
use crate::{HandlerError, clients::ConsumerTable};

/// Most entries of a queue that one answer has.
const ENTRIES_MAX: i32 = 10_000;

/// Answers questions on messages.
#[derive(Debug)]
pub struct QueryMessageHandler {
    store: Arc<MessageStore>,
    consumers: Arc<ConsumerTable>,
}

impl QueryMessageHandler {
    /// A handler over the store.
    pub fn new(store: Arc<MessageStore>, consumers: Arc<ConsumerTable>) -> Self {
        QueryMessageHandler { store, consumers }
    }

    /// `VIEW_MESSAGE_BY_ID`: the record at a place of the log.
    pub fn view(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: ViewMessageByIdRequest = request.header()?;
        let missing = |why: String| {
            HandlerError::system_error(format!("can not find message by the offset, {}{why}", header.offset))
        };
        let at = u64::try_from(header.offset).map_err(|_| missing(String::new()))?;
        match self.store.record_at(LogOffset(at)) {
            Ok(Some(record)) => Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(record))),
            Ok(None) => Err(missing(String::new())),
            Err(error) => Err(missing(format!(": {error}"))),
        }
    }

    /// `QUERY_CONSUME_QUEUE`: entries of a queue, for people.
    pub fn consume_queue(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: QueryConsumeQueueRequest = request.header()?;
        let topic = header.topic.unwrap_or_default();
        let range = self.store.queue_range(&topic, header.queue_id);
        if range.max == QueueOffset(0) {
            return Err(HandlerError::system_error(format!("{}@{topic} is not exist!", header.queue_id)));
        }
        let index = u64::try_from(header.index).ok().map(QueueOffset);
        let index = index.filter(|index| (range.min..range.max).contains(index));
        let count = usize::try_from(header.count.clamp(0, ENTRIES_MAX)).unwrap_or(0);
        let entries = match index {
            Some(index) => self.store.queue_entries(&topic, header.queue_id, index, count),
            None => Vec::new(),
        };
        let entry = |entry: &eruca_store::ConsumeQueueEntry| ConsumeQueueData {
            physic_offset: i64::try_from(entry.log_offset.0).unwrap_or(i64::MAX),
            physic_size: i32::try_from(entry.size_bytes).unwrap_or(i32::MAX),
            tags_code: entry.tags_code,
            ..ConsumeQueueData::default()
        };
        let mut content = QueryConsumeQueueResponseBody {
            min_queue_index: signed(range.min),
            max_queue_index: signed(range.max),
            queue_data: index.is_some().then(|| entries.iter().map(entry).collect()),
            ..QueryConsumeQueueResponseBody::default()
        };
        if let Some(group) = &header.consumer_group {
            match self.consumers.subscription(group, &topic) {
                Some(subscription) => content.subscription_data = Some((*subscription).clone()),
                None => content.filter_data = Some(format!("{group}@{topic} is not online!")),
            }
        }
        let reply = request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content));
        Ok(Reply::Now(match index {
            Some(_) => reply,
            None => reply
                .with_remark(format!("Index {} of {}@{topic} is not exist!", header.index, header.queue_id)),
        }))
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::StoredMessage;
    use eruca_protocol::body::ConsumerData;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts) -> QueryMessageHandler {
        QueryMessageHandler::new(Arc::clone(&parts.store), Arc::clone(&parts.consumers))
    }

    #[test]
    fn a_message_is_found_at_its_place_and_nowhere_else() {
        let parts = TestParts::new();
        let at = parts.store("T", 0, "body", b"").log_offset.0 as i64;
        let view = |offset| {
            let request = RemotingCommand::request(&ViewMessageByIdRequest { topic: None, offset });
            answer(&request, handler(&parts).view(&request))
        };
        let (stored, _) = StoredMessage::decode(&view(at).body).unwrap();
        assert_eq!(stored.message.body, b"body");
        for offset in [at + 1, -1, i64::MAX] {
            let reply = view(offset);
            assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
            assert!(reply.remark.unwrap().starts_with("can not find message by the offset"));
        }
    }

    #[test]
    fn entries_of_a_queue_are_shown_with_the_groups_subscription() {
        let parts = TestParts::new();
        for _ in 0..3 {
            parts.store("T", 0, "body", b"TAGS\x01tagA\x02");
        }
        let query = |queue_id, index, group: Option<&str>| {
            let request = RemotingCommand::request(&QueryConsumeQueueRequest {
                topic: Some("T".into()),
                queue_id,
                index,
                count: 2,
                consumer_group: group.map(Into::into),
            });
            let reply = answer(&request, handler(&parts).consume_queue(&request));
            let content = (!reply.body.is_empty()).then(|| body::from_json(&reply.body).unwrap());
            (reply.remark, content)
        };
        let (remark, content) = query(0, 1, Some("g"));
        let content: QueryConsumeQueueResponseBody = content.unwrap();
        assert_eq!((remark, content.min_queue_index, content.max_queue_index), (None, 0, 3));
        assert_eq!(content.filter_data.as_deref(), Some("g@T is not online!"));
        let entries = content.queue_data.unwrap();
        assert_eq!((entries.len(), entries[0].tags_code), (2, 3_552_231));
        let mut consumer = ConsumerData { group_name: "g".into(), ..ConsumerData::default() };
        consumer.subscription_data_set =
            vec![body::SubscriptionData { topic: "T".into(), ..Default::default() }];
        parts.consume(&parts.connect().0, "a", &consumer);
        assert_eq!(query(0, 0, Some("g")).1.unwrap().subscription_data.unwrap().topic, "T");
        assert_eq!(query(0, 3, None).0.as_deref(), Some("Index 3 of 0@T is not exist!"));
        assert_eq!(query(5, 0, None).0.as_deref(), Some("5@T is not exist!"));
    }
}
