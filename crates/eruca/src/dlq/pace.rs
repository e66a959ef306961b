//! How fast messages are sent again. Pure: time is given.

use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// So much lateness is made up for: the timer that waits knows milliseconds only. More is not, so that what comes after a
/// sender was held up is no burst.
const SLACK: Duration = Duration::from_millis(10);

/// Lets so many messages a second go, evenly: at most what [`SLACK`] brings more in any second.
#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    /// When the next one may go.
    next: Duration,
}

impl Pace {
    /// `rate` messages a second.
    pub(super) fn new(rate: u32) -> Pace {
        Pace { period: SECOND / rate.max(1), next: Duration::ZERO }
    }

    /// When, on the same clock as `now`, the message may go that is ready now.
    pub(super) fn admit(&mut self, now: Duration) -> Duration {
        let at = self.next.max(now.saturating_sub(SLACK));
        self.next = at + self.period;
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// When each of `count` messages is sent by one whose sends take `send` (by number), and whose timer is late by up to a
    /// millisecond.
    fn sent(rate: u32, count: u32, send: impl Fn(u32) -> Duration) -> Vec<Duration> {
        let (mut pace, mut now) = (Pace::new(rate), Duration::ZERO);
        let mut times = Vec::new();
        for number in 0..count {
            let at = pace.admit(now);
            if at > now {
                now = at + MS * (number % 2);
            }
            times.push(now);
            now += send(number);
        }
        times
    }

    fn most_in_a_second(times: &[Duration]) -> usize {
        let within =
            |first: &Duration| times.iter().filter(|at| (*first..*first + SECOND).contains(at)).count();
        times.iter().map(within).max().unwrap_or_default()
    }

    #[test]
    fn no_second_has_more_than_the_rate_and_what_the_slack_brings() {
        for (rate, allowed) in [(1, 2), (7, 8), (100, 102), (1_000, 1_011)] {
            let quick = sent(rate, 3 * rate, |_| Duration::ZERO);
            assert!(most_in_a_second(&quick) <= allowed, "{rate}: {}", most_in_a_second(&quick));
            let last = *quick.last().unwrap();
            let ideal = SECOND * (3 * rate - 1) / rate;
            assert!(last + SLACK >= ideal && last <= ideal + SLACK, "{rate}: {last:?}, {ideal:?}");
            // Held up for five seconds: what was not sent then is not sent in one go.
            let held_up = sent(rate, 3 * rate, |number| if number == rate { 5 * SECOND } else { MS / 10 });
            assert!(most_in_a_second(&held_up) <= allowed, "{rate}: {}", most_in_a_second(&held_up));
        }
    }

    #[test]
    fn a_rate_beyond_every_clock_holds_nothing_back() {
        assert_eq!(sent(u32::MAX, 1_000, |_| Duration::ZERO).last(), Some(&Duration::ZERO));
    }
}
