//! Every planted bug is found, and the same seeds are clean without it.

use eruca_sim::{Options, plant, play};
use eruca_store::Plant;

#[test]
fn every_planted_bug_is_found_within_its_seeds_and_without_it_they_are_clean() {
    let mut farthest = 0;
    for plant in Plant::ALL {
        let Some((seeds, failure)) = plant::find(plant, plant::SEEDS_MAX) else {
            panic!("{plant:?} is not found within {} seeds", plant::SEEDS_MAX);
        };
        println!("{plant:?}: {seeds} seeds, {}", failure.violation.invariant);
        farthest = farthest.max(seeds);
    }
    for seed in 0..farthest {
        assert_eq!(play(seed, Options::default()).failure, None, "seed {seed} without a planted bug");
    }
}
