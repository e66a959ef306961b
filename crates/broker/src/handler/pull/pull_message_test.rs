//! Pulls against a real store.

use std::{sync::Arc, time::Duration};

use eruca_config::Properties as ConfigProperties;
use eruca_message::{Clock, StoredMessage};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{ConsumerData, MessageModel, SubscriptionData, SubscriptionGroupConfig, TopicConfig},
    request::PullMessageRequest,
};
use eruca_remoting::{Caller, Outbox, Reply};
use eruca_store::disk::SimDisk;

use super::{ParkedPull, PullMessageHandler};
use crate::{
    control::Control,
    filter::parse_subscription,
    handler::test_parts::{BROKER, TestParts},
    long_poll::{PullHold, PullRunner, WaiterLimits},
    role::{Role, RoleState, Standing},
};

pub(super) struct Puller {
    pub(super) parts: TestParts,
    pub(super) handler: Arc<PullMessageHandler>,
    pub(super) hold: Arc<PullHold<ParkedPull>>,
    pub(super) caller: Caller,
    pub(super) outbox: Outbox,
    role: Arc<RoleState>,
}

impl Puller {
    pub(super) fn new() -> Puller {
        Self::with_limits(WaiterLimits::default())
    }

    fn with_limits(limits: WaiterLimits) -> Puller {
        Self::over(TestParts::new(), limits, 1 << 30)
    }

    fn over(parts: TestParts, limits: WaiterLimits, memory_bytes: u64) -> Puller {
        parts.topic("T", 2);
        let hold = Arc::new(PullHold::new(limits));
        let role = Arc::new(RoleState::master());
        let handler = Arc::new(PullMessageHandler::new(
            parts.store.clone(),
            parts.topics.clone(),
            parts.groups.clone(),
            parts.consumers.clone(),
            parts.offsets.clone(),
            hold.clone(),
            Arc::default(),
            parts.settings.clone(),
            parts.clock.clone(),
            memory_bytes,
            parts.stats.clone(),
            Arc::new(Control::start().unwrap()),
            role.clone(),
            parts.parking.clone(),
            BROKER.parse().unwrap(),
        ));
        let runner: std::sync::Weak<dyn PullRunner<ParkedPull>> =
            Arc::<PullMessageHandler>::downgrade(&handler);
        hold.set_runner(runner);
        parts.store.set_arrival_listener(hold.clone());
        let (caller, outbox) = parts.connect();
        Puller { parts, handler, hold, caller, outbox, role }
    }

    pub(super) fn pull(&self, header: &PullMessageRequest) -> RemotingCommand {
        let request = RemotingCommand::request(header);
        match self.handler.handle(&self.caller, &request) {
            Ok(Reply::Now(reply) | Reply::AfterSettle(reply)) => reply,
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.into_reply(&request),
        }
    }

    pub(super) fn code(&self, header: &PullMessageRequest) -> ResponseCode {
        self.pull(header).response_code()
    }

    /// Parks a pull; its opaque tells the answer apart.
    pub(super) fn park(&self, header: &PullMessageRequest, opaque: i32) {
        let mut request = RemotingCommand::request(header);
        request.opaque = opaque;
        assert!(matches!(self.handler.handle(&self.caller, &request), Ok(Reply::Later)));
    }

