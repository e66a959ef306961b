//! Who cannot talk to whom.

use std::collections::BTreeSet;

use super::scenario::{BROKERS, CONTROLLERS};
use crate::random::Random;

/// Brokers, and behind them controllers.
pub(super) const PLACES: usize = BROKERS + CONTROLLERS;

/// Pairs that cannot talk, each in one direction.
#[derive(Debug, Default)]
pub(super) struct Network {
    broken: BTreeSet<(usize, usize)>,
}

impl Network {
    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        !self.broken.contains(&(from, to))
    }

    /// One direction of one pair breaks.
    pub(super) fn break_one(&mut self, from: usize, to: usize) {
        self.broken.insert((from, to));
    }

    /// One broker is cut off from all others and from the controllers, in both directions; some hear or are heard all the same.
    pub(super) fn isolate(&mut self, at: usize, random: &mut Random) {
        for other in (0..PLACES).filter(|other| *other != at) {
            for pair in [(at, other), (other, at)] {
                if random.percent(90) {
                    self.broken.insert(pair);
                }
            }
        }
    }

    /// All that was broken around one works again.
    pub(super) fn rejoin(&mut self, at: usize) {
        self.broken.retain(|(from, to)| *from != at && *to != at);
    }

    /// One direction of some pair works again.
    pub(super) fn mend_one(&mut self, random: &mut Random) {
        let which = random.below(self.broken.len() as u64) as usize;
        if let Some(pair) = self.broken.iter().nth(which).copied() {
            self.broken.remove(&pair);
        }
    }

    /// Everything works again.
    pub(super) fn mend_all(&mut self) {
        self.broken.clear();
    }
}
