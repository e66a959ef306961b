//! Sends against a real store.

use std::sync::Arc;

use eruca_config::Properties as ConfigProperties;
use eruca_message::{
    BatchEntry, Clock, MessageQueue, StoredMessage, encode_batch_entry,
    names::{AUTO_CREATE_TOPIC, SCHEDULE_TOPIC, SELF_TEST_TOPIC, TIMER_TOPIC, TRANS_HALF_TOPIC},
};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode, body::TopicConfig, request::SendMessageRequest,
};
use eruca_remoting::{Caller, Outbox, Reply};

use super::{FlushTimeouts, SendMessageHandler};
use crate::{
    handler::test_parts::{BROKER, TestParts},
    locks::QueueLocks,
    stats::StatsName,
};

const SELF_TEST_GROUP: &str = "CID_RMQ_SYS_SELF_TEST_1";

pub(super) struct Sender {
    pub(super) parts: TestParts,
    pub(super) handler: SendMessageHandler,
    timeouts: Arc<FlushTimeouts>,
    locks: Arc<QueueLocks>,
    pub(super) caller: Caller,
    outbox: Outbox,
}

impl Sender {
    pub(super) fn new() -> Sender {
        Self::over(TestParts::new())
    }

    pub(super) fn over(parts: TestParts) -> Sender {
        parts.topics.put(TopicConfig { perm: 7, ..TopicConfig::new(AUTO_CREATE_TOPIC, 8) }).unwrap();
        parts.topic("T", 4);
        let timeouts = Arc::new(FlushTimeouts::new(5_000));
        let locks: Arc<QueueLocks> = Arc::default();
        let handler = SendMessageHandler::new(
            parts.store.clone(),
            parts.topics.clone(),
            parts.groups.clone(),
            locks.clone(),
            parts.parking.clone(),
            parts.transactions(),
            parts.settings.clone(),
            parts.stats.clone(),
            parts.clock.clone(),
            Arc::new(parts.durability(timeouts.clone())),
            BROKER.parse().unwrap(),
            SELF_TEST_GROUP.to_owned(),
        );
        let (caller, outbox) = parts.connect();
        Sender { parts, handler, timeouts, locks, caller, outbox }
    }

    pub(super) fn send(&self, request: &RemotingCommand) -> RemotingCommand {
        match self.handler.handle(&self.caller, request) {
            Reply::Now(reply) => {
                assert_ne!(reply.response_code(), ResponseCode::SUCCESS, "a success waits for the store");
                reply
            }
            Reply::AfterSettle(reply) => {
                self.parts.store.settle().unwrap();
                reply
            }
            other => panic!("{other:?}"),
        }
    }

    /// The answer's code and remark.
    pub(super) fn refused(&self, request: &RemotingCommand) -> (ResponseCode, String) {
        let log_before = self.parts.store.log_range();
        let reply = self.send(request);
        assert_eq!(self.parts.store.log_range(), log_before, "nothing is stored of what is refused");
        assert_eq!(reply.ext_fields.get("MSG_REGION"), Some("DefaultRegion"));
        (reply.response_code(), reply.remark.unwrap())
    }

    fn only(&self, topic: &str, queue_id: i32) -> StoredMessage {
        let mut stored = self.parts.read(topic, queue_id);
        assert_eq!(stored.len(), 1);
        stored.remove(0)
    }
}

pub(super) fn header(topic: &str, queue_id: i32, properties: &str) -> SendMessageRequest {
    SendMessageRequest {
        producer_group: "p".to_owned(),
        topic: topic.to_owned(),
        default_topic: AUTO_CREATE_TOPIC.to_owned(),
        default_topic_queue_nums: 4,
        queue_id,
        born_timestamp: 900_000,
        flag: 3,
        properties: Some(properties.replace('=', "\u{1}").replace(' ', "\u{2}")),
        ..SendMessageRequest::default()
    }
}

pub(super) fn request(header: &SendMessageRequest) -> RemotingCommand {
    let mut request = RemotingCommand::request(header).with_body(&b"body"[..]);
    request.version = 513;
    request
}

pub(super) fn message(topic: &str, queue_id: i32, properties: &str) -> RemotingCommand {
    request(&header(topic, queue_id, properties))
}

