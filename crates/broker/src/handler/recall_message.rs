//! `RECALL_MESSAGE`: a message with a time of delivery is not to be delivered.

use std::{net::SocketAddr, sync::Arc};

use eruca_message::{
    Clock, Properties, RecallHandle, Timestamp,
    names::TIMER_TOPIC,
    properties::{
        BORN_TIMESTAMP, MSG_REGION, PRODUCER_GROUP, TAGS, TIMER_DEL_UNIQUE_KEY, TIMER_DELIVER_MS, UNIQUE_KEY,
    },
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{RecallMessageRequest, RecallMessageResponse},
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{AppendMessage, MessageStore};

use super::Durability;
use crate::{
    HandlerError,
    config::BrokerConfig,
    delay::Parking,
    settings::Settings,
    stats::BrokerStats,
    topics::{TopicTable, perm},
};

/// Tag of a message that recalls another.
const RECALL_TAG: &str = "_RECALL_TAG_";

/// Stores recalls: messages that wait as long as the one that they mean, and take it away then (Java:
/// `RecallMessageProcessor`).
#[derive(Debug)]
pub struct RecallMessageHandler {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    parking: Arc<Parking>,
    settings: Arc<Settings>,
    stats: Arc<BrokerStats>,
    clock: Arc<dyn Clock>,
    durability: Arc<Durability>,
    /// What the message says where it was stored.
    store_host: SocketAddr,
}

impl RecallMessageHandler {
    /// A handler; `store_host` is the address that the broker advertises.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that this needs")]
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        parking: Arc<Parking>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
        durability: Arc<Durability>,
        store_host: SocketAddr,
    ) -> Self {
        RecallMessageHandler { store, topics, parking, settings, stats, clock, durability, store_host }
    }

    /// Answers one recall, after the store has settled, or when disk and slaves have it where sends wait for them; as in Java with
    /// success also where they take longer.
    pub fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let config = self.settings.now();
        self.recall(caller, request, &config).or_else(|error| {
            let mut refused = error.into_reply(request);
            refused.ext_fields.push(MSG_REGION, &config.region_id);
            Ok(Reply::Now(refused))
        })
    }

    fn recall(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
        config: &BrokerConfig,
    ) -> Result<Reply, HandlerError> {
        let header: RecallMessageRequest = request.header()?;
        let now = self.clock.now();
        let handle = self.check(&header, config, now)?;
        let wanted = self.durability.wanted(false, config)?.lenient();
        let properties = recall_properties(&header, &handle, config, now);
        let message = AppendMessage {
            topic: &handle.topic,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: now,
            born_host: caller.peer_addr(),
            store_host: self.store_host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"0",
            properties: &properties.to_bytes(),
        };
        let appended = self.parking.append(&self.store, &message, now)?;
        self.stats.put(TIMER_TOPIC, 1, appended.log_offset_end.0 - appended.log_offset.0);
        let mut success = request.reply_with(&RecallMessageResponse { msg_id: handle.unique_key });
        success.ext_fields.push(MSG_REGION, &config.region_id);
        let responder = || caller.responder(request);
        Ok(self.durability.acknowledge(responder, success, appended.log_offset_end, wanted, config, now))
    }

    /// The checks, in Java's order and words.
    fn check(
        &self,
        header: &RecallMessageRequest,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Result<RecallHandle, HandlerError> {
        if !config.recall_message_enable {
            return Err(HandlerError::no_permission(
                "recall failed, operation is forbidden: recallMessageEnable is false in the broker's configuration, set it to true",
            ));
        }
        let not_available = |why: String| {
            HandlerError::new(
                ResponseCode::SERVICE_NOT_AVAILABLE,
                format!("recall failed, broker service not available: {why}"),
            )
        };
        let start_at = config.start_accept_send_request_time_stamp;
        if now.0 < start_at {
            return Err(not_available(format!(
                "it begins at startAcceptSendRequestTimeStamp={start_at}, and it is {now}: wait, or set that key to 0"
            )));
        }
        let permission = config.broker_permission;
        if !perm::is_writeable(permission) && !config.allow_recall_when_broker_not_writeable {
            return Err(not_available(format!(
                "its brokerPermission={permission} is not writeable, and allowRecallWhenBrokerNotWriteable is false: set it to \
                 true"
            )));
        }
        let topic = &header.topic;
        if self.topics.get(topic).is_none() {
            let remark = format!(
                "recall failed, the topic[{topic}] not exist: name the topic that the message was sent to"
            );
            return Err(HandlerError::new(ResponseCode::TOPIC_NOT_EXIST, remark));
        }
        let illegal = |remark: String| HandlerError::new(ResponseCode::ILLEGAL_OPERATION, remark);
        let handle =
            RecallHandle::decode(&header.recall_handle).map_err(|error| illegal(error.to_string()))?;
        if handle.topic != *topic {
            return Err(illegal(format!(
                "recall failed, topic not match: the handle is for topic[{}], the request names topic[{topic}]: name the \
                 handle's",
                cut(&handle.topic)
            )));
        }
        if handle.broker_name != config.broker_name {
            return Err(illegal(format!(
                "recall failed, broker service not available: the message is at broker[{}], this is [{}]: send the recall \
                 there",
                cut(&handle.broker_name),
                config.broker_name
            )));
        }
        let left_ms = handle.deliver_at.ms_since(now);
        let max_ms = config.timer_max_delay_sec.saturating_mul(1_000);
        if left_ms <= 0 || left_ms > max_ms {
            return Err(illegal(format!(
                "recall failed, timestamp invalid: the message is due in {left_ms}ms; it must be more than 0, and at most \
                 timerMaxDelaySec={}: recall sooner, with the recallHandle of the send result",
                config.timer_max_delay_sec
            )));
        }
        Ok(handle)
    }
}

