//! `GET_TOPIC_STATS_INFO`: what the queues of a topic hold.

use std::sync::Arc;

use eruca_message::{MessageQueue, QueueOffset};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, TopicOffset, TopicStatsTable},
    request::GetTopicStatsInfoRequest,
};
use eruca_remoting::Reply;
use eruca_store::MessageStore;

use crate::{HandlerError, settings::Settings, stats::BrokerStats, topics::TopicTable};

/// Tells how much there is of a topic.
#[derive(Debug)]
pub(super) struct TopicStatsHandler {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    stats: Arc<BrokerStats>,
    settings: Arc<Settings>,
}

impl TopicStatsHandler {
    /// A handler over these parts.
    pub(super) fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        stats: Arc<BrokerStats>,
        settings: Arc<Settings>,
    ) -> Self {
        TopicStatsHandler { store, topics, stats, settings }
    }

    /// First, last and newest message of every queue, and the topic's rate of sends.
    pub(super) fn handle(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let GetTopicStatsInfoRequest { topic } = request.header()?;
        let config = self.topics.get(&topic).ok_or_else(|| HandlerError::topic_not_exist(&topic))?;
        let settings = self.settings.now();
        let queue = |queue_id: i32| {
            (MessageQueue::new(&*topic, &*settings.broker_name, queue_id), self.offsets(&topic, queue_id))
        };
        let content = TopicStatsTable {
            offset_table: (0..config.write_queue_nums.max(config.read_queue_nums)).map(queue).collect(),
            topic_put_tps: self.stats.topic_put_tps(&topic),
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    fn offsets(&self, topic: &str, queue_id: i32) -> TopicOffset {
        let range = self.store.queue_range(topic, queue_id);
        let newest = range.max.0.checked_sub(1).map(QueueOffset);
        let stored = newest.and_then(|newest| self.store.store_time_at(topic, queue_id, newest));
        TopicOffset {
            last_update_timestamp: stored.map_or(0, |time| time.0),
            max_offset: range.max.to_i64(),
            min_offset: range.min.to_i64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    /// The body has the keys of a Java 5.5.0 broker's, in its order.
    #[test]
    fn every_queue_is_there_also_the_empty_one() {
        let parts = TestParts::new();
        parts.topic("T", 2);
        parts.store("T", 0, "a", b"");
        parts.store("T", 0, "b", b"");
        let stats = Arc::new(BrokerStats::new(parts.clock.clone()));
        let handler =
            TopicStatsHandler::new(parts.store.clone(), parts.topics.clone(), stats, parts.settings.clone());
        let ask = |topic: &str| {
            let request = RemotingCommand::request(&GetTopicStatsInfoRequest { topic: topic.into() });
            answer(&request, handler.handle(&request))
        };
        assert_eq!(
            str::from_utf8(&ask("T").body).unwrap(),
            concat!(
                r#"{"offsetTable":{{"brokerName":"b","queueId":0,"topic":"T"}:{"lastUpdateTimestamp":1000000,"maxOffset":2,"minOffset":0},"#,
                r#"{"brokerName":"b","queueId":1,"topic":"T"}:{"lastUpdateTimestamp":0,"maxOffset":0,"minOffset":0}},"topicPutTps":0.0}"#
            )
        );
        assert_eq!(ask("nothing").response_code(), ResponseCode::TOPIC_NOT_EXIST);
    }
}
