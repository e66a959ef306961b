//! A seed is a run: played again it does the same to the last byte, and another one does something else.

use std::collections::BTreeSet;

use eruca_sim::{Options, Outcome, play};

fn run(seed: u64) -> Outcome {
    play(seed, Options::default())
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..40 {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one.trace_hash, other.trace_hash, "trace of seed {seed}");
        assert_eq!(
            (one.steps, one.crashes, one.simulated_ms),
            (other.steps, other.crashes, other.simulated_ms)
        );
        assert_eq!(one.failure, other.failure);
        assert_eq!(one.disk.difference(&other.disk), None, "disk of seed {seed}");
        assert_eq!(one.disk.operations(), other.disk.operations(), "seed {seed}");
    }
}

#[test]
fn other_seeds_do_something_else() {
    let hashes: BTreeSet<u64> = (0..40).map(|seed| run(seed).trace_hash).collect();
    assert_eq!(hashes.len(), 40);
}

#[test]
fn runs_are_worth_their_time() {
    let runs: Vec<Outcome> = (0..40).map(run).collect();
    let (steps, crashes) = runs.iter().fold((0, 0), |sum, run| (sum.0 + run.steps, sum.1 + run.crashes));
    assert!(steps > 40 * 60 && crashes > 40, "{steps} steps, {crashes} crashes");
    assert!(runs.iter().any(|run| run.simulated_ms > 24 * 3_600_000));
}

#[test]
fn seeds_that_found_something_stay_clean() {
    // The name of a queue's own file was not on the disk, though entries in it were.
    for seed in [102_030, 119_824] {
        assert_eq!(run(seed).failure, None, "seed {seed}");
    }
}
