//! Members of a group that ask for different messages.

use eruca_protocol::{
    ResponseCode,
    body::{ConsumerData, SubscriptionData},
};
use eruca_remoting::{Caller, Outbox};

use super::fixture::{Given, Popper, request};
use crate::delay::DelaySchedule;

/// Pops as a member that asks for this.
fn pop_for(popper: &Popper, kind: &str, expression: &str) -> Vec<String> {
    let mut header = request(32, 10_000);
    (header.exp_type, header.exp) = (Some(kind.to_owned()), Some(expression.to_owned()));
    let given = popper.given(&popper.pop_with(&header).unwrap());
    let mut bodies: Vec<String> = given.into_iter().map(|given| given.body).collect();
    bodies.sort_unstable();
    bodies
}

/// A member of group g that wants this of T.
fn member(expression_type: &str, sub_string: &str, code_set: Vec<i32>) -> ConsumerData {
    ConsumerData {
        group_name: "g".into(),
        subscription_data_set: vec![SubscriptionData {
            topic: "T".into(),
            sub_string: sub_string.into(),
            expression_type: Some(expression_type.into()),
            code_set: code_set.into_iter().collect(),
            ..SubscriptionData::default()
        }],
        ..ConsumerData::default()
    }
}

#[test]
fn members_that_ask_for_different_messages_each_get_theirs() {
    let popper = Popper::new();
    popper.parts.topic("T", 1);
    let by_sql = |popper: &Popper| pop_for(popper, "SQL92", "n > 5");
    let (one, _outbox) = popper.parts.connect();
    popper.parts.consume(&one, "one", &member("TAG", "a", vec![97]));
    let (other, _others) = popper.parts.connect();
    popper.parts.consume(&other, "other", &member("SQL92", "n > 5", vec![]));
    for (text, properties) in [
        ("a1", &b"TAGS\x01a\x02"[..]),
        ("n7", b"TAGS\x01x\x02n\x017\x02"),
        ("a2", b"TAGS\x01a\x02"),
        ("nobody's", b"TAGS\x01y\x02n\x011\x02"),
        ("both", b"TAGS\x01a\x02n\x019\x02"),
        ("n8", b"n\x018\x02"),
    ] {
        popper.parts.store("T", 0, text, properties);
    }
    assert_eq!(by_tag(&popper), ["a1"]);
    assert!(by_tag(&popper).is_empty(), "the next one is the other's");
    assert_eq!(by_sql(&popper), ["n7"]);
    assert_eq!(by_tag(&popper), ["a2", "both"], "what nobody wants is passed over");
    popper.pass(12_000);
    // All four come again; each to whom it came before.
    assert_eq!(by_tag(&popper), ["a1"]);
    assert_eq!(by_sql(&popper), ["n7", "n8"]);
    assert_eq!(by_tag(&popper), ["a2", "both"]);
}

/// Two members, of which the second wants numbers and is live, but does not pop by itself.
fn one_hangs(popper: &Popper) -> (Caller, Vec<Outbox>) {
    popper.parts.topic("T", 1);
    let (one, outbox) = popper.parts.connect();
    popper.parts.consume(&one, "one", &member("TAG", "a", vec![97]));
    let (other, others) = popper.parts.connect();
    popper.parts.consume(&other, "other", &member("SQL92", "n > 5", vec![]));
    popper.parts.store("T", 0, "n9", b"n\x019\x02INNER_MULTI_DISPATCH\x01%LMQ%x\x02");
    popper.parts.store("T", 0, "n10", b"n\x0110\x02");
    popper.parts.store("T", 0, "a3", b"TAGS\x01a\x02");
    popper.parts.store("T", 0, "n11", b"n\x0111\x02");
    popper.parts.store("T", 0, "a4", b"TAGS\x01a\x02");
    (other, vec![outbox, others])
}

fn by_tag(popper: &Popper) -> Vec<String> {
    pop_for(popper, "TAG", "a")
}

