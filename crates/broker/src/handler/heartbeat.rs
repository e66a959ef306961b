//! `HEART_BEAT`: a client says that it lives, what it produces and what it subscribes to.

use std::sync::Arc;

use eruca_message::{Clock, names::retry_topic};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumerData, HeartbeatData, SubscriptionGroupConfig, TopicConfig},
};
use eruca_remoting::{Caller, Reply};

use crate::{
    HandlerError,
    clients::{ClientInfo, ConsumerIdsNotice, ConsumerTable, Heartbeat, ProducerTable, TableFull},
    groups::GroupTable,
    topics::TopicTable,
};

/// Longest client id and producer group, in bytes.
const NAME_MAX_LEN_BYTES: usize = 512;
/// Bit of a topic's sysFlag: subscribed to in unit mode.
const FLAG_UNIT_SUB: i32 = 2;

/// Answers heartbeats (Java: `ClientManageProcessor`).
#[derive(Debug)]
pub struct HeartbeatHandler {
    producers: Arc<ProducerTable>,
    consumers: Arc<ConsumerTable>,
    groups: Arc<GroupTable>,
    topics: Arc<TopicTable>,
    notice: Arc<ConsumerIdsNotice>,
    clock: Arc<dyn Clock>,
}

impl HeartbeatHandler {
    /// A handler that fills these tables.
    pub fn new(
        producers: Arc<ProducerTable>,
        consumers: Arc<ConsumerTable>,
        groups: Arc<GroupTable>,
        topics: Arc<TopicTable>,
        notice: Arc<ConsumerIdsNotice>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        HeartbeatHandler { producers, consumers, groups, topics, notice, clock }
    }

    /// Answers one heartbeat. The answer goes out once the topics and groups that it created are safe.
    pub fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let data: HeartbeatData = body::from_json(&request.body)?;
        if !is_name(&data.client_id) {
            return Err(HandlerError::invalid_parameter(format!(
                "the heartbeat's clientID has {} bytes, it must have 1 to {NAME_MAX_LEN_BYTES}",
                data.client_id.len()
            )));
        }
        let client = ClientInfo::of(&data.client_id, request);
        let now = self.clock.now();
        // Clients before 5.1 send everything every time, and the answer says that this is right.
        let mut needs_subscriptions = data.heartbeat_fingerprint == 0;
        for consumer in &data.consumer_data_set {
            needs_subscriptions |= self.consumer(caller, &client, consumer, &data)?;
        }
        for producer in data.producer_data_set.iter().filter(|producer| is_name(&producer.group_name)) {
            self.producers.heartbeat(caller, &client, &producer.group_name, now)?;
        }
        let mut reply = request.reply(ResponseCode::SUCCESS);
        reply.ext_fields.push("IS_SUPPORT_HEART_BEAT_V2", "true");
        reply.ext_fields.push("IS_SUB_CHANGE", if needs_subscriptions { "true" } else { "false" });
        Ok(Reply::AfterSettle(reply))
    }

    /// Registers a consumer; one whose group is not known and must not be created is left out, as in Java. Whether
    /// the client must send its subscriptions.
    fn consumer(
        &self,
        caller: &Caller,
        client: &ClientInfo,
        consumer: &ConsumerData,
        data: &HeartbeatData,
    ) -> Result<bool, HandlerError> {
        let Some(config) = self.groups.get_or_create(&consumer.group_name) else { return Ok(false) };
        self.create_retry_topic(consumer, &config);
        let heartbeat = Heartbeat {
            consumer,
            fingerprint: data.heartbeat_fingerprint,
            is_without_sub: data.is_without_sub && data.heartbeat_fingerprint != 0,
        };
        let changed = self.consumers.heartbeat(caller, client, &heartbeat, self.clock.now())?;
        if changed.group {
            tracing::info!(
                group = consumer.group_name,
                client = %client.client_id,
                peer = %caller.peer_addr(),
                model = %consumer.message_model,
                "consumer group changed"
            );
            self.notice.send(&consumer.group_name);
        }
        Ok(changed.needs_subscriptions)
    }

    fn create_retry_topic(&self, consumer: &ConsumerData, config: &SubscriptionGroupConfig) {
        let topic = retry_topic(&consumer.group_name);
        if config.retry_queue_nums <= 0 || self.topics.contains(&topic) {
            return;
        }
        let is_ordered = |topic: &str| self.topics.get(topic).is_some_and(|topic| topic.order);
        self.topics.create_if_absent(TopicConfig {
            order: consumer.subscription_data_set.iter().any(|subscription| is_ordered(&subscription.topic)),
            topic_sys_flag: if consumer.unit_mode { FLAG_UNIT_SUB } else { 0 },
            ..TopicConfig::new(topic, config.retry_queue_nums)
        });
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_MAX_LEN_BYTES).contains(&name.len())
}

