//! Where a consumer stands in one queue. Pure.

/// Where a consumer stands in one queue: what was fetched, what the user got, what may be committed.
///
/// Invariant: `committable ≤ handed_out ≤ next_fetch` within one generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Where to fetch next.
    next_fetch: i64,
    /// The offset after the last message that the user got.
    handed_out: i64,
    /// As `handed_out`, but before the latest poll: what the user has surely dealt with, for he asked for more.
    committable: Option<i64>,
    /// Counts jumps: what was fetched before one no longer counts.
    generation: u64,
    is_paused: bool,
}

impl Position {
    pub(crate) fn new(start: i64) -> Self {
        Position { next_fetch: start, handed_out: start, committable: None, generation: 0, is_paused: false }
    }

    /// Where to fetch next, and the generation to show when it comes.
    pub(crate) fn next_fetch(&self) -> (u64, i64) {
        (self.generation, self.next_fetch)
    }

    /// A fetch came back. `false` where a jump came in between: what it brought does not count.
    pub(crate) fn fetched(&mut self, generation: u64, next_offset: i64) -> bool {
        if generation != self.generation {
            return false;
        }
        self.next_fetch = self.next_fetch.max(next_offset);
        true
    }

    /// Everything before `next_offset` does not concern the user: it does not match the filter. Counts only where
    /// nothing waits to be handed out.
    pub(crate) fn skipped(&mut self, generation: u64, next_offset: i64) {
        if generation == self.generation {
            self.handed_out = self.handed_out.max(next_offset);
        }
    }

    /// The user got messages before `next_offset`. `false` where a jump came since they were fetched: he must not.
    pub(crate) fn hand_out(&mut self, generation: u64, next_offset: i64) -> bool {
        if generation != self.generation {
            return false;
        }
        self.handed_out = self.handed_out.max(next_offset);
        true
    }

    /// The user asks for more: what he got so far is dealt with.
    pub(crate) fn polled(&mut self) {
        self.committable = Some(self.handed_out);
    }

    /// What an automatic commit commits.
    pub(crate) fn committable(&self) -> Option<i64> {
        self.committable
    }

    /// The offset after the last message that the user got.
    pub(crate) fn handed_out(&self) -> i64 {
        self.handed_out
    }

    /// Goes on from `offset`.
    pub(crate) fn jump(&mut self, offset: i64) {
        self.generation += 1;
        self.next_fetch = offset;
        self.handed_out = offset;
        self.committable = Some(offset);
    }

    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.is_paused
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_was_dealt_with_is_committed() {
        let mut position = Position::new(5);
        assert_eq!(position.committable(), None);
        position.polled();
        assert!(position.fetched(0, 9));
        assert!(position.hand_out(0, 7));
        assert_eq!(position.committable(), Some(5));
        position.polled();
        assert_eq!((position.committable(), position.handed_out()), (Some(7), 7));
    }

    #[test]
    fn a_jump_voids_what_was_fetched_before() {
        let mut position = Position::new(5);
        position.jump(2);
        assert!(!position.fetched(0, 9));
        assert!(!position.hand_out(0, 9));
        position.skipped(0, 9);
        assert_eq!((position.next_fetch(), position.committable()), ((1, 2), Some(2)));
    }

    proptest! {
        #[test]
        fn committable_never_passes_what_was_handed_out_nor_that_what_was_fetched(
            steps in proptest::collection::vec((0u8..4, 0i64..20), 0..50),
        ) {
            let mut position = Position::new(0);
            for (kind, amount) in steps {
                let (generation, next) = position.next_fetch();
                match kind {
                    0 => prop_assert!(position.fetched(generation, next + amount)),
                    // The user gets only what was fetched.
                    1 => prop_assert!(position.hand_out(generation, (position.handed_out() + amount).min(next))),
                    2 => position.polled(),
                    _ => position.jump(amount),
                }
                prop_assert!(position.committable().unwrap_or(0) <= position.handed_out());
                prop_assert!(position.handed_out() <= position.next_fetch().1);
            }
        }
    }
}
