use eruca_protocol::{Language, body::SubscriptionData};
use proptest::prelude::*;

use super::*;

fn caller() -> Caller {
    Caller::detached(([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 10911).into()).0
}

fn client(id: &str) -> ClientInfo {
    ClientInfo { client_id: id.into(), language: Language::Java, version: 513 }
}

fn data(group: &str, topics: &[(&str, i64)]) -> ConsumerData {
    let subscription = |(topic, sub_version): &(&str, i64)| SubscriptionData {
        topic: (*topic).to_owned(),
        sub_version: *sub_version,
        ..SubscriptionData::default()
    };
    ConsumerData {
        group_name: group.to_owned(),
        subscription_data_set: topics.iter().map(subscription).collect(),
        ..ConsumerData::default()
    }
}

fn beat(table: &ConsumerTable, caller: &Caller, id: &str, consumer: &ConsumerData, now: i64) -> bool {
    let heartbeat = Heartbeat { consumer, fingerprint: 0, is_without_sub: false };
    table.heartbeat(caller, &client(id), &heartbeat, Timestamp(now)).unwrap().group
}

#[test]
fn only_new_members_and_topics_change_a_group() {
    let table = ConsumerTable::default();
    let (a, b) = (caller(), caller());
    assert!(beat(&table, &a, "a", &data("g", &[("T", 1)]), 0));
    assert!(!beat(&table, &a, "a", &data("g", &[("T", 2)]), 0), "a newer version of the same topic");
    assert_eq!(table.subscription("g", "T").unwrap().data.sub_version, 2);
    assert!(!beat(&table, &a, "a", &data("g", &[("T", 1)]), 0), "an older version is not taken");
    assert_eq!(table.subscription("g", "T").unwrap().data.sub_version, 2);
    assert!(beat(&table, &b, "b", &data("g", &[("T", 2)]), 0), "a new member");
    assert!(beat(&table, &a, "a", &data("g", &[("T", 2), ("U", 1)]), 0), "a new topic");
    assert!(!beat(&table, &a, "a", &data("g", &[("U", 1)]), 0), "the other one still asks for it");
    assert!(table.subscription("g", "T").is_some());
    assert!(beat(&table, &b, "b", &data("g", &[("U", 1)]), 0), "a topic left");
    assert!(table.subscription("g", "T").is_none());
    assert_eq!(table.client_ids("g"), ["a", "b"]);
    assert_eq!(table.groups_of_topic("U"), ["g"]);
}

#[test]
fn a_group_goes_with_its_last_member() {
    let table = ConsumerTable::default();
    let (a, b) = (caller(), caller());
    beat(&table, &a, "a", &data("g", &[("T", 1)]), 0);
    beat(&table, &a, "a", &data("h", &[("T", 1)]), 0);
    beat(&table, &b, "b", &data("g", &[("T", 1)]), 0);
    assert!(table.unregister("h", a.id()));
    assert!(!table.unregister("h", a.id()));
    assert!(!table.contains("h"));
    assert_eq!(table.disconnected(a.id()), ["g"]);
    assert_eq!(table.client_ids("g"), ["b"]);
    assert_eq!(table.disconnected(b.id()), ["g"]);
    assert!(!table.contains("g"));
    assert!(table.read().groups_of.is_empty() && table.read().members == 0);
}

#[test]
fn silent_members_expire_and_are_disconnected() {
    let table = ConsumerTable::default();
    let (a, a_outbox) = Caller::detached(([127, 0, 0, 1], 4000).into(), ([127, 0, 0, 1], 10911).into());
    let b = caller();
    beat(&table, &a, "a", &data("g", &[("T", 1)]), 0);
    beat(&table, &b, "b", &data("g", &[("T", 1)]), 100);
    assert!(table.expire_step(Timestamp(120), 120).is_empty());
    assert_eq!(table.expire_step(Timestamp(121), 120), ["g"]);
    assert_eq!(table.client_ids("g"), ["b"]);
    assert!(a_outbox.is_close_requested());
}

#[test]
fn a_client_that_leaves_out_unknown_subscriptions_is_asked_for_them() {
    let table = ConsumerTable::default();
    let (a, b) = (caller(), caller());
    let consumer = data("g", &[("T", 1)]);
    let bare = data("g", &[]);
    let beat = |caller: &Caller, fingerprint: i32, consumer: &ConsumerData, is_without_sub: bool| {
        let heartbeat = Heartbeat { consumer, fingerprint, is_without_sub };
        table.heartbeat(caller, &client("x"), &heartbeat, Timestamp(0)).unwrap().needs_subscriptions
    };
    assert!(beat(&a, 7, &bare, true), "as after a restart of the broker");
    assert!(!beat(&a, 7, &consumer, false));
    assert!(!beat(&a, 7, &bare, true));
    assert!(!beat(&b, 8, &data("g", &[("U", 1)]), false), "another member brought others");
    assert!(!beat(&a, 7, &bare, true));
    assert!(beat(&b, 7, &bare, true), "they are not its own");
    assert!(table.subscription("g", "T").is_some() && table.subscription("g", "U").is_some());
}

fn asking(topic: &str, expression: &str, sub_version: i64) -> SubscriptionData {
    SubscriptionData {
        topic: topic.to_owned(),
        sub_string: expression.to_owned(),
        sub_version,
        expression_type: Some("SQL92".to_owned()),
        ..SubscriptionData::default()
    }
}

fn group_of(subscriptions: &[SubscriptionData]) -> ConsumerData {
    ConsumerData { subscription_data_set: subscriptions.to_vec(), ..data("g", &[]) }
}

#[test]
fn each_member_has_what_it_asks_for_itself() {
    let table = ConsumerTable::default();
    let (a, b, stranger) = (caller(), caller(), caller());
    beat(&table, &a, "a", &group_of(&[asking("T", "x > 1", 10)]), 0);
    assert_eq!(table.differing_groups(), 0);
    beat(&table, &b, "b", &group_of(&[asking("T", "x > 2", 20)]), 0);
    assert_eq!(table.differing_groups(), 1);
    let of = |caller: &Caller| table.subscription_of("g", "T", caller.id()).unwrap().data.sub_string.clone();
    assert_eq!((of(&a), of(&b), of(&stranger)), ("x > 1".into(), "x > 2".into(), "x > 2".into()));
    assert_eq!(table.expressions().len(), 1);
    // The older of two versions is all that is left.
    table.unregister("g", b.id());
    assert_eq!((of(&stranger), table.differing_groups()), ("x > 1".into(), 0));
    // Another topic that only one of them asks for.
    beat(&table, &b, "b", &group_of(&[asking("T", "x > 1", 30), asking("U", "x > 1", 30)]), 0);
    assert_eq!(table.differing_groups(), 1);
    assert_eq!(table.subscription_of("g", "U", a.id()).unwrap().data.sub_string, "x > 1");
    beat(&table, &b, "b", &group_of(&[asking("T", "x > 1", 30)]), 0);
    assert_eq!(table.differing_groups(), 0);
    // Members that each get all messages may ask for what they like.
    let broadcasting =
        ConsumerData { message_model: MessageModel::Broadcasting, ..group_of(&[asking("T", "y", 40)]) };
    beat(&table, &b, "b", &broadcasting, 0);
    assert_eq!(table.differing_groups(), 0);
}

#[test]
fn groups_whose_clients_call_themselves_the_same_are_counted() {
    let table = ConsumerTable::default();
    let (a, b, c) = (caller(), caller(), caller());
    let group = data("g", &[("T", 1)]);
    for (caller, id, now) in [(&a, "same", 0), (&b, "same", 10), (&c, "other", 10), (&b, "same", 30_000)] {
        beat(&table, caller, id, &group, now);
        assert_eq!(table.groups_with_twins(), 0);
    }
    beat(&table, &a, "same", &group, 30_010);
    assert_eq!(table.groups_with_twins(), 1);
    beat(&table, &b, "own", &group, 30_020);
    assert_eq!(table.groups_with_twins(), 0, "one of them has another id now");
    beat(&table, &b, "same", &group, 30_030);
    beat(&table, &a, "same", &group, 30_040);
    assert_eq!(table.groups_with_twins(), 1);
    table.disconnected(a.id());
    assert_eq!(table.groups_with_twins(), 0);
    let broadcasting = ConsumerData { message_model: MessageModel::Broadcasting, ..group };
    for (caller, now) in [(&a, 40_000), (&b, 40_010), (&a, 40_020), (&b, 40_030)] {
        beat(&table, caller, "same", &broadcasting, now);
    }
    assert_eq!(table.groups_with_twins(), 0, "each of them gets all messages");
    [&a, &b, &c].into_iter().for_each(|caller| drop(table.disconnected(caller.id())));
    assert!(table.read().groups.is_empty());
}

#[test]
fn a_wrong_expression_is_kept_with_what_is_wrong() {
    let table = ConsumerTable::default();
    let a = caller();
    beat(&table, &a, "a", &group_of(&[asking("T", "x >", 1)]), 0);
    assert!(table.subscription("g", "T").unwrap().filter.is_err());
    assert!(table.expressions().is_empty());
    beat(&table, &a, "a", &group_of(&[asking("T", "x > 1", 1)]), 0);
    assert!(table.subscription("g", "T").unwrap().filter.is_ok(), "also without a newer version");
}

#[derive(Debug, Clone)]
enum Event {
    Beat { caller: usize, group: u8, topics: Vec<u8>, version: i64 },
    Unregister { caller: usize, group: u8 },
    Disconnect { caller: usize },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        3 => (0..4usize, 0..3u8, proptest::collection::vec(0..4u8, 0..3), 1..5i64)
            .prop_map(|(caller, group, topics, version)| Event::Beat { caller, group, topics, version }),
        1 => (0..4usize, 0..3u8).prop_map(|(caller, group)| Event::Unregister { caller, group }),
        1 => (0..4usize).prop_map(|caller| Event::Disconnect { caller }),
    ];
    proptest::collection::vec(event, 0..40)
}

