//! `QUERY_TOPIC_CONSUME_BY_WHO`, `QUERY_TOPICS_BY_CONSUMER` and `QUERY_SUBSCRIPTION_BY_CONSUMER`: which group
//! consumes which topic.

use std::{collections::BTreeSet, sync::Arc};

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, GroupList, QuerySubscriptionResponseBody, TopicList},
    request::{
        QuerySubscriptionByConsumerRequest, QueryTopicConsumeByWhoRequest, QueryTopicsByConsumerRequest,
    },
};
use eruca_remoting::Reply;

use crate::{HandlerError, clients::ConsumerTable, offsets::OffsetTable};

/// Tells who consumes what. A group consumes a topic when it subscribes to it now or has an offset in it.
#[derive(Debug)]
pub(super) struct WhoConsumesHandler {
    consumers: Arc<ConsumerTable>,
    offsets: Arc<OffsetTable>,
    /// What clients are told, `host:port`.
    broker_addr: String,
}

impl WhoConsumesHandler {
    /// A handler over these tables.
    pub(super) fn new(consumers: Arc<ConsumerTable>, offsets: Arc<OffsetTable>, broker_addr: String) -> Self {
        WhoConsumesHandler { consumers, offsets, broker_addr }
    }

    /// The groups that consume a topic.
    pub(super) fn groups(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let QueryTopicConsumeByWhoRequest { topic } = request.header()?;
        let mut groups: BTreeSet<String> = self.consumers.groups_of_topic(&topic).into_iter().collect();
        groups.extend(self.offsets.groups_of(&topic));
        let content = GroupList { group_list: groups.into_iter().collect() };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// The topics in which a group has offsets.
    pub(super) fn topics(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let QueryTopicsByConsumerRequest { group } = request.header()?;
        let mut topic_list = self.offsets.topics_of(&group);
        topic_list.sort_unstable();
        let content = TopicList { broker_addr: Some(self.broker_addr.clone()), topic_list };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// What a group wants of a topic; without `subscriptionData` where it does not subscribe to it now.
    pub(super) fn subscription(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let QuerySubscriptionByConsumerRequest { group, topic } = request.header()?;
        let topic = topic.unwrap_or_default();
        let known = self.consumers.subscription(&group, &topic);
        let content = QuerySubscriptionResponseBody {
            subscription_data: known.map(|subscription| subscription.data.clone()),
            group,
            topic,
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::{ConsumerData, SubscriptionData};

    use super::*;
    use crate::handler::test_parts::{BROKER, TestParts, answer};

    fn parts() -> TestParts {
        let parts = TestParts::new();
        let (caller, _outbox) = parts.connect();
        let subscription = SubscriptionData {
            topic: "T".into(),
            sub_string: "a || b".into(),
            sub_version: 1,
            ..SubscriptionData::default()
        };
        let consumer = ConsumerData {
            group_name: "online".into(),
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        parts.consume(&caller, "a", &consumer);
        parts.offsets.commit("online", "T", 0, 1);
        parts.offsets.commit("away", "T", 0, 1);
        parts.offsets.commit("away", "%RETRY%away", 0, 1);
        parts
    }

    fn handler(parts: &TestParts) -> WhoConsumesHandler {
        WhoConsumesHandler::new(parts.consumers.clone(), parts.offsets.clone(), BROKER.into())
    }

    fn text(reply: &RemotingCommand) -> &str {
        str::from_utf8(&reply.body).unwrap()
    }

    #[test]
    fn groups_that_are_online_or_have_offsets_consume_a_topic() {
        let parts = parts();
        let header = QueryTopicConsumeByWhoRequest { topic: "T".into() };
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, handler(&parts).groups(&request));
        assert_eq!(text(&reply), r#"{"groupList":["away","online"]}"#);
    }

    #[test]
    fn a_group_consumes_the_topics_in_which_it_has_offsets() {
        let parts = parts();
        let header = QueryTopicsByConsumerRequest { group: "away".into() };
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, handler(&parts).topics(&request));
        assert_eq!(text(&reply), r#"{"brokerAddr":"127.0.0.1:10911","topicList":["%RETRY%away","T"]}"#);
    }

    #[test]
    fn a_subscription_is_known_while_its_group_is_online() {
        let parts = parts();
        let ask = |group: &str| {
            let header = QuerySubscriptionByConsumerRequest { group: group.into(), topic: Some("T".into()) };
            let request = RemotingCommand::request(&header);
            answer(&request, handler(&parts).subscription(&request))
        };
        let known: QuerySubscriptionResponseBody = body::from_json(&ask("online").body).unwrap();
        assert_eq!(known.subscription_data.unwrap().sub_string, "a || b");
        assert_eq!(text(&ask("away")), r#"{"group":"away","topic":"T"}"#);
    }
}
