//! How fast a consumer's topics come and are consumed. Time is given.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use eruca_message::Timestamp;
use eruca_protocol::body::ConsumeStatus;

use crate::{lock::lock, millis::millis};

/// Parts of a window.
const PARTS: usize = 6;
const MINUTE_PART_MS: i64 = 10_000;
const HOUR_PART_MS: i64 = 600_000;

/// What happened in a part of a window.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// Which part of all time it is.
    number: i64,
    sum: u64,
    times: u64,
}

/// What happened lately: in the part that runs and those just before it.
#[derive(Debug)]
struct Window {
    part_ms: i64,
    parts: [Part; PARTS],
}

impl Window {
    fn new(part_ms: i64) -> Self {
        Window { part_ms, parts: [Part::default(); PARTS] }
    }

    fn add(&mut self, value: u64, now: Timestamp) {
        let number = now.0.div_euclid(self.part_ms);
        let Some(part) = self.parts.get_mut(place(number)) else { return };
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        part.sum = part.sum.saturating_add(value);
        part.times += 1;
    }

    /// The sum of what was added, and how often something was.
    fn total(&self, now: Timestamp) -> (u64, u64) {
        let number = now.0.div_euclid(self.part_ms);
        let recent = self.parts.iter().filter(|part| (0..PARTS as i64).contains(&(number - part.number)));
        recent.fold((0, 0), |(sum, times), part| (sum + part.sum, times + part.times))
    }

    /// For how long it knows what happened, where counting began at `since`.
    fn span_ms(&self, since: Timestamp, now: Timestamp) -> i64 {
        let first_part = (now.0.div_euclid(self.part_ms) - (PARTS as i64 - 1)) * self.part_ms;
        // What has just begun is no fast one because its first message came at once.
        now.ms_since(Timestamp(since.0.max(first_part))).max(self.part_ms)
    }
}

fn place(number: i64) -> usize {
    usize::try_from(number.rem_euclid(PARTS as i64)).unwrap_or_default()
}

/// The last minute and the last hour of something.
#[derive(Debug)]
struct Counter {
    minute: Window,
    hour: Window,
}

impl Default for Counter {
    fn default() -> Self {
        Counter { minute: Window::new(MINUTE_PART_MS), hour: Window::new(HOUR_PART_MS) }
    }
}

impl Counter {
    fn add(&mut self, value: u64, now: Timestamp) {
        self.minute.add(value, now);
        self.hour.add(value, now);
    }

    fn per_second(&self, since: Timestamp, now: Timestamp) -> f64 {
        self.minute.total(now).0 as f64 * 1_000.0 / self.minute.span_ms(since, now) as f64
    }
}

fn average((sum, times): (u64, u64)) -> f64 {
    if times == 0 { 0.0 } else { sum as f64 / times as f64 }
}

#[derive(Debug, Default)]
struct TopicRates {
    pull_ms: Counter,
    pulled: Counter,
    consume_ms: Counter,
    consumed: Counter,
    failed: Counter,
}

impl TopicRates {
    fn status(&self, since: Timestamp, now: Timestamp) -> ConsumeStatus {
        // Calls that take long are rare: those of the hour tell more than none.
        let calls = Some(self.consume_ms.minute.total(now)).filter(|(sum, _)| *sum > 0);
        ConsumeStatus {
            pull_rt: average(self.pull_ms.minute.total(now)),
            pull_tps: self.pulled.per_second(since, now),
            consume_rt: average(calls.unwrap_or_else(|| self.consume_ms.hour.total(now))),
            consume_ok_tps: self.consumed.per_second(since, now),
            consume_failed_tps: self.failed.per_second(since, now),
            consume_failed_msgs: i64::try_from(self.failed.hour.total(now).0).unwrap_or(i64::MAX),
        }
    }
}

/// How fast the topics of a consumer come and are consumed (Java: `ConsumerStatsManager`).
#[derive(Debug)]
pub(crate) struct Rates {
    since: Timestamp,
    topics: Mutex<BTreeMap<String, TopicRates>>,
}

