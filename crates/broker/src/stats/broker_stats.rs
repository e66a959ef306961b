//! All counters of a broker.

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use eruca_message::{NameMap, Timestamp};
use eruca_protocol::body::BrokerStatsData;

use super::{Counter, DailyTotals, history::History};

/// What `VIEW_BROKER_STATS_DATA` can ask for, by Java's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StatsName {
    /// Messages stored in a topic; key: topic.
    TopicPutNums,
    /// Bytes stored in a topic; key: topic.
    TopicPutSize,
    /// Messages pulled by a group; key: `topic@group`.
    GroupGetNums,
    /// Bytes pulled by a group; key: `topic@group`.
    GroupGetSize,
    /// Messages sent back by a group; key: `topic@group`.
    SendBackNums,
}

impl FromStr for StatsName {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Ok(match name {
            "TOPIC_PUT_NUMS" => StatsName::TopicPutNums,
            "TOPIC_PUT_SIZE" => StatsName::TopicPutSize,
            "GROUP_GET_NUMS" => StatsName::GroupGetNums,
            "GROUP_GET_SIZE" => StatsName::GroupGetSize,
            "SNDBCK_PUT_NUMS" => StatsName::SendBackNums,
            _ => return Err(()),
        })
    }
}

/// A number of one topic, or of one group in it.
#[derive(Debug)]
struct Item {
    total: AtomicU64,
    history: Mutex<History>,
}

impl Item {
    fn new(now: Timestamp) -> Item {
        Item { total: AtomicU64::new(0), history: Mutex::new(History::new(now, 0)) }
    }

    fn add(&self, amount: u64) {
        self.total.fetch_add(amount, Ordering::Relaxed);
    }

    fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn data(&self, now: Timestamp) -> BrokerStatsData {
        lock(&self.history).data(now, self.total())
    }
}

#[derive(Debug)]
struct Pair {
    messages: Item,
    bytes: Item,
}

impl Pair {
    fn new(now: Timestamp) -> Arc<Pair> {
        Arc::new(Pair { messages: Item::new(now), bytes: Item::new(now) })
    }

    fn add(&self, messages: u64, bytes: u64) {
        self.messages.add(messages);
        self.bytes.add(bytes);
    }
}

/// What is counted of one topic.
#[derive(Debug)]
struct OfTopic {
    put: Arc<Pair>,
    got: HashMap<Box<str>, Arc<Pair>>,
    sent_back: HashMap<Box<str>, Arc<Pair>>,
}

/// A number of the whole broker, with its samples.
#[derive(Debug)]
struct Whole {
    counter: Counter,
    history: Mutex<History>,
}

impl Whole {
    fn new(now: Timestamp) -> Whole {
        Whole { counter: Counter::default(), history: Mutex::new(History::new(now, 0)) }
    }

    fn sample(&self, now: Timestamp) {
        lock(&self.history).sample(now, self.counter.total());
    }

    /// The last 10 seconds, minute and 10 minutes, as Java prints them: three numbers and blanks between.
    fn rates(&self, now: Timestamp) -> [f64; 3] {
        let history = lock(&self.history);
        let total = self.counter.total();
        [10_000, 60_000, 600_000].map(|ms| history.rate(now, total, ms))
    }
}

/// Counters of a broker (Java: `BrokerStatsManager`, `StoreStatsService`, `BrokerStats`).
#[derive(Debug)]
pub struct BrokerStats {
    /// When counting began.
    pub started_at: Timestamp,
    put_messages: Whole,
    put_bytes: Counter,
    got_messages: Whole,
    got_found: Whole,
    got_missed: Whole,
    topics: RwLock<NameMap<Box<str>, OfTopic>>,
    put_daily: Mutex<DailyTotals>,
    got_daily: Mutex<DailyTotals>,
    clock: Arc<dyn eruca_message::Clock>,
}