fn recall_properties(
    header: &RecallMessageRequest,
    handle: &RecallHandle,
    config: &BrokerConfig,
    now: Timestamp,
) -> Properties {
    let target = match config.append_topic_for_timer_delete_key {
        true => format!("{}+{}", handle.topic, handle.unique_key),
        false => handle.unique_key.clone(),
    };
    let mut properties = Properties::new();
    properties.set(TAGS, RECALL_TAG);
    properties.set(TIMER_DEL_UNIQUE_KEY, target);
    properties.set(UNIQUE_KEY, handle.unique_key.as_str());
    properties.set(TIMER_DELIVER_MS, handle.deliver_at.to_string());
    properties.set(BORN_TIMESTAMP, now.to_string());
    if let Some(group) = header.producer_group.as_deref().filter(|group| !group.is_empty()) {
        properties.set(PRODUCER_GROUP, group);
    }
    properties
}

fn cut(text: &str) -> String {
    text.chars().take(128).collect()
}

#[cfg(test)]
mod tests {
    use eruca_config::Properties as ConfigProperties;

    use super::*;
    use crate::{
        config::BrokerRole,
        handler::{
            FlushTimeouts,
            test_parts::{BROKER, TestParts, answer},
        },
    };

    fn enabled() -> TestParts {
        let parts = TestParts::new();
        parts.topic("T", 1);
        set(&parts, "recallMessageEnable=true");
        parts
    }

    fn set(parts: &TestParts, text: &str) {
        parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    }

    /// The broker's name is `b`, and it is 1,000,000.
    fn handle(topic: &str, broker_name: &str, deliver_at: i64) -> String {
        let deliver_at = Timestamp(deliver_at);
        let (topic, broker_name) = (topic.to_owned(), broker_name.to_owned());
        RecallHandle { topic, broker_name, deliver_at, unique_key: "K".to_owned() }.encode()
    }

    fn recall(parts: &TestParts, topic: &str, recall_handle: String) -> RemotingCommand {
        let request = request(topic, recall_handle);
        let durability = Arc::new(parts.durability(Arc::new(FlushTimeouts::new(5_000))));
        let result = handler(parts, &durability).handle(&parts.connect().0, &request);
        parts.store.settle().unwrap();
        answer(&request, result)
    }

