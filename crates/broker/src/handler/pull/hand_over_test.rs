//! Members of a group that want different messages: what one passes over the others get.

use eruca_message::StoredMessage;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{ConsumerData, SubscriptionData},
    request::PullMessageRequest,
};
use eruca_remoting::{Caller, Outbox, Reply};

use super::pull_message_test::Puller;
use crate::{delay::DelaySchedule, filter::parse_subscription, handler::test_parts::BROKER};

const RETRY: &str = "%RETRY%g";

/// A member of group g that wants some tags of T, as clients in clustering mode subscribe.
struct Member {
    caller: Caller,
    _outbox: Outbox,
}

/// `number` is its own.
fn member(puller: &Puller, number: u8, tags: &str) -> Member {
    let (caller, outbox) = Caller::detached(([10, 0, 0, number], 4000).into(), BROKER.parse().unwrap());
    let subscriptions: Vec<SubscriptionData> = [("T", tags), (RETRY, "*")]
        .map(|(topic, expression)| parse_subscription(topic, expression).unwrap())
        .into();
    let consumer = ConsumerData {
        group_name: "g".to_owned(),
        subscription_data_set: subscriptions,
        ..ConsumerData::default()
    };
    puller.parts.consume(&caller, &number.to_string(), &consumer);
    Member { caller, _outbox: outbox }
}

/// Bodies and the offset to go on at.
fn pull(puller: &Puller, member: &Member, topic: &str, queue_id: i32, offset: i64) -> (Vec<String>, i64) {
    let header = PullMessageRequest {
        consumer_group: "g".to_owned(),
        topic: topic.to_owned(),
        queue_id,
        queue_offset: offset,
        max_msg_nums: 32,
        ..PullMessageRequest::default()
    };
    let request = RemotingCommand::request(&header);
    let reply = match puller.handler.handle(&member.caller, &request) {
        Ok(Reply::Now(reply) | Reply::AfterSettle(reply)) => reply,
        Ok(other) => panic!("{other:?}"),
        Err(error) => panic!("{error:?}"),
    };
    let next = reply.ext_fields.get("nextBeginOffset").unwrap().parse().unwrap();
    let messages = StoredMessage::decode_all(&reply.body).unwrap();
    let body = |message: StoredMessage| String::from_utf8(message.message.body).unwrap();
    (messages.into_iter().map(body).collect(), next)
}

fn store_all(puller: &Puller) {
    for (body, tag) in [("a1", "a"), ("b1", "b"), ("c1", "c"), ("a2", "a"), ("b2", "b")] {
        puller.parts.store("T", 0, body, format!("TAGS\u{1}{tag}\u{2}").as_bytes());
    }
}

#[test]
fn what_one_member_passes_over_another_gets() {
    let puller = Puller::new();
    let (a, b) = (member(&puller, 1, "a"), member(&puller, 2, "a || b"));
    store_all(&puller);
    // They have a queue of the retry topic each, which is known by their pulls.
    puller.parts.topic(RETRY, 2);
    assert_eq!(pull(&puller, &a, RETRY, 0, 0), (vec![], 0));
    assert_eq!(pull(&puller, &b, RETRY, 1, 0), (vec![], 0));
    assert_eq!(pull(&puller, &a, "T", 0, 0), (vec!["a1".to_owned(), "a2".to_owned()], 5));
    assert_eq!(pull(&puller, &b, RETRY, 1, 0), (vec!["b1".to_owned(), "b2".to_owned()], 2));
    assert_eq!(pull(&puller, &a, RETRY, 0, 0), (vec![], 0), "nothing came here");
    let [first, _] = &puller.parts.read(RETRY, 1)[..] else { panic!("two messages") };
    for (name, value) in [("RETRY_TOPIC", "T"), ("TAGS", "b"), ("DELAY", "0"), ("HANDED_OVER", "true")] {
        assert_eq!(first.message.properties.get(name), Some(value), "{name}");
    }
    assert_eq!(first.reconsume_times, 0, "nobody failed to consume it");
}

#[test]
fn what_was_sent_back_is_for_who_wants_it_too() {
    let puller = Puller::new();
    let (a, b) = (member(&puller, 1, "a"), member(&puller, 2, "b"));
    puller.parts.topic(RETRY, 2);
    pull(&puller, &b, RETRY, 1, 0);
    for (body, properties) in [
        ("for a", "RETRY_TOPIC\u{1}T\u{2}TAGS\u{1}a\u{2}"),
        ("for b", "RETRY_TOPIC\u{1}T\u{2}TAGS\u{1}b\u{2}"),
        ("for nobody", "RETRY_TOPIC\u{1}T\u{2}TAGS\u{1}c\u{2}"),
        ("of another topic", "RETRY_TOPIC\u{1}U\u{2}TAGS\u{1}b\u{2}"),
    ] {
        puller.parts.store(RETRY, 0, body, properties.as_bytes());
    }
    let of_a = ["for a", "for nobody", "of another topic"].map(str::to_owned).to_vec();
    assert_eq!(pull(&puller, &a, RETRY, 0, 0), (of_a, 4));
    assert_eq!(pull(&puller, &b, RETRY, 1, 0), (vec!["for b".to_owned()], 1));
}

