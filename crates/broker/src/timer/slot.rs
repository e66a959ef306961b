//! A slot of the wheel in memory: what is due in it, in the order of time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
};

use eruca_message::{LogOffset, Timestamp};
use eruca_store::Delivered;

use super::recall_key::RecallKey;

/// A message that is due soon. In the order of time, and of the timer log at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Due {
    pub(super) at: Timestamp,
    /// Position of its unit in the timer log.
    pub(super) pos: u64,
    pub(super) log_offset: LogOffset,
    pub(super) size_bytes: u32,
    pub(super) written: Timestamp,
    pub(super) is_roll: bool,
}

/// Where in a slot something stands.
pub(super) type Place = (Timestamp, i64);

impl Due {
    pub(super) fn place(&self) -> Place {
        (self.at, i64::try_from(self.pos).unwrap_or(i64::MAX))
    }
}

/// One slot.
#[derive(Debug)]
pub(super) struct LoadedSlot {
    waiting: BinaryHeap<Reverse<Due>>,
    recalled: HashSet<RecallKey>,
    /// Where not all of the slot is in memory: what is behind this is not.
    until: Option<Place>,
}

/// Gathers a slot from its units.
#[derive(Debug)]
pub(super) struct Gather {
    after: Place,
    limit: usize,
    /// The smallest of all that came, the largest of them first.
    found: BinaryHeap<Due>,
    is_cut: bool,
}

impl Gather {
    /// What comes after `delivered` says; at most `limit`, the earliest ones.
    pub(super) fn new(start: Timestamp, delivered: Delivered, limit: usize) -> Gather {
        let after = if delivered.before == start {
            (delivered.due, delivered.pos)
        } else {
            (Timestamp(i64::MIN), -1)
        };
        Gather { after, limit, found: BinaryHeap::new(), is_cut: false }
    }

    /// A unit of the slot.
    pub(super) fn add(&mut self, due: Due) {
        if due.place() <= self.after {
            return;
        }
        if self.found.len() < self.limit {
            self.found.push(due);
            return;
        }
        self.is_cut = true;
        if let Some(mut last) = self.found.peek_mut()
            && due < *last
        {
            *last = due;
        }
    }

    /// All that came. A message that was taken twice, after a power cut, is there once.
    pub(super) fn finish(self, recalled: HashSet<RecallKey>) -> LoadedSlot {
        let until = self.is_cut.then(|| self.found.peek().map(Due::place)).flatten();
        let mut found = self.found.into_vec();
        found.sort_unstable_by_key(|due| (due.log_offset, due.pos));
        found.dedup_by_key(|due| due.log_offset);
        LoadedSlot { waiting: found.into_iter().map(Reverse).collect(), recalled, until }
    }
}

impl LoadedSlot {
    /// A message that was put into the slot after it was loaded.
    pub(super) fn push(&mut self, due: Due) {
        if self.until.is_none_or(|until| due.place() <= until) {
            self.waiting.push(Reverse(due));
        }
    }

    /// A message of the slot is not to be delivered.
    pub(super) fn recall(&mut self, key: RecallKey) {
        self.recalled.insert(key);
    }

    /// Whether the message with this key is not to be delivered. Few slots have recalls, and a key takes time.
    pub(super) fn is_recalled(&self, key: impl FnOnce() -> Option<RecallKey>) -> bool {
        !self.recalled.is_empty() && key().is_some_and(|key| self.recalled.contains(&key))
    }

    /// When the next one is due.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.waiting.peek().map(|Reverse(due)| due.at)
    }

    /// The next one, if it is due.
    pub(super) fn peek(&self, now: Timestamp) -> Option<Due> {
        self.waiting.peek().map(|Reverse(due)| *due).filter(|due| due.at <= now)
    }

    pub(super) fn pop(&mut self) {
        self.waiting.pop();
    }

    /// Whether the rest of the slot has to be loaded.
    pub(super) fn is_more(&self) -> bool {
        self.waiting.is_empty() && self.until.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(at: i64, pos: u64) -> Due {
        Due {
            at: Timestamp(at),
            pos,
            log_offset: LogOffset(pos * 100),
            size_bytes: 9,
            written: Timestamp(0),
            is_roll: false,
        }
    }

    fn gather(delivered: Delivered, limit: usize, all: &[Due]) -> LoadedSlot {
        let mut gather = Gather::new(Timestamp(1_000), delivered, limit);
        all.iter().for_each(|due| gather.add(*due));
        gather.finish(HashSet::new())
    }

    fn drain(slot: &mut LoadedSlot) -> Vec<(i64, u64)> {
        std::iter::from_fn(|| {
            let due = slot.peek(Timestamp(9_999))?;
            slot.pop();
            Some((due.at.0, due.pos))
        })
        .collect()
    }

    #[test]
    fn in_the_order_of_time_each_once_and_what_was_delivered_not_again() {
        let all = [due(1_500, 3), due(1_200, 4), due(1_500, 1), due(1_200, 2)];
        let before = Delivered::before(Timestamp(1_000));
        assert_eq!(drain(&mut gather(before, 10, &all)), [(1_200, 2), (1_200, 4), (1_500, 1), (1_500, 3)]);
        let some = Delivered { due: Timestamp(1_200), pos: 2, ..before };
        assert_eq!(drain(&mut gather(some, 10, &all)), [(1_200, 4), (1_500, 1), (1_500, 3)]);
        let twice = Due { log_offset: LogOffset(300), ..due(1_500, 9) };
        assert_eq!(drain(&mut gather(before, 10, &[due(1_500, 3), twice])), [(1_500, 3)]);
        let mut slot = gather(before, 10, &all);
        assert_eq!((slot.peek(Timestamp(1_199)), slot.next_at()), (None, Some(Timestamp(1_200))));
        slot.push(due(1_100, 7));
        assert_eq!(drain(&mut slot)[0], (1_100, 7));
    }

    #[test]
    fn a_slot_that_is_too_large_comes_in_parts() {
        let all: Vec<Due> = (0..10).map(|n| due(1_000 + (n * 7 % 10), n as u64)).collect();
        let mut delivered = Delivered::before(Timestamp(1_000));
        let mut seen = Vec::new();
        loop {
            let mut slot = gather(delivered, 4, &all);
            let part = drain(&mut slot);
            let Some(last) = part.last() else { break };
            delivered = Delivered { due: Timestamp(last.0), pos: last.1 as i64, ..delivered };
            seen.extend(part);
            // What comes behind the part is found with the next one.
            slot.push(due(1_500, 99));
            assert_eq!(slot.peek(Timestamp(9_999)).is_none(), slot.is_more());
        }
        let mut expected: Vec<_> = all.iter().map(|due| (due.at.0, due.pos)).collect();
        expected.sort_unstable();
        assert_eq!(seen, expected);
    }
}
