//! Random commands against the promises that brokers rely on.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Candidate, Command, Group, Liveness, Replicas};

fn liveness() -> impl Strategy<Value = Liveness> {
    let candidate = (0..3_i32, 0..50_i64, 0..3_i32).prop_map(|(epoch, max_offset, priority)| Candidate {
        epoch,
        max_offset,
        priority,
    });
    let gone = prop::collection::btree_set(1..6_i64, 0..3);
    (prop::collection::btree_map(1..6_i64, candidate, 0..5), any::<bool>(), gone)
        .prop_map(|(alive, is_settling, gone)| Liveness { alive, is_settling, gone })
}

fn command() -> impl Strategy<Value = Command> {
    let name = || prop::sample::select(vec!["a".to_owned(), "b".to_owned()]);
    let ids = || prop::collection::btree_set(1..6_i64, 0..4);
    prop_oneof![
        (name(), 1..6_i64, 0..6_i32, ids(), 0..8_i32, liveness()).prop_map(
            |(broker_name, master_broker_id, master_epoch, ids, sync_state_set_epoch, liveness)| {
                Command::AlterSyncStateSet {
                    broker_name,
                    master_broker_id,
                    master_epoch,
                    ids,
                    sync_state_set_epoch,
                    liveness,
                }
            }
        ),
        (name(), prop::option::of(1..6_i64), any::<bool>(), any::<bool>(), liveness()).prop_map(
            |(broker_name, broker_id, designate, unclean, liveness)| Command::ElectMaster {
                broker_name,
                broker_id,
                designate,
                unclean,
                liveness,
            }
        ),
        (name(), 0..6_i64, 0..3_u8).prop_map(|(broker_name, broker_id, code)| {
            Command::ApplyBrokerId {
                cluster: "c".to_owned(),
                broker_name,
                broker_id,
                register_check_code: format!("b{code}:1;{code}"),
            }
        }),
        (name(), 1..6_i64, 0..3_u8, liveness()).prop_map(|(broker_name, broker_id, port, liveness)| {
            Command::RegisterBroker { broker_name, broker_id, broker_address: format!("b:{port}"), liveness }
        }),
        (name(), prop::option::of(ids()), any::<bool>(), liveness()).prop_map(
            |(broker_name, ids, clean_living, liveness)| Command::CleanBrokerData {
                broker_name,
                ids,
                clean_living,
                liveness,
            }
        ),
    ]
}

/// A master's own report, which is what changes the set most.
fn report_of_master(
    state: &Replicas,
    name: &str,
    ids: &BTreeSet<i64>,
    liveness: &Liveness,
) -> Option<Command> {
    let group = state.group(name)?;
    Some(Command::AlterSyncStateSet {
        broker_name: name.to_owned(),
        master_broker_id: group.master?,
        master_epoch: group.master_epoch,
        ids: ids.clone(),
        sync_state_set_epoch: group.sync_state_set_epoch,
        liveness: liveness.clone(),
    })
}

fn check(before: Option<&Group>, after: Option<&Group>, command: &Command) {
    let Some(after) = after else { return };
    if let Some(master) = after.master {
        assert!(after.sync_state_set.contains(&master), "the master is in sync: {after:?}");
        assert!(after.replicas.contains_key(&master), "the master is known: {after:?}");
    }
    assert!(after.sync_state_set.iter().all(|id| after.replicas.contains_key(id)), "{after:?}");
    assert!(after.replicas.keys().all(|id| *id < after.next_broker_id), "{after:?}");
    let Some(before) = before else { return };
    assert!(after.master_epoch >= before.master_epoch, "epochs only grow");
    assert!(after.sync_state_set_epoch >= before.sync_state_set_epoch, "epochs only grow");
    assert!(after.next_broker_id >= before.next_broker_id, "an id is never given twice");
    if after.master != before.master {
        assert_eq!(after.master_epoch, before.master_epoch + 1, "one master for an epoch");
    } else {
        assert!(after.master_epoch == before.master_epoch || after.master.is_some());
    }
    if after.sync_state_set != before.sync_state_set {
        assert_eq!(after.sync_state_set_epoch, before.sync_state_set_epoch + 1);
    }
    for (id, replica) in &after.replicas {
        match before.replicas.get(id) {
            Some(old) => assert_eq!(old.register_check_code, replica.register_check_code),
            None => assert_eq!(*id, before.next_broker_id, "ids are given in order"),
        }
    }
    if let (Command::ElectMaster { unclean: false, .. }, Some(master)) = (command, after.master)
        && after.master != before.master
        && before.master_epoch > 0
    {
        assert!(before.sync_state_set.contains(&master), "unclean only where it is allowed");
    }
}

