//! Pops against a real store.

use eruca_config::Properties as ConfigProperties;
use eruca_message::{Clock, names::REVIVE_GROUP};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, BatchAck, BatchAckMessageRequestBody, BitSet, SubscriptionGroupConfig, TopicConfig},
    request::{
        AckMessageRequest, ChangeInvisibleTimeRequest, NotificationRequest, PeekMessageRequest,
        PollingInfoRequest, PopMessageRequest, PopMessageResponse,
    },
};

use super::fixture::{Given, Popper, request};

fn bodies(given: &[Given]) -> Vec<&str> {
    let mut bodies: Vec<&str> = given.iter().map(|given| given.body.as_str()).collect();
    bodies.sort_unstable();
    bodies
}

#[test]
fn popped_messages_are_gone_for_the_others_until_they_come_again() {
    let popper = Popper::new();
    for (queue_id, text) in [(0, "a"), (1, "b"), (0, "c")] {
        popper.parts.store("T", queue_id, text, b"TAGS\x01x\x02");
    }
    let given = popper.pop(32, 10_000);
    assert_eq!(bodies(&given), ["a", "b", "c"]);
    assert!(popper.pop(32, 10_000).is_empty());
    let kept = given.iter().find(|given| given.body == "a").unwrap();
    given.iter().filter(|given| given.body != "a").for_each(|given| {
        assert_eq!(popper.ack(given), ResponseCode::SUCCESS);
    });
    popper.pass(9_999);
    assert!(popper.pop(32, 10_000).is_empty());
    popper.pass(1);
    let again = popper.pop(32, 10_000);
    assert_eq!(bodies(&again), ["a"]);
    assert_eq!((again[0].reconsume_times, again[0].topic.as_str()), (1, "%RETRY%g_T"));
    let retry = &popper.parts.read("%RETRY%g_T", 0)[0];
    assert_eq!(retry.message.properties.get("ORIGIN_GROUP"), Some("g"));
    assert_eq!(retry.message.properties.get("1ST_POP_TIME"), Some(kept.handle.pop_time.to_string().as_str()));
    assert_eq!(retry.message.properties.get("TAGS"), Some("x"));
    assert_eq!(popper.ack(kept), ResponseCode::SUCCESS, "a stale handle");
    popper.pass(20_000);
    assert_eq!(popper.pop(32, 10_000)[0].reconsume_times, 2, "did nothing");
    popper.pass(3_000);
    assert_eq!(popper.parts.offsets.committed("g", "T", 0), Some(2));
}

#[test]
fn what_was_acknowledged_never_comes_again_and_the_revive_group_moves_on() {
    let popper = Popper::new();
    for number in 0..40 {
        popper.parts.store("T", number % 2, &number.to_string(), b"");
    }
    let mut seen = 0;
    while let given @ [_, ..] = &popper.pop(7, 5_000)[..] {
        seen += given.len();
        given.iter().for_each(|given| assert_eq!(popper.ack(given), ResponseCode::SUCCESS));
    }
    assert_eq!(seen, 40);
    assert_eq!(popper.pop.check_points(), 0, "nothing is kept of what is acknowledged");
    popper.pass(12_000);
    assert!(popper.pop(32, 5_000).is_empty());
    assert_eq!(popper.pop.check_points(), 0);
    let topic = "rmq_sys_REVIVE_LOG_DefaultCluster";
    for queue in 0..8 {
        let max = popper.parts.store.queue_range(topic, queue).max.0;
        let committed = popper.parts.offsets.committed(REVIVE_GROUP, topic, queue);
        assert_eq!(committed, (max > 0).then(|| max as i64 - 1), "queue {queue}");
    }
}

#[test]
fn an_invisible_time_is_changed_once_by_each_handle() {
    let popper = Popper::new();
    popper.parts.store("T", 0, "a", b"");
    let first = popper.pop(32, 5_000).remove(0);
    let second = popper.change(&first, 20_000).unwrap();
    assert_eq!(popper.change(&first, 1), Err(ResponseCode::NO_MESSAGE), "stale");
    assert_eq!(popper.ack(&first), ResponseCode::SUCCESS, "stale: nothing");
    popper.pass(19_000);
    assert!(popper.pop(32, 5_000).is_empty());
    // In the same millisecond it got another pop time, one later, to tell the two apart.
    popper.pass(1_001);
    assert_eq!(popper.change(&second, 1), Err(ResponseCode::NO_MESSAGE), "it comes again");
    let again = popper.pop(32, 5_000).remove(0);
    let at_once = popper.change(&again, 0).unwrap();
    popper.pass(1);
    assert_eq!(popper.pop(32, 5_000).remove(0).reconsume_times, 2);
    assert_eq!(popper.ack(&at_once), ResponseCode::SUCCESS);
}

