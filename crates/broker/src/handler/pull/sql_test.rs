//! Pulls that choose by properties, and members of a group that do not ask alike.

use eruca_config::Properties as ConfigProperties;
use eruca_message::{Clock, StoredMessage};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{ConsumerData, SubscriptionData},
    request::PullMessageRequest,
};
use eruca_remoting::Reply;

use super::pull_message_test::Puller;

fn puller() -> Puller {
    let puller = Puller::new();
    enable(&puller, true);
    puller
}

fn enable(puller: &Puller, enabled: bool) {
    let text = format!("enablePropertyFilter={enabled}");
    puller.parts.settings.update(&ConfigProperties::parse(&text).unwrap()).unwrap();
}

/// Sent with an expression.
fn asking(queue_offset: i64, expression: &str) -> PullMessageRequest {
    PullMessageRequest {
        consumer_group: "g".to_owned(),
        topic: "T".to_owned(),
        queue_offset,
        max_msg_nums: 32,
        sys_flag: 4,
        suspend_timeout_millis: 15_000,
        subscription: Some(expression.to_owned()),
        expression_type: Some("SQL92".to_owned()),
        ..PullMessageRequest::default()
    }
}

fn waiting(queue_offset: i64, expression: &str) -> PullMessageRequest {
    PullMessageRequest { sys_flag: 2 | 4, ..asking(queue_offset, expression) }
}

/// Without an expression: what the heartbeat said counts.
fn registered(sub_version: i64) -> PullMessageRequest {
    PullMessageRequest {
        sys_flag: 0,
        subscription: None,
        expression_type: None,
        sub_version,
        ..asking(0, "")
    }
}

fn subscription(expression: &str, sub_version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: "T".to_owned(),
        sub_string: expression.to_owned(),
        expression_type: Some("SQL92".to_owned()),
        sub_version,
        ..SubscriptionData::default()
    }
}

fn store(puller: &Puller, count: std::ops::Range<i32>) {
    for n in count {
        puller.parts.store("T", 0, &n.to_string(), format!("TAGS\u{1}x\u{2}n\u{1}{n}\u{2}").as_bytes());
    }
}

fn bodies(reply: &RemotingCommand) -> Vec<String> {
    let messages = StoredMessage::decode_all(&reply.body).unwrap();
    messages.into_iter().map(|message| String::from_utf8(message.message.body).unwrap()).collect()
}

fn next(reply: &RemotingCommand) -> &str {
    reply.ext_fields.get("nextBeginOffset").unwrap()
}

#[test]
fn conditions_choose_messages() {
    let puller = puller();
    store(&puller, 0..20);
    let chosen = puller.pull(&asking(0, "n >= 3 AND n < 6 AND TAGS = 'x'"));
    assert_eq!((bodies(&chosen), next(&chosen)), (vec!["3".into(), "4".into(), "5".into()], "20"));
    let none = puller.pull(&asking(0, "n > 20"));
    assert_eq!((none.response_code(), next(&none)), (ResponseCode::PULL_RETRY_IMMEDIATELY, "20"));
    enable(&puller, false);
    assert_eq!(puller.code(&asking(0, "n > 20")), ResponseCode::SYSTEM_ERROR);
}

#[test]
fn wrong_and_hostile_expressions_are_answered_with_the_reason() {
    let puller = puller();
    store(&puller, 0..3);
    let deep = format!("{}n{}", "(".repeat(30_000), ")".repeat(30_000));
    let long = format!("n = '{}'", "x".repeat(70_000));
    let many = (0..200).map(|n| format!("p{n} = 1")).collect::<Vec<_>>().join(" OR ");
    for (expression, says) in [
        ("n > ", "at character 5: expected a property"),
        (&deep, "nested deeper than 100, which is the limit"),
        (&long, "has 70006 bytes, the limit is 65536"),
        (&many, "asks for more than 128 different properties, which is the limit"),
    ] {
        let reply = puller.pull(&asking(0, expression));
        assert_eq!(reply.response_code(), ResponseCode::SUBSCRIPTION_PARSE_FAILED);
        let remark = reply.remark.unwrap_or_default();
        assert!(remark.contains(says) && remark.len() < 400, "{remark}");
    }
    // Said in a heartbeat.
    puller.subscribe(subscription("n > ", 1), Default::default());
    let reply = puller.pull(&registered(1));
    assert_eq!(reply.response_code(), ResponseCode::FILTER_DATA_NOT_EXIST);
    assert!(reply.remark.unwrap_or_default().contains("at character 5: expected a property"));
    assert_eq!(bodies(&puller.pull(&asking(0, "n > 1"))), ["2"], "and nothing else is disturbed");
}

