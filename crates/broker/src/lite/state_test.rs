//! Subscriptions to lite topics, without a store.

use proptest::prelude::*;

use super::*;

fn caller() -> Caller {
    Caller::detached(([10, 0, 0, 1], 4000).into(), ([10, 0, 0, 2], 10911).into()).0
}

fn who(client_id: &str, group: &str) -> Subscriber {
    Subscriber {
        client_id: client_id.into(),
        group: group.into(),
        topic: "P".into(),
        ready_max: 2,
        caller: caller(),
    }
}

fn queue(lite: &str) -> String {
    format!("%LMQ%$P${lite}")
}

fn notified(state: &mut LiteState, lite: &str, group: Option<&str>) -> Vec<String> {
    let mut woken = Vec::new();
    state.notify(&queue(lite), group, &mut woken);
    woken.iter().map(|one| one.key.to_string()).collect()
}

const NOW: Timestamp = Timestamp(1_000);

#[test]
fn all_who_subscribe_are_told_and_each_looks_once() {
    let mut state = LiteState::default();
    assert_eq!(state.add(&who("a", "g"), [queue("x"), queue("y")], 10, NOW).unwrap().len(), 2);
    assert_eq!(state.add(&who("b", "g"), [queue("x")], 10, NOW).unwrap().len(), 1);
    assert_eq!(state.add(&who("c", "h"), [queue("x")], 10, NOW).unwrap().len(), 1);
    assert!(state.add(&who("a", "g"), [queue("x")], 10, NOW).unwrap().is_empty(), "known");
    assert_eq!(state.subscriptions(), 4);
    assert_eq!(notified(&mut state, "x", None), ["lite-client:a", "lite-client:b", "lite-client:c"]);
    assert_eq!(notified(&mut state, "x", Some("h")), ["lite-client:c"]);
    assert_eq!(notified(&mut state, "z", None), Vec::<String>::new());
    assert_eq!(state.take("a", "other", NOW), None, "not its group");
    assert_eq!(state.take("a", "g", NOW), Some(Found::Queue(queue("x").as_str().into())));
    assert_eq!(state.take("a", "g", NOW), None);
    assert!(state.has_ready("c") && !state.has_ready("a"));
    assert_eq!(state.client("a").unwrap().popped, Some(NOW));
}

#[test]
fn what_is_too_much_to_keep_is_looked_for_in_everything() {
    let mut state = LiteState::default();
    state.add(&who("a", "g"), ["x", "y", "z"].map(queue), 10, NOW).unwrap();
    ["x", "y", "z"].iter().for_each(|lite| drop(notified(&mut state, lite, None)));
    let queue_of = |lite: &str| Some(Found::Queue(queue(lite).as_str().into()));
    assert_eq!((state.take("a", "g", NOW), state.take("a", "g", NOW)), (queue_of("x"), queue_of("y")));
    let Some(Found::Queues(all)) = state.take("a", "g", NOW) else { panic!() };
    assert_eq!(all.len(), 3);
    assert_eq!(state.take("a", "g", NOW), None);
}

#[test]
fn a_group_that_wants_everything_shares_one_note() {
    let mut state = LiteState::default();
    assert!(state.add_wildcard(&who("a", "w"), 10, NOW).unwrap().is_some());
    assert!(state.add_wildcard(&who("a", "w"), 10, NOW).unwrap().is_none());
    state.add_wildcard(&who("b", "w"), 10, NOW).unwrap();
    assert_eq!(state.take("b", "w", NOW), Some(Found::AllOf("P".into())), "what was there before");
    assert_eq!(state.take("a", "w", NOW), None);
    assert_eq!(notified(&mut state, "new", None), ["lite-group:w"]);
    assert!(state.has_ready("a") && state.has_ready("b"));
    assert_eq!(state.take("a", "w", NOW), Some(Found::Queue(queue("new").as_str().into())));
    assert!(!state.has_ready("b"));
    assert_eq!(state.subscribers(&queue("new")), [("w".into(), "*".into())]);
    assert_eq!(state.remove_client("a").as_deref(), Some("w"));
    state.remove_client("b");
    assert_eq!((state.subscriptions(), state.len()), (0, 0));
    assert_eq!(notified(&mut state, "new", None), Vec::<String>::new());
}