#[test]
fn a_message_is_stored_as_the_java_broker_stores_it() {
    let sender = Sender::new();
    let reply = sender.send(&message("T", 1, "colour=blue UNIQ_KEY=FD00 WAIT=true TAGS=A "));
    let stored = sender.only("T", 1);
    let properties: Vec<_> = stored.message.properties.iter().map(|(n, v)| format!("{n}={v}")).collect();
    assert_eq!(
        properties.join(" "),
        "colour=blue UNIQ_KEY=FD00 WAIT=true TAGS=A MSG_REGION=DefaultRegion TRACE_ON=true CLUSTER=DefaultCluster"
    );
    assert_eq!((stored.message.flag, stored.born_timestamp.0, stored.reconsume_times), (3, 900_000, 0));
    assert_eq!((stored.born_host, stored.store_host), (sender.caller.peer_addr(), BROKER.parse().unwrap()));
    let field = |name| reply.ext_fields.get(name).unwrap();
    assert_eq!((field("queueId"), field("queueOffset"), field("transactionId")), ("1", "0", "FD00"));
    assert_eq!(field("msgId"), stored.offset_message_id());
    assert_eq!((field("MSG_REGION"), field("TRACE_ON")), ("DefaultRegion", "true"));
    assert_eq!(sender.parts.stats.put_total(), 1);
}

#[test]
fn a_message_without_an_id_gets_one() {
    let sender = Sender::new();
    let reply = sender.send(&message("T", 0, ""));
    let stored = sender.only("T", 0);
    let id = stored.message.properties.get("UNIQ_KEY").unwrap();
    assert_eq!(reply.ext_fields.get("transactionId"), Some(id));
    assert_eq!(id.len(), 32);
}

#[test]
fn the_first_message_creates_its_topic_by_the_default_topics_rules() {
    let sender = Sender::new();
    sender.send(&message("Fresh", 3, ""));
    let topic = sender.parts.topics.get("Fresh").unwrap();
    assert_eq!((topic.write_queue_nums, topic.read_queue_nums, topic.perm), (4, 4, 6));
    sender.parts.topics.put(TopicConfig { perm: 6, ..TopicConfig::new(AUTO_CREATE_TOPIC, 8) }).unwrap();
    let (code, remark) = sender.refused(&message("Another", 0, ""));
    assert_eq!(code, ResponseCode::TOPIC_NOT_EXIST);
    assert!(remark.starts_with("topic[Another] not exist, apply first please!"), "{remark}");
}

#[test]
fn names_and_queues_are_checked() {
    let sender = Sender::new();
    assert_eq!(sender.refused(&message("a b", 0, "")).0, ResponseCode::INVALID_PARAMETER);
    assert_eq!(sender.refused(&message(&"t".repeat(128), 0, "")).0, ResponseCode::INVALID_PARAMETER);
    for topic in [SCHEDULE_TOPIC, "RMQ_SYS_TRANS_HALF_TOPIC", SELF_TEST_TOPIC, "OFFSET_MOVED_EVENT"] {
        sender.parts.topic(topic, 1);
        assert_eq!(sender.refused(&message(topic, 0, "")).0, ResponseCode::NO_PERMISSION, "{topic}");
    }
    let (code, remark) = sender.refused(&message("T", 99, ""));
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    let java = "request queueId[99] is illegal, TopicConfig [topicName=T, readQueueNums=4, writeQueueNums=4, perm=RW-, \
                topicFilterType=SINGLE_TAG, topicSysFlag=0, order=false, attributes={}] Producer: 10.0.0.1:4000";
    assert!(remark.starts_with(java), "{remark}");
    for _ in 0..8 {
        sender.send(&message("T", -1, ""));
    }
    assert!((0..4).all(|queue_id| sender.parts.read("T", queue_id).len() == 2), "spread over all queues");
}

#[test]
fn the_self_tests_group_alone_may_send_to_its_topic() {
    let sender = Sender::new();
    sender.parts.topic(SELF_TEST_TOPIC, 1);
    let mut header = header(SELF_TEST_TOPIC, 0, "");
    header.producer_group = SELF_TEST_GROUP.to_owned();
    assert_eq!(sender.send(&request(&header)).response_code(), ResponseCode::SUCCESS);
}

