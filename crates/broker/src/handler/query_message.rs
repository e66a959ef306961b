//! Finding single messages, and looking at the entries of a queue.

use std::sync::Arc;

use eruca_message::{LogOffset, QueueOffset, Timestamp};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumeQueueData, QueryConsumeQueueResponseBody},
    request::{QueryConsumeQueueRequest, QueryMessageRequest, QueryMessageResponse, ViewMessageByIdRequest},
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{KeyKind, MessageQuery, MessageStore, QueryOutcome};

use crate::{HandlerError, clients::ConsumerTable, control::Control, settings::Settings};

/// Most entries of a queue that one answer has.
const ENTRIES_MAX: i32 = 10_000;
/// Most bytes of messages in the answer to a query: Java clients close a connection on frames of 16 MiB.
const QUERY_BYTES_MAX: usize = (16 << 20) - (64 << 10);
/// Says in a request that the key is a unique id (Java: `UNIQUE_MSG_QUERY_FLAG`).
const UNIQUE_KEY_QUERY: &str = "_UNIQUE_KEY_QUERY";
/// The kind of a key that is a tag.
const TAG_INDEX: &str = "T";

/// Answers questions on messages.
#[derive(Debug)]
pub struct QueryMessageHandler {
    store: Arc<MessageStore>,
    consumers: Arc<ConsumerTable>,
    settings: Arc<Settings>,
    control: Arc<Control>,
}

impl QueryMessageHandler {
    /// A handler over the store; `control` is where queries wait for the disk.
    pub fn new(
        store: Arc<MessageStore>,
        consumers: Arc<ConsumerTable>,
        settings: Arc<Settings>,
        control: Arc<Control>,
    ) -> Self {
        QueryMessageHandler { store, consumers, settings, control }
    }

    /// `QUERY_MESSAGE`: the newest messages with a key, a unique id or a tag, in the order of the log.
    pub fn query(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: QueryMessageRequest = request.header()?;
        let config = self.settings.now();
        let is_unique =
            request.ext_fields.get(UNIQUE_KEY_QUERY).is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let asked = if is_unique { config.default_query_max_num } else { header.max_num };
        let max_messages = usize::try_from(asked.min(config.max_msgs_num_batch)).unwrap_or(0);
        let turn = self.control.disk_turn().ok_or_else(|| {
            HandlerError::new(ResponseCode::SYSTEM_BUSY, "[OVERLOAD] too many queries wait: try again later")
        })?;
        let responder = caller.responder(request);
        let (store, request) = (Arc::clone(&self.store), request.clone());
        turn.run(move || {
            let found = store.query_by_key(&MessageQuery {
                topic: &header.topic,
                key: &header.key,
                kind: match header.index_type.as_deref() {
                    Some(TAG_INDEX) if !is_unique => KeyKind::Tag,
                    _ => KeyKind::Key,
                },
                begin: Timestamp(header.begin_timestamp),
                end: Timestamp(header.end_timestamp),
                max_messages,
                max_bytes: QUERY_BYTES_MAX,
            });
            responder.send(answer(&request, found));
        });
        Ok(Reply::Later)
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
            physic_offset: entry.log_offset.to_i64(),
            physic_size: i32::try_from(entry.size_bytes).unwrap_or(i32::MAX),
            tags_code: entry.tags_code,
            ..ConsumeQueueData::default()
        };
        let mut content = QueryConsumeQueueResponseBody {
            min_queue_index: range.min.to_i64(),
            max_queue_index: range.max.to_i64(),
            queue_data: index.is_some().then(|| entries.iter().map(entry).collect()),
            ..QueryConsumeQueueResponseBody::default()
        };
        if let Some(group) = &header.consumer_group {
            match self.consumers.subscription(group, &topic) {
                Some(subscription) => content.subscription_data = Some(subscription.data.clone()),
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

/// As Java, which says how far the index has got only together with messages.
fn answer(request: &RemotingCommand, found: QueryOutcome) -> RemotingCommand {
    if found.message_count == 0 {
        let nowhere = QueryMessageResponse { index_last_update_timestamp: 0, index_last_update_phyoffset: 0 };
        let mut reply = request.reply_with(&nowhere);
        reply.code = ResponseCode::QUERY_NOT_FOUND.0;
        return reply.with_remark("can not find message, maybe time range not correct");
    }
    let up_to = QueryMessageResponse {
        index_last_update_timestamp: found.indexed_timestamp.0,
        index_last_update_phyoffset: found.indexed_log_offset.to_i64(),
    };
    request.reply_with(&up_to).with_body(found.records)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use eruca_message::StoredMessage;
    use eruca_protocol::body::ConsumerData;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts) -> QueryMessageHandler {
        QueryMessageHandler::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.consumers),
            Arc::clone(&parts.settings),
            Arc::new(Control::start().unwrap()),
        )
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
    fn messages_are_found_by_key_unique_id_and_tag() {
        let parts = TestParts::new();
        for i in 0..3 {
            let properties = format!("UNIQ_KEY\x01id{i}\x02KEYS\x01order k{i}\x02TAGS\x01red\x02");
            parts.store("T", 0, &format!("body{i}"), properties.as_bytes());
        }
        let handler = handler(&parts);
        let (caller, outbox) = parts.connect();
        let query = |key: &str, max_num, kind: Option<&str>, unique: Option<&str>| {
            let mut request = RemotingCommand::request(&QueryMessageRequest {
                topic: "T".into(),
                key: key.into(),
                max_num,
                begin_timestamp: 0,
                end_timestamp: i64::MAX,
                index_type: kind.map(Into::into),
                last_key: None,
            });
            if let Some(unique) = unique {
                request.ext_fields.push(UNIQUE_KEY_QUERY, unique);
            }
            assert!(matches!(handler.query(&caller, &request), Ok(Reply::Later)));
            let reply = outbox.take_within(1, Duration::from_secs(20)).remove(0);
            let bodies = StoredMessage::decode_all(&reply.body).unwrap();
            (
                reply,
                bodies.into_iter().map(|m| String::from_utf8(m.message.body).unwrap()).collect::<Vec<_>>(),
            )
        };
        let (reply, bodies) = query("order", 2, Some("K"), Some("false"));
        assert_eq!(
            (reply.response_code(), bodies),
            (ResponseCode::SUCCESS, vec!["body1".into(), "body2".into()])
        );
        let header: QueryMessageResponse = reply.header().unwrap();
        assert_eq!(header.index_last_update_timestamp, 1_000_000);
        assert!(header.index_last_update_phyoffset > 0);
        // A query by unique id has a limit of its own, and an old client names no kind.
        assert_eq!(query("id1", 0, None, Some("true")).1, ["body1"]);
        assert_eq!(query("red", 10, Some("T"), None).1.len(), 3);
        for (key, max_num) in [("red", 10), ("order", 0), ("order", -1), ("none", 10)] {
            let (reply, bodies) = query(key, max_num, None, None);
            assert_eq!((reply.response_code(), bodies.len()), (ResponseCode::QUERY_NOT_FOUND, 0));
            assert_eq!(reply.header::<QueryMessageResponse>().unwrap().index_last_update_timestamp, 0);
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