    pub(super) fn subscribe(&self, subscription: SubscriptionData, message_model: MessageModel) {
        let consumer = ConsumerData {
            group_name: "g".to_owned(),
            message_model,
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        self.parts.consume(&self.caller, "client", &consumer);
    }
}

fn from(queue_offset: i64) -> PullMessageRequest {
    PullMessageRequest {
        consumer_group: "g".to_owned(),
        topic: "T".to_owned(),
        queue_offset,
        max_msg_nums: 32,
        sys_flag: 4,
        suspend_timeout_millis: 15_000,
        subscription: Some("*".to_owned()),
        ..PullMessageRequest::default()
    }
}

fn waiting(queue_offset: i64) -> PullMessageRequest {
    PullMessageRequest { sys_flag: 2 | 4, ..from(queue_offset) }
}

fn bodies(reply: &RemotingCommand) -> Vec<String> {
    let messages = StoredMessage::decode_all(&reply.body).unwrap();
    messages.into_iter().map(|message| String::from_utf8(message.message.body).unwrap()).collect()
}

fn position(reply: &RemotingCommand) -> (&str, &str, &str) {
    let field = |name| reply.ext_fields.get(name).unwrap();
    (field("nextBeginOffset"), field("minOffset"), field("maxOffset"))
}

#[test]
fn each_place_in_the_queue_has_its_code_and_remark() {
    let puller = Puller::new();
    let empty = puller.pull(&from(0));
    assert_eq!(
        (empty.response_code(), empty.remark.as_deref()),
        (ResponseCode::PULL_NOT_FOUND, Some("NO_MATCHED_LOGIC_QUEUE"))
    );
    assert_eq!(puller.code(&from(3)), ResponseCode::PULL_OFFSET_MOVED);
    for body in ["a", "b", "c"] {
        puller.parts.store("T", 0, body, b"TAGS\x01A\x02");
    }
    let found = puller.pull(&from(1));
    assert_eq!((found.response_code(), found.remark.as_deref()), (ResponseCode::SUCCESS, Some("FOUND")));
    assert_eq!((bodies(&found), position(&found)), (vec!["b".to_owned(), "c".to_owned()], ("3", "0", "3")));
    for (offset, code, remark, next) in [
        (3, ResponseCode::PULL_NOT_FOUND, "OFFSET_OVERFLOW_ONE", "3"),
        (4, ResponseCode::PULL_OFFSET_MOVED, "OFFSET_OVERFLOW_BADLY", "3"),
        (-1, ResponseCode::PULL_OFFSET_MOVED, "OFFSET_TOO_SMALL", "0"),
    ] {
        let reply = puller.pull(&from(offset));
        assert_eq!((reply.response_code(), reply.remark.as_deref()), (code, Some(remark)));
        assert_eq!(position(&reply), (next, "0", "3"));
        assert_eq!(reply.ext_fields.get("suggestWhichBrokerId"), Some("0"));
    }
    let none = puller.pull(&PullMessageRequest { subscription: Some("B".to_owned()), ..from(0) });
    assert_eq!(
        (none.response_code(), none.remark.as_deref()),
        (ResponseCode::PULL_RETRY_IMMEDIATELY, Some("NO_MATCHED_MESSAGE"))
    );
    assert_eq!(position(&none).0, "3");
}

#[test]
fn a_slave_sends_consumers_to_its_master_while_there_is_one_and_sets_nobody_back() {
    let puller = Puller::new();
    puller.role.set(Standing { role: Role::Slave, broker_id: 1, master: None, epoch: 0 });
    for body in ["a", "b"] {
        puller.parts.store("T", 0, body, b"");
    }
    puller.role.note_master_answers(true);
    assert_eq!(bodies(&puller.pull(&from(0))), ["a", "b"]);
    for offset in [2, 9] {
        let reply = puller.pull(&waiting(offset));
        assert_eq!(reply.response_code(), ResponseCode::PULL_RETRY_IMMEDIATELY, "ask the master");
        assert_eq!(position(&reply).0, offset.to_string());
    }
    // No master: it is read here, and waited for here, also by those who were further than the copy is.
    puller.role.note_master_answers(false);
    assert_eq!(puller.code(&from(9)), ResponseCode::PULL_NOT_FOUND);
    puller.park(&waiting(2), 1);
    puller.park(&waiting(9), 2);
    // Where the copy begins later than the master's log did, there is nothing to wait for.
    assert_eq!(position(&puller.pull(&from(-1))).0, "0");
    let checked = ConfigProperties::parse("offsetCheckInSlave=true").unwrap();
    puller.parts.settings.update(&checked).unwrap();
    assert_eq!(puller.code(&from(9)), ResponseCode::PULL_OFFSET_MOVED);
}

#[test]
fn tags_choose_messages() {
    let puller = Puller::new();
    for tag in ["A", "B", "C", "A"] {
        puller.parts.store("T", 0, tag, format!("TAGS\u{1}{tag}\u{2}").as_bytes());
    }
    let chosen = puller.pull(&PullMessageRequest { subscription: Some("A || C".to_owned()), ..from(0) });
    assert_eq!(
        (bodies(&chosen), position(&chosen).0),
        (vec!["A".to_owned(), "C".to_owned(), "A".to_owned()], "4")
    );
}

#[test]
fn limits_bound_a_pull() {
    let puller = Puller::new();
    for _ in 0..40 {
        puller.parts.store("T", 0, "x", b"");
    }
    assert_eq!(bodies(&puller.pull(&PullMessageRequest { max_msg_nums: 1_000, ..from(0) })).len(), 32);
    assert_eq!(bodies(&puller.pull(&PullMessageRequest { max_msg_nums: 5, ..from(0) })).len(), 5);
    let small = puller.pull(&PullMessageRequest { max_msg_bytes: Some(250), ..from(0) });
    assert_eq!(bodies(&small).len(), 2);
}

#[test]
fn who_may_not_pull_is_told_why() {
    let puller = Puller::new();
    let set = |text: &str| puller.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    assert_eq!(
        puller.code(&PullMessageRequest { topic: "None".to_owned(), ..from(0) }),
        ResponseCode::TOPIC_NOT_EXIST
    );
    for queue_id in [-1, 2] {
        assert_eq!(puller.code(&PullMessageRequest { queue_id, ..from(0) }), ResponseCode::INVALID_PARAMETER);
    }
    puller.parts.topics.put(TopicConfig { perm: 2, ..TopicConfig::new("WriteOnly", 1) }).unwrap();
    let write_only = PullMessageRequest { topic: "WriteOnly".to_owned(), ..from(0) };
    assert_eq!(puller.code(&write_only), ResponseCode::NO_PERMISSION);
    let sql = PullMessageRequest { expression_type: Some("SQL92".to_owned()), ..from(0) };
    let refused = puller.pull(&sql);
    assert_eq!(refused.response_code(), ResponseCode::SYSTEM_ERROR);
    let remark = refused.remark.unwrap_or_default();
    assert!(
        remark.starts_with("The broker does not support consumer to filter message by SQL92"),
        "{remark}"
    );
    let empty_expression = PullMessageRequest { subscription: Some("||".to_owned()), ..from(0) };
    assert_eq!(puller.code(&empty_expression), ResponseCode::SUBSCRIPTION_PARSE_FAILED);
    let off = SubscriptionGroupConfig { consume_enable: false, ..SubscriptionGroupConfig::new("off") };
    puller.parts.groups.put(off).unwrap();
    let of_off = PullMessageRequest { consumer_group: "off".to_owned(), ..from(0) };
    assert_eq!(puller.code(&of_off), ResponseCode::NO_PERMISSION);
    let bad_group = PullMessageRequest { consumer_group: "a b".to_owned(), ..from(0) };
    assert_eq!(puller.code(&bad_group), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
    set("brokerPermission=2");
    assert_eq!(puller.code(&from(0)), ResponseCode::NO_PERMISSION);
}

#[test]
fn without_an_expression_the_heartbeats_subscription_counts() {
    let puller = Puller::new();
    puller.parts.store("T", 0, "a", b"TAGS\x01A\x02");
    let registered =
        |sub_version| PullMessageRequest { sys_flag: 0, subscription: None, sub_version, ..from(0) };
    assert_eq!(puller.code(&registered(5)), ResponseCode::SUBSCRIPTION_NOT_EXIST);
    let subscription = SubscriptionData { sub_version: 5, ..parse_subscription("T", "A").unwrap() };
    puller.subscribe(subscription, MessageModel::Broadcasting);
    assert_eq!(puller.code(&registered(5)), ResponseCode::SUCCESS);
    assert_eq!(puller.code(&registered(6)), ResponseCode::SUBSCRIPTION_NOT_LATEST);
    puller.parts.topic("Other", 1);
    let other = PullMessageRequest { topic: "Other".to_owned(), ..registered(0) };
    assert_eq!(puller.code(&other), ResponseCode::SUBSCRIPTION_NOT_EXIST);
    let no_broadcast =
        SubscriptionGroupConfig { consume_broadcast_enable: false, ..SubscriptionGroupConfig::new("g") };
    puller.parts.groups.put(no_broadcast).unwrap();
    assert_eq!(puller.code(&registered(5)), ResponseCode::NO_PERMISSION);
}

#[test]
fn an_offset_that_comes_with_a_pull_is_committed() {
    let puller = Puller::new();
    let header = PullMessageRequest { sys_flag: 1 | 4, commit_offset: 7, ..from(0) };
    let request = RemotingCommand::request(&header);
    let reply = puller.handler.handle(&puller.caller, &request).unwrap();
    assert!(matches!(reply, Reply::AfterSettle(_)), "answered once the commit is safe");
    assert_eq!(puller.parts.offsets.committed("g", "T", 0), Some(7));
    puller.pull(&PullMessageRequest { commit_offset: 9, ..from(0) });
    assert_eq!(puller.parts.offsets.committed("g", "T", 0), Some(7), "not without the flag");
}

#[test]
fn a_reset_is_told_once() {
    let puller = Puller::new();
    for body in ["a", "b"] {
        puller.parts.store("T", 0, body, b"");
    }
    puller.parts.offsets.assign_reset("g", "T", 0, 1);
    let reset = puller.pull(&waiting(2));
    assert_eq!(
        (reset.response_code(), reset.remark.as_deref()),
        (ResponseCode::PULL_OFFSET_MOVED, Some("OFFSET_RESET"))
    );
    assert_eq!(position(&reset), ("1", "0", "2"));
    assert_eq!(bodies(&puller.pull(&from(1))), ["b"]);
}

#[test]
fn a_waiting_pull_is_answered_by_the_append_itself() {
    let puller = Puller::new();
    puller.park(&waiting(0), 1);
    puller.park(&PullMessageRequest { subscription: Some("B".to_owned()), ..waiting(0) }, 2);
    puller.park(&PullMessageRequest { queue_id: 1, ..waiting(0) }, 3);
    assert_eq!(puller.hold.len(), 3);
    puller.parts.store("T", 0, "first", b"TAGS\x01A\x02");
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), answers[0].opaque, bodies(&answers[0])), (1, 1, vec!["first".to_owned()]));
    puller.parts.store("T", 0, "second", b"TAGS\x01B\x02");
    let answers = puller.outbox.take();
    assert_eq!((answers[0].opaque, bodies(&answers[0])), (2, vec!["second".to_owned()]));
    assert_eq!(puller.hold.len(), 1);
}