#[test]
fn a_delayed_message_waits_in_the_schedule_topic() {
    let sender = Sender::new();
    let reply = sender.send(&message("T", 2, "DELAY=3 TIMER_DELAY_MS=5 UNIQ_KEY=K"));
    assert_eq!(reply.ext_fields.get("queueId"), Some("2"));
    let parked = sender.only(SCHEDULE_TOPIC, 2);
    let property = |name| parked.message.properties.get(name);
    assert_eq!(
        (property("REAL_TOPIC"), property("REAL_QID"), property("DELAY")),
        (Some("T"), Some("2"), Some("3"))
    );
    assert_eq!((property("TIMER_DELAY_MS"), property("CLUSTER")), (None, Some("DefaultCluster")));
    sender.send(&message("T", 0, "DELAY=99"));
    assert_eq!(sender.only(SCHEDULE_TOPIC, 17).message.properties.get("DELAY"), Some("18"));
    assert!(sender.parts.read("T", 0).is_empty());
    assert_eq!(sender.refused(&message("T", 0, "DELAY=soon")).0, ResponseCode::MESSAGE_ILLEGAL);
}

#[test]
fn a_message_with_a_time_of_delivery_waits_in_the_timer_topic() {
    let sender = Sender::new();
    // It is 1,000,000.
    for (asked, out) in [
        ("TIMER_DELIVER_MS=1005500", "1005499"),
        ("TIMER_DELIVER_MS=1006000", "1005999"),
        ("TIMER_DELAY_MS=250", "1000249"),
        ("TIMER_DELAY_SEC=2 TIMER_DELAY_MS=1 TIMER_DELIVER_MS=1", "1001999"),
    ] {
        let before = sender.parts.read(TIMER_TOPIC, 0).len();
        let reply = sender.send(&message("T", 2, asked));
        assert_eq!(reply.ext_fields.get("queueId"), Some("2"));
        let parked = sender.parts.read(TIMER_TOPIC, 0).remove(before);
        let property = |name| parked.message.properties.get(name);
        assert_eq!(
            (property("REAL_TOPIC"), property("REAL_QID"), property("TIMER_OUT_MS")),
            (Some("T"), Some("2"), Some(out)),
            "{asked}"
        );
    }
    assert!(sender.parts.read("T", 2).is_empty());
    // Due by now: it goes to its topic.
    for asked in ["TIMER_DELIVER_MS=1000000", "TIMER_DELAY_MS=0", "TIMER_DELAY_SEC=-3"] {
        sender.send(&message("T", 3, asked));
    }
    assert_eq!(sender.parts.read("T", 3).len(), 3);
}

#[test]
fn a_time_of_delivery_that_cannot_be_is_refused_with_the_limit() {
    let sender = Sender::new();
    let far = sender.refused(&message("T", 0, "TIMER_DELAY_SEC=259201"));
    assert_eq!(far.0, ResponseCode::MESSAGE_ILLEGAL);
    for part in ["max delay 259200000ms", "259201000ms", "timerMaxDelaySec=259200"] {
        assert!(far.1.contains(part), "{}", far.1);
    }
    for (asked, part) in [
        ("TIMER_DELAY_MS=soon", "TIMER_DELAY_MS is 'soon'"),
        ("TIMER_DELIVER_MS=9223372036854775807", "9223372036853775807ms"),
        ("TIMER_DELAY_SEC=9223372036854775807", "timerMaxDelaySec"),
        ("TIMER_DELIVER_MS=5 TIMER_DEL_UNIQKEY=K", "was due 999995ms ago"),
    ] {
        let (code, remark) = sender.refused(&message("T", 0, asked));
        assert_eq!(code, ResponseCode::MESSAGE_ILLEGAL, "{asked}");
        assert!(remark.contains(part), "{remark}");
    }
    let set = |text: &str| sender.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    set("timerMaxDelaySec=2147483647");
    sender.send(&message("T", 0, "TIMER_DELAY_SEC=2000000000"));
    assert_eq!(sender.only(TIMER_TOPIC, 0).message.properties.get("TIMER_OUT_MS"), Some("2000000999999"));
}

#[test]
fn a_half_message_waits_in_the_half_topic_as_javas() {
    let sender = Sender::new();
    let mut half = header("T", 2, "TAGS=a UNIQ_KEY=FD01 TRAN_MSG=true PGROUP=p ");
    half.sys_flag = 4;
    let reply = sender.send(&request(&half));
    let field = |name| reply.ext_fields.get(name);
    assert_eq!(
        (field("queueId"), field("queueOffset"), field("transactionId")),
        (Some("2"), Some("0"), Some("FD01"))
    );
    let stored = sender.only(TRANS_HALF_TOPIC, 0);
    assert_eq!(field("msgId"), Some(stored.offset_message_id().as_str()));
    assert_eq!((stored.queue_id, stored.sys_flag, stored.message.flag), (0, 0, 3));
    let properties = &stored.message.properties;
    for (name, value) in [
        ("REAL_TOPIC", "T"),
        ("REAL_QID", "2"),
        ("__transactionId__", "FD01"),
        ("TRAN_MSG", "true"),
        ("PGROUP", "p"),
        ("CLUSTER", "DefaultCluster"),
    ] {
        assert_eq!(properties.get(name), Some(value), "{name}");
    }
    assert_eq!(sender.parts.store.queue_range("T", 2).max.0, 0);
    let counted = sender.parts.stats.data(StatsName::TopicPutNums, TRANS_HALF_TOPIC);
    assert!(counted.is_some() && sender.parts.stats.data(StatsName::TopicPutNums, "T").is_none());
}

