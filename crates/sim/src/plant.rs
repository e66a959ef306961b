//! The bugs that can be planted, and how many seeds may be needed to find each.

use eruca_store::Plant;

use crate::{Failure, Options, play};

/// Seeds within which every planted bug must be found.
pub const SEEDS_MAX: u64 = 200;

/// Plays seeds from 0 on with a planted bug; the first failure, and how many seeds it took.
pub fn find(plant: Plant, seeds: u64) -> Option<(u64, Failure)> {
    (0..seeds).find_map(|seed| {
        let options = Options { plant: Some(plant), ..Options::default() };
        play(seed, options).failure.map(|failure| (seed + 1, failure))
    })
}