#[test]
fn what_is_in_flight_survives_a_kill() {
    let mut popper = Popper::new();
    for text in ["a", "b", "c"] {
        popper.parts.store("T", 0, text, b"");
    }
    let given = popper.pop(32, 30_000);
    assert_eq!(popper.ack(&given[0]), ResponseCode::SUCCESS);
    let changed = popper.change(&given[1], 60_000).unwrap();
    popper = popper.kill();
    assert!(popper.pop(32, 30_000).is_empty(), "the offset is remembered");
    assert_eq!(popper.change(&given[1], 1), Err(ResponseCode::NO_MESSAGE), "stale after the kill, too");
    assert_eq!(popper.change(&given[0], 1), Err(ResponseCode::NO_MESSAGE));
    popper.pass(30_000);
    assert_eq!(bodies(&popper.pop(32, 90_000)), ["c"], "at the time, not later");
    popper = popper.kill();
    assert_eq!(popper.ack(&changed), ResponseCode::SUCCESS);
    popper.pass(90_000);
    assert_eq!(bodies(&popper.pop(32, 30_000)), ["c"], "only what was not acknowledged");
}

#[test]
fn check_points_that_are_only_in_the_revive_topic_are_dealt_with() {
    let popper = Popper::new();
    for text in ["a", "b"] {
        popper.parts.store("T", 0, text, b"");
    }
    let given = popper.pop(32, 5_000);
    assert_eq!(popper.ack(&given[0]), ResponseCode::SUCCESS);
    // As if it was down while the time ended: the timer delivers, and nobody reads.
    popper.parts.clock.advance_ms(9_000);
    popper.turn_timer();
    let popper = popper.kill();
    popper.work();
    assert!(popper.pop(32, 5_000).is_empty(), "acknowledgements may still come");
    popper.pass(4_000);
    assert_eq!(bodies(&popper.pop(32, 5_000)), ["b"]);
    let popper = popper.kill();
    popper.pass(3_000);
    assert!(popper.pop(32, 5_000).is_empty(), "not a second time");
}

#[test]
fn a_pop_waits_and_is_woken_by_a_message_or_its_time() {
    let popper = Popper::new();
    let now = popper.parts.clock.now().0;
    let wait =
        PopMessageRequest { poll_time: 15_000, born_time: now, exp: Some("x".into()), ..request(32, 5_000) };
    assert_eq!(popper.pop_with(&wait), None);
    assert_eq!(popper.hold.waiting_pops("T", "g", -1), 1);
    popper.parts.store("T", 1, "not mine", b"TAGS\x01y\x02");
    popper.work();
    assert!(popper.outbox.take().is_empty());
    popper.parts.store("T", 1, "mine", b"TAGS\x01x\x02");
    popper.work();
    let [reply] = &popper.outbox.take()[..] else { panic!("one answer") };
    assert_eq!(bodies(&popper.given(reply)), ["mine"]);
    assert_eq!(popper.pop_with(&wait), None);
    popper.pass(5_000);
    popper.work();
    let [again] = &popper.outbox.take()[..] else { panic!("what comes again wakes, too") };
    assert_eq!(bodies(&popper.given(again)), ["mine"]);
    let wait = PopMessageRequest { born_time: popper.parts.clock.now().0, ..wait };
    assert_eq!(popper.pop_with(&wait), None);
    popper.parts.clock.advance_ms(4_000);
    popper.work();
    assert!(popper.outbox.take().is_empty());
    let reply =
        popper.pop_with(&PopMessageRequest { poll_time: 1, born_time: now, ..request(1, 1) }).unwrap();
    assert_eq!(reply.response_code(), ResponseCode::POLLING_TIMEOUT);
    assert!(reply.remark.unwrap().contains("timeout too much"));
}

