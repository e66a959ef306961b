//! The pulls that wait, as a state machine: no lock, no clock, no thread.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use eruca_message::{QueueOffset, Timestamp};
use eruca_store::Arrival;

use crate::filter::MessageFilter;

/// After a message that does not match, a waiting pull is let go this much later, so that its client learns how far the
/// queue was looked through. Java: its hold service's period.
pub(crate) const LET_GO_AFTER_MS: i64 = 5_000;

/// A clock that goes back further than this was set.
const CLOCK_BACK_MAX_MS: i64 = 1_000;

/// What a pull waits for.
#[derive(Debug, Clone)]
pub struct Interest {
    /// Topic name.
    pub topic: Arc<str>,
    /// Queue number.
    pub queue_id: i32,
    /// The offset that is not there yet.
    pub from: QueueOffset,
    /// Which messages would do, as far as their queue entries tell.
    pub filter: MessageFilter,
    /// When the waiting ends in any case.
    pub deadline: Timestamp,
}

/// Bounds of the waiting pulls.
#[derive(Debug, Clone, Copy)]
pub struct WaiterLimits {
    /// Most waiting pulls of one queue.
    pub per_queue: usize,
    /// Most waiting pulls in all.
    pub in_all: usize,
}

impl Default for WaiterLimits {
    fn default() -> Self {
        WaiterLimits { per_queue: 10_000, in_all: 200_000 }
    }
}

/// Names one waiting pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(u64);

#[derive(Debug)]
struct Waiter<T> {
    id: WaiterId,
    from: QueueOffset,
    filter: MessageFilter,
    /// As in `deadlines`.
    deadline: Timestamp,
    was_passed_over: bool,
    pull: T,
}

/// The pulls that wait, of type `T`.
///
/// Each is given back exactly once: by [`PullWaiters::arrived`], [`PullWaiters::expired`], [`PullWaiters::take`],
/// [`PullWaiters::retain`] or [`PullWaiters::take_all`].
#[derive(Debug)]
pub struct PullWaiters<T> {
    /// Topic, queue.
    waiting: HashMap<Arc<str>, HashMap<i32, Vec<Waiter<T>>>>,
    deadlines: BTreeMap<(Timestamp, WaiterId), (Arc<str>, i32)>,
    next_id: u64,
    limits: WaiterLimits,
    /// When those whose time is over were last looked for.
    last_look: Timestamp,
}

