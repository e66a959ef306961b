//! Pops of lite topics against a real store.

use std::collections::BTreeSet;

use eruca_message::{Clock, StoredMessage};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{SubscriptionGroupConfig, TopicConfig},
    pop::{ORDER_REVIVE_QUEUE, PopTopic, ReceiptHandle},
    request::{AckMessageRequest, ChangeInvisibleTimeRequest, PopLiteMessageRequest, PopLiteMessageResponse},
};
use eruca_remoting::Reply;

use super::{fixture::Popper, lite::offset_in};
use crate::{handler::test_parts::TestParts, lite::Subscriber, topics::MESSAGE_TYPE};

/// A message as a client gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Got {
    body: String,
    lite: String,
    offset: i64,
    times: i32,
    handle: ReceiptHandle,
}

fn popper() -> Popper {
    let popper = Popper::over(TestParts::with_lite());
    let attributes = [(MESSAGE_TYPE.to_owned(), "LITE".to_owned())].into();
    popper.parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("P", 2) }).unwrap();
    for (group, topic) in [("g", "P"), ("h", "P"), ("elsewhere", "Q")] {
        let attributes = [("lite.bind.topic".to_owned(), topic.to_owned())].into();
        let config = SubscriptionGroupConfig { group_name: group.into(), attributes, ..Default::default() };
        popper.parts.groups.put(config).unwrap();
    }
    popper
}

fn send(popper: &Popper, lite: &str, body: &str) {
    let properties = format!("__LITE_TOPIC\u{1}{lite}\u{2}INNER_MULTI_DISPATCH\u{1}%LMQ%$P${lite}\u{2}");
    popper.parts.store("P", 0, body, properties.as_bytes());
}

fn subscribe(popper: &Popper, client_id: &str, group: &str, lites: &[&str]) {
    let who = Subscriber {
        client_id: client_id.into(),
        group: group.into(),
        topic: "P".into(),
        ready_max: 2,
        caller: popper.caller.clone(),
    };
    let queues: BTreeSet<String> = lites.iter().map(|lite| format!("%LMQ%$P${lite}")).collect();
    let added = popper.lite.add(&who, queues, 100, popper.parts.clock.now()).unwrap();
    let mut woken = Vec::new();
    added.iter().for_each(|queue| popper.lite.notify(queue, Some(group), &mut woken));
    woken.iter().for_each(|one| popper.hold.notify(&one.key, &one.group, -1));
}

fn request(client_id: &str, group: &str, max: i32) -> PopLiteMessageRequest {
    PopLiteMessageRequest {
        client_id: client_id.into(),
        consumer_group: group.into(),
        topic: "P".into(),
        max_msg_num: max,
        invisible_time: 10_000,
        ..PopLiteMessageRequest::default()
    }
}

fn pop_with(popper: &Popper, header: &PopLiteMessageRequest) -> Option<RemotingCommand> {
    popper.call(&RemotingCommand::request(header), |request| popper.handler.pop_lite(&popper.caller, request))
}

fn got(reply: &RemotingCommand) -> Vec<Got> {
    if reply.response_code() != ResponseCode::SUCCESS {
        assert_eq!(reply.response_code(), ResponseCode::POLLING_TIMEOUT, "{:?}", reply.remark);
        return Vec::new();
    }
    let header: PopLiteMessageResponse = reply.header().unwrap();
    assert_eq!(header.revive_qid, ORDER_REVIVE_QUEUE);
    let messages = StoredMessage::decode_all(&reply.body).unwrap();
    let times: Vec<i32> =
        header.order_count_info.unwrap().split(';').map(|times| times.parse().unwrap()).collect();
    assert_eq!(times.len(), messages.len());
    let each = messages.into_iter().zip(times).map(|(message, times)| {
        let lite = message.message.lite_topic().unwrap().to_owned();
        let properties = message.message.properties.to_bytes();
        let offset = offset_in(&format!("%LMQ%$P${lite}"), &properties).unwrap();
        assert_eq!(message.message.topic, "P");
        let handle = ReceiptHandle {
            start_offset: 0,
            pop_time: header.pop_time,
            invisible_time: header.invisible_time,
            revive_queue_id: header.revive_qid,
            topic: PopTopic::Normal,
            broker_name: "b".into(),
            queue_id: 0,
            queue_offset: offset,
        };
        Got { body: String::from_utf8(message.message.body).unwrap(), lite, offset, times, handle }
    });
    each.collect()
}

fn pop(popper: &Popper, client_id: &str, group: &str, max: i32) -> Vec<Got> {
    got(&pop_with(popper, &request(client_id, group, max)).unwrap())
}

fn bodies(got: &[Got]) -> Vec<&str> {
    got.iter().map(|one| one.body.as_str()).collect()
}

fn ack_with(popper: &Popper, got: &Got, change: impl FnOnce(&mut AckMessageRequest)) -> ResponseCode {
    let mut header = AckMessageRequest {
        consumer_group: "g".into(),
        topic: "P".into(),
        queue_id: 0,
        extra_info: got.handle.to_string(),
        offset: got.offset,
        lite_topic: Some(got.lite.clone()),
    };
    change(&mut header);
    let request = RemotingCommand::request(&header);
    popper.call(&request, |request| popper.handler.ack(&popper.caller, request)).unwrap().response_code()
}