#[test]
fn a_member_that_is_gone_leaves_the_message_to_another() {
    let popper = Popper::new();
    let wait = PopMessageRequest { poll_time: 15_000, ..request(32, 5_000) };
    assert_eq!(popper.pop_with(&wait), None);
    let (other, outbox) = popper.parts.connect();
    let asked = RemotingCommand::request(&wait);
    assert!(popper.call(&asked, |request| popper.handler.pop(&other, request)).is_none());
    popper.outbox.disconnect();
    popper.parts.store("T", 0, "a", b"");
    popper.work();
    popper.work();
    assert_eq!(bodies(&popper.given(&outbox.take()[0])), ["a"]);
}

#[test]
fn too_many_that_wait_are_told_so() {
    let popper = Popper::new();
    let limit = ConfigProperties::from_iter([("popPollingSize", "1")]);
    popper.parts.settings.update(&limit).unwrap();
    let wait = PopMessageRequest { poll_time: 15_000, ..request(32, 5_000) };
    assert_eq!(popper.pop_with(&wait), None);
    assert_eq!(popper.pop_with(&wait), None, "answered later");
    let [full] = &popper.outbox.take()[..] else { panic!("one answer") };
    assert_eq!(full.response_code(), ResponseCode::POLLING_FULL);
    assert!(full.remark.as_deref().unwrap().contains("popPollingSize"));
    let ask = PollingInfoRequest { consumer_group: "g".into(), topic: "T".into(), queue_id: -1 };
    let reply =
        popper.call(&RemotingCommand::request(&ask), |r| popper.handler.polling_info(&popper.caller, r));
    assert_eq!(reply.unwrap().ext_fields.get("pollingNum"), Some("1"));
}

#[test]
fn a_notification_tells_and_takes_nothing() {
    let popper = Popper::new();
    let ask = NotificationRequest {
        consumer_group: "g".into(),
        topic: "T".into(),
        queue_id: -1,
        poll_time: 15_000,
        ..NotificationRequest::default()
    };
    let call = || {
        popper.call(&RemotingCommand::request(&ask), |request| {
            popper.handler.notification(&popper.caller, request)
        })
    };
    assert_eq!(call(), None);
    popper.parts.store("T", 1, "a", b"");
    popper.work();
    assert_eq!(popper.outbox.take()[0].ext_fields.get("hasMsg"), Some("true"));
    assert_eq!(call().unwrap().ext_fields.get("hasMsg"), Some("true"));
    assert_eq!(bodies(&popper.pop(32, 5_000)), ["a"]);
    assert_eq!(call(), None);
    popper.parts.clock.advance_ms(15_000);
    popper.work();
    let told = popper.outbox.take();
    assert_eq!(told[0].ext_fields.get("pollingFull"), Some("false"));
}

#[test]
fn a_look_takes_nothing() {
    let popper = Popper::new();
    let ask =
        PeekMessageRequest { consumer_group: "g".into(), topic: "T".into(), queue_id: 0, max_msg_nums: 1 };
    let call = || {
        popper.call(&RemotingCommand::request(&ask), |request| popper.handler.peek(&popper.caller, request))
    };
    assert_eq!(call().unwrap().response_code(), ResponseCode::PULL_NOT_FOUND);
    popper.parts.store("T", 0, "a", b"");
    popper.parts.store("T", 0, "b", b"");
    let reply = call().unwrap();
    assert_eq!((reply.response_code(), reply.ext_fields.get("restNum")), (ResponseCode::SUCCESS, Some("1")));
    assert_eq!(popper.pop(32, 5_000).len(), 2);
}

#[test]
fn a_batch_acknowledges_by_bits() {
    let popper = Popper::new();
    for text in ["a", "b", "c"] {
        popper.parts.store("T", 0, text, b"");
    }
    let given = popper.pop(32, 5_000);
    let handle = &given[0].handle;
    let ack = BatchAck {
        consumer_group: "g".into(),
        topic: "T".into(),
        retry: "0".into(),
        start_offset: handle.start_offset,
        queue_id: 0,
        revive_queue_id: handle.revive_queue_id,
        pop_time: handle.pop_time,
        invisible_time: handle.invisible_time,
        bits: BitSet::of([0, 2]),
    };
    let send = |acks: Vec<BatchAck>| {
        let body = body::to_json(&BatchAckMessageRequestBody { broker_name: "b".into(), acks });
        let request = RemotingCommand::request_without_header(RequestCode::BATCH_ACK_MESSAGE).with_body(body);
        popper.call(&request, |request| popper.handler.batch_ack(request)).unwrap()
    };
    assert_eq!(send(vec![ack.clone()]).response_code(), ResponseCode::SUCCESS);
    assert_eq!(send(vec![]).response_code(), ResponseCode::NO_MESSAGE);
    let bad = send(vec![BatchAck { retry: "9".into(), ..ack.clone() }]);
    assert!(bad.remark.unwrap().contains("must be 0, 1 or 2"));
    let bad = send(vec![BatchAck { revive_queue_id: 77, ..ack }]);
    assert!(bad.remark.unwrap().contains("the queues 0 to 7"));
    popper.pass(6_000);
    assert_eq!(bodies(&popper.pop(32, 5_000)), ["b"]);
}