impl BrokerStats {
    /// Counting starts now, at zero.
    pub fn new(clock: Arc<dyn eruca_message::Clock>) -> Self {
        let now = clock.now();
        BrokerStats {
            started_at: now,
            put_messages: Whole::new(now),
            put_bytes: Counter::default(),
            got_messages: Whole::new(now),
            got_found: Whole::new(now),
            got_missed: Whole::new(now),
            topics: RwLock::default(),
            put_daily: Mutex::new(DailyTotals::new(now)),
            got_daily: Mutex::new(DailyTotals::new(now)),
            clock,
        }
    }

    /// Messages were stored in a topic.
    pub fn put(&self, topic: &str, messages: u64, bytes: u64) {
        self.put_messages.counter.add(messages);
        self.put_bytes.add(bytes);
        self.of_topic(topic, |of| of.put.clone()).add(messages, bytes);
    }

    /// A group pulled messages of a topic.
    pub fn got(&self, group: &str, topic: &str, messages: u64, bytes: u64) {
        self.got_messages.counter.add(messages);
        self.got_found.counter.add(1);
        self.of_group(group, topic, |of| &mut of.got, |of| &of.got).add(messages, bytes);
    }

    /// A pull found no message.
    pub fn got_nothing(&self) {
        self.got_missed.counter.add(1);
    }

    /// A group sent a message of a topic back.
    pub fn sent_back(&self, group: &str, topic: &str) {
        self.of_group(group, topic, |of| &mut of.sent_back, |of| &of.sent_back).add(1, 0);
    }

    /// Sums and rates of a number; `None` where nothing was counted under `key`.
    pub fn data(&self, name: StatsName, key: &str) -> Option<BrokerStatsData> {
        let now = self.clock.now();
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        if let StatsName::TopicPutNums | StatsName::TopicPutSize = name {
            let put = &topics.get(key)?.put;
            return Some(if name == StatsName::TopicPutNums {
                put.messages.data(now)
            } else {
                put.bytes.data(now)
            });
        }
        let (topic, group) = key.split_once('@')?;
        let of = topics.get(topic)?;
        match name {
            StatsName::SendBackNums => Some(of.sent_back.get(group)?.messages.data(now)),
            StatsName::GroupGetSize => Some(of.got.get(group)?.bytes.data(now)),
            _ => Some(of.got.get(group)?.messages.data(now)),
        }
    }

    /// Messages a second that a group pulled of a topic in the last minute.
    pub fn group_get_tps(&self, group: &str, topic: &str) -> f64 {
        self.data(StatsName::GroupGetNums, &format!("{topic}@{group}"))
            .map_or(0.0, |data| data.stats_minute.tps)
    }

    /// Messages a second that were stored in a topic in the last minute.
    pub fn topic_put_tps(&self, topic: &str) -> f64 {
        self.data(StatsName::TopicPutNums, topic).map_or(0.0, |data| data.stats_minute.tps)
    }

    /// Messages stored since the start.
    pub fn put_total(&self) -> u64 {
        self.put_messages.counter.total()
    }

    /// Bytes stored since the start.
    pub fn put_bytes_total(&self) -> u64 {
        self.put_bytes.total()
    }

    /// Messages pulled since the start.
    pub fn got_total(&self) -> u64 {
        self.got_messages.counter.total()
    }

    /// Stored messages a second over 10 s, 1 min and 10 min.
    pub fn put_tps(&self) -> [f64; 3] {
        self.put_messages.rates(self.clock.now())
    }

    /// Pulled messages a second over 10 s, 1 min and 10 min.
    pub fn transferred_tps(&self) -> [f64; 3] {
        self.got_messages.rates(self.clock.now())
    }

    /// Pulls a second that found something, over 10 s, 1 min and 10 min.
    pub fn found_tps(&self) -> [f64; 3] {
        self.got_found.rates(self.clock.now())
    }

    /// Pulls a second that found nothing, over 10 s, 1 min and 10 min.
    pub fn missed_tps(&self) -> [f64; 3] {
        self.got_missed.rates(self.clock.now())
    }

    /// Stored messages at the last midnights.
    pub fn put_daily(&self) -> DailyTotals {
        *lock(&self.put_daily)
    }

    /// Pulled messages at the last midnights.
    pub fn got_daily(&self) -> DailyTotals {
        *lock(&self.got_daily)
    }

