//! Members of a group that ask for different messages.

use eruca_protocol::body::{ConsumerData, SubscriptionData};

use super::fixture::{Popper, request};

/// Pops as a member that asks for this.
fn pop_for(popper: &Popper, kind: &str, expression: &str) -> Vec<String> {
    let mut header = request(32, 10_000);
    (header.exp_type, header.exp) = (Some(kind.to_owned()), Some(expression.to_owned()));
    let given = popper.given(&popper.pop_with(&header).unwrap());
    let mut bodies: Vec<String> = given.into_iter().map(|given| given.body).collect();
    bodies.sort_unstable();
    bodies
}

#[test]
fn members_that_ask_for_different_messages_each_get_theirs() {
    let popper = Popper::new();
    popper.parts.topic("T", 1);
    let by_tag = |popper: &Popper| pop_for(popper, "TAG", "a");
    let by_sql = |popper: &Popper| pop_for(popper, "SQL92", "n > 5");
    let member = |expression_type: &str, sub_string: &str, code_set: Vec<i32>| ConsumerData {
        group_name: "g".into(),
        subscription_data_set: vec![SubscriptionData {
            topic: "T".into(),
            sub_string: sub_string.into(),
            expression_type: Some(expression_type.into()),
            code_set: code_set.into_iter().collect(),
            ..SubscriptionData::default()
        }],
        ..ConsumerData::default()
    };
    let (one, _outbox) = popper.parts.connect();
    popper.parts.consume(&one, "one", &member("TAG", "a", vec![97]));
    let (other, _outbox) = popper.parts.connect();
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
    // A member that does not pop holds up the others for a minute only.
    popper.parts.store("T", 0, "n9", b"n\x019\x02");
    popper.parts.store("T", 0, "a3", b"TAGS\x01a\x02");
    assert!(by_tag(&popper).is_empty());
    popper.parts.clock.advance_ms(60_000);
    assert_eq!(by_tag(&popper), ["a3"]);
    popper.parts.consumers.disconnected(other.id());
    popper.parts.store("T", 0, "n10", b"n\x0110\x02");
    popper.parts.store("T", 0, "a4", b"TAGS\x01a\x02");
    assert_eq!(by_tag(&popper), ["a4"], "nobody else is there");
}