#[test]
fn a_half_message_lacks_nothing_that_its_end_needs() {
    let sender = Sender::new();
    // Without id and group, and with a delay, which begins when it is committed.
    sender.send(&message("T", 0, "TRAN_MSG=true DELAY=3 "));
    let properties = sender.only(TRANS_HALF_TOPIC, 0).message.properties;
    assert_eq!((properties.get("PGROUP"), properties.get("DELAY")), (Some("p"), Some("3")));
    assert_eq!(properties.get("UNIQ_KEY"), properties.get("__transactionId__"));
    assert!(properties.get("UNIQ_KEY").is_some());
    let (code, remark) = sender.refused(&message("T", 0, "TRAN_MSG=true TIMER_DELAY_SEC=999999999 "));
    assert!(code == ResponseCode::MESSAGE_ILLEGAL && remark.contains("timerMaxDelaySec"), "{remark}");
    let almost = format!("TRAN_MSG=true k={}", "x".repeat(32_600));
    let (code, remark) = sender.refused(&message("T", 0, &almost));
    assert!(code == ResponseCode::MESSAGE_ILLEGAL && remark.contains("32703"), "{remark}");
}

#[test]
fn what_is_retried_is_no_half_message_any_more() {
    let sender = Sender::new();
    sender.parts.groups.get_or_create("g").unwrap();
    let retried = SendMessageRequest {
        sys_flag: 4,
        reconsume_times: Some(1),
        ..header("%RETRY%g", 0, "TRAN_MSG=true DELAY=1 PGROUP=p ")
    };
    sender.send(&request(&retried));
    assert_eq!(sender.only("SCHEDULE_TOPIC_XXXX", 0).sys_flag & 0xC, 0);
    let dead = SendMessageRequest { reconsume_times: Some(99), ..retried };
    sender.send(&request(&dead));
    assert_eq!(sender.only("%DLQ%g", 0).sys_flag & 0xC, 0);
    assert_eq!(sender.parts.store.queue_range(TRANS_HALF_TOPIC, 0).max.0, 0);
}

#[test]
fn what_would_never_be_delivered_is_refused() {
    let sender = Sender::new();
    for flags in [4, 12] {
        let mut half = header("T", 0, "");
        half.sys_flag = flags;
        let (code, remark) = sender.refused(&request(&half));
        assert!(code == ResponseCode::MESSAGE_ILLEGAL && remark.contains("TRAN_MSG"), "{remark}");
    }
    let (code, _) = sender.refused(&message("T", 0, "INNER_NUM=3 "));
    assert_eq!(code, ResponseCode::MESSAGE_ILLEGAL, "only the broker makes inner batches");
    let mut inner = header("T", 0, "");
    inner.sys_flag = 0x80;
    assert_eq!(sender.refused(&request(&inner)).0, ResponseCode::MESSAGE_ILLEGAL);
    let set = |text: &str| sender.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    set("rejectTransactionMessage=true");
    let (code, remark) = sender.refused(&message("T", 0, "TRAN_MSG=true "));
    assert!(
        code == ResponseCode::NO_PERMISSION && remark.contains("transaction message is forbidden"),
        "{remark}"
    );
}