#[test]
fn a_pull_may_name_a_lite_topic() {
    let puller = Puller::over(TestParts::with_lite(), WaiterLimits::default(), 1 << 30);
    let of = |lite: &str| PullMessageRequest { lite_topic: Some(lite.to_owned()), ..waiting(0) };
    puller.park(&of("a"), 1);
    puller.park(&of("no such/../one"), 2);
    puller.parts.store("T", 1, "for a", b"__LITE_TOPIC\x01a\x02INNER_MULTI_DISPATCH\x01%LMQ%$T$a\x02");
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), answers[0].opaque, bodies(&answers[0])), (1, 1, vec!["for a".to_owned()]));
    assert_eq!(
        puller.code(&PullMessageRequest { lite_topic: Some(" ".to_owned()), queue_id: 1, ..from(0) }),
        ResponseCode::SUCCESS
    );
    assert!(puller.parts.offsets.pulls_of("g").iter().all(|(topic, _)| topic == "T"), "notes have a bound");
}

#[test]
fn a_waiting_pull_ends_with_its_time_and_learns_how_far_it_was_looked() {
    let puller = Puller::new();
    puller.park(&PullMessageRequest { subscription: Some("B".to_owned()), ..waiting(0) }, 1);
    puller.park(&PullMessageRequest { queue_id: 1, ..waiting(0) }, 2);
    puller.parts.store("T", 0, "not wanted", b"TAGS\x01A\x02");
    puller.parts.clock.advance_ms(5_000);
    puller.hold.step(puller.parts.clock.now());
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), answers[0].opaque), (1, 1));
    assert_eq!(
        (answers[0].response_code(), position(&answers[0]).0),
        (ResponseCode::PULL_RETRY_IMMEDIATELY, "1")
    );
    puller.parts.clock.advance_ms(10_000);
    puller.hold.step(puller.parts.clock.now());
    assert_eq!(puller.outbox.take()[0].response_code(), ResponseCode::PULL_NOT_FOUND);
}

