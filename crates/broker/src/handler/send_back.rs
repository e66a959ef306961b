//! `CONSUMER_SEND_MSG_BACK`: a consumer could not consume a message and wants it again later.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use bytes::Bytes;
use eruca_message::{
    Clock, LogOffset, OffsetMessageId, Properties, Record,
    names::{dlq_topic, retry_topic},
    properties::{
        DELAY_TIME_LEVEL, ORIGIN_MESSAGE_ID, RETRY_TOPIC, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS,
        TIMER_OUT_MS, WAIT_STORE_MSG_OK,
    },
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{SubscriptionGroupConfig, TopicConfig},
    request::ConsumerSendMsgBackRequest,
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{AppendMessage, FlushMode, MessageStore};

use super::flushed_answer::answer_when_flushed;
use crate::{
    HandlerError,
    clients::HANDED_OVER,
    dead_letter::{NextTry, in_no_light_queue, next_try},
    delay::Parking,
    groups::GroupTable,
    settings::Settings,
    stats::BrokerStats,
    topics::{TopicTable, perm},
};

/// From this version on (3.4.9) a client's own limit of retries counts.
const VERSION_MAX_RECONSUME_TIMES: i32 = 121;
/// Bit of a topic's sysFlag: subscribed to in unit mode.
const FLAG_UNIT_SUB: i32 = 2;

/// Puts messages into the retry topic of their group, through the schedule, or into its dead letter topic.
#[derive(Debug)]
pub struct SendBackHandler {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    groups: Arc<GroupTable>,
    parking: Arc<Parking>,
    settings: Arc<Settings>,
    stats: Arc<BrokerStats>,
    clock: Arc<dyn Clock>,
    /// What the message says where it was stored.
    store_host: SocketAddr,
    /// Spreads messages over the queues of retry topics.
    spread: AtomicU32,
}

/// Where a message that was sent back goes.
struct Way {
    topic: String,
    queue_id: i32,
    properties: Properties,
}

impl SendBackHandler {
    /// A handler; `store_host` is the address that the broker advertises.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the broker that this needs")]
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        parking: Arc<Parking>,
        settings: Arc<Settings>,
        stats: Arc<BrokerStats>,
        clock: Arc<dyn Clock>,
        store_host: SocketAddr,
    ) -> Self {
        let spread = AtomicU32::new(0);
        SendBackHandler { store, topics, groups, parking, settings, stats, clock, store_host, spread }
    }

    /// Answers one send-back, after the store has settled, or (with synchronous flush) when the disk has it: the
    /// consumer goes on without the message then.
    pub fn handle(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: ConsumerSendMsgBackRequest = request.header()?;
        let group = self
            .groups
            .get_or_create(&header.group)
            .ok_or_else(|| HandlerError::group_not_exist(&header.group))?;
        let permission = self.settings.now().broker_permission;
        if !perm::is_writeable(permission) {
            return Err(HandlerError::no_permission(format!(
                "the broker[{}] sending message is forbidden: its brokerPermission={permission} is not writeable",
                self.store_host.ip()
            )));
        }
        if group.retry_queue_nums <= 0 {
            // The group wants no retries: the message is dropped, as in Java.
            return Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)));
        }
        // As in Java also where the message is not found, or will not go there.
        let retry_sys_flag = if header.unit_mode { FLAG_UNIT_SUB } else { 0 };
        self.writeable(&retry_topic(&header.group), group.retry_queue_nums, retry_sys_flag)?;
        let bytes = self.look(header.offset)?;
        let record = Record::decode(&bytes).map_err(|error| HandlerError::system_error(error.to_string()))?;
        let way = self.way(&header, request, &group, &record)?;
        let properties = way.properties.to_bytes();
        let message = AppendMessage {
            store_host: self.store_host,
            reconsume_times: record.fields.reconsume_times.saturating_add(1),
            prepared_transaction_offset: 0,
            ..AppendMessage::moved(&record, &way.topic, way.queue_id, &properties)
        };
        let appended = self.parking.append(&self.store, &message, self.clock.now())?;
        let origin = way.properties.get(RETRY_TOPIC).unwrap_or(record.fields.topic);
        self.stats.sent_back(&header.group, origin);
        let success = request.reply(ResponseCode::SUCCESS);
        if self.store.config().flush_mode == FlushMode::Async {
            return Ok(Reply::AfterSettle(success));
        }
        answer_when_flushed(&self.store, caller.responder(request), success, appended.log_offset_end);
        Ok(Reply::Later)
    }

    /// The record that the consumer means.
    fn look(&self, offset: i64) -> Result<Bytes, HandlerError> {
        let failed =
            |why: String| HandlerError::system_error(format!("look message by offset failed, {offset}{why}"));
        let at = u64::try_from(offset).map_err(|_| failed(String::new()))?;
        match self.store.record_at(LogOffset(at)) {
            Ok(Some(record)) => Ok(record),
            Ok(None) => Err(failed(": there is no message in the log; it may have expired".to_owned())),
            Err(error) => Err(failed(format!(": {error}"))),
        }
    }

    /// Retry topic or dead letter topic, and what the properties say then: the delay level of the next try.
    fn way(
        &self,
        header: &ConsumerSendMsgBackRequest,
        request: &RemotingCommand,
        group: &SubscriptionGroupConfig,
        record: &Record<'_>,
    ) -> Result<Way, HandlerError> {
        let mut properties = as_retry(record);
        let times_max = header
            .max_reconsume_times
            .filter(|_| request.version >= VERSION_MAX_RECONSUME_TIMES)
            .unwrap_or(group.retry_max_times);
        let config = self.settings.now();
        // Without timers the levels must do, which are what Java's broker always goes by.
        let policy = config.timer_wheel_enable.then_some(&group.group_retry_policy);
        let next = next_try(record.fields.reconsume_times, times_max, header.delay_level, policy);
        match next {
            NextTry::DeadLetter => {
                properties.set(DELAY_TIME_LEVEL, "0");
                in_no_light_queue(&mut properties);
                let topic = dlq_topic(&header.group);
                self.writeable(&topic, 1, 0)?;
                tracing::info!(
                    group = header.group,
                    topic,
                    reconsume_times = record.fields.reconsume_times,
                    "message given up: it goes to the dead letter topic"
                );
                return Ok(Way { topic, queue_id: 0, properties });
            }
            NextTry::After { level } => properties.set(DELAY_TIME_LEVEL, level.to_string()),
            NextTry::AfterMs { delay_ms } => {
                // What tells of an earlier delay would count instead.
                for earlier in [TIMER_DELAY_SEC, TIMER_DELIVER_MS, TIMER_OUT_MS] {
                    properties.remove(earlier);
                }
                properties.set(DELAY_TIME_LEVEL, "0");
                let longest = config.timer_max_delay_sec.saturating_mul(1_000);
                properties.set(TIMER_DELAY_MS, delay_ms.min(longest).to_string());
            }
        }
        let spread = self.spread.fetch_add(1, Ordering::Relaxed) % group.retry_queue_nums.unsigned_abs();
        Ok(Way {
            topic: retry_topic(&header.group),
            queue_id: i32::try_from(spread).unwrap_or(0),
            properties,
        })
    }

    /// Creates the topic where it is missing; refuses one that must not be written.
    fn writeable(&self, topic: &str, queue_nums: i32, topic_sys_flag: i32) -> Result<(), HandlerError> {
        let config = self.topics.get(topic).unwrap_or_else(|| {
            let config = TopicConfig { topic_sys_flag, ..TopicConfig::new(topic, queue_nums) };
            self.topics.create_if_absent(config)
        });
        match perm::is_writeable(config.perm) {
            true => Ok(()),
            false => Err(HandlerError::no_permission(format!(
                "the topic[{topic}] sending message is forbidden: its perm is {}",
                perm::text(config.perm)
            ))),
        }
    }
}