impl From<TableFull> for HandlerError {
    fn from(full: TableFull) -> Self {
        HandlerError::new(ResponseCode::SYSTEM_BUSY, full.to_string())
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::{RequestCode, body::ProducerData};

    use super::*;
    use crate::handler::test_parts::TestParts;

    fn handler(parts: &TestParts) -> HeartbeatHandler {
        HeartbeatHandler::new(
            Arc::clone(&parts.producers),
            Arc::clone(&parts.consumers),
            Arc::clone(&parts.groups),
            Arc::clone(&parts.topics),
            Arc::clone(&parts.notice),
            parts.clock.clone(),
        )
    }

    fn beat(handler: &HeartbeatHandler, caller: &Caller, data: &HeartbeatData) -> RemotingCommand {
        let request = RemotingCommand::request_without_header(RequestCode::HEART_BEAT);
        let request = request.with_body(body::to_json(data));
        match handler.handle(caller, &request) {
            Ok(Reply::AfterSettle(reply)) => reply,
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.into_reply(&request),
        }
    }

    fn data(client_id: &str) -> HeartbeatData {
        let consumer = r#"{"consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET","consumeType":"CONSUME_PASSIVELY","groupName":"g",
            "messageModel":"CLUSTERING","subscriptionDataSet":[{"subString":"*","subVersion":5,"topic":"T"}]}"#;
        HeartbeatData {
            client_id: client_id.into(),
            consumer_data_set: vec![body::from_json(consumer.as_bytes()).unwrap()],
            producer_data_set: vec![ProducerData { group_name: "p".into() }],
            ..HeartbeatData::default()
        }
    }

    #[test]
    fn a_consumer_brings_its_group_and_retry_topic_and_its_fellows_are_told() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let ((a, told_a), (b, told_b)) = (parts.connect(), parts.connect());
        let reply = beat(&handler, &a, &data("a"));
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS);
        assert_eq!(reply.ext_fields.get("IS_SUPPORT_HEART_BEAT_V2"), Some("true"));
        assert_eq!(reply.ext_fields.get("IS_SUB_CHANGE"), Some("true"));
        assert!(parts.groups.get("g").is_some());
        assert_eq!(parts.topics.get("%RETRY%g").unwrap().write_queue_nums, 1);
        assert_eq!(parts.producers.members("p").len(), 1);
        assert_eq!(told_a.take().len(), 1, "itself too, as in Java");
        beat(&handler, &b, &data("b"));
        let told = told_a.take();
        assert_eq!(told[0].request_code(), RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
        assert_eq!(told[0].ext_fields.get("consumerGroup"), Some("g"));
        assert_eq!((told.len(), told_b.take().len()), (1, 1));
        beat(&handler, &b, &data("b"));
        assert!(told_a.take().is_empty() && told_b.take().is_empty(), "nothing changed");
        parts.notice.disconnected(b.id());
        assert_eq!(told_a.take().len(), 1);
    }

    #[test]
    fn nobody_is_told_of_broadcasting_groups_and_where_it_is_switched_off() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let (a, told) = parts.connect();
        let mut broadcast = data("a");
        broadcast.consumer_data_set[0].message_model = body::MessageModel::Broadcasting;
        beat(&handler, &a, &broadcast);
        let config = SubscriptionGroupConfig {
            notify_consumer_ids_changed_enable: false,
            ..SubscriptionGroupConfig::new("quiet")
        };
        parts.groups.put(config).unwrap();
        let mut quiet = data("a");
        quiet.consumer_data_set[0].group_name = "quiet".into();
        beat(&handler, &a, &quiet);
        assert!(told.take().is_empty());
    }

    #[test]
    fn a_light_heartbeat_of_unknown_subscriptions_asks_for_them() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let (caller, _told) = parts.connect();
        let mut full = data("a");
        full.heartbeat_fingerprint = 77;
        let mut light = full.clone();
        light.is_without_sub = true;
        light.consumer_data_set[0].subscription_data_set.clear();
        let is_sub_change = |data: &HeartbeatData| {
            beat(&handler, &caller, data).ext_fields.get("IS_SUB_CHANGE") == Some("true")
        };
        assert!(is_sub_change(&light));
        assert!(!is_sub_change(&full));
        assert!(!is_sub_change(&light));
        assert!(parts.consumers.subscription("g", "T").is_some());
    }

    #[test]
    fn groups_that_must_not_be_are_left_out() {
        let parts = TestParts::new();
        let handler = handler(&parts);
        let (caller, _told) = parts.connect();
        let mut bad = data("a");
        bad.consumer_data_set[0].group_name = "bad name".into();
        assert_eq!(beat(&handler, &caller, &bad).response_code(), ResponseCode::SUCCESS);
        assert!(!parts.consumers.contains("bad name"));
        assert_eq!(beat(&handler, &caller, &data("")).response_code(), ResponseCode::INVALID_PARAMETER);
    }
}