#[test]
fn many_groups_are_served_without_holding_up_the_producer() {
    let puller = Puller::new();
    for opaque in 0..20 {
        puller.park(&PullMessageRequest { consumer_group: format!("g{opaque}"), ..waiting(0) }, opaque);
    }
    puller.parts.store("T", 0, "x", b"");
    assert_eq!(puller.outbox.take().len(), 8, "so many are served by the producer's thread");
    assert!(
        puller.hold.wait_for_work(puller.parts.clock.now(), Duration::from_secs(60)),
        "the rest waits for its own"
    );
    puller.hold.step(puller.parts.clock.now());
    assert_eq!(puller.outbox.take().len(), 12);
}

#[test]
fn too_many_waiting_pulls_and_those_after_the_end_are_refused() {
    let puller = Puller::with_limits(WaiterLimits { per_queue: 1, in_all: 10 });
    puller.park(&waiting(0), 1);
    puller.park(&waiting(0), 2);
    let refused = puller.outbox.take();
    assert_eq!((refused[0].opaque, refused[0].response_code()), (2, ResponseCode::SYSTEM_BUSY));
    puller.hold.stop();
    assert_eq!(puller.outbox.take()[0].response_code(), ResponseCode::PULL_NOT_FOUND, "let go at the end");
    puller.park(&waiting(0), 3);
    assert_eq!(puller.outbox.take()[0].response_code(), ResponseCode::SYSTEM_BUSY);
    assert!(!puller.hold.wait_for_work(puller.parts.clock.now(), Duration::from_secs(60)));
}