#[test]
fn retry_topics_of_both_forms_are_popped() {
    let popper = Popper::new();
    popper.parts.store("T", 0, "old", b"");
    popper.pop(32, 1_000);
    popper.pass(1_000);
    let v2 = ConfigProperties::from_iter([("enableRetryTopicV2", "true")]);
    popper.parts.settings.update(&v2).unwrap();
    let old = popper.pop(32, 9_000).remove(0);
    assert_eq!((old.body.as_str(), old.topic.as_str()), ("old", "%RETRY%g_T"));
    popper.parts.store("T", 0, "new", b"");
    popper.pop(32, 1_000);
    popper.pass(1_000);
    let new = popper.pop(32, 9_000).remove(0);
    assert_eq!((new.body.as_str(), new.topic.as_str()), ("new", "%RETRY%g+T"));
    assert_eq!((popper.ack(&new), popper.ack(&old)), (ResponseCode::SUCCESS, ResponseCode::SUCCESS));
    popper.pass(20_000);
    assert!(popper.pop(32, 1_000).is_empty());
}

#[test]
fn retries_of_the_newer_form_come_until_they_are_acknowledged_and_older_ones_are_not_lost() {
    const V1: &str = "%RETRY%g_T";
    const V2: &str = "%RETRY%g+T";
    let switch = |popper: &Popper, more: &[(&str, &str)]| {
        let all = [&[("enableRetryTopicV2", "true")], more].concat();
        popper.parts.settings.update(&ConfigProperties::from_iter(all)).unwrap();
    };
    let shown = |given: &[Given]| -> Vec<(String, String, i32)> {
        given.iter().map(|one| (one.body.clone(), one.topic.clone(), one.reconsume_times)).collect()
    };
    let is = |body: &str, topic: &str, times| vec![(body.to_owned(), topic.to_owned(), times)];
    let mut popper = Popper::new();
    popper.parts.store("T", 0, "in flight", b"");
    assert_eq!(popper.pop(32, 5_000).len(), 1);
    popper.parts.store("T", 1, "revived", b"");
    popper.pop(32, 1_000);
    popper.pass(1_000);
    assert_eq!(popper.all(V1, 0).len(), 1);

    switch(&popper, &[]);
    let revived = popper.pop(32, 60_000);
    assert_eq!(shown(&revived), is("revived", V1, 1), "what is there in the older form is delivered");
    assert_eq!(popper.ack(&revived[0]), ResponseCode::SUCCESS);
    popper.pass(4_000);
    assert_eq!(
        shown(&popper.pop(32, 1_000)),
        is("in flight", V2, 1),
        "popped before, revived after the switch"
    );
    popper.pass(1_000);
    assert_eq!(
        shown(&popper.pop(32, 1_000)),
        is("in flight", V2, 2),
        "not acknowledged: again, in the same topic"
    );
    popper = popper.kill();
    switch(&popper, &[]);
    // Its check point had got to the revive topic, which is read again.
    popper.pass(6_000);
    let last = popper.pop(32, 5_000);
    assert_eq!(shown(&last), is("in flight", V2, 3), "a kill forgets nothing");
    assert_eq!(popper.ack(&last[0]), ResponseCode::SUCCESS);
    popper.pass(20_000);
    assert!(popper.pop(32, 1_000).is_empty());
    assert_eq!(popper.all(V1, 0).len(), 1, "nothing new comes there");

    // Who waits is woken by either topic.
    for (topic, body) in [(V1, "late, older"), (V2, "late, newer")] {
        let now = eruca_message::Clock::now(&*popper.parts.clock).0;
        let waits = PopMessageRequest { poll_time: 15_000, born_time: now, ..request(32, 60_000) };
        assert_eq!(popper.pop_with(&waits), None);
        popper.parts.store(topic, 0, body, b"");
        popper.work();
        let [reply] = &popper.outbox.take()[..] else { panic!("{topic} wakes") };
        let given = popper.given(reply);
        assert_eq!(shown(&given), is(body, topic, 0));
        assert_eq!(popper.ack(&given[0]), ResponseCode::SUCCESS);
    }
    switch(&popper, &[("retrieveMessageFromPopRetryTopicV1", "false")]);
    popper.parts.store(V1, 0, "left", b"");
    assert!(popper.pop(32, 1_000).is_empty(), "an operator who knows that it is empty spares the look");
}