impl<T> PullWaiters<T> {
    /// No one waits.
    pub fn new(limits: WaiterLimits) -> Self {
        PullWaiters {
            waiting: HashMap::new(),
            deadlines: BTreeMap::new(),
            next_id: 0,
            limits,
            last_look: Timestamp(0),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether no one waits.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// Those that wait for messages of a queue.
    pub fn of_queue(&self, topic: &str, queue_id: i32) -> impl Iterator<Item = &T> {
        let waiters = self.waiting.get(topic).and_then(|queues| queues.get(&queue_id));
        waiters.into_iter().flatten().map(|waiter| &waiter.pull)
    }

    /// Takes a pull in; gives it back where too many wait.
    pub fn park(&mut self, interest: Interest, pull: T) -> Result<WaiterId, T> {
        let Interest { topic, queue_id, from, filter, deadline } = interest;
        let of_queue = self.waiting.get(&topic).and_then(|queues| queues.get(&queue_id)).map_or(0, Vec::len);
        if of_queue >= self.limits.per_queue || self.len() >= self.limits.in_all {
            return Err(pull);
        }
        let id = WaiterId(self.next_id);
        self.next_id += 1;
        self.deadlines.insert((deadline, id), (topic.clone(), queue_id));
        let waiter = Waiter { id, from, filter, deadline, was_passed_over: false, pull };
        self.waiting.entry(topic).or_default().entry(queue_id).or_default().push(waiter);
        Ok(id)
    }

    /// Messages arrived: gives `woken` the pulls that they concern.
    pub fn arrived(&mut self, arrivals: &[Arrival], mut woken: impl FnMut(T)) {
        for arrival in arrivals {
            let Some(waiters) =
                self.waiting.get_mut(&arrival.topic).and_then(|queues| queues.get_mut(&arrival.queue_id))
            else {
                continue;
            };
            let concerns = |waiter: &Waiter<T>| {
                arrival.queue_offset >= waiter.from && waiter.filter.matches_entry(arrival.tags_code)
            };
            for waiter in waiters.extract_if(.., |waiter| concerns(waiter)) {
                self.deadlines.remove(&(waiter.deadline, waiter.id));
                woken(waiter.pull);
            }
            for waiter in waiters.iter_mut().filter(|waiter| !waiter.was_passed_over) {
                waiter.was_passed_over = true;
                let earlier = arrival.store_timestamp.add_ms(LET_GO_AFTER_MS);
                if earlier < waiter.deadline
                    && let Some(place) = self.deadlines.remove(&(waiter.deadline, waiter.id))
                {
                    waiter.deadline = earlier;
                    self.deadlines.insert((earlier, waiter.id), place);
                }
            }
            if waiters.is_empty() {
                self.forget_queue(&arrival.topic.clone(), arrival.queue_id);
            }
        }
    }

    /// Takes out those whose time is over; all where the clock was set back, as their deadlines mean nothing any more.
    pub fn expired(&mut self, now: Timestamp) -> Vec<T> {
        let ahead_ms = self.last_look.ms_since(now);
        self.last_look = now;
        if ahead_ms > CLOCK_BACK_MAX_MS {
            return self.take_all();
        }
        let mut expired = Vec::new();
        while let Some(entry) = self.deadlines.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let ((_, id), (topic, queue_id)) = entry.remove_entry();
            expired.extend(self.remove(&topic, queue_id, id));
        }
        expired
    }

    /// When the next one's time is over.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Takes out one; `None` where it was woken before.
    pub fn take(&mut self, topic: &str, queue_id: i32, id: WaiterId) -> Option<T> {
        let waiters = self.waiting.get(topic)?.get(&queue_id)?;
        let deadline = waiters.iter().find(|waiter| waiter.id == id)?.deadline;
        self.deadlines.remove(&(deadline, id));
        self.remove(topic, queue_id, id)
    }

    /// Takes out those that are not to be kept.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for queues in self.waiting.values_mut() {
            for waiters in queues.values_mut() {
                for waiter in waiters.extract_if(.., |waiter| !keep(&waiter.pull)) {
                    self.deadlines.remove(&(waiter.deadline, waiter.id));
                    taken.push(waiter.pull);
                }
            }
            queues.retain(|_, waiters| !waiters.is_empty());
        }
        self.waiting.retain(|_, queues| !queues.is_empty());
        taken
    }

    /// Takes out all.
    pub fn take_all(&mut self) -> Vec<T> {
        self.retain(|_| false)
    }

    fn remove(&mut self, topic: &str, queue_id: i32, id: WaiterId) -> Option<T> {
        let waiters = self.waiting.get_mut(topic)?.get_mut(&queue_id)?;
        let index = waiters.iter().position(|waiter| waiter.id == id)?;
        let waiter = waiters.swap_remove(index);
        if waiters.is_empty() {
            self.forget_queue(topic, queue_id);
        }
        Some(waiter.pull)
    }

    fn forget_queue(&mut self, topic: &str, queue_id: i32) {
        if let Some(queues) = self.waiting.get_mut(topic) {
            queues.remove(&queue_id);
            if queues.is_empty() {
                self.waiting.remove(topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use eruca_message::LogOffset;
    use proptest::prelude::*;

    use super::*;

    fn arrival(topic: &str, queue_id: i32, queue_offset: u64, tags_code: i64, at: i64) -> Arrival {
        Arrival {
            topic: topic.into(),
            queue_id,
            queue_offset: QueueOffset(queue_offset),
            queue_offset_max: QueueOffset(queue_offset + 1),
            tags_code,
            log_offset: LogOffset(0),
            size_bytes: 100,
            store_timestamp: Timestamp(at),
        }
    }

    fn interest(topic: &str, queue_id: i32, from: u64, tags: &[i64], deadline: i64) -> Interest {
        Interest {
            topic: topic.into(),
            queue_id,
            from: QueueOffset(from),
            filter: if tags.is_empty() { MessageFilter::All } else { MessageFilter::Tags(tags.into()) },
            deadline: Timestamp(deadline),
        }
    }

    fn woken(waiters: &mut PullWaiters<u32>, arrivals: &[Arrival]) -> Vec<u32> {
        let mut woken = Vec::new();
        waiters.arrived(arrivals, |pull| woken.push(pull));
        woken
    }

    #[test]
    fn an_arrival_wakes_those_it_concerns() {
        let mut waiters = PullWaiters::new(WaiterLimits::default());
        waiters.park(interest("T", 0, 5, &[], 15_000), 1).unwrap();
        waiters.park(interest("T", 0, 5, &[7], 15_000), 2).unwrap();
        waiters.park(interest("T", 1, 0, &[], 15_000), 3).unwrap();
        waiters.park(interest("T", 0, 6, &[], 15_000), 4).unwrap();
        assert_eq!(woken(&mut waiters, &[arrival("T", 0, 5, 3, 0)]), [1]);
        assert_eq!(woken(&mut waiters, &[arrival("T", 0, 6, 7, 0), arrival("T", 0, 7, 7, 0)]), [2, 4]);
        assert_eq!(waiters.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_lets_all_go() {
        let mut waiters = PullWaiters::new(WaiterLimits::default());
        assert!(waiters.expired(Timestamp(3_600_000)).is_empty());
        waiters.park(interest("T", 0, 0, &[], 3_615_000), 1).unwrap();
        assert!(waiters.expired(Timestamp(3_599_500)).is_empty(), "a little is nothing");
        assert_eq!(waiters.expired(Timestamp(5_000)), [1]);
        waiters.park(interest("T", 0, 0, &[], 20_000), 2).unwrap();
        assert!(waiters.expired(Timestamp(6_000)).is_empty());
    }

    #[test]
    fn passed_over_a_pull_is_let_go_after_five_seconds() {
        let mut waiters = PullWaiters::new(WaiterLimits::default());
        waiters.park(interest("T", 0, 0, &[7], 15_000), 1).unwrap();
        assert!(woken(&mut waiters, &[arrival("T", 0, 0, 3, 1_000)]).is_empty());
        assert!(woken(&mut waiters, &[arrival("T", 0, 1, 3, 4_000)]).is_empty());
        assert_eq!(waiters.next_deadline(), Some(Timestamp(6_000)));
        assert_eq!(waiters.expired(Timestamp(6_000)), [1]);
        assert!(waiters.is_empty());
    }

    #[test]
    fn too_many_are_given_back() {
        let mut waiters = PullWaiters::new(WaiterLimits { per_queue: 1, in_all: 2 });
        waiters.park(interest("T", 0, 0, &[], 1), 1).unwrap();
        assert_eq!(waiters.park(interest("T", 0, 0, &[], 1), 2), Err(2));
        waiters.park(interest("T", 1, 0, &[], 1), 3).unwrap();
        assert_eq!(waiters.park(interest("T", 2, 0, &[], 1), 4), Err(4));
    }

    #[derive(Debug, Clone)]
    enum Event {
        Park { queue: i32, from: u64, tag: Option<i64>, wait: i64 },
        Arrive { queue: i32, tag: i64 },
        Pass(i64),
        Take(usize),
        DropOdd,
    }

    fn event() -> impl Strategy<Value = Event> {
        prop_oneof![
            4 => (0..2i32, 0..6u64, proptest::option::of(0..3i64), 0..9_000i64)
                .prop_map(|(queue, from, tag, wait)| Event::Park { queue, from, tag, wait }),
            4 => (0..2i32, 0..3i64).prop_map(|(queue, tag)| Event::Arrive { queue, tag }),
            2 => (0..4_000i64).prop_map(Event::Pass),
            1 => (0..20usize).prop_map(Event::Take),
            1 => Just(Event::DropOdd),
        ]
    }

    proptest! {
        /// The model: a list of all that wait, searched as a whole.
        #[test]
        fn every_pull_comes_back_once_and_in_time(events in proptest::collection::vec(event(), 1..80)) {
            let mut waiters = PullWaiters::new(WaiterLimits { per_queue: 5, in_all: 8 });
            let mut model: Vec<(u32, WaiterId, i32, u64, Option<i64>, i64)> = Vec::new();
            let (mut now, mut next) = (0i64, 0u32);
            let mut ends = [0u64; 2];
            for event in events {
                match event {
                    Event::Park { queue, from, tag, wait } => {
                        let of_queue = model.iter().filter(|waiter| waiter.2 == queue).count();
                        let tags: Vec<i64> = tag.into_iter().collect();
                        let parked = waiters.park(interest("T", queue, from, &tags, now + wait), next);
                        prop_assert_eq!(parked.is_ok(), of_queue < 5 && model.len() < 8);
                        if let Ok(id) = parked {
                            model.push((next, id, queue, from, tag, now + wait));
                        }
                        next += 1;
                    }
                    Event::Arrive { queue, tag } => {
                        let at = ends[queue as usize];
                        ends[queue as usize] += 1;
                        let got: BTreeSet<u32> =
                            woken(&mut waiters, &[arrival("T", queue, at, tag, now)]).into_iter().collect();
                        let expected: BTreeSet<u32> = model
                            .iter()
                            .filter(|w| w.2 == queue && w.3 <= at && w.4.is_none_or(|wanted| wanted == tag))
                            .map(|w| w.0)
                            .collect();
                        prop_assert_eq!(&got, &expected);
                        model.retain(|w| !got.contains(&w.0));
                        for waiter in model.iter_mut().filter(|w| w.2 == queue) {
                            waiter.5 = waiter.5.min(now + LET_GO_AFTER_MS);
                        }
                    }
                    Event::Pass(ms) => {
                        now += ms;
                        let got: BTreeSet<u32> = waiters.expired(Timestamp(now)).into_iter().collect();
                        let expected: BTreeSet<u32> = model.iter().filter(|w| w.5 <= now).map(|w| w.0).collect();
                        prop_assert_eq!(&got, &expected);
                        model.retain(|w| !got.contains(&w.0));
                    }
                    Event::Take(index) => {
                        if let Some(waiter) = model.get(index).copied() {
                            prop_assert_eq!(waiters.take("T", waiter.2, waiter.1), Some(waiter.0));
                            prop_assert_eq!(waiters.take("T", waiter.2, waiter.1), None);
                            model.remove(index);
                        }
                    }
                    Event::DropOdd => {
                        waiters.retain(|pull| pull % 2 == 0);
                        model.retain(|w| w.0 % 2 == 0);
                    }
                }
                prop_assert_eq!(waiters.len(), model.len());
                prop_assert_eq!(waiters.next_deadline(), model.iter().map(|w| Timestamp(w.5)).min());
            }
            prop_assert_eq!(waiters.take_all().len(), model.len());
            prop_assert!(waiters.waiting.is_empty());
        }
    }
}