/// What a group asks for is what its members ask for, and the newest of it.
fn check_topics(table: &ConsumerTable) -> Result<(), TestCaseError> {
    let inner = table.read();
    for group in inner.groups.values() {
        let mut newest = BTreeMap::new();
        for member in group.members() {
            for topic in (0..4).map(|topic| format!("t{topic}")) {
                if let Some(asked) = group.subscription_of(member.caller.id(), &topic) {
                    let version = newest.entry(topic).or_insert(0);
                    *version = asked.data.sub_version.max(*version);
                }
            }
        }
        let known: BTreeMap<String, i64> =
            group.subscriptions().map(|known| (known.data.topic.clone(), known.data.sub_version)).collect();
        prop_assert_eq!(known, newest);
    }
    Ok(())
}

proptest! {
    #[test]
    fn members_are_as_in_a_plain_set(events in events()) {
        let table = ConsumerTable::default();
        let callers: Vec<Caller> = (0..4).map(|_| caller()).collect();
        let mut model = std::collections::BTreeSet::new();
        for event in events {
            match event {
                Event::Beat { caller, group, topics, version } => {
                    let names: Vec<String> = topics.iter().map(|topic| format!("t{topic}")).collect();
                    let topics: Vec<(&str, i64)> = names.iter().map(|name| (name.as_str(), version)).collect();
                    beat(&table, &callers[caller], &format!("c{caller}"), &data(&format!("g{group}"), &topics), 0);
                    model.insert((group, caller));
                }
                Event::Unregister { caller, group } => {
                    let was = table.unregister(&format!("g{group}"), callers[caller].id());
                    prop_assert_eq!(was, model.remove(&(group, caller)));
                }
                Event::Disconnect { caller } => {
                    let groups = table.disconnected(callers[caller].id()).len();
                    let before = model.len();
                    model.retain(|(_, other)| *other != caller);
                    prop_assert_eq!(groups, before - model.len());
                }
            }
            check_topics(&table)?;
            for group in 0..3u8 {
                let expected: Vec<String> =
                    model.iter().filter(|(g, _)| *g == group).map(|(_, caller)| format!("c{caller}")).collect();
                prop_assert_eq!(table.client_ids(&format!("g{group}")), expected);
            }
            prop_assert_eq!(table.read().members, model.len());
            prop_assert!(table.read().groups_of.values().all(|groups| !groups.is_empty()));
        }
    }
}
