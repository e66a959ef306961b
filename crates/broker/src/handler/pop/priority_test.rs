//! Pops from queues that stand for priorities.

use eruca_config::Properties as ConfigProperties;
use eruca_protocol::{
    body::{SubscriptionGroupConfig, TopicConfig},
    request::PopMessageRequest,
};

use super::fixture::{Popper, request};
use crate::topics::MESSAGE_TYPE;

/// Eight queues, in each of which lies its number.
fn popper(factor: Option<&str>, broker: &[(&str, &str)]) -> Popper {
    let popper = Popper::new();
    let attributes = [(MESSAGE_TYPE.to_owned(), "PRIORITY".to_owned())].into();
    popper.parts.topics.put(TopicConfig { attributes, ..TopicConfig::new("T", 8) }).unwrap();
    let attributes = factor.map(|factor| ("priority.factor".to_owned(), factor.to_owned()));
    let group = SubscriptionGroupConfig {
        group_name: "g".into(),
        attributes: attributes.into_iter().collect(),
        ..Default::default()
    };
    popper.parts.groups.put(group).unwrap();
    popper.parts.settings.update(&ConfigProperties::from_iter(broker.iter().copied())).unwrap();
    for queue_id in 0..8 {
        popper.parts.store("T", queue_id, &queue_id.to_string(), b"");
    }
    popper
}

/// What eight pops of one message give out.
fn in_turn(popper: &Popper) -> String {
    (0..8).map(|_| popper.pop(1, 60_000).remove(0).body).collect()
}

#[test]
fn the_highest_priority_comes_first() {
    assert_eq!(in_turn(&popper(None, &[])), "76543210");
    assert_eq!(in_turn(&popper(Some("100"), &[])), "76543210");
    assert_eq!(in_turn(&popper(None, &[("priorityOrderAsc", "false")])), "01234567");
    let all: String = popper(None, &[]).pop(32, 60_000).into_iter().map(|given| given.body).collect();
    assert_eq!(all, "76543210", "within one pop, too");
}

#[test]
fn a_group_may_do_without() {
    let order = in_turn(&popper(Some("0"), &[]));
    assert_ne!(
        order, "76543210",
        "each pop begins at the queue behind the one where the pop before it began"
    );
    let mut all: Vec<char> = order.chars().collect();
    all.sort_unstable();
    assert_eq!(all.iter().collect::<String>(), "01234567");
}

#[test]
fn what_comes_later_with_a_higher_priority_goes_first() {
    let popper = popper(None, &[]);
    assert_eq!(popper.pop(1, 60_000)[0].body, "7");
    popper.parts.store("T", 7, "late", b"");
    assert_eq!(popper.pop(1, 60_000)[0].body, "late");
    assert_eq!(popper.pop(1, 60_000)[0].body, "6");
}

#[test]
fn a_queue_that_is_asked_for_and_order_are_not_touched() {
    let popper = popper(None, &[]);
    let of_queue = PopMessageRequest { queue_id: 3, ..request(1, 60_000) };
    assert_eq!(popper.given(&popper.pop_with(&of_queue).unwrap())[0].body, "3");
    let in_order = PopMessageRequest { order: true, ..request(1, 60_000) };
    let next = || popper.given(&popper.pop_with(&in_order).unwrap()).remove(0).body;
    let order: String = (0..7).map(|_| next()).collect();
    assert_ne!(order, "7654210", "turns go on as without priorities");
}

#[test]
fn retries_wait_until_there_is_nothing_new() {
    let popper = popper(None, &[]);
    assert_eq!(popper.pop(1, 1_000)[0].body, "7");
    popper.pass(2_000);
    let rest: String = (0..8).map(|_| popper.pop(1, 60_000).remove(0).body).collect();
    assert_eq!(rest, "65432107");
    let eager = self::popper(None, &[("popFromRetryProbabilityForPriority", "100")]);
    assert_eq!(eager.pop(1, 1_000)[0].body, "7");
    eager.pass(2_000);
    assert_eq!(eager.pop(1, 60_000)[0].body, "7", "it comes again before all others");
}