    fn handler(parts: &TestParts, durability: &Arc<Durability>) -> RecallMessageHandler {
        RecallMessageHandler::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.topics),
            Arc::clone(&parts.parking),
            Arc::clone(&parts.settings),
            Arc::clone(&parts.stats),
            parts.clock.clone(),
            Arc::clone(durability),
            BROKER.parse().unwrap(),
        )
    }

    fn request(topic: &str, recall_handle: String) -> RemotingCommand {
        RemotingCommand::request(&RecallMessageRequest {
            producer_group: Some("p".to_owned()),
            topic: topic.to_owned(),
            recall_handle,
        })
    }

    #[test]
    fn a_recall_waits_for_slaves_and_succeeds_also_without_them() {
        let mut parts = enabled();
        let config = BrokerConfig {
            broker_role: BrokerRole::SyncMaster,
            in_sync_replicas: 2,
            ..(*parts.settings.now()).clone()
        };
        parts.settings = Arc::new(Settings::new(config.clone()));
        let durability = Arc::new(parts.durability(Arc::new(FlushTimeouts::new(5_000))));
        let (caller, outbox) = parts.connect();
        let request = request("T", handle("T", "b", 1_005_500));
        let reply = handler(&parts, &durability).handle(&caller, &request).unwrap();
        parts.store.settle().unwrap();
        assert!(matches!(reply, Reply::Later) && outbox.take().is_empty());
        parts.clock.set(Timestamp(1_003_000));
        durability.expire_now();
        assert_eq!(outbox.take()[0].response_code(), ResponseCode::SUCCESS, "as in Java");
        let acting = BrokerConfig { enable_slave_acting_master: true, ..config };
        parts.settings = Arc::new(Settings::new(acting));
        let refused = answer(&request, handler(&parts, &durability).handle(&caller, &request));
        assert_eq!(refused.response_code(), ResponseCode::SYSTEM_ERROR);
        assert_eq!(refused.ext_fields.get(MSG_REGION), Some("DefaultRegion"), "as each answer to a recall");
    }

    #[test]
    fn a_recall_waits_beside_its_message() {
        let parts = enabled();
        let reply = recall(&parts, "T", handle("T", "b", 1_005_500));
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
        assert_eq!(reply.ext_fields.get("msgId"), Some("K"));
        set(&parts, "appendTopicForTimerDeleteKey=true");
        recall(&parts, "T", handle("T", "b", 1_005_500));
        let parked = parts.read(TIMER_TOPIC, 0);
        let property = |at: usize, name| parked[at].message.properties.get(name);
        assert_eq!(property(0, "TIMER_DEL_UNIQKEY"), Some("K"));
        assert_eq!(property(1, "TIMER_DEL_UNIQKEY"), Some("T+K"));
        assert_eq!((property(0, "TIMER_OUT_MS"), property(0, "REAL_TOPIC")), (Some("1005499"), Some("T")));
        assert_eq!((property(0, "PGROUP"), property(0, "TAGS")), (Some("p"), Some("_RECALL_TAG_")));
    }

    #[test]
    fn what_cannot_be_recalled_is_refused_with_the_reason() {
        let parts = enabled();
        for (topic, handle, code, part) in [
            ("U", handle("U", "b", 1_005_500), ResponseCode::TOPIC_NOT_EXIST, "topic[U] not exist"),
            ("T", "?".to_owned(), ResponseCode::ILLEGAL_OPERATION, "recall handle is invalid"),
            ("T", String::new(), ResponseCode::ILLEGAL_OPERATION, "recall handle is invalid"),
            ("T", handle("U", "b", 1_005_500), ResponseCode::ILLEGAL_OPERATION, "topic[U]"),
            ("T", handle("T", "x", 1_005_500), ResponseCode::ILLEGAL_OPERATION, "broker[x]"),
            ("T", handle("T", "b", 1_000_000), ResponseCode::ILLEGAL_OPERATION, "due in 0ms"),
            ("T", handle("T", "b", 1 << 60), ResponseCode::ILLEGAL_OPERATION, "timerMaxDelaySec=259200"),
        ] {
            let reply = recall(&parts, topic, handle);
            let remark = reply.remark.as_deref().unwrap_or_default();
            assert_eq!(reply.response_code(), code, "{remark}");
            assert!(remark.contains(part), "{remark}");
        }
        set(&parts, "startAcceptSendRequestTimeStamp=1000001");
        let reply = recall(&parts, "T", handle("T", "b", 1_005_500));
        assert_eq!(reply.response_code(), ResponseCode::SERVICE_NOT_AVAILABLE);
        set(&parts, "startAcceptSendRequestTimeStamp=0\nbrokerPermission=4");
        assert_eq!(recall(&parts, "T", handle("T", "b", 1_005_500)).response_code(), ResponseCode::SUCCESS);
        set(&parts, "allowRecallWhenBrokerNotWriteable=false");
        let reply = recall(&parts, "T", handle("T", "b", 1_005_500));
        assert_eq!(reply.response_code(), ResponseCode::SERVICE_NOT_AVAILABLE);
        set(&parts, "recallMessageEnable=false");
        let reply = recall(&parts, "T", handle("T", "b", 1_005_500));
        assert_eq!(reply.response_code(), ResponseCode::NO_PERMISSION);
        assert_eq!(parts.read(TIMER_TOPIC, 0).len(), 1);
    }
}