fn ack(popper: &Popper, got: &Got) {
    assert_eq!(ack_with(popper, got, |_| ()), ResponseCode::SUCCESS);
}

#[test]
fn a_client_gets_what_it_subscribes_to_each_lite_topic_in_order() {
    let popper = popper();
    for (lite, body) in [("a", "a0"), ("b", "b0"), ("a", "a1"), ("c", "c0")] {
        send(&popper, lite, body);
    }
    assert!(pop(&popper, "one", "g", 32).is_empty(), "it subscribes to nothing");
    subscribe(&popper, "one", "g", &["a", "b"]);
    let first = pop(&popper, "one", "g", 32);
    assert_eq!(bodies(&first), ["a0", "a1", "b0"]);
    assert_eq!(
        first.iter().map(|one| one.offset).collect::<Vec<_>>(),
        [0, 1, 0],
        "offsets of the lite topics"
    );
    send(&popper, "a", "a2");
    assert!(pop(&popper, "one", "g", 32).is_empty(), "nothing later while earlier ones are in flight");
    ack(&popper, &first[0]);
    assert!(pop(&popper, "one", "g", 32).is_empty());
    ack(&popper, &first[1]);
    assert_eq!(bodies(&pop(&popper, "one", "g", 32)), ["a2"]);
    assert_eq!(popper.parts.offsets.committed("g", "%LMQ%$P$a", 0), Some(2));
    // Another group has its own progress.
    subscribe(&popper, "two", "h", &["a", "c"]);
    assert_eq!(bodies(&pop(&popper, "two", "h", 32)), ["a0", "a1", "a2", "c0"]);
}

#[test]
fn what_is_not_acknowledged_comes_again_and_is_counted() {
    let popper = popper();
    subscribe(&popper, "one", "g", &["a"]);
    send(&popper, "a", "a0");
    send(&popper, "a", "a1");
    let first = pop(&popper, "one", "g", 32);
    assert_eq!(first.iter().map(|one| one.times).collect::<Vec<_>>(), [0, 0]);
    ack(&popper, &first[0]);
    popper.pass(10_000);
    let again = pop(&popper, "one", "g", 32);
    assert_eq!((bodies(&again), again[0].times), (vec!["a1"], 1));
    assert_eq!(ack_with(&popper, &first[1], |_| ()), ResponseCode::SUCCESS, "a stale handle");
    popper.pass(10_000);
    assert_eq!(pop(&popper, "one", "g", 32)[0].times, 2, "did nothing");
}

#[test]
fn an_invisible_time_is_changed() {
    let popper = popper();
    subscribe(&popper, "one", "g", &["a"]);
    send(&popper, "a", "a0");
    let got = pop(&popper, "one", "g", 32).remove(0);
    let change = |invisible_time| {
        let header = ChangeInvisibleTimeRequest {
            consumer_group: "g".into(),
            topic: "P".into(),
            queue_id: 0,
            extra_info: got.handle.to_string(),
            offset: 0,
            invisible_time,
            lite_topic: Some("a".into()),
            suspend: false,
        };
        let request = RemotingCommand::request(&header);
        popper
            .call(&request, |request| popper.handler.change_invisible_time(&popper.caller, request))
            .unwrap()
    };
    assert_eq!(change(2_000).response_code(), ResponseCode::SUCCESS);
    popper.pass(1_000);
    assert!(pop(&popper, "one", "g", 32).is_empty());
    popper.pass(1_000);
    assert_eq!(bodies(&pop(&popper, "one", "g", 32)), ["a0"]);
    assert_eq!(change(5).response_code(), ResponseCode::NO_MESSAGE, "the handle is stale");
}

#[test]
fn a_lite_topic_is_put_off_as_a_whole_and_that_does_not_count() {
    let popper = popper();
    subscribe(&popper, "one", "g", &["a"]);
    ["a0", "a1"].iter().for_each(|body| send(&popper, "a", body));
    let mut times = Vec::new();
    for _ in 0..3 {
        let got = pop(&popper, "one", "g", 32);
        assert_eq!(bodies(&got), ["a0", "a1"]);
        times.push((got[0].times, got[1].times));
        let header = ChangeInvisibleTimeRequest {
            consumer_group: "g".into(),
            topic: "P".into(),
            queue_id: 0,
            extra_info: got[0].handle.to_string(),
            offset: 0,
            invisible_time: 2_000,
            lite_topic: Some("a".into()),
            suspend: true,
        };
        let request = RemotingCommand::request(&header);
        let change =
            |request: &RemotingCommand| popper.handler.change_invisible_time(&popper.caller, request);
        assert_eq!(popper.call(&request, change).unwrap().response_code(), ResponseCode::SUCCESS);
        popper.pass(1_999);
        assert!(pop(&popper, "one", "g", 32).is_empty());
        popper.pass(1);
    }
    assert_eq!(times, [(0, 0), (1, 1), (1, 1)], "as Java counts: only the first time");
}

