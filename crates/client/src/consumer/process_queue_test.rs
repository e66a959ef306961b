use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::decode::{decode_messages, tests::record};

const NOW: Timestamp = Timestamp(1_000);

fn message(offset: i64) -> Arc<StoredMessage> {
    let bytes = record("t", offset as u64, 0, b"0123456789", b"");
    Arc::new(decode_messages(&bytes).unwrap().remove(0))
}

fn messages(offsets: impl IntoIterator<Item = i64>) -> Vec<Arc<StoredMessage>> {
    offsets.into_iter().map(message).collect()
}

fn filled(count: i64) -> ProcessQueue {
    let mut queue = ProcessQueue::new(0, NOW);
    assert!(queue.pulled(0, &messages(0..count), count, NOW));
    queue
}

#[test]
fn the_oldest_unfinished_message_holds_the_offset() {
    let mut queue = filled(3);
    assert_eq!(queue.committable(), 0);
    queue.finished(0, &messages([1, 2]), NOW);
    assert_eq!(queue.committable(), 0);
    queue.finished(0, &messages([0]), NOW);
    assert_eq!(queue.committable(), 3);
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
}

#[test]
fn a_pull_without_messages_moves_an_empty_queue_on() {
    let mut queue = ProcessQueue::new(5, NOW);
    assert_eq!(queue.committable(), 5);
    assert!(queue.pulled(0, &[], 40, NOW));
    assert_eq!((queue.committable(), queue.pull_position()), (40, (0, 40)));
}

#[test]
fn what_belongs_to_the_time_before_a_reset_does_not_count() {
    let mut queue = filled(3);
    queue.reset(1);
    assert!(!queue.pulled(0, &messages([3]), 4, NOW));
    assert!(!queue.finished(0, &messages([0, 1, 2]), NOW));
    assert!(queue.retry(0, &message(0)).is_none());
    assert_eq!((queue.committable(), queue.pull_position(), queue.len()), (1, (1, 1), 0));
}

#[test]
fn a_retried_message_comes_again_with_its_count_raised() {
    let mut queue = filled(2);
    let (generation, taken) = queue.take(1, NOW);
    assert_eq!(queue.retry(generation, &taken[0]).unwrap().reconsume_times, 1);
    let (_, again) = queue.take(5, NOW);
    assert_eq!(
        again.iter().map(|m| (m.queue_offset.0, m.reconsume_times)).collect::<Vec<_>>(),
        [(0, 1), (1, 0)]
    );
    assert!(queue.take(5, NOW).1.is_empty());
}

#[test]
fn limits_are_reported_where_they_are_exceeded() {
    let limits = FlowLimits { messages: 2, bytes: 1_000, span: 10 };
    assert_eq!(filled(2).limit_reached(&limits), None);
    assert_eq!(filled(3).limit_reached(&limits), Some(FlowLimit::Messages));
    assert_eq!(filled(2).limit_reached(&FlowLimits { bytes: 19, ..limits }), Some(FlowLimit::Bytes));
    let mut wide = ProcessQueue::new(0, NOW);
    wide.pulled(0, &messages([0, 11]), 12, NOW);
    assert_eq!(wide.limit_reached(&limits), Some(FlowLimit::Span));
}

#[test]
fn only_what_was_begun_long_ago_is_overdue() {
    let mut queue = filled(3);
    queue.started(0, &messages([0, 2]), NOW);
    assert!(queue.overdue(100, NOW.add_ms(100), 16).1.is_empty());
    let (_, overdue) = queue.overdue(100, NOW.add_ms(101), 16);
    // Message 1 was not begun and message 2 lies behind it.
    assert_eq!(overdue.len(), 1);
    assert_eq!(overdue[0].queue_offset.0, 0);
}

#[derive(Debug, Clone)]
enum Step {
    Pull(u8, u8),
    Finish(u8),
    Reset(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..5, 0u8..4).prop_map(|(count, gap)| Step::Pull(count, gap)),
        6 => any::<u8>().prop_map(Step::Finish),
        1 => any::<u8>().prop_map(Step::Reset),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    /// Against a model that keeps the set of unfinished offsets and the next one.
    #[test]
    fn never_commits_past_an_unfinished_message_and_never_back(steps in steps()) {
        let mut queue = ProcessQueue::new(0, NOW);
        let (mut unfinished, mut next) = (BTreeSet::new(), 0i64);
        let mut last = 0;
        for step in steps {
            match step {
                Step::Pull(count, gap) => {
                    let (generation, from) = queue.pull_position();
                    prop_assert_eq!(from, next);
                    let offsets: Vec<i64> = (0..i64::from(count)).map(|i| from + i).collect();
                    next = from + i64::from(count) + i64::from(gap);
                    unfinished.extend(offsets.iter().copied());
                    prop_assert!(queue.pulled(generation, &messages(offsets), next, NOW));
                }
                Step::Finish(pick) => {
                    let Some(offset) = unfinished.iter().nth(usize::from(pick) % unfinished.len().max(1)).copied()
                    else { continue };
                    unfinished.remove(&offset);
                    let (generation, _) = queue.pull_position();
                    prop_assert!(queue.finished(generation, &messages([offset]), NOW));
                }
                Step::Reset(offset) => {
                    next = i64::from(offset);
                    unfinished.clear();
                    queue.reset(next);
                    last = next;
                }
            }
            let expected = unfinished.first().copied().unwrap_or(next);
            prop_assert_eq!(queue.committable(), expected);
            prop_assert!(queue.committable() >= last);
            last = queue.committable();
            prop_assert_eq!(queue.len(), unfinished.len());
            prop_assert_eq!(queue.bytes(), unfinished.len() * 10);
        }
    }
}