impl Rates {
    /// Counts from `now` on.
    pub(crate) fn new(now: Timestamp) -> Self {
        Rates { since: now, topics: Mutex::default() }
    }

    /// When counting began.
    pub(crate) fn since(&self) -> Timestamp {
        self.since
    }

    fn on(&self, topic: &str, note: impl FnOnce(&mut TopicRates)) {
        let mut topics = lock(&self.topics);
        match topics.get_mut(topic) {
            Some(rates) => note(rates),
            None => note(topics.entry(topic.to_owned()).or_default()),
        }
    }

    /// A pull or a pop of `topic` brought so many messages.
    pub(crate) fn pulled(&self, topic: &str, took: Duration, messages: usize, now: Timestamp) {
        self.on(topic, |rates| {
            rates.pull_ms.add(ms(took), now);
            rates.pulled.add(messages as u64, now);
        });
    }

    /// A call of the listener ended, and how many of its messages are done with and how many failed.
    pub(crate) fn consumed(&self, topic: &str, took: Duration, done: usize, failed: usize, now: Timestamp) {
        self.on(topic, |rates| {
            rates.consume_ms.add(ms(took), now);
            rates.consumed.add(done as u64, now);
            rates.failed.add(failed as u64, now);
        });
    }

    /// What is to be said of `topics`.
    pub(crate) fn table(
        &self,
        topics: impl IntoIterator<Item = String>,
        now: Timestamp,
    ) -> BTreeMap<String, ConsumeStatus> {
        let known = lock(&self.topics);
        let status = |topic: &String| known.get(topic).map(|rates| rates.status(self.since, now));
        topics
            .into_iter()
            .map(|topic| {
                let status = status(&topic).unwrap_or_default();
                (topic, status)
            })
            .collect()
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(millis(time)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_000_000_000_000);

    fn status(rates: &Rates, after_ms: i64) -> ConsumeStatus {
        rates.table(["t".to_owned()], START.add_ms(after_ms))["t"]
    }

    #[test]
    fn rates_are_those_of_the_last_minute_and_failures_those_of_the_last_hour() {
        let rates = Rates::new(START);
        for second in 0..60 {
            let now = START.add_ms(second * 1_000);
            rates.pulled("t", Duration::from_millis(4), 20, now);
            rates.consumed("t", Duration::from_millis(if second % 2 == 0 { 10 } else { 30 }), 18, 2, now);
        }
        let now = status(&rates, 60_000 - 1);
        assert_eq!((now.pull_rt, now.consume_rt, now.consume_failed_msgs), (4.0, 20.0, 120));
        assert!((19.0..21.0).contains(&now.pull_tps), "{now:?}");
        assert!((17.0..19.0).contains(&now.consume_ok_tps), "{now:?}");
        assert!((1.9..2.1).contains(&now.consume_failed_tps), "{now:?}");
        let later = status(&rates, 200_000);
        assert_eq!((later.pull_rt, later.pull_tps, later.consume_ok_tps), (0.0, 0.0, 0.0));
        assert_eq!((later.consume_rt, later.consume_failed_msgs), (20.0, 120), "of the hour");
        assert_eq!(status(&rates, 2 * 3_600_000), ConsumeStatus::default());
    }

    #[test]
    fn the_first_message_is_no_storm_and_an_unknown_topic_is_at_rest() {
        let rates = Rates::new(START);
        rates.consumed("t", Duration::ZERO, 1, 0, START.add_ms(1));
        assert_eq!(status(&rates, 2).consume_ok_tps, 0.1);
        assert_eq!(rates.table(["u".to_owned()], START)["u"], ConsumeStatus::default());
    }

    #[test]
    fn a_clock_that_is_set_back_loses_nothing_but_the_counts() {
        let rates = Rates::new(START);
        rates.consumed("t", Duration::ZERO, 5, 0, START.add_ms(3_600_000));
        assert_eq!(status(&rates, 0).consume_ok_tps, 0.0);
        rates.consumed("t", Duration::ZERO, 5, 0, START);
        assert_eq!(status(&rates, 0).consume_ok_tps, 0.5);
    }
}
