//! What one topic's newest sends were. Pure: time is given.

use std::collections::{HashMap, VecDeque};

use eruca_message::{LogOffset, Timestamp};

/// What memory knows of an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    /// A message with this id may lie there.
    At(LogOffset),
    /// Nothing was sent with this id in the window.
    No,
    /// Nothing since this time; before it, memory does not know.
    NotSince(Timestamp),
}

/// The newest sends of a topic.
#[derive(Debug)]
pub(super) struct RecentSends {
    /// Hash of an id to its last place, and when that was given.
    places: HashMap<u64, (LogOffset, Timestamp)>,
    /// In the order of time. An id that was stored again is there twice.
    order: VecDeque<(Timestamp, u64)>,
    /// Everything since then is in `places`.
    complete_since: Timestamp,
}

impl RecentSends {
    /// Nothing is known of what was before `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        RecentSends { places: HashMap::new(), order: VecDeque::new(), complete_since: now }
    }

    /// What is known of the id with this hash, as far as the window, in milliseconds, reaches back.
    pub(super) fn find(&self, hash: u64, now: Timestamp, window_ms: i64) -> Known {
        let begin = now.0.saturating_sub(window_ms);
        match self.places.get(&hash) {
            Some((at, sent)) if sent.0 >= begin => Known::At(*at),
            None if begin < self.complete_since.0 => Known::NotSince(self.complete_since),
            Some(_) | None => Known::No,
        }
    }

    /// A message was appended. Forgets what is older than the window, and, above `limit` ids, the oldest ones. How the
    /// number of ids changed.
    pub(super) fn note(
        &mut self,
        hash: u64,
        at: LogOffset,
        now: Timestamp,
        window_ms: i64,
        limit: usize,
    ) -> isize {
        let before = self.order.len();
        // The clock may have been set back; the order must not be.
        let now = now.max(self.order.back().map_or(now, |(at, _)| *at));
        self.places.insert(hash, (at, now));
        self.order.push_back((now, hash));
        while let Some((sent, hash)) = self.order.front().copied() {
            if self.order.len() <= limit && sent.0 >= now.0.saturating_sub(window_ms) {
                break;
            }
            self.order.pop_front();
            self.complete_since = self.complete_since.max(Timestamp(sent.0.saturating_add(1)));
            if self.places.get(&hash).is_some_and(|(_, last)| *last == sent) {
                self.places.remove(&hash);
            }
        }
        self.order.len() as isize - before as isize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const ROOM: usize = 1_000;

    fn at(ms: i64) -> Timestamp {
        Timestamp(ms)
    }

    #[test]
    fn an_id_is_known_for_its_window() {
        let mut recent = RecentSends::new(at(1_000));
        assert_eq!(recent.find(7, at(1_000), 500), Known::NotSince(at(1_000)));
        recent.note(7, LogOffset(40), at(1_200), 500, ROOM);
        assert_eq!(recent.find(7, at(1_600), 500), Known::At(LogOffset(40)));
        assert_eq!(recent.find(8, at(1_600), 500), Known::No, "the window lies behind the start");
        // Stored again, because it was another message after all.
        recent.note(7, LogOffset(90), at(1_600), 500, ROOM);
        recent.note(9, LogOffset(99), at(1_900), 500, ROOM);
        assert_eq!(
            recent.find(7, at(1_900), 500),
            Known::At(LogOffset(90)),
            "the first place expired, not the last"
        );
        recent.note(9, LogOffset(99), at(2_200), 500, ROOM);
        assert_eq!(recent.find(7, at(2_200), 500), Known::No);
    }

    #[test]
    fn without_room_memory_says_how_far_back_it_reaches() {
        let mut recent = RecentSends::new(at(0));
        for id in 0..5 {
            recent.note(id, LogOffset(id), at(1_000 + id as i64), 10_000, 3);
        }
        assert_eq!(recent.find(1, at(1_010), 500), Known::NotSince(at(1_002)));
        assert_eq!(recent.find(2, at(1_010), 500), Known::At(LogOffset(2)));
        assert_eq!(recent.find(1, at(2_000), 500), Known::No);
    }

    proptest! {
        #[test]
        fn it_never_denies_what_was_sent_in_the_window(
            sends in proptest::collection::vec((0u64..20, 0i64..200), 1..200),
            limit in 1usize..30,
        ) {
            let (mut recent, mut now, mut last) = (RecentSends::new(at(0)), 0, HashMap::new());
            let mut count = 0;
            for (index, (id, pause)) in sends.into_iter().enumerate() {
                now += pause;
                let sent = last.get(&id).filter(|(sent, _)| *sent >= now - 300);
                match recent.find(id, at(now), 300) {
                    Known::At(place) => prop_assert_eq!(last.get(&id).map(|(_, place)| *place), Some(place)),
                    Known::No => prop_assert_eq!(sent, None),
                    Known::NotSince(since) => prop_assert!(sent.is_none_or(|(sent, _)| *sent < since.0)),
                }
                let place = LogOffset(index as u64);
                count += recent.note(id, place, at(now), 300, limit);
                last.insert(id, (now, place));
                prop_assert_eq!(count, recent.order.len() as isize);
                prop_assert!(recent.order.len() <= limit && recent.places.len() <= limit);
            }
        }
    }
}