/// What waits for its level comes.
fn deliver(popper: &Popper) {
    let parts = &popper.parts;
    let config = parts.directory.path().join("config");
    let schedule = DelaySchedule::open(&config, parts.store.clone(), parts.clock.clone()).unwrap();
    schedule.deliver_step(eruca_message::Clock::now(&*parts.clock));
}

const RETRY: &str = "%RETRY%g_T";

#[test]
fn what_a_live_member_does_not_pop_holds_up_the_others_for_a_minute_and_is_not_lost() {
    let popper = Popper::new();
    let (_other, _outboxes) = one_hangs(&popper);
    assert!(by_tag(&popper).is_empty());
    popper.parts.clock.advance_ms(59_999);
    assert!(by_tag(&popper).is_empty());
    popper.parts.clock.advance_ms(1);
    assert_eq!(by_tag(&popper), ["a3"]);
    assert_eq!(by_tag(&popper), ["a4"], "nor is the next one waited for");
    // It comes round until the other pops.
    for minute in 1..8 {
        assert!(by_tag(&popper).is_empty(), "{minute}");
        popper.parts.clock.advance_ms(60_000);
        deliver(&popper);
    }
    assert!(popper.all(RETRY, 0).len() >= 6);
    let mut header = request(32, 10_000);
    (header.exp_type, header.exp) = (Some("SQL92".to_owned()), Some("n > 5".to_owned()));
    let given: Vec<Given> = popper.given(&popper.pop_with(&header).unwrap());
    let bodies: Vec<&str> = given.iter().map(|given| given.body.as_str()).collect();
    assert_eq!(bodies, ["n9", "n10", "n11"], "in their order");
    assert!(
        given.iter().all(|given| given.reconsume_times == 0 && given.topic == RETRY),
        "nobody failed: {given:?}"
    );
    let copies = popper.all(RETRY, 0);
    let properties = &copies.last().unwrap().message.properties;
    assert_eq!((properties.get("HANDED_OVER"), properties.get("ORIGIN_GROUP")), (Some("true"), Some("g")));
    assert!(copies.iter().all(|copy| copy.message.properties.get("INNER_MULTI_DISPATCH").is_none()));
    for given in &given {
        assert_eq!(popper.ack(given), ResponseCode::SUCCESS);
    }
    // It is there again: what is its own is left to it.
    popper.parts.store("T", 0, "n12", b"n\x0112\x02");
    popper.parts.store("T", 0, "a5", b"TAGS\x01a\x02");
    while !by_tag(&popper).is_empty() {}
    assert_eq!(pop_for(&popper, "SQL92", "n > 5"), ["n12"]);
}

#[test]
fn what_was_handed_over_to_a_member_that_has_gone_is_passed_over() {
    let popper = Popper::new();
    let (other, _outboxes) = one_hangs(&popper);
    assert!(by_tag(&popper).is_empty());
    popper.parts.clock.advance_ms(60_000);
    assert_eq!(by_tag(&popper), ["a3"]);
    popper.parts.consumers.disconnected(other.id());
    assert_eq!(by_tag(&popper), ["a4"]);
    popper.parts.clock.advance_ms(60_000);
    deliver(&popper);
    assert_eq!(popper.all(RETRY, 0).len(), 2, "both are there");
    popper.parts.store(RETRY, 0, "failed", b"TAGS\x01z\x02");
    let mut popped = by_tag(&popper);
    popped.extend(by_tag(&popper));
    assert_eq!(popped, ["failed"], "what failed before is tried again whoever wants it");
}

#[test]
fn what_is_popped_in_order_waits_for_a_live_member_without_end() {
    let popper = Popper::new();
    let (other, _outboxes) = one_hangs(&popper);
    let in_order = || {
        let mut header = request(32, 10_000);
        (header.order, header.exp) = (true, Some("a".to_owned()));
        popper
            .given(&popper.pop_with(&header).unwrap())
            .into_iter()
            .map(|given| given.body)
            .collect::<Vec<_>>()
    };
    for _ in 0..3 {
        assert!(in_order().is_empty());
        popper.parts.clock.advance_ms(61_000);
    }
    popper.parts.consumers.disconnected(other.id());
    assert_eq!(in_order(), ["a3", "a4"], "nobody else is there");
}