#[test]
fn a_batch_for_a_topic_with_batch_queues_is_one_record() {
    let sender = Sender::new();
    let attributes = [("queue.type".to_owned(), "BatchCQ".to_owned())].into();
    sender.parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("B", 1) }).unwrap();
    let mut body = Vec::new();
    for one in ["one", "two", "three"] {
        let entry = BatchEntry { flag: 0, body: one.as_bytes(), properties: b"k\x01v\x02" };
        encode_batch_entry(&entry, &mut body).unwrap();
    }
    let batch = |properties: &str| {
        let header = SendMessageRequest { batch: Some(true), ..header("B", 0, properties) };
        request(&header).with_body(body.clone())
    };
    let reply = sender.send(&batch("UNIQ_KEY=FD00 INNER_BASE=77 "));
    assert_eq!(reply.ext_fields.get("batchUniqId"), Some("FD00"));
    assert_eq!(reply.ext_fields.get("queueOffset"), Some("0"));
    let single = sender.send(&message("B", 0, "TAGS=A "));
    assert_eq!(
        (single.ext_fields.get("queueOffset"), single.ext_fields.get("batchUniqId")),
        (Some("3"), None)
    );
    // Without an id of its own it is stored message by message, as in Java.
    assert_eq!(sender.send(&batch("")).ext_fields.get("queueOffset"), Some("4"));
    let stored = sender.parts.read("B", 0);
    assert_eq!(stored.len(), 5);
    assert_eq!((stored[0].sys_flag, stored[1].sys_flag), (0xC0, 0));
    let properties = &stored[0].message.properties;
    assert_eq!((properties.get("INNER_NUM"), properties.get("INNER_BASE")), (Some("3"), Some("0")));
    assert_eq!(sender.parts.store.queue_range("B", 0).max.0, 7);
}

#[test]
fn retried_too_often_a_message_goes_to_the_dead_letter_topic() {
    let sender = Sender::new();
    let retry = |times, times_max: Option<i32>| {
        let mut header = header("%RETRY%g", 0, "DELAY=4 RETRY_TOPIC=T UNIQ_KEY=K");
        (header.reconsume_times, header.max_reconsume_times) = (Some(times), times_max);
        request(&header)
    };
    assert!(sender.parts.groups.get("g").is_none(), "autoCreateSubscriptionGroup creates it, as in Java");
    sender.send(&retry(16, None));
    assert_eq!(sender.only(SCHEDULE_TOPIC, 3).message.properties.get("REAL_TOPIC"), Some("%RETRY%g"));
    let asks =
        SendMessageRequest { reconsume_times: Some(17), ..header("%RETRY%g", 0, "UNIQ_KEY=K DELAY=4") };
    let reply = sender.send(&request(&SendMessageRequest { queue_id: 2, ..asks }));
    assert_eq!(
        reply.ext_fields.get("queueId"),
        Some("2"),
        "as in Java what was asked for, though there is one queue"
    );
    let dead = sender.only("%DLQ%g", 0);
    assert_eq!((dead.reconsume_times, dead.message.properties.get("DELAY")), (17, Some("-1")));
    sender.send(&retry(3, Some(2)));
    assert_eq!(sender.parts.read("%DLQ%g", 0).len(), 2, "the client's own limit counts");
    let mut old = retry(3, Some(2));
    old.version = 120;
    sender.send(&old);
    assert_eq!(sender.parts.read("%DLQ%g", 0).len(), 2, "but not that of clients before 3.4.9");
}

/// Every group that reads the light queue would get it once more, and give it up again.
#[test]
fn what_a_client_gave_up_is_in_no_light_queue() {
    let sender = Sender::new();
    let properties = "RETRY_TOPIC=T UNIQ_KEY=K INNER_MULTI_DISPATCH=%LMQ%a INNER_MULTI_QUEUE_OFFSET=0";
    for (times, stored_in) in [(1, "%RETRY%g"), (17, "%DLQ%g")] {
        let retry = SendMessageRequest { reconsume_times: Some(times), ..header("%RETRY%g", 0, properties) };
        sender.send(&request(&retry));
        let stored = sender.only(stored_in, 0);
        let dispatched = stored.message.properties.get("INNER_MULTI_DISPATCH");
        assert_eq!(dispatched.is_none(), times == 17, "{stored_in}: {dispatched:?}");
    }
}

#[test]
fn what_a_group_that_consumes_in_order_sends_back_is_a_dead_letter() {
    let sender = Sender::new();
    sender.parts.groups.get_or_create("g");
    let queue = MessageQueue::new("T", "broker-a", 0);
    sender.locks.lock("g", "client", &[queue], sender.parts.clock.now());
    let mut header = header("%RETRY%g", 0, "DELAY=5 RETRY_TOPIC=T UNIQ_KEY=K");
    (header.reconsume_times, header.max_reconsume_times) = (Some(2), Some(2));
    sender.send(&request(&header));
    assert_eq!(sender.only("%DLQ%g", 0).reconsume_times, 2, "Java clients before 5.0 send their last try so");
}

