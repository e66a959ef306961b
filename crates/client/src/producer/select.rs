//! Which queue a message goes to. Pure.

use std::collections::HashMap;

use eruca_message::{MessageQueue, Timestamp, java_hash_code};

use super::fault::{Experience, FaultTable};

/// Topics whose turn is remembered; with more, all start anew.
const MAX_TOPICS: usize = 10_000;

/// Whose turn it is among the queues of each topic, and which brokers to keep away from.
#[derive(Debug)]
pub(crate) struct Selector {
    turns: HashMap<String, usize>,
    /// Where a topic's first turn starts, so that many producers do not all start with the same queue.
    first_turn: usize,
    faults: Option<FaultTable>,
}

impl Selector {
    /// One that starts at queue `first_turn`, and keeps away from slow brokers if `avoid_slow` says so.
    pub(crate) fn new(first_turn: usize, avoid_slow: bool) -> Self {
        Selector { turns: HashMap::new(), first_turn, faults: avoid_slow.then(FaultTable::default) }
    }

    /// The queue for the next message of `topic`; see [`select_queue`].
    pub(crate) fn next(
        &mut self,
        topic: &str,
        queues: &[MessageQueue],
        last_broker: Option<&str>,
        now: Timestamp,
    ) -> Option<MessageQueue> {
        let turn = match self.turns.get_mut(topic) {
            Some(turn) => {
                *turn = turn.wrapping_add(1);
                *turn
            }
            None => {
                if self.turns.len() >= MAX_TOPICS {
                    self.turns.clear();
                }
                self.turns.insert(topic.to_owned(), self.first_turn);
                self.first_turn
            }
        };
        select_queue(queues, turn, last_broker, self.faults.as_ref(), now).cloned()
    }

    /// Notes how a send to `broker_name` went.
    pub(crate) fn report(&mut self, broker_name: &str, experience: Experience, now: Timestamp) {
        if let Some(faults) = &mut self.faults {
            faults.report(broker_name, experience, now);
        }
    }
}

/// The queue for an ordinary message: round robin from `turn`; if possible one on a broker that is available by
/// `faults` and was not tried just before; else one on another broker than `last_broker`; else any.
pub(crate) fn select_queue<'a>(
    queues: &'a [MessageQueue],
    turn: usize,
    last_broker: Option<&str>,
    faults: Option<&FaultTable>,
    now: Timestamp,
) -> Option<&'a MessageQueue> {
    let in_turn = || queues.iter().cycle().skip(turn % queues.len().max(1)).take(queues.len());
    let is_other = |queue: &&MessageQueue| last_broker.is_none_or(|last| queue.broker_name != last);
    let is_available =
        |queue: &&MessageQueue| faults.is_none_or(|faults| faults.is_available(&queue.broker_name, now));
    in_turn()
        .find(|queue| is_other(queue) && is_available(queue))
        .or_else(|| in_turn().find(is_other))
        .or_else(|| in_turn().next())
}

/// The index of the queue for a sharding key, of `count`: equal keys go to one queue, as long as their number stays
/// (Java: `SelectMessageQueueByHash`).
pub(crate) fn index_by_key(key: &str, count: usize) -> usize {
    match count {
        0 => 0,
        _ => java_hash_code(key).unsigned_abs() as usize % count,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(0);

    fn queues() -> Vec<MessageQueue> {
        ["a", "b"].iter().flat_map(|b| (0..2).map(move |id| MessageQueue::new("t", *b, id))).collect()
    }

    fn broker<'a>(
        queues: &'a [MessageQueue],
        turn: usize,
        last: Option<&str>,
        faults: &FaultTable,
    ) -> &'a str {
        &select_queue(queues, turn, last, Some(faults), NOW).unwrap().broker_name
    }

    #[test]
    fn queues_take_turns() {
        let queues = queues();
        let picked: Vec<_> =
            (0..5).map(|turn| select_queue(&queues, turn, None, None, NOW).unwrap().clone()).collect();
        assert_eq!(picked[..4], queues);
        assert_eq!(picked[4], queues[0]);
        assert_eq!(select_queue(&[], 0, None, None, NOW), None);
    }

    #[test]
    fn topics_take_turns_apart_from_each_other() {
        let queues = queues();
        let mut selector = Selector::new(3, true);
        let mut next = |topic: &str| selector.next(topic, &queues, None, NOW).unwrap();
        assert_eq!(next("x"), queues[3]);
        assert_eq!(next("y"), queues[3]);
        assert_eq!(next("x"), queues[0]);
        assert_eq!(next("y"), queues[0]);
    }

    #[test]
    fn the_broker_that_just_failed_is_not_tried_again_while_there_is_another() {
        let queues = queues();
        for turn in 0..8 {
            assert_eq!(broker(&queues, turn, Some("a"), &FaultTable::default()), "b");
        }
        assert_eq!(broker(&queues[..2], 0, Some("a"), &FaultTable::default()), "a");
    }

    #[test]
    fn slow_brokers_are_avoided_unless_all_are_slow() {
        let queues = queues();
        let mut faults = FaultTable::default();
        faults.report("a", Experience::Failed, NOW);
        for turn in 0..8 {
            assert_eq!(broker(&queues, turn, None, &faults), "b");
        }
        faults.report("b", Experience::Failed, NOW);
        assert_eq!(broker(&queues, 0, None, &faults), "a");
        assert_eq!(broker(&queues, 0, Some("a"), &faults), "b");
    }

    proptest! {
        #[test]
        fn a_key_always_has_the_same_queue_within_bounds(key in ".*", count in 1usize..100) {
            let index = index_by_key(&key, count);
            prop_assert!(index < count);
            prop_assert_eq!(index, index_by_key(&key, count));
        }
    }
}
