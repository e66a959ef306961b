//! The pops and notifications that wait, as a state machine: no lock, no clock, no thread.
//!
//! A pull waits for one queue, and whoever waits for it is woken. A pop waits for any queue of a topic or for one, as a
//! member of a group; of each group one is woken, as a message goes to one member only.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Arc,
};

use eruca_message::{
    Timestamp,
    names::{is_retry_topic, pop_retry_topic_v1, pop_retry_topic_v2},
};
use eruca_store::Arrival;

use crate::filter::MessageFilter;

/// A clock that goes back further than this was set.
const CLOCK_BACK_MAX_MS: i64 = 1_000;
/// Queue number of those who wait for any queue.
pub const ANY_QUEUE: i32 = -1;

/// Which of two kinds waits; of each kind one is woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A pop, which takes the message.
    Pop,
    /// A notification, which only tells that there is one.
    Notification,
}

/// What a pop waits for.
#[derive(Debug, Clone)]
pub struct PopInterest {
    /// Topic name.
    pub topic: Arc<str>,
    /// Group name.
    pub group: Arc<str>,
    /// Queue number, or [`ANY_QUEUE`].
    pub queue_id: i32,
    /// Kind.
    pub lane: Lane,
    /// Which messages would do.
    pub filter: MessageFilter,
    /// When the waiting ends in any case.
    pub deadline: Timestamp,
}

/// Bounds of the waiting pops.
#[derive(Debug, Clone, Copy)]
pub struct PopWaiterLimits {
    /// Most of one group, topic and queue (`popPollingSize`).
    pub per_queue: usize,
    /// Most in all (`maxPopPollingSize`).
    pub in_all: usize,
}

/// Names one waiting pop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PopWaiterId(u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Place {
    topic: Arc<str>,
    group: Arc<str>,
    queue: (Lane, i32),
}

#[derive(Debug)]
struct Waiter<T> {
    id: PopWaiterId,
    filter: MessageFilter,
    pop: T,
}

/// Who waits of a group, by kind and queue; those who came first are first.
type OfGroup<T> = BTreeMap<(Lane, i32), VecDeque<Waiter<T>>>;

/// The pops that wait, of type `T`. Each is given back exactly once.
#[derive(Debug)]
pub struct PopWaiters<T> {
    waiting: HashMap<Arc<str>, HashMap<Arc<str>, OfGroup<T>>>,
    /// From the names of retry topics, in either form, to topic and group.
    retry_topics: HashMap<String, (Arc<str>, Arc<str>)>,
    deadlines: BTreeMap<(Timestamp, PopWaiterId), Place>,
    places: HashMap<PopWaiterId, Timestamp>,
    next_id: u64,
    last_look: Timestamp,
}

impl<T> Default for PopWaiters<T> {
    fn default() -> Self {
        PopWaiters {
            waiting: HashMap::new(),
            retry_topics: HashMap::new(),
            deadlines: BTreeMap::new(),
            places: HashMap::new(),
            next_id: 0,
            last_look: Timestamp(0),
        }
    }
}

impl<T> PopWaiters<T> {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Whether no one waits.
    pub fn is_empty(&self) -> bool {
        self.deadlines.is_empty()
    }

    /// How many pops of a group wait for this queue of a topic ([`ANY_QUEUE`]: for any).
    pub fn waiting_pops(&self, topic: &str, group: &str, queue_id: i32) -> usize {
        let of_group = self.waiting.get(topic).and_then(|groups| groups.get(group));
        of_group.and_then(|queues| queues.get(&(Lane::Pop, queue_id))).map_or(0, VecDeque::len)
    }

    /// Takes a pop in; gives it back where too many wait.
    pub fn park(&mut self, interest: PopInterest, limits: PopWaiterLimits, pop: T) -> Result<PopWaiterId, T> {
        let PopInterest { topic, group, queue_id, lane, filter, deadline } = interest;
        let place = Place { topic, group, queue: (lane, queue_id) };
        let of_group = self.waiting.get(&place.topic).and_then(|groups| groups.get(&place.group));
        let of_queue = of_group.and_then(|queues| queues.get(&place.queue)).map_or(0, VecDeque::len);
        if of_queue >= limits.per_queue || self.len() >= limits.in_all {
            return Err(pop);
        }
        if of_group.is_none() {
            let to = (place.topic.clone(), place.group.clone());
            self.retry_topics.insert(pop_retry_topic_v1(&to.0, &to.1), to.clone());
            self.retry_topics.insert(pop_retry_topic_v2(&to.0, &to.1), to);
        }
        let id = PopWaiterId(self.next_id);
        self.next_id += 1;
        let of_topic = self.waiting.entry(place.topic.clone()).or_default();
        let queues = of_topic.entry(place.group.clone()).or_default();
        queues.entry(place.queue).or_default().push_back(Waiter { id, filter, pop });
        self.places.insert(id, deadline);
        self.deadlines.insert((deadline, id), place);
        Ok(id)
    }