#[test]
fn a_pop_waits_for_what_comes() {
    let popper = popper();
    subscribe(&popper, "one", "g", &["a"]);
    let waits = PopLiteMessageRequest {
        poll_time: 5_000,
        born_time: popper.parts.clock.now().0,
        ..request("one", "g", 8)
    };
    let sent = RemotingCommand::request(&waits);
    let opaque = sent.opaque;
    assert!(matches!(popper.handler.pop_lite(&popper.caller, &sent), Ok(Reply::Later)));
    let offset = || popper.parts.offsets.committed("g", "%LMQ%$P$a", 0);
    assert_eq!(offset(), None, "the group has no place in what was never sent to");
    send(&popper, "b", "not for it");
    popper.work();
    assert_eq!(popper.hold.len(), 1);
    send(&popper, "a", "a0");
    popper.work();
    let reply = popper.outbox.take().into_iter().find(|reply| reply.opaque == opaque).unwrap();
    assert_eq!(bodies(&got(&reply)), ["a0"]);
    assert_eq!(offset(), Some(0));
    // One that finds nothing is let go when its time is over.
    let waits = PopLiteMessageRequest { born_time: popper.parts.clock.now().0, ..waits };
    assert!(matches!(
        popper.handler.pop_lite(&popper.caller, &RemotingCommand::request(&waits)),
        Ok(Reply::Later)
    ));
    popper.pass(6_000);
    assert_eq!(popper.hold.len(), 0);
}

#[test]
fn more_than_is_kept_in_mind_is_found() {
    let popper = popper();
    let lites: Vec<String> = (0..9).map(|number| format!("l{number}")).collect();
    let names: Vec<&str> = lites.iter().map(String::as_str).collect();
    subscribe(&popper, "one", "g", &names);
    names.iter().for_each(|lite| send(&popper, lite, lite));
    let mut all = BTreeSet::new();
    for _ in 0..9 {
        let got = pop(&popper, "one", "g", 1);
        all.insert(got[0].body.clone());
        ack(&popper, &got[0]);
    }
    assert_eq!(all.len(), 9);
    assert!(pop(&popper, "one", "g", 1).is_empty());
}

#[test]
fn what_is_in_flight_survives_a_kill() {
    let popper = popper();
    subscribe(&popper, "one", "g", &["a"]);
    send(&popper, "a", "a0");
    assert_eq!(bodies(&pop(&popper, "one", "g", 8)), ["a0"]);
    let popper = popper.kill_with(TestParts::with_lite_in);
    subscribe(&popper, "one", "g", &["a"]);
    assert!(pop(&popper, "one", "g", 8).is_empty(), "it is in flight");
    popper.pass(10_000);
    let again = pop(&popper, "one", "g", 8);
    assert_eq!((bodies(&again), again[0].times), (vec!["a0"], 1));
}

#[test]
fn what_cannot_be_is_refused_by_name() {
    let popper = popper();
    let refused = |change: fn(&mut PopLiteMessageRequest)| {
        let mut header = request("one", "g", 1);
        change(&mut header);
        let reply = pop_with(&popper, &header).unwrap();
        (reply.response_code(), reply.remark.unwrap_or_default())
    };
    assert_eq!(refused(|header| header.max_msg_num = 33).0, ResponseCode::INVALID_PARAMETER);
    assert_eq!(refused(|header| header.max_msg_num = 0).0, ResponseCode::INVALID_PARAMETER);
    assert_eq!(refused(|header| header.invisible_time = -1).0, ResponseCode::INVALID_PARAMETER);
    assert_eq!(refused(|header| header.topic = "Nowhere".into()).0, ResponseCode::TOPIC_NOT_EXIST);
    let (code, remark) = refused(|header| header.topic = "T".into());
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("message.type=LITE"), "{remark}");
    let (code, remark) = refused(|header| header.consumer_group = "elsewhere".into());
    assert_eq!(code, ResponseCode::INVALID_PARAMETER);
    assert!(remark.contains("lite.bind.topic=P"), "{remark}");

    subscribe(&popper, "one", "g", &["a"]);
    send(&popper, "a", "a0");
    let got = pop(&popper, "one", "g", 1).remove(0);
    let code = |change: fn(&mut AckMessageRequest)| ack_with(&popper, &got, change);
    assert_eq!(code(|ack| ack.offset = 9), ResponseCode::NO_MESSAGE);
    assert_eq!(code(|ack| ack.offset = -1), ResponseCode::NO_MESSAGE);
    assert_eq!(code(|ack| ack.lite_topic = Some("../a".into())), ResponseCode::INVALID_PARAMETER);
    assert_eq!(code(|ack| ack.queue_id = 1), ResponseCode::INVALID_PARAMETER);
    assert_eq!(code(|ack| ack.extra_info = "0 1 2 3".into()), ResponseCode::INVALID_PARAMETER);
    assert_eq!(code(|ack| ack.consumer_group = "elsewhere".into()), ResponseCode::INVALID_PARAMETER);
    assert_eq!(code(|ack| ack.offset = 1), ResponseCode::MESSAGE_ILLEGAL, "the pop did not give it");
    ack(&popper, &got);
}
