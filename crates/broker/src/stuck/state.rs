//! Which queues are stuck since when. Pure: time and pulls are given.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::SocketAddr,
};

use eruca_message::Timestamp;

/// A queue of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct GroupQueue {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) queue_id: i32,
}

/// The last pull of a queue, or of its topic where the queue itself never had one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LastSeen {
    pub(super) at: Timestamp,
    pub(super) by: Option<SocketAddr>,
}

/// What became of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// It is stuck since then.
    Stuck(GroupQueue, LastSeen),
    /// It was, and is pulled again, or its group is gone.
    Free(GroupQueue, LastSeen),
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Groups that are online, and since when.
    online: HashMap<String, Timestamp>,
    stuck: BTreeMap<GroupQueue, LastSeen>,
}

impl State {
    /// Takes note of the queues of all groups that are online. A queue is stuck when its last pull, and the coming of its
    /// group, are longer ago than `threshold_ms`.
    pub(super) fn step(
        &mut self,
        now: Timestamp,
        threshold_ms: i64,
        online: &HashSet<String>,
        queues: impl IntoIterator<Item = (GroupQueue, LastSeen)>,
    ) -> Vec<Event> {
        self.online.retain(|group, _| online.contains(group));
        for group in online {
            self.online.entry(group.clone()).or_insert(now);
        }
        let mut stuck = BTreeMap::new();
        for (queue, seen) in queues {
            let Some(came) = self.online.get(&queue.group) else { continue };
            if now.ms_since(seen.at.max(*came)) > threshold_ms {
                stuck.insert(queue, seen);
            }
        }
        let before = std::mem::replace(&mut self.stuck, stuck);
        let new = self.stuck.iter().filter(|(queue, _)| !before.contains_key(queue));
        let new: Vec<Event> = new.map(|(queue, seen)| Event::Stuck(queue.clone(), *seen)).collect();
        let freed = before.into_iter().filter(|(queue, _)| !self.stuck.contains_key(queue));
        freed.map(|(queue, seen)| Event::Free(queue, seen)).chain(new).collect()
    }

    /// The queues that are stuck.
    pub(super) fn stuck(&self) -> &BTreeMap<GroupQueue, LastSeen> {
        &self.stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> GroupQueue {
        GroupQueue { group: "g".into(), topic: "T".into(), queue_id }
    }

    fn seen(ms: i64) -> LastSeen {
        LastSeen { at: Timestamp(ms), by: None }
    }

    fn step(state: &mut State, now: i64, online: bool, pulls: &[(i32, i64)]) -> Vec<Event> {
        let online = if online { HashSet::from(["g".to_owned()]) } else { HashSet::new() };
        let queues = pulls.iter().map(|(id, at)| (queue(*id), seen(*at)));
        state.step(Timestamp(now), 100, &online, queues)
    }

    #[test]
    fn a_queue_is_stuck_once_and_free_once() {
        let mut state = State::default();
        assert_eq!(step(&mut state, 1_000, true, &[(0, 1_000), (1, 1_000)]), []);
        assert_eq!(step(&mut state, 1_100, true, &[(0, 1_000), (1, 1_090)]), []);
        assert_eq!(
            step(&mut state, 1_101, true, &[(0, 1_000), (1, 1_100)]),
            [Event::Stuck(queue(0), seen(1_000))]
        );
        assert_eq!(step(&mut state, 1_150, true, &[(0, 1_000), (1, 1_149)]), []);
        assert_eq!(state.stuck().len(), 1);
        assert_eq!(
            step(&mut state, 1_160, true, &[(0, 1_155), (1, 1_149)]),
            [Event::Free(queue(0), seen(1_000))]
        );
        assert!(state.stuck().is_empty());
    }

    #[test]
    fn a_group_that_comes_back_has_time_to_pull() {
        let mut state = State::default();
        step(&mut state, 1_000, true, &[(0, 1_000)]);
        assert_eq!(step(&mut state, 1_010, false, &[]), []);
        assert_eq!(step(&mut state, 5_000, true, &[(0, 1_000)]), [], "its last pull was before it went");
        assert_eq!(step(&mut state, 5_101, true, &[(0, 1_000)]), [Event::Stuck(queue(0), seen(1_000))]);
        assert_eq!(step(&mut state, 5_110, false, &[]), [Event::Free(queue(0), seen(1_000))]);
    }
}