#[test]
fn in_order_nothing_later_is_given_while_something_earlier_is_in_flight() {
    let mut popper = Popper::new();
    for text in ["a", "b", "c"] {
        popper.parts.store("T", 0, text, b"");
    }
    let order =
        PopMessageRequest { order: true, queue_id: 0, attempt_id: Some("1".into()), ..request(2, 5_000) };
    let other = PopMessageRequest { attempt_id: Some("2".into()), ..order.clone() };
    let first = popper.given(&popper.pop_with(&order).unwrap());
    assert_eq!(bodies(&first), ["a", "b"]);
    assert!(first[0].handle.is_order());
    assert_eq!(bodies(&popper.given(&popper.pop_with(&order).unwrap())), ["a", "b"], "the same attempt");
    assert!(popper.given(&popper.pop_with(&other).unwrap()).is_empty());
    assert_eq!(popper.ack(&first[1]), ResponseCode::SUCCESS);
    popper = popper.kill();
    assert!(popper.given(&popper.pop_with(&other).unwrap()).is_empty(), "a kill changes nothing");
    let waits = PopMessageRequest { poll_time: 15_000, ..other.clone() };
    assert_eq!(popper.pop_with(&waits), None);
    popper.pass(4_000);
    assert!(popper.outbox.take().is_empty());
    popper.pass(1_000);
    popper.work();
    let [reply] = &popper.outbox.take()[..] else { panic!("told when the queue is free again") };
    let header: PopMessageResponse = reply.header().unwrap();
    let second = popper.given(reply);
    assert_eq!(bodies(&second), ["a", "b"]);
    assert_eq!(header.order_count_info.as_deref(), Some("0 qo0%0 1;0 qo0%1 1;0 0 1"));
    assert_eq!(popper.ack(&first[0]), ResponseCode::SUCCESS, "stale: nothing");
    let later = popper.change(&second[0], 60_000).unwrap();
    assert_eq!(popper.ack(&second[1]), ResponseCode::SUCCESS);
    popper.pass(30_000);
    let third = PopMessageRequest { attempt_id: Some("3".into()), ..other };
    assert!(popper.given(&popper.pop_with(&third).unwrap()).is_empty());
    assert_eq!(popper.ack(&later), ResponseCode::SUCCESS);
    assert_eq!(bodies(&popper.given(&popper.pop_with(&third).unwrap())), ["c"]);
}

#[test]
fn a_reset_sends_the_group_elsewhere() {
    let popper = Popper::new();
    for text in ["a", "b"] {
        popper.parts.store("T", 0, text, b"");
    }
    assert_eq!(popper.pop(32, 90_000).len(), 2);
    popper.parts.offsets.assign_reset("g", "T", 0, 1);
    assert_eq!(bodies(&popper.pop(32, 90_000)), ["b"]);
    assert_eq!(popper.parts.offsets.committed("g", "T", 0), Some(2));
}

