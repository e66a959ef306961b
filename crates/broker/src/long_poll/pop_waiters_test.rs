use std::collections::BTreeSet;

use eruca_message::{LogOffset, QueueOffset};
use proptest::prelude::*;

use super::*;

const LIMITS: PopWaiterLimits = PopWaiterLimits { per_queue: 3, in_all: 6 };

fn arrival(topic: &str, queue_id: i32, tags_code: i64) -> Arrival {
    Arrival {
        topic: topic.into(),
        queue_id,
        queue_offset: QueueOffset(0),
        queue_offset_max: QueueOffset(1),
        tags_code,
        log_offset: LogOffset(0),
        size_bytes: 100,
        store_timestamp: Timestamp(0),
    }
}

fn interest(group: &str, queue_id: i32, lane: Lane, tags: &[i64], deadline: i64) -> PopInterest {
    PopInterest {
        topic: "T".into(),
        group: group.into(),
        queue_id,
        lane,
        filter: if tags.is_empty() { MessageFilter::All } else { MessageFilter::Tags(tags.into()) },
        deadline: Timestamp(deadline),
    }
}

fn woken(waiters: &mut PopWaiters<u32>, arrivals: &[Arrival]) -> Vec<u32> {
    let mut woken = Vec::new();
    waiters.arrived(arrivals, &mut woken);
    woken
}

#[test]
fn one_of_each_group_and_kind_is_woken() {
    let mut waiters = PopWaiters::default();
    let mut park = |interest, pop| waiters.park(interest, LIMITS, pop).unwrap();
    park(interest("g", ANY_QUEUE, Lane::Pop, &[], 10), 1);
    park(interest("g", ANY_QUEUE, Lane::Pop, &[], 10), 2);
    park(interest("g", 3, Lane::Notification, &[], 10), 3);
    park(interest("h", 3, Lane::Pop, &[7], 10), 4);
    assert_eq!(waiters.waiting_pops("T", "g", ANY_QUEUE), 2);
    let first: BTreeSet<u32> = woken(&mut waiters, &[arrival("T", 3, 5)]).into_iter().collect();
    assert_eq!(first, BTreeSet::from([1, 3]), "h waits for another tag");
    assert_eq!(woken(&mut waiters, &[arrival("U", 3, 7)]), Vec::<u32>::new());
    let second: BTreeSet<u32> = woken(&mut waiters, &[arrival("T", 3, 7)]).into_iter().collect();
    assert_eq!(second, BTreeSet::from([2, 4]));
    assert!(waiters.is_empty() && waiters.waiting.is_empty() && waiters.retry_topics.is_empty());
}

#[test]
fn what_comes_again_wakes_a_member_of_its_group_by_either_name() {
    let mut waiters = PopWaiters::default();
    for (pop, queue_id) in [(1, 5), (2, ANY_QUEUE)] {
        waiters.park(interest("g_a", queue_id, Lane::Pop, &[9], 10), LIMITS, pop).unwrap();
    }
    assert_eq!(woken(&mut waiters, &[arrival("%RETRY%g_T", 0, 0)]), Vec::<u32>::new());
    assert_eq!(woken(&mut waiters, &[arrival("%RETRY%g_a_T", 0, 0)]), [2]);
    assert_eq!(woken(&mut waiters, &[arrival("%RETRY%g_a+T", 0, 0)]), [1], "whichever queue it waits for");
}

#[test]
fn a_notice_wakes_one_and_too_many_are_given_back() {
    let mut waiters = PopWaiters::default();
    for pop in 0..3 {
        waiters.park(interest("g", 1, Lane::Pop, &[9], 10), LIMITS, pop).unwrap();
    }
    assert_eq!(waiters.park(interest("g", 1, Lane::Pop, &[], 10), LIMITS, 9), Err(9));
    let mut one = Vec::new();
    waiters.notify("T", "g", 1, &mut one);
    assert_eq!(one, [0], "whatever its tags: it looks itself");
    waiters.notify("T", "g", 2, &mut one);
    assert_eq!(one, [0]);
}