    /// Takes samples. To be called every [`super::SAMPLE_INTERVAL_MS`].
    pub fn sample_step(&self, now: Timestamp) {
        for whole in [&self.put_messages, &self.got_messages, &self.got_found, &self.got_missed] {
            whole.sample(now);
        }
        lock(&self.put_daily).sample(now, self.put_total());
        lock(&self.got_daily).sample(now, self.got_total());
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let pairs = topics
            .values()
            .flat_map(|of| std::iter::once(&of.put).chain(of.got.values()).chain(of.sent_back.values()));
        for item in pairs.flat_map(|pair| [&pair.messages, &pair.bytes]) {
            lock(&item.history).sample(now, item.total());
        }
    }

    /// Forgets a topic that was deleted.
    pub fn delete_topic(&self, topic: &str) {
        self.topics.write().unwrap_or_else(PoisonError::into_inner).remove(topic);
    }

    /// Forgets a group that was deleted.
    pub fn delete_group(&self, group: &str) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        for of in topics.values_mut() {
            of.got.remove(group);
            of.sent_back.remove(group);
        }
    }

    fn of_topic(&self, topic: &str, pick: impl Fn(&OfTopic) -> Arc<Pair>) -> Arc<Pair> {
        if let Some(of) = self.topics.read().unwrap_or_else(PoisonError::into_inner).get(topic) {
            return pick(of);
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        pick(topics.entry(topic.into()).or_insert_with(|| self.new_topic()))
    }

    fn of_group(
        &self,
        group: &str,
        topic: &str,
        pick_mut: impl Fn(&mut OfTopic) -> &mut HashMap<Box<str>, Arc<Pair>>,
        pick: impl Fn(&OfTopic) -> &HashMap<Box<str>, Arc<Pair>>,
    ) -> Arc<Pair> {
        {
            let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(pair) = topics.get(topic).and_then(|of| pick(of).get(group)) {
                return Arc::clone(pair);
            }
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let of = topics.entry(topic.into()).or_insert_with(|| self.new_topic());
        Arc::clone(pick_mut(of).entry(group.into()).or_insert_with(|| Pair::new(self.clock.now())))
    }

    fn new_topic(&self) -> OfTopic {
        OfTopic { put: Pair::new(self.clock.now()), got: HashMap::new(), sent_back: HashMap::new() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves samples that are still right.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use eruca_message::ManualClock;

    use super::*;

    #[test]
    fn counters_of_topics_and_groups_are_apart() {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let stats = BrokerStats::new(clock.clone());
        stats.put("T", 10, 1_000);
        stats.put("U", 1, 100);
        stats.got("g", "T", 4, 400);
        stats.got("h", "T", 2, 200);
        stats.got_nothing();
        stats.sent_back("g", "T");
        clock.advance_ms(10_000);
        stats.sample_step(Timestamp(10_000));
        let sum = |name, key: &str| stats.data(name, key).map(|data| data.stats_minute.sum);
        assert_eq!(sum(StatsName::TopicPutNums, "T"), Some(10));
        assert_eq!(sum(StatsName::TopicPutSize, "U"), Some(100));
        assert_eq!(sum(StatsName::GroupGetNums, "T@g"), Some(4));
        assert_eq!(sum(StatsName::GroupGetSize, "T@h"), Some(200));
        assert_eq!(sum(StatsName::SendBackNums, "T@g"), Some(1));
        assert_eq!(sum(StatsName::TopicPutNums, "V"), None);
        assert_eq!((stats.put_total(), stats.put_bytes_total(), stats.got_total()), (11, 1_100, 6));
        assert_eq!((stats.put_tps()[0], stats.transferred_tps()[0]), (1.1, 0.6));
        assert_eq!((stats.found_tps()[0], stats.missed_tps()[0]), (0.2, 0.1));
        assert_eq!(stats.group_get_tps("g", "T"), 0.4);
        stats.delete_group("g");
        stats.delete_topic("U");
        assert_eq!(sum(StatsName::GroupGetNums, "T@g"), None);
        assert_eq!(sum(StatsName::TopicPutNums, "U"), None);
    }
}