/// The properties of a message that is handed over to other members of its group, but for the delay.
pub(super) fn as_handed_over(record: &Record<'_>) -> Properties {
    let mut properties = as_retry(record);
    // Only the delay that is chosen for it counts.
    for earlier in [TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS] {
        properties.remove(earlier);
    }
    in_no_light_queue(&mut properties);
    properties.set(HANDED_OVER, "true");
    properties
}

/// The properties of a message that goes into a retry topic, but for the delay.
pub(super) fn as_retry(record: &Record<'_>) -> Properties {
    let mut properties = Properties::decode(record.fields.properties);
    if properties.get(RETRY_TOPIC).is_none() {
        properties.set(RETRY_TOPIC, record.fields.topic);
    }
    properties.remove(HANDED_OVER);
    properties.set(WAIT_STORE_MSG_OK, "false");
    if properties.get(ORIGIN_MESSAGE_ID).is_none() {
        let (store_host, log_offset) = (record.fields.store_host, record.fields.log_offset);
        properties.set(ORIGIN_MESSAGE_ID, OffsetMessageId { store_host, log_offset }.to_string());
    }
    properties
}

#[cfg(test)]
mod tests {
    use eruca_message::{
        Timestamp,
        names::{SCHEDULE_TOPIC, TIMER_TOPIC},
        properties::{INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET},
    };
    use eruca_protocol::body::{ExponentialRetryPolicy, GroupRetryPolicy, GroupRetryPolicyType};