proptest! {
    #[test]
    fn promises_hold_whatever_comes(
        steps in prop::collection::vec((command(), any::<bool>()), 1..120)
    ) {
        let mut state = Replicas::default();
        for (command, by_master) in steps {
            let command = match &command {
                Command::AlterSyncStateSet { broker_name, ids, liveness, .. } if by_master => {
                    report_of_master(&state, broker_name, ids, liveness).unwrap_or(command)
                }
                _ => command,
            };
            let before = state.clone();
            let promised = state.answer_unchanged(&command);
            let answer = state.apply(&command);
            if let Some(promised) = promised {
                prop_assert_eq!(&promised, &answer);
                prop_assert_eq!(&before, &state);
            }
            if !answer.is_ok() && state != before {
                // The one refusal that is also a change: the master is gone.
                let group = state.group(command.broker_name()).expect("the group stays");
                prop_assert_eq!(group.master, None);
            }
            let mut replayed = before.clone();
            prop_assert_eq!(&replayed.apply(&command), &answer);
            prop_assert_eq!(&replayed, &state, "every member of the Raft group comes to the same state");
            for (name, _) in before.groups().chain(state.groups()) {
                check(before.group(name), state.group(name), &command);
            }
            let bytes = serde_json::to_vec(&state).expect("JSON");
            prop_assert_eq!(&serde_json::from_slice::<Replicas>(&bytes).expect("the same"), &state);
        }
    }
}

fn alive(ids: &[i64]) -> Liveness {
    let candidate = Candidate { epoch: 1, max_offset: 1, priority: 1 };
    Liveness {
        alive: ids.iter().map(|id| (*id, candidate)).collect::<BTreeMap<_, _>>(),
        ..Liveness::default()
    }
}

fn apply_id(id: i64) -> Command {
    Command::ApplyBrokerId {
        cluster: "c".to_owned(),
        broker_name: "a".to_owned(),
        broker_id: id,
        register_check_code: format!("h:{id};7"),
    }
}

fn elect(broker_id: Option<i64>, liveness: Liveness) -> Command {
    Command::ElectMaster {
        broker_name: "a".to_owned(),
        broker_id,
        designate: false,
        unclean: false,
        liveness,
    }
}

/// Two brokers, of which 1 is master and both are in sync.
fn pair() -> Replicas {
    let mut state = Replicas::default();
    assert!(state.apply(&apply_id(1)).is_ok());
    assert!(state.apply(&apply_id(2)).is_ok());
    assert!(state.apply(&elect(Some(1), alive(&[1, 2]))).is_ok());
    let both = BTreeSet::from([1, 2]);
    let report = report_of_master(&state, "a", &both, &alive(&[1, 2])).expect("a master");
    let answer = state.apply(&report);
    assert_eq!(answer.sync_state_set.expect("a set").epoch, 2);
    state
}

#[test]
fn the_other_one_takes_over_and_the_old_one_is_fenced() {
    let mut state = pair();
    let old_report = report_of_master(&state, "a", &BTreeSet::from([1]), &alive(&[1])).expect("a master");
    let answer = state.apply(&elect(None, alive(&[2])));
    let master = answer.master.expect("a new master");
    assert_eq!((master.broker_id, master.address.as_str(), master.epoch), (2, "h:2", 2));
    assert_eq!(answer.members.len(), 2);
    let fenced = state.apply(&old_report);
    assert_eq!(fenced.code, 2002, "{fenced:?}");
}