#[test]
fn a_costly_expression_reads_in_small_steps() {
    let puller = puller();
    let properties = format!("a\u{1}{}\u{2}", "y".repeat(20_000));
    for _ in 0..20 {
        puller.parts.store("T", 0, "x", properties.as_bytes());
    }
    let costly = vec!["a CONTAINS 'x'"; 3_000].join(" OR ");
    let reply = puller.pull(&asking(0, &costly));
    assert_eq!(reply.response_code(), ResponseCode::PULL_RETRY_IMMEDIATELY);
    let next: i64 = next(&reply).parse().unwrap();
    assert!((1..10).contains(&next), "{next}");
}

#[test]
fn each_member_is_given_what_it_asked_for() {
    let puller = puller();
    store(&puller, 0..6);
    let (other, _outbox) = puller.parts.connect();
    let member = |subscription: SubscriptionData| ConsumerData {
        group_name: "g".to_owned(),
        subscription_data_set: vec![subscription],
        ..ConsumerData::default()
    };
    puller.parts.consume(&puller.caller, "old", &member(subscription("n < 2", 5)));
    puller.parts.consume(&other, "new", &member(subscription("n > 3", 9)));
    let pull = |caller, header: &PullMessageRequest| {
        let request = RemotingCommand::request(header);
        match puller.handler.handle(caller, &request) {
            Ok(Reply::Now(reply)) => reply,
            Ok(other) => panic!("{other:?}"),
            Err(error) => error.into_reply(&request),
        }
    };
    assert_eq!(bodies(&pull(&puller.caller, &registered(5))), ["0", "1"]);
    assert_eq!(bodies(&pull(&other, &registered(9))), ["4", "5"]);
    // A member that changed its mind has to say so first, whatever others said.
    assert_eq!(pull(&puller.caller, &registered(6)).response_code(), ResponseCode::SUBSCRIPTION_NOT_LATEST);
    // One that is no member is given what the newest asks for.
    let (stranger, _outbox) = puller.parts.connect();
    assert_eq!(bodies(&pull(&stranger, &registered(9))), ["4", "5"]);
    assert_eq!(puller.parts.consumers.differing_groups(), 1);
}

#[test]
fn a_waiting_pull_is_answered_by_the_first_message_that_it_is_for() {
    let puller = puller();
    puller.park(&waiting(0, "n = 2 OR n = 4"), 1);
    store(&puller, 0..2);
    assert!(puller.outbox.take().is_empty());
    assert_eq!(puller.hold.len(), 1);
    store(&puller, 2..3);
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), answers[0].opaque, bodies(&answers[0])), (1, 1, vec!["2".to_owned()]));
    assert_eq!(next(&answers[0]), "3");
    assert!(puller.hold.is_empty());
}

#[test]
fn passed_over_a_pull_is_let_go_after_five_seconds_and_learns_how_far_it_was_looked() {
    let puller = puller();
    puller.park(&waiting(0, "n > 100"), 1);
    puller.parts.clock.advance_ms(1_000);
    store(&puller, 0..3);
    puller.parts.clock.advance_ms(4_999);
    store(&puller, 3..4);
    puller.hold.step(puller.parts.clock.now());
    assert!(puller.outbox.take().is_empty());
    puller.parts.clock.advance_ms(1);
    puller.hold.step(puller.parts.clock.now());
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), answers[0].response_code()), (1, ResponseCode::PULL_NOT_FOUND));
    assert_eq!(next(&answers[0]), "4");
}

#[test]
fn at_the_end_every_waiting_pull_is_answered() {
    let puller = puller();
    puller.park(&waiting(0, "n > 100"), 1);
    store(&puller, 0..1);
    puller.hold.stop();
    let answers = puller.outbox.take();
    assert_eq!((answers.len(), next(&answers[0])), (1, "1"));
}
