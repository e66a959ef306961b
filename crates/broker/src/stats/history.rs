//! Samples of a growing number, from which sums and rates of the last minute, hour and day are made.

use std::collections::VecDeque;

use eruca_message::Timestamp;
use eruca_protocol::body::{BrokerStatsData, BrokerStatsItem};

/// How often [`History::sample`] is to be called, in milliseconds.
pub const SAMPLE_INTERVAL_MS: i64 = 10_000;

/// Samples of the last minute, hour or day.
#[derive(Debug, Clone)]
struct Window {
    interval_ms: i64,
    /// One more than intervals: a difference needs both ends.
    len: usize,
    samples: VecDeque<(Timestamp, u64)>,
}

impl Window {
    fn sample(&mut self, now: Timestamp, total: u64) {
        // A little before its time is right: the caller's clock is not exact, and a whole interval must not be missed.
        let is_due = self
            .samples
            .back()
            .is_none_or(|(at, _)| now.ms_since(*at) >= self.interval_ms - SAMPLE_INTERVAL_MS / 2);
        if is_due {
            self.samples.push_back((now, total));
            if self.samples.len() > self.len {
                self.samples.pop_front();
            }
        }
    }

    /// Sum and rate between the oldest sample and now.
    fn item(&self, now: Timestamp, total: u64) -> BrokerStatsItem {
        let Some((start, before)) = self.samples.front() else { return BrokerStatsItem::default() };
        let sum = total.saturating_sub(*before);
        let elapsed_ms = now.ms_since(*start);
        let tps = if elapsed_ms > 0 { sum as f64 * 1000.0 / elapsed_ms as f64 } else { 0.0 };
        BrokerStatsItem { sum: i64::try_from(sum).unwrap_or(i64::MAX), tps, avgpt: 0.0 }
    }
}

/// Samples of one number (Java: `StatsItem`).
#[derive(Debug, Clone)]
pub(super) struct History {
    minute: Window,
    hour: Window,
    day: Window,
}

impl History {
    /// A number that was `total` at `now`.
    pub(super) fn new(now: Timestamp, total: u64) -> History {
        let window = |interval_ms, len| Window { interval_ms, len, samples: VecDeque::new() };
        let mut history = History {
            minute: window(SAMPLE_INTERVAL_MS, 7),
            hour: window(600_000, 7),
            day: window(3_600_000, 25),
        };
        history.sample(now, total);
        history
    }

    /// Notes what the number is now.
    pub(super) fn sample(&mut self, now: Timestamp, total: u64) {
        self.minute.sample(now, total);
        self.hour.sample(now, total);
        self.day.sample(now, total);
    }

    /// Sums and rates.
    pub(super) fn data(&self, now: Timestamp, total: u64) -> BrokerStatsData {
        BrokerStatsData {
            stats_minute: self.minute.item(now, total),
            stats_hour: self.hour.item(now, total),
            stats_day: self.day.item(now, total),
        }
    }

    /// The rate since the last sample that is at least `ms` old (the oldest of the last minute or hour, where none
    /// is), per second.
    pub(super) fn rate(&self, now: Timestamp, total: u64, ms: i64) -> f64 {
        let window = if ms <= 60_000 { &self.minute } else { &self.hour };
        let old_enough = |(at, _): &&(Timestamp, u64)| now.ms_since(*at) >= ms;
        let since = window.samples.iter().rev().find(old_enough).or(window.samples.front());
        let Some((at, before)) = since else { return 0.0 };
        let elapsed_ms = now.ms_since(*at);
        if elapsed_ms <= 0 { 0.0 } else { total.saturating_sub(*before) as f64 * 1000.0 / elapsed_ms as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_rates_cover_their_spans() {
        let mut history = History::new(Timestamp(0), 0);
        let mut total = 0;
        for step in 1..=720 {
            // 100 a second for an hour, then 10.
            total += if step <= 360 { 1_000 } else { 100 };
            history.sample(Timestamp(step * SAMPLE_INTERVAL_MS), total);
        }
        let data = history.data(Timestamp(7_200_000), total);
        assert_eq!((data.stats_minute.sum, data.stats_minute.tps), (600, 10.0));
        assert_eq!((data.stats_hour.sum, data.stats_hour.tps), (36_000, 10.0));
        assert_eq!((data.stats_day.sum, data.stats_day.tps), (396_000, 55.0));
        assert_eq!(history.rate(Timestamp(7_200_000), total, 10_000), 10.0);
    }

    #[test]
    fn the_rate_of_the_first_seconds_is_known() {
        let history = History::new(Timestamp(0), 0);
        assert_eq!(history.rate(Timestamp(2_000), 500, 10_000), 250.0);
        assert_eq!(history.rate(Timestamp(0), 500, 10_000), 0.0);
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let mut history = History::new(Timestamp(100_000), 5);
        history.sample(Timestamp(0), 9);
        assert_eq!(history.rate(Timestamp(1_000), 10, 10_000), 0.0);
        assert_eq!(history.data(Timestamp(1_000), 10).stats_minute.tps, 0.0);
    }
}