#[test]
fn codes_of_reports_are_javas() {
    let mut state = pair();
    let report = |id, epoch, ids: &[i64], set_epoch, live: &[i64]| Command::AlterSyncStateSet {
        broker_name: "a".to_owned(),
        master_broker_id: id,
        master_epoch: epoch,
        ids: ids.iter().copied().collect(),
        sync_state_set_epoch: set_epoch,
        liveness: alive(live),
    };
    let mut code = |command| state.apply(&command).code;
    assert_eq!(code(report(1, 1, &[1, 2], 2, &[1, 2])), 2013, "the same set");
    assert_eq!(code(report(2, 1, &[1], 2, &[1, 2])), 2002, "not the master");
    assert_eq!(code(report(1, 0, &[1], 2, &[1, 2])), 2000, "an older epoch");
    assert_eq!(code(report(1, 1, &[1], 1, &[1, 2])), 2001, "an older set");
    assert_eq!(code(report(1, 1, &[1, 9], 2, &[1, 2, 9])), 2003, "an unknown broker");
    assert_eq!(code(report(1, 1, &[1], 2, &[2])), 2006, "a dead broker");
    assert_eq!(code(report(1, 1, &[2], 2, &[1, 2])), 2013, "without the master");
    assert_eq!(code(report(1, 1, &[1], 2, &[1, 2])), 0);
}

#[test]
fn nobody_is_elected_while_the_controller_has_not_heard_of_the_master() {
    let mut state = pair();
    let settling = Liveness { is_settling: true, ..alive(&[2]) };
    assert_eq!(state.apply(&elect(Some(2), settling.clone())).code, 2012);
    let kept = state.apply(&elect(Some(2), Liveness { is_settling: true, ..alive(&[1, 2]) }));
    assert_eq!((kept.code, kept.master.expect("a master").broker_id), (2011, 1));
    let gone = Liveness { gone: [1].into(), ..settling };
    assert!(state.apply(&elect(Some(2), gone)).is_ok(), "it was there and is gone");
}

#[test]
fn a_master_that_asks_by_itself_begins_a_new_epoch_unless_another_log_is_longer() {
    let mut state = pair();
    let anew = state.apply(&elect(Some(1), alive(&[1, 2])));
    let master = anew.master.expect("a master");
    assert_eq!((anew.code, master.broker_id, master.epoch), (0, 1, 2));
    assert_eq!(anew.sync_state_set.expect("a set").ids, BTreeSet::from([1]));
    let mut state = pair();
    let mut longer = alive(&[1, 2]);
    longer.alive.get_mut(&2).expect("it is alive").max_offset += 1;
    let other = state.apply(&elect(Some(1), longer));
    assert_eq!(other.master.expect("a master").broker_id, 2, "the first one has lost something");
}

#[test]
fn a_group_whose_master_died_alone_in_sync_waits_for_it() {
    let mut state = pair();
    let alone = report_of_master(&state, "a", &BTreeSet::from([1]), &alive(&[1, 2])).expect("a master");
    assert!(state.apply(&alone).is_ok());
    assert_eq!(state.apply(&elect(None, alive(&[2]))).code, 2004);
    let group = state.group("a").expect("the group");
    assert_eq!((group.master, group.master_epoch), (None, 2));
    assert_eq!(state.apply(&elect(None, alive(&[2]))).code, 2004);
    assert_eq!(state.group("a").expect("the group").master_epoch, 2, "said once");
    assert_eq!(state.apply(&elect(Some(2), alive(&[2]))).code, 2012);
    let back = state.apply(&elect(Some(1), alive(&[1, 2])));
    assert_eq!(back.master.expect("the old master").epoch, 3);
}

#[test]
fn the_last_brokers_in_sync_are_not_removed_alone() {
    let mut state = pair();
    let clean = |ids: Option<&[i64]>, clean_living, live: &[i64]| Command::CleanBrokerData {
        broker_name: "a".to_owned(),
        ids: ids.map(|ids| ids.iter().copied().collect()),
        clean_living,
        liveness: alive(live),
    };
    assert_eq!(state.apply(&clean(Some(&[2]), false, &[1, 2])).code, 2009);
    assert!(state.apply(&clean(Some(&[2]), false, &[1])).is_ok());
    assert_eq!(state.next_broker_id("a"), 3);
    assert!(state.apply(&apply_id(3)).is_ok());
    assert_eq!(state.apply(&clean(Some(&[1]), true, &[])).code, 2009);
    assert_eq!(state.apply(&clean(None, false, &[])).code, 2009, "it has a master");
    assert!(state.apply(&clean(None, true, &[1])).is_ok());
    assert!(state.group("a").is_none());
    assert_eq!(state.apply(&clean(None, true, &[])).code, 2009);
}