    /// Messages arrived: gives `woken` the pops that they concern, one of each group and kind for each message.
    pub fn arrived(&mut self, arrivals: &[Arrival], woken: &mut impl Extend<T>) {
        for arrival in arrivals {
            if is_retry_topic(&arrival.topic) {
                let Some((topic, group)) = self.retry_topics.get(&*arrival.topic).cloned() else { continue };
                // What comes again was matched before; any member takes it, whichever queue it waits for.
                self.wake_any(&topic, &group, woken);
                continue;
            }
            let Some(groups) = self.waiting.get(&arrival.topic) else { continue };
            let groups: Vec<Arc<str>> = groups.keys().cloned().collect();
            for group in groups {
                for lane in [Lane::Pop, Lane::Notification] {
                    let topic = &arrival.topic;
                    let one = self
                        .wake_one(topic, &group, (lane, ANY_QUEUE), Some(arrival.tags_code))
                        .or_else(|| {
                            self.wake_one(topic, &group, (lane, arrival.queue_id), Some(arrival.tags_code))
                        });
                    woken.extend(one);
                }
            }
        }
    }

    /// There may be something for `group` in a queue of `topic`: takes out one of each kind that waits for it.
    pub fn notify(&mut self, topic: &str, group: &str, queue_id: i32, woken: &mut impl Extend<T>) {
        for lane in [Lane::Pop, Lane::Notification] {
            let one = self
                .wake_one(topic, group, (lane, ANY_QUEUE), None)
                .or_else(|| self.wake_one(topic, group, (lane, queue_id), None));
            woken.extend(one);
        }
    }

    fn wake_any(&mut self, topic: &str, group: &str, woken: &mut impl Extend<T>) {
        for lane in [Lane::Pop, Lane::Notification] {
            let of_group = self.waiting.get(topic).and_then(|groups| groups.get(group));
            let queue = of_group.and_then(|queues| queues.keys().find(|(of, _)| *of == lane)).copied();
            woken.extend(queue.and_then(|queue| self.wake_one(topic, group, queue, None)));
        }
    }

    fn wake_one(
        &mut self,
        topic: &str,
        group: &str,
        queue: (Lane, i32),
        tags_code: Option<i64>,
    ) -> Option<T> {
        let queues = self.waiting.get_mut(topic)?.get_mut(group)?;
        let waiters = queues.get_mut(&queue)?;
        let matching = |waiter: &Waiter<T>| tags_code.is_none_or(|code| waiter.filter.matches_entry(code));
        let index = waiters.iter().position(matching)?;
        let id = waiters.get(index)?.id;
        self.take(id)
    }

    /// Takes out one; `None` where it was woken before.
    pub fn take(&mut self, id: PopWaiterId) -> Option<T> {
        let deadline = self.places.remove(&id)?;
        let place = self.deadlines.remove(&(deadline, id))?;
        self.remove(&place, id)
    }

    /// Takes out those whose time is over; all where the clock was set back, as their deadlines mean nothing any more.
    pub fn expired(&mut self, now: Timestamp) -> Vec<T> {
        let ahead_ms = self.last_look.ms_since(now);
        self.last_look = now;
        if ahead_ms > CLOCK_BACK_MAX_MS {
            return self.take_all();
        }
        let mut expired = Vec::new();
        while let Some(((deadline, id), _)) =
            self.deadlines.first_key_value().map(|(key, place)| (*key, place))
        {
            if deadline > now {
                break;
            }
            expired.extend(self.take(id));
        }
        expired
    }

    /// When the next one's time is over.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Takes out those that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) -> Vec<T> {
        let waiters = self.waiting.values().flat_map(HashMap::values).flat_map(BTreeMap::values).flatten();
        let gone: Vec<PopWaiterId> =
            waiters.filter(|waiter| !keep(&waiter.pop)).map(|waiter| waiter.id).collect();
        gone.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Takes out all.
    pub fn take_all(&mut self) -> Vec<T> {
        let all: Vec<PopWaiterId> = self.deadlines.keys().map(|(_, id)| *id).collect();
        all.into_iter().filter_map(|id| self.take(id)).collect()
    }

    /// Takes a waiter from its place, and the place with the last one.
    fn remove(&mut self, place: &Place, id: PopWaiterId) -> Option<T> {
        let groups = self.waiting.get_mut(&place.topic)?;
        let queues = groups.get_mut(&place.group)?;
        let waiters = queues.get_mut(&place.queue)?;
        let index = waiters.iter().position(|waiter| waiter.id == id)?;
        let waiter = waiters.remove(index)?;
        if waiters.is_empty() {
            queues.remove(&place.queue);
        }
        if queues.is_empty() {
            groups.remove(&place.group);
            self.retry_topics.remove(&pop_retry_topic_v1(&place.topic, &place.group));
            self.retry_topics.remove(&pop_retry_topic_v2(&place.topic, &place.group));
        }
        if groups.is_empty() {
            self.waiting.remove(&place.topic);
        }
        Some(waiter.pop)
    }
}

#[cfg(test)]
#[path = "pop_waiters_test.rs"]
mod tests;