#[test]
fn the_pull_of_a_client_that_is_gone_is_dropped() {
    let puller = Puller::new();
    puller.park(&waiting(0), 1);
    puller.outbox.disconnect();
    assert_eq!(puller.hold.retain(ParkedPull::is_wanted).len(), 1);
    assert!(puller.hold.is_empty());
}

#[test]
fn short_polling_waits_as_long_as_it_is_told() {
    let puller = Puller::new();
    let text = "longPollingEnable=false\nshortPollingTimeMills=300";
    puller.parts.settings.update(&ConfigProperties::parse(text).unwrap()).unwrap();
    puller.park(&waiting(0), 1);
    puller.parts.clock.advance_ms(299);
    puller.hold.step(puller.parts.clock.now());
    assert!(puller.outbox.take().is_empty());
    puller.parts.clock.advance_ms(1);
    puller.hold.step(puller.parts.clock.now());
    assert_eq!(puller.outbox.take().len(), 1);
}

#[test]
fn a_pull_that_has_to_wait_for_the_disk_is_answered_by_another_thread() {
    let disk = SimDisk::new(1);
    let parts = TestParts::with_cold_store(Arc::new(disk.clone()));
    let puller = Puller::over(parts, WaiterLimits::default(), 1 << 30);
    for body in ["a", "b", "c"] {
        puller.parts.store("T", 0, body, b"");
    }
    disk.set_cold(true);
    let mut request =
        RemotingCommand::request(&PullMessageRequest { sys_flag: 1 | 2 | 4, commit_offset: 1, ..from(1) });
    request.opaque = 77;
    assert!(matches!(puller.handler.handle(&puller.caller, &request), Ok(Reply::Later)));
    let reply = puller.outbox.take_within(1, Duration::from_secs(20)).remove(0);
    assert_eq!((reply.opaque, reply.response_code()), (77, ResponseCode::SUCCESS));
    assert_eq!(bodies(&reply), ["b", "c"]);
    assert_eq!(position(&reply), ("3", "0", "3"));
    assert_eq!(puller.parts.offsets.committed("g", "T", 0), Some(1));
    // At the end of the queue there is nothing to wait for but a message.
    puller.park(&waiting(3), 78);
    disk.set_cold(false);
    assert_eq!(bodies(&puller.pull(&from(0))), ["a", "b", "c"]);
}

#[test]
fn where_the_log_does_not_fit_memory_the_queue_is_not_waited_for_either() {
    let disk = SimDisk::new(1);
    let parts = TestParts::with_cold_store(Arc::new(disk.clone()));
    let puller = Puller::over(parts, WaiterLimits::default(), 0);
    for _ in 0..4200 {
        puller.parts.store("T", 0, "x", b"");
    }
    puller.parts.store.queue_flush_step().unwrap();
    disk.set_cold(true);
    // A pull of which the client is gone is looked at on this thread only, and not read by the other.
    puller.outbox.disconnect();
    let request = RemotingCommand::request(&from(0));
    let handle = || puller.handler.handle(&puller.caller, &request);
    // The first one may open files.
    assert!(matches!(handle(), Ok(Reply::Later)));
    let operations = disk.operations();
    assert!(matches!(handle(), Ok(Reply::Later)));
    assert_eq!(disk.operations(), operations);
}