#[test]
fn until_a_member_that_wants_it_is_known_it_waits() {
    let puller = Puller::new();
    let parts = &puller.parts;
    let (a, _b) = (member(&puller, 1, "a"), member(&puller, 2, "b"));
    store_all(&puller);
    assert_eq!(pull(&puller, &a, "T", 0, 0).0, ["a1", "a2"]);
    assert_eq!(parts.topics.get(RETRY).unwrap().read_queue_nums, 2, "one for each member");
    let config = parts.directory.path().join("config");
    let schedule = DelaySchedule::open(&config, parts.store.clone(), parts.clock.clone()).unwrap();
    schedule.deliver_step(eruca_message::Timestamp(1_009_000));
    assert!(parts.read(RETRY, 0).is_empty() && parts.read(RETRY, 1).is_empty());
    schedule.deliver_step(eruca_message::Timestamp(1_011_000));
    assert_eq!(parts.read(RETRY, 0).len() + parts.read(RETRY, 1).len(), 2);
    // Wherever it is: who does not want it hands it on.
    let b = member(&puller, 3, "b");
    let seen: Vec<String> = [0, 1].iter().flat_map(|queue| pull(&puller, &a, RETRY, *queue, 0).0).collect();
    assert_eq!(seen, Vec::<String>::new());
    drop(b);
}

#[test]
fn members_that_agree_and_such_without_retries_hand_nothing_over() {
    let puller = Puller::new();
    let a = member(&puller, 1, "a");
    member(&puller, 2, "a");
    store_all(&puller);
    assert_eq!(pull(&puller, &a, "T", 0, 0).0, ["a1", "a2"]);
    assert_eq!(puller.parts.topics.get(RETRY), None);
    member(&puller, 3, "b");
    let mut group = (*puller.parts.groups.get_or_create("g").unwrap()).clone();
    group.retry_queue_nums = 0;
    puller.parts.groups.put(group).unwrap();
    assert_eq!(pull(&puller, &a, "T", 0, 0).0, ["a1", "a2"]);
    assert_eq!(puller.parts.topics.get(RETRY), None);
}

#[test]
fn what_cannot_be_handed_over_is_not_passed_over() {
    let puller = Puller::new();
    let (a, _b) = (member(&puller, 1, "a"), member(&puller, 2, "b"));
    store_all(&puller);
    let mut config = (*puller.parts.topics.ensure_retry("g")).clone();
    config.perm = 4;
    puller.parts.topics.put(config).unwrap();
    let header = PullMessageRequest {
        consumer_group: "g".to_owned(),
        topic: "T".to_owned(),
        max_msg_nums: 32,
        ..PullMessageRequest::default()
    };
    let request = RemotingCommand::request(&header);
    let Ok(Reply::Now(reply)) = puller.handler.handle(&a.caller, &request) else { panic!("an answer") };
    assert_eq!(reply.response_code(), ResponseCode::NO_PERMISSION);
    let remark = reply.remark.unwrap();
    assert!(remark.contains("%RETRY%g") && remark.contains("subscribe alike"), "{remark}");
}

#[test]
fn what_was_handed_over_to_a_member_that_has_gone_is_for_nobody_but_a_failed_message_is() {
    let puller = Puller::new();
    let (a, b) = (member(&puller, 1, "a"), member(&puller, 2, "b"));
    puller.parts.topic(RETRY, 2);
    pull(&puller, &b, RETRY, 1, 0);
    store_all(&puller);
    assert_eq!(pull(&puller, &a, "T", 0, 0).0, ["a1", "a2"]);
    puller.parts.store(RETRY, 1, "failed", b"RETRY_TOPIC\x01T\x02TAGS\x01b\x02");
    puller.parts.consumers.disconnected(b.caller.id());
    assert_eq!(pull(&puller, &a, RETRY, 1, 0), (vec!["failed".to_owned()], 3), "as with a Java broker");
    let c = member(&puller, 3, "b");
    assert_eq!(pull(&puller, &c, RETRY, 1, 0).0, ["b1", "b2", "failed"]);
}
