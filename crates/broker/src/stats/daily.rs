//! Totals at midnight, for "today" and "yesterday".

use eruca_message::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// A growing number at the last two midnights (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyTotals {
    day: i64,
    /// When yesterday began.
    pub yesterday_morning: u64,
    /// When today began.
    pub today_morning: u64,
}

impl DailyTotals {
    /// Counting starts at `now`.
    pub(super) fn new(now: Timestamp) -> Self {
        DailyTotals { day: now.0.div_euclid(DAY_MS), yesterday_morning: 0, today_morning: 0 }
    }

    /// Notes the total, if a new day has begun.
    pub(super) fn sample(&mut self, now: Timestamp, total: u64) {
        let day = now.0.div_euclid(DAY_MS);
        if day > self.day {
            *self = DailyTotals { day, yesterday_morning: self.today_morning, today_morning: total };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_moves_the_totals() {
        let mut totals = DailyTotals::new(Timestamp(DAY_MS - 1));
        totals.sample(Timestamp(DAY_MS - 1), 5);
        assert_eq!((totals.yesterday_morning, totals.today_morning), (0, 0));
        totals.sample(Timestamp(DAY_MS), 7);
        totals.sample(Timestamp(DAY_MS + 9), 8);
        totals.sample(Timestamp(2 * DAY_MS), 11);
        assert_eq!((totals.yesterday_morning, totals.today_morning), (7, 11));
    }
}