pub(super) fn batch(bodies: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for body in bodies {
        let entry =
            BatchEntry { flag: 5, body: body.as_bytes(), properties: b"TAGS\x01A\x02UNIQ_KEY\x01K\x02" };
        encode_batch_entry(&entry, &mut bytes).unwrap();
    }
    bytes
}

#[test]
fn a_batch_becomes_one_record_for_each_message() {
    let sender = Sender::new();
    let mut header = header("T", 3, "UNIQ_KEY=B WAIT=true");
    header.batch = Some(true);
    let reply = sender.send(&request(&header).with_body(batch(&["one", "two"])));
    let stored = sender.parts.read("T", 3);
    let ids: Vec<_> = stored.iter().map(StoredMessage::offset_message_id).collect();
    assert_eq!(reply.ext_fields.get("msgId"), Some(ids.join(",").as_str()));
    assert_eq!(reply.ext_fields.get("transactionId"), Some("B"));
    assert_eq!(stored[1].message.body, b"two");
    assert_eq!((stored[1].message.flag, stored[1].message.properties.len()), (5, 2));
    assert_eq!(sender.parts.stats.put_total(), 2);

    let broken = request(&header).with_body(&b"no batch"[..]);
    assert_eq!(sender.refused(&broken).0, ResponseCode::MESSAGE_ILLEGAL);
    sender.parts.topic("%RETRY%g", 1);
    header.topic = "%RETRY%g".to_owned();
    header.queue_id = 0;
    let to_retry = request(&header).with_body(batch(&["one"]));
    assert_eq!(sender.refused(&to_retry).0, ResponseCode::MESSAGE_ILLEGAL);
}

#[test]
fn an_order_topic_of_a_broker_without_write_permission_and_the_start_gate_refuse() {
    let sender = Sender::new();
    sender.parts.topics.put(TopicConfig { order: true, ..TopicConfig::new("Ordered", 1) }).unwrap();
    let set = |text: &str| sender.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    set("brokerPermission=4");
    assert_eq!(sender.refused(&message("Ordered", 0, "")).0, ResponseCode::NO_PERMISSION);
    assert_eq!(sender.send(&message("T", 0, "")).response_code(), ResponseCode::SUCCESS);
    set("startAcceptSendRequestTimeStamp=1000001");
    assert_eq!(sender.refused(&message("T", 0, "")).0, ResponseCode::SYSTEM_ERROR);
}

#[test]
fn a_store_that_takes_nothing_is_told_with_its_cause() {
    let sender = Sender::new();
    sender.parts.store.close().unwrap();
    let (code, remark) = sender.refused(&message("T", 0, ""));
    assert_eq!(code, ResponseCode::SERVICE_NOT_AVAILABLE);
    assert!(remark.contains("shutting down"), "{remark}");
}

#[test]
fn a_header_that_lacks_a_field_is_named() {
    let sender = Sender::new();
    let empty = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
    let reply = sender.send(&empty);
    assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
    let remark = reply.remark.unwrap();
    assert!(remark.contains("producerGroup"), "{remark}");
    assert_eq!(reply.ext_fields.get("MSG_REGION"), None, "as in Java, which does not get so far");
}

#[test]
fn with_sync_flush_the_disk_answers_unless_nobody_waits() {
    let sender = Sender::over(TestParts::with_sync_flush());
    let mut waits = message("T", 0, "");
    waits.opaque = 7;
    assert!(matches!(sender.handler.handle(&sender.caller, &waits), Reply::Later));
    sender.parts.store.settle().unwrap();
    assert!(sender.outbox.take().is_empty(), "written is not flushed");
    sender.parts.store.flush_step().unwrap();
    let answers = sender.outbox.take();
    assert_eq!((answers[0].opaque, answers[0].response_code()), (7, ResponseCode::SUCCESS));

    assert!(matches!(
        sender.handler.handle(&sender.caller, &message("T", 0, "WAIT=false")),
        Reply::AfterSettle(_)
    ));

    assert!(matches!(sender.handler.handle(&sender.caller, &waits), Reply::Later));
    sender.parts.clock.advance_ms(5_000);
    sender.timeouts.step(sender.parts.clock.now());
    assert_eq!(sender.outbox.take()[0].response_code(), ResponseCode::FLUSH_DISK_TIMEOUT);
    sender.parts.store.settle().unwrap();
    sender.parts.store.flush_step().unwrap();
    assert!(sender.outbox.take().is_empty(), "answered once");
}
