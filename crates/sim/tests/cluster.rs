//! Groups of brokers from seeds. `CLUSTER_SEEDS=n` plays so many, `CLUSTER_FROM=n` from that one on, `CLUSTER_SEED=n` one with its
//! trace.

use eruca_sim::cluster::{ClusterOptions, play_classic, play_cluster};
use eruca_store::Plant;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn nothing_acknowledged_is_lost_and_no_offset_names_two_messages() {
    if let Some(seed) = number("CLUSTER_SEED") {
        let outcome = play_cluster(seed, ClusterOptions { print: true, ..ClusterOptions::default() });
        assert_eq!(outcome.failure, None);
        return;
    }
    let from = number("CLUSTER_FROM").unwrap_or(0);
    let (mut acknowledged, mut alone, mut changes, mut cuts, mut crashes) = (0, 0, 0, 0, 0);
    let mut failures = Vec::new();
    for seed in from..from + number("CLUSTER_SEEDS").unwrap_or(150) {
        let outcome = play_cluster(seed, ClusterOptions::default());
        failures.extend(outcome.failure);
        acknowledged += outcome.acknowledged;
        alone += outcome.acknowledged_alone;
        changes += outcome.changes;
        cuts += outcome.cuts;
        crashes += outcome.crashes;
    }
    let seen = format!(
        "{acknowledged} acknowledged, {alone} of a master alone, {changes} changes of the master, {cuts} cuts, {crashes} crashes"
    );
    println!("{seen}");
    assert_eq!(failures, Vec::<String>::new(), "{seen}");
    assert!(
        number("CLUSTER_SEEDS").is_some() || changes > 100 && cuts > 10,
        "runs that are worth their time: {seen}"
    );
}

#[test]
fn what_a_slave_acknowledged_it_has_whatever_happens_to_it() {
    let from = number("CLUSTER_FROM").unwrap_or(0);
    let (mut acknowledged, mut crashes, mut takeovers) = (0, 0, 0);
    let mut failures = Vec::new();
    for seed in from..from + number("CLUSTER_SEEDS").unwrap_or(150) {
        let outcome = play_classic(seed, false, number("CLUSTER_SEED") == Some(seed));
        failures.extend(outcome.failure);
        acknowledged += outcome.acknowledged;
        crashes += outcome.crashes;
        takeovers += outcome.takeovers;
    }
    let seen = format!("{acknowledged} acknowledged, {crashes} crashes, {takeovers} takeovers");
    println!("{seen}");
    assert_eq!(failures, Vec::<String>::new(), "{seen}");
    assert!(number("CLUSTER_SEEDS").is_some() || takeovers > 10, "runs that are worth their time: {seen}");
    let trusting = (0..100).find_map(|seed| play_classic(seed, true, false).failure);
    assert!(trusting.is_some_and(|what| what.contains("lacks")), "a slave that reports what its kernel has");
}

/// Faults that brokers of other systems have had, planted: the oracles see them.
#[test]
fn planted_faults_are_found() {
    let found = |plant: Plant| {
        let options = ClusterOptions { plant: Some(plant), ..ClusterOptions::default() };
        let failure = (0..400).find_map(|seed| play_cluster(seed, options).failure);
        let failure = failure.unwrap_or_else(|| panic!("{plant:?} is not found"));
        println!("{plant:?}: {failure}");
        failure
    };
    found(Plant::MasterTrustsItself);
    let late = found(Plant::LeaseIgnored);
    assert!(late.contains("alone"), "{late}");
    found(Plant::OwnLogAcknowledged);
    found(Plant::CopiedOffsetsForgotten);
    found(Plant::ReignEpochNotKept);
    let shown = found(Plant::UnconfirmedShown);
    assert!(shown.contains("was seen at") || shown.contains("named message"), "{shown}");
}

#[test]
fn a_seed_is_one_run() {
    let twice = [(); 2].map(|()| play_cluster(7, ClusterOptions::default()));
    assert_eq!(twice[0], twice[1]);
}