#[test]
fn there_is_a_limit_and_nothing_is_changed_above_it() {
    let mut state = LiteState::default();
    state.add(&who("a", "g"), [queue("x")], 2, NOW).unwrap();
    assert_eq!(state.add(&who("a", "g"), [queue("y"), queue("z")], 2, NOW), Err(QuotaExceeded { limit: 2 }));
    assert_eq!(state.client("a").unwrap().queues.len(), 1);
    // What goes makes room for what comes.
    assert_eq!(
        state.replace(&who("a", "g"), BTreeSet::from([queue("y"), queue("z")]), 2, NOW).unwrap().len(),
        2
    );
    assert!(state.add(&who("b", "g"), [queue("y")], 2, NOW).is_err());
    assert!(state.add_wildcard(&who("c", "w"), 1, NOW).is_err());
}

#[test]
fn the_last_one_has_it_alone_and_who_is_silent_goes() {
    let mut state = LiteState::default();
    state.add(&who("a", "g"), [queue("x")], 10, NOW).unwrap();
    state.add(&who("b", "g"), [queue("x")], 10, NOW.add_ms(50)).unwrap();
    state.add(&who("c", "h"), [queue("x")], 10, NOW.add_ms(50)).unwrap();
    let told: Vec<_> = state.exclude_others("b", "g", &queue("x")).into_iter().map(|(id, _)| id).collect();
    assert_eq!(told, ["a".into()]);
    assert_eq!(notified(&mut state, "x", None), ["lite-client:b", "lite-client:c"]);
    assert_eq!(state.silent(40, NOW.add_ms(60)), ["a".into()]);
    state.forget_queue(&queue("x"));
    assert_eq!(state.subscriptions(), 0);
    assert!(!state.has_ready("b"), "a deleted queue is nothing to look at");
}

proptest! {
    /// A model: the set of subscriptions. Whatever happens, the counts are right and exactly the subscribers are told.
    #[test]
    fn the_books_are_right(steps in proptest::collection::vec((0..6u8, 0..3usize, 0..4usize), 0..60)) {
        let (clients, lites) = (["a", "b", "c"], ["w", "x", "y", "z"]);
        let mut state = LiteState::default();
        let mut model: BTreeSet<(usize, usize)> = BTreeSet::new();
        for (what, client, lite) in steps {
            let name = queue(lites[lite]);
            match what {
                0 | 1 => {
                    let _ = state.add(&who(clients[client], "g"), [name], 100, NOW);
                    model.insert((client, lite));
                }
                2 => {
                    state.unsubscribe(clients[client], &name);
                    model.remove(&(client, lite));
                }
                3 => {
                    let _ = state.replace(&who(clients[client], "g"), BTreeSet::from([name]), 100, NOW);
                    model.retain(|(of, _)| *of != client);
                    model.insert((client, lite));
                }
                4 => {
                    state.remove_client(clients[client]);
                    model.retain(|(of, _)| *of != client);
                }
                _ => {
                    state.forget_queue(&name);
                    model.retain(|(_, of)| *of != lite);
                }
            }
            prop_assert_eq!(state.subscriptions(), model.len());
            for (at, lite) in lites.iter().enumerate() {
                let told = notified(&mut state, lite, None);
                let expected: Vec<String> = model
                    .iter()
                    .filter(|(_, of)| *of == at)
                    .map(|(client, _)| format!("lite-client:{}", clients[*client]))
                    .collect();
                prop_assert_eq!(told, expected);
            }
        }
    }
}