    use super::*;
    use crate::{
        delay::DelaySchedule,
        handler::test_parts::{BROKER, TestParts, answer, message},
    };

    fn handler(parts: &TestParts) -> SendBackHandler {
        SendBackHandler::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.topics),
            Arc::clone(&parts.groups),
            Arc::clone(&parts.parking),
            Arc::clone(&parts.settings),
            Arc::clone(&parts.stats),
            parts.clock.clone(),
            BROKER.parse().unwrap(),
        )
    }

    fn send_back(
        parts: &TestParts,
        offset: i64,
        delay_level: i32,
        times_max: Option<i32>,
    ) -> RemotingCommand {
        let header = ConsumerSendMsgBackRequest {
            offset,
            group: "g".into(),
            delay_level,
            max_reconsume_times: times_max,
            ..Default::default()
        };
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, handler(parts).handle(&parts.connect().0, &request));
        parts.store.settle().unwrap();
        reply
    }

    fn ok(reply: &RemotingCommand) {
        assert_eq!((reply.response_code(), &reply.remark), (ResponseCode::SUCCESS, &None));
    }

    /// As the golden capture of a Java broker: sent back twice, then given up.
    #[test]
    fn a_message_comes_back_later_and_ends_as_a_dead_letter() {
        let parts = TestParts::new();
        let config = parts.directory.path().join("config");
        let schedule = DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap();
        let first = parts.store("T", 0, "body", b"TAGS\x01a\x02WAIT\x01true\x02");
        let first_id = format!("7F000001{:08X}{:016X}", 10911, first.log_offset.0);
        let mut offset = first.log_offset.0 as i64;
        for tries in 1..=2 {
            ok(&send_back(&parts, offset, 1, Some(2)));
            schedule.deliver_step(Timestamp(1_001_000));
            let retried = parts.read("%RETRY%g", 0);
            assert_eq!(retried.len(), tries);
            let back = &retried[tries - 1];
            assert_eq!((back.reconsume_times, back.message.flag), (tries as i32, 7));
            assert_eq!(back.born_timestamp, Timestamp(900_000));
            for (name, value) in [
                ("TAGS", "a"),
                ("WAIT", "false"),
                ("RETRY_TOPIC", "T"),
                ("ORIGIN_MESSAGE_ID", &first_id),
                ("DELAY", "1"),
                ("REAL_TOPIC", "%RETRY%g"),
                ("REAL_QID", "0"),
            ] {
                assert_eq!(back.message.properties.get(name), Some(value), "{name}");
            }
            offset = back.log_offset.0 as i64;
        }
        ok(&send_back(&parts, offset, 1, Some(2)));
        let [dead] = &parts.read("%DLQ%g", 0)[..] else { panic!("one dead letter") };
        assert_eq!((dead.reconsume_times, dead.message.properties.get("DELAY")), (3, Some("0")));
        assert_eq!(dead.message.body, b"body");
        assert_eq!(parts.topics.get("%DLQ%g").unwrap().perm, 6);
    }

    #[test]
    fn the_broker_chooses_later_and_later_levels() {
        let parts = TestParts::new();
        let at = parts.store("T", 0, "x", b"").log_offset.0 as i64;
        ok(&send_back(&parts, at, 0, None));
        assert_eq!(parts.read(SCHEDULE_TOPIC, 2).len(), 1, "level 3");
        ok(&send_back(&parts, at, 99, None));
        assert_eq!(parts.read(SCHEDULE_TOPIC, 17).len(), 1, "the highest level there is");
        ok(&send_back(&parts, at, -1, None));
        assert_eq!(parts.read("%DLQ%g", 0).len(), 1);
    }

    /// Also where the message waited for other times before.
    #[test]
    fn a_group_has_delays_of_its_own() {
        let parts = TestParts::new();
        let policy = GroupRetryPolicy {
            exponential_retry_policy: Some(ExponentialRetryPolicy {
                initial: 1_500,
                max: 40_000,
                multiplier: 10,
            }),
            policy_type: GroupRetryPolicyType::Exponential,
            ..GroupRetryPolicy::default()
        };
        let group =
            SubscriptionGroupConfig { group_retry_policy: policy, ..SubscriptionGroupConfig::new("g") };
        parts.groups.put(group.clone()).unwrap();
        let waited = b"TIMER_DELIVER_MS\x015\x02TIMER_OUT_MS\x015\x02DELAY\x012\x02";
        let at = parts.store("T", 0, "x", waited).log_offset.0 as i64;
        ok(&send_back(&parts, at, 0, None));
        let [waits] = &parts.read(TIMER_TOPIC, 0)[..] else { panic!("it waits in the timer topic") };
        let properties = &waits.message.properties;
        assert_eq!(properties.get("TIMER_DELAY_MS"), Some("1500"));
        assert_eq!(properties.get("REAL_TOPIC"), Some("%RETRY%g"));
        let out: i64 = properties.get("TIMER_OUT_MS").unwrap().parse().unwrap();
        assert!((1_001_000..=1_002_000).contains(&out), "{out}");
        assert_eq!(properties.get("TIMER_DELIVER_MS"), None);
        // A level that the consumer asks for, and giving up, go before.
        ok(&send_back(&parts, at, 4, None));
        assert_eq!(parts.read(SCHEDULE_TOPIC, 3).len(), 1);
        ok(&send_back(&parts, at, -1, None));
        assert_eq!(parts.read("%DLQ%g", 0).len(), 1);
    }

    /// It would be given out there again, for ever.
    #[test]
    fn a_dead_letter_is_in_no_light_queue() {
        let parts = TestParts::new();
        let properties = b"INNER_MULTI_DISPATCH\x01%LMQ%a\x02INNER_MULTI_QUEUE_OFFSET\x010\x02";
        let at = parts.store("T", 0, "x", properties).log_offset.0 as i64;
        ok(&send_back(&parts, at, -1, None));
        let [dead] = &parts.read("%DLQ%g", 0)[..] else { panic!("one dead letter") };
        for name in [INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET] {
            assert_eq!(dead.message.properties.get(name), None, "{name}");
        }
    }

    /// Policies as a Java 5.5.0 mqadmin sends them, and the delays that Java's proxy would compute.
    #[test]
    fn each_try_waits_as_long_as_the_groups_policy_says() {
        let customized =
            r#"{"customizedRetryPolicy":{"next":[1000,5000,10000,30000,60000]},"type":"CUSTOMIZED"}"#;
        let exponential = r#"{"exponentialRetryPolicy":{"initial":5000,"max":7200000,"multiplier":2},"type":"EXPONENTIAL"}"#;
        let by_default = r#"{"exponentialRetryPolicy":{},"type":"EXPONENTIAL"}"#;
        for (policy, delays_ms) in [
            (customized, [(0, 10_000), (1, 30_000), (2, 60_000), (15, 60_000)]),
            (exponential, [(0, 5_000), (1, 10_000), (10, 5_120_000), (11, 7_200_000)]),
            (by_default, [(0, 5_000), (3, 40_000), (10, 5_120_000), (15, 7_200_000)]),
        ] {
            let parts = TestParts::new();
            let json = format!(
                r#"{{"groupName":"g","groupRetryPolicy":{policy},"retryMaxTimes":16,"retryQueueNums":1}}"#
            );
            parts.groups.put(eruca_protocol::body::from_json(json.as_bytes()).unwrap()).unwrap();
            for (index, (reconsume_times, delay_ms)) in delays_ms.into_iter().enumerate() {
                let tried =
                    AppendMessage { reconsume_times, ..message("%RETRY%g", 0, "x", b"RETRY_TOPIC\x01T\x02") };
                let at = parts.store.append(&tried).unwrap().log_offset.0 as i64;
                parts.store.settle().unwrap();
                ok(&send_back(&parts, at, 0, None));
                let waits = parts.read(TIMER_TOPIC, 0).swap_remove(index);
                let number = |name| waits.message.properties.get(name).unwrap().parse::<i64>().unwrap();
                assert_eq!(number("TIMER_DELAY_MS"), delay_ms, "{policy}: {reconsume_times}");
                // It is 1,000,000; the broker's times are exact to a second.
                let early_ms = 1_000_000 + delay_ms - number("TIMER_OUT_MS");
                assert!((0..=1_000).contains(&early_ms), "{policy}: {reconsume_times}: {early_ms}");
                assert_eq!(waits.reconsume_times, reconsume_times + 1);
            }
            let given_up = AppendMessage { reconsume_times: 16, ..message("%RETRY%g", 0, "x", b"") };
            let at = parts.store.append(&given_up).unwrap().log_offset.0 as i64;
            parts.store.settle().unwrap();
            ok(&send_back(&parts, at, 0, None));
            assert_eq!(parts.read("%DLQ%g", 0).len(), 1, "{policy}");
        }
    }

    #[test]
    fn what_is_not_there_or_not_allowed_is_said() {
        let parts = TestParts::new();
        let at = parts.store("T", 0, "x", b"").log_offset.0 as i64;
        for offset in [at + 1, -1, 1 << 40] {
            let reply = send_back(&parts, offset, 0, None);
            assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
            assert!(reply.remark.unwrap().starts_with(&format!("look message by offset failed, {offset}")));
        }
        assert_eq!(
            parts.topics.get("%RETRY%g").unwrap().read_queue_nums,
            1,
            "as in Java the topic comes first"
        );
        parts.topics.put(TopicConfig { perm: 4, ..TopicConfig::new("%RETRY%g", 1) }).unwrap();
        assert_eq!(send_back(&parts, at, 0, None).response_code(), ResponseCode::NO_PERMISSION);
        parts
            .groups
            .put(SubscriptionGroupConfig { retry_queue_nums: 0, ..SubscriptionGroupConfig::new("g") })
            .unwrap();
        ok(&send_back(&parts, at, 0, None));
        assert!(parts.read(SCHEDULE_TOPIC, 2).is_empty(), "a group without retry queues drops it");
    }
}
