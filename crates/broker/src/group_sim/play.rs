//! Seeds. `GROUP_SEEDS=n` plays so many, `GROUP_FROM=n` from that one on, `GROUP_SEED=n` one with its trace.

use eruca_sim::cluster::{ClusterOptions, ClusterOutcome, play_with_crew};
use eruca_store::Plant;

use super::world::World;

/// Seeds that are played where nobody says how many.
const SEEDS: u64 = 20;
/// Seeds within which every planted fault is found.
const SEEDS_OF_PLANTS: u64 = 200;

fn play(seed: u64, options: ClusterOptions) -> (ClusterOutcome, World) {
    let mut world = World::new();
    let outcome = play_with_crew(seed, options, &mut world);
    (outcome, world)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
fn transactions_delays_and_consumers_go_on_whatever_happens_to_the_group() {
    if let Some(seed) = number("GROUP_SEED") {
        let options = ClusterOptions { print: true, ..ClusterOptions::default() };
        assert_eq!(play(seed, options).0.failure, None);
        return;
    }
    let from = number("GROUP_FROM").unwrap_or(0);
    let (mut failures, mut changes, mut cuts) = (Vec::new(), 0, 0);
    let (mut transactions, mut asked, mut delayed, mut again, mut consumed) = (0, 0, 0, 0, 0);
    for seed in from..from + number("GROUP_SEEDS").unwrap_or(SEEDS) {
        let (outcome, world) = play(seed, ClusterOptions::default());
        failures.extend(outcome.failure);
        (changes, cuts) = (changes + outcome.changes, cuts + outcome.cuts);
        asked += world.producers.asked;
        transactions += world.producers.delivered();
        (delayed, again) = (delayed + world.delayed.delivered(), again + world.delayed.came_again());
        consumed += world.consumers.messages();
    }
    let seen = format!(
        "{changes} changes of the master, {cuts} cuts, {transactions} transactions delivered, {asked} questions, {delayed} delayed \
         messages, of which {again} came again, {consumed} messages consumed"
    );
    println!("{seen}");
    assert_eq!(failures, Vec::<String>::new(), "{seen}");
    assert!(
        number("GROUP_SEEDS").is_some() || transactions > 100 && delayed > 100 && asked > 0 && changes > 10,
        "runs that are worth their time: {seen}"
    );
}

/// Faults that brokers of other systems have had, and some of ours, planted: they are seen.
#[test]
fn planted_faults_are_found() {
    let plants = [Plant::HalfQueueFromItsEnd, Plant::ProgressBeforeLog, Plant::ProgressBeforeConfirmed];
    for plant in plants {
        let options = ClusterOptions { plant: Some(plant), ..ClusterOptions::default() };
        let failure = (0..SEEDS_OF_PLANTS).find_map(|seed| play(seed, options).0.failure);
        println!("{plant:?}: {failure:?}");
        assert!(failure.is_some(), "{plant:?}");
    }
}

#[test]
fn a_seed_is_one_run() {
    let twice = [(); 2].map(|()| play(7, ClusterOptions::default()).0);
    assert_eq!(twice[0], twice[1]);
}