#[derive(Debug, Clone)]
enum Event {
    Park { group: u8, queue: i32, notes: bool, tag: Option<i64>, wait: i64 },
    Arrive { queue: i32, tag: i64 },
    Again(u8),
    Pass(i64),
    Take(usize),
    DropOdd,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => (0..2u8, -1..2i32, any::<bool>(), proptest::option::of(0..3i64), 0..5_000i64)
            .prop_map(|(group, queue, notes, tag, wait)| Event::Park { group, queue, notes, tag, wait }),
        4 => (0..2i32, 0..3i64).prop_map(|(queue, tag)| Event::Arrive { queue, tag }),
        1 => (0..2u8).prop_map(Event::Again),
        2 => (0..3_000i64).prop_map(Event::Pass),
        1 => (0..9usize).prop_map(Event::Take),
        1 => Just(Event::DropOdd),
    ]
}

/// A waiter of the model: number, id, group, queue, kind, tag, deadline.
type Modelled = (u32, PopWaiterId, u8, i32, Lane, Option<i64>, i64);

proptest! {
    /// The model: a list of all that wait, in the order in which they came, searched as a whole.
    #[test]
    fn every_pop_comes_back_once_and_for_a_reason(events in proptest::collection::vec(event(), 1..80)) {
        let mut waiters = PopWaiters::default();
        let mut model: Vec<Modelled> = Vec::new();
        let (mut now, mut next) = (0i64, 0u32);
        for event in events {
            match event {
                Event::Park { group, queue, notes, tag, wait } => {
                    let lane = if notes { Lane::Notification } else { Lane::Pop };
                    let tags: Vec<i64> = tag.into_iter().collect();
                    let same = model.iter().filter(|w| (w.2, w.3, w.4) == (group, queue, lane)).count();
                    let parked = waiters.park(interest(&format!("g{group}"), queue, lane, &tags, now + wait), LIMITS, next);
                    prop_assert_eq!(parked.is_ok(), same < 3 && model.len() < 6);
                    if let Ok(id) = parked {
                        model.push((next, id, group, queue, lane, tag, now + wait));
                    }
                    next += 1;
                }
                Event::Arrive { queue, tag } => {
                    let got: BTreeSet<u32> = woken(&mut waiters, &[arrival("T", queue, tag)]).into_iter().collect();
                    let mut expected = BTreeSet::new();
                    for group in 0..2 {
                        for lane in [Lane::Pop, Lane::Notification] {
                            let of = |at: i32| model.iter().find(|w| {
                                (w.2, w.3, w.4) == (group, at, lane) && w.5.is_none_or(|wanted| wanted == tag)
                            });
                            expected.extend(of(ANY_QUEUE).or_else(|| of(queue)).map(|w| w.0));
                        }
                    }
                    prop_assert_eq!(&got, &expected);
                    model.retain(|w| !got.contains(&w.0));
                }
                Event::Again(group) => {
                    let topic = format!("%RETRY%g{group}_T");
                    let got = woken(&mut waiters, &[arrival(&topic, 0, 99)]);
                    for lane in [Lane::Pop, Lane::Notification] {
                        let there = model.iter().any(|w| w.2 == group && w.4 == lane);
                        let taken = model.iter().filter(|w| w.2 == group && w.4 == lane && got.contains(&w.0)).count();
                        prop_assert_eq!(taken, usize::from(there));
                    }
                    model.retain(|w| !got.contains(&w.0));
                }
                Event::Pass(ms) => {
                    now += ms;
                    let got: BTreeSet<u32> = waiters.expired(Timestamp(now)).into_iter().collect();
                    let expected: BTreeSet<u32> = model.iter().filter(|w| w.6 <= now).map(|w| w.0).collect();
                    prop_assert_eq!(&got, &expected);
                    model.retain(|w| !got.contains(&w.0));
                }
                Event::Take(index) => {
                    if let Some(waiter) = model.get(index).copied() {
                        prop_assert_eq!(waiters.take(waiter.1), Some(waiter.0));
                        prop_assert_eq!(waiters.take(waiter.1), None);
                        model.remove(index);
                    }
                }
                Event::DropOdd => {
                    waiters.retain(|pop| pop % 2 == 0);
                    model.retain(|w| w.0 % 2 == 0);
                }
            }
            prop_assert_eq!(waiters.len(), model.len());
            prop_assert_eq!(waiters.next_deadline(), model.iter().map(|w| Timestamp(w.6)).min());
        }
        prop_assert_eq!(waiters.take_all().len(), model.len());
        prop_assert!(waiters.waiting.is_empty() && waiters.places.is_empty() && waiters.retry_topics.is_empty());
    }
}