#[test]
fn what_cannot_be_is_refused_with_the_reason_and_nothing_happens() {
    let popper = Popper::new();
    popper.parts.store("T", 0, "a", b"");
    let code = |header: PopMessageRequest| popper.pop_with(&header).unwrap().response_code();
    let pop = request(32, 5_000);
    assert_eq!(code(PopMessageRequest { max_msg_nums: 33, ..pop.clone() }), ResponseCode::INVALID_PARAMETER);
    assert_eq!(code(PopMessageRequest { max_msg_nums: 0, ..pop.clone() }), ResponseCode::INVALID_PARAMETER);
    assert_eq!(
        code(PopMessageRequest { invisible_time: -1, ..pop.clone() }),
        ResponseCode::INVALID_PARAMETER
    );
    assert_eq!(
        code(PopMessageRequest { invisible_time: i64::MAX, ..pop.clone() }),
        ResponseCode::INVALID_PARAMETER
    );
    assert_eq!(code(PopMessageRequest { topic: "U".into(), ..pop.clone() }), ResponseCode::TOPIC_NOT_EXIST);
    assert_eq!(code(PopMessageRequest { queue_id: 2, ..pop.clone() }), ResponseCode::INVALID_PARAMETER);
    let no_group = PopMessageRequest { consumer_group: "g g".into(), ..pop.clone() };
    assert_eq!(code(no_group), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
    let no_tags = PopMessageRequest { exp: Some("||".into()), ..pop.clone() };
    assert_eq!(code(no_tags), ResponseCode::SUBSCRIPTION_PARSE_FAILED);
    popper.parts.topics.put(TopicConfig { perm: 2, ..TopicConfig::new("W", 1) }).unwrap();
    assert_eq!(code(PopMessageRequest { topic: "W".into(), ..pop.clone() }), ResponseCode::NO_PERMISSION);
    let closed = SubscriptionGroupConfig { consume_enable: false, ..SubscriptionGroupConfig::new("h") };
    popper.parts.groups.put(closed).unwrap();
    assert_eq!(code(PopMessageRequest { consumer_group: "h".into(), ..pop }), ResponseCode::NO_PERMISSION);

    let given = popper.pop(32, 5_000).remove(0);
    let ack = AckMessageRequest {
        consumer_group: "g".into(),
        topic: "T".into(),
        queue_id: 0,
        extra_info: given.handle.to_string(),
        offset: 0,
        lite_topic: None,
    };
    let refused = |ack: AckMessageRequest| {
        let change = ChangeInvisibleTimeRequest {
            consumer_group: ack.consumer_group.clone(),
            topic: ack.topic.clone(),
            queue_id: ack.queue_id,
            extra_info: ack.extra_info.clone(),
            offset: ack.offset,
            invisible_time: 9,
            ..ChangeInvisibleTimeRequest::default()
        };
        let of_ack = RemotingCommand::request(&ack);
        let of_ack = popper.call(&of_ack, |request| popper.handler.ack(&popper.caller, request)).unwrap();
        let of_change = RemotingCommand::request(&change);
        let of_change = popper
            .call(&of_change, |request| popper.handler.change_invisible_time(&popper.caller, request))
            .unwrap();
        assert_eq!(of_ack.response_code(), of_change.response_code());
        assert_eq!(of_ack.remark, of_change.remark);
        (of_ack.response_code(), of_ack.remark.unwrap())
    };
    for (bad, code, said) in [
        (AckMessageRequest { topic: "U".into(), ..ack.clone() }, ResponseCode::TOPIC_NOT_EXIST, "not exist"),
        (
            AckMessageRequest { queue_id: 2, ..ack.clone() },
            ResponseCode::MESSAGE_ILLEGAL,
            "readQueueNums:[2]",
        ),
        (AckMessageRequest { queue_id: -1, ..ack.clone() }, ResponseCode::MESSAGE_ILLEGAL, "queueId[-1]"),
        (AckMessageRequest { offset: 9, ..ack.clone() }, ResponseCode::NO_MESSAGE, "store:0~1"),
        (AckMessageRequest { offset: -1, ..ack.clone() }, ResponseCode::NO_MESSAGE, "commit:-1"),
        (
            AckMessageRequest { extra_info: "x".into(), ..ack.clone() },
            ResponseCode::INVALID_PARAMETER,
            "has 1 parts",
        ),
        (
            AckMessageRequest { extra_info: "0 1 2 8 0 b".into(), ..ack.clone() },
            ResponseCode::INVALID_PARAMETER,
            "the revive topic has the queues 0 to 7",
        ),
        (
            AckMessageRequest { extra_info: "0 -1 2 1 0 b".into(), ..ack.clone() },
            ResponseCode::INVALID_PARAMETER,
            "popTime of the receipt handle is -1",
        ),
    ] {
        let (got, remark) = refused(bad);
        assert_eq!(got, code, "{remark}");
        assert!(remark.contains(said), "{remark}");
    }
    assert_eq!(popper.ack(&given), ResponseCode::SUCCESS, "and nothing else was disturbed");
}
