//! When which request is due: pure arithmetic over nanoseconds since the start of the load.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::args::DurationArgs;

const NANOS: u64 = 1_000_000_000;
/// Measured where nothing is said, in seconds.
const SECONDS_DEFAULT: u32 = 10;
/// Before a measurement by time, in seconds.
const WARMUP_DEFAULT: u32 = 2;

/// The phases of a load: warm-up, then measurement until a moment, a number of messages, or both.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the measurement begins.
    pub(crate) measure_from_ns: u64,
    /// Where nothing more is sent.
    pub(crate) end_ns: Option<u64>,
    /// Measured messages that may still be sent.
    left: Option<AtomicI64>,
}

impl Plan {
    /// What was typed. Where neither time nor number was, it ends after ten seconds, unless the load `ends_by_itself`:
    /// then it is not warmed up either, which would use up what is to be measured.
    pub(crate) fn new(args: &DurationArgs, ends_by_itself: bool) -> Plan {
        let is_bounded = args.count.is_some() || ends_by_itself;
        let seconds = args.seconds.or((!is_bounded).then_some(SECONDS_DEFAULT));
        let warms_up = seconds.is_some() && !ends_by_itself;
        let warmup = args.warmup.unwrap_or(if warms_up { WARMUP_DEFAULT } else { 0 });
        let measure_from_ns = u64::from(warmup) * NANOS;
        Plan {
            measure_from_ns,
            end_ns: seconds.map(|seconds| measure_from_ns + u64::from(seconds) * NANOS),
            left: args.count.map(|count| AtomicI64::new(i64::try_from(count).unwrap_or(i64::MAX))),
        }
    }

    /// Whether what is due at `due_ns` belongs to the measurement.
    pub(crate) fn is_measured(&self, due_ns: u64) -> bool {
        due_ns >= self.measure_from_ns && self.end_ns.is_none_or(|end| due_ns < end)
    }

    /// Whether nothing more is to be sent or asked for at `now_ns`.
    pub(crate) fn is_over(&self, now_ns: u64) -> bool {
        self.end_ns.is_some_and(|end| now_ns >= end)
            || self.left.as_ref().is_some_and(|left| left.load(Ordering::Relaxed) <= 0)
    }

    /// How many of the `wanted` messages that are due at `due_ns` may be sent; none when the load is over.
    pub(crate) fn take(&self, due_ns: u64, wanted: u32) -> u32 {
        if self.end_ns.is_some_and(|end| due_ns >= end) {
            return 0;
        }
        match &self.left {
            Some(left) if due_ns >= self.measure_from_ns => {
                // Subtracted before it is asked: what is taken too much is below zero and taken by nobody.
                let before = left.fetch_sub(i64::from(wanted), Ordering::Relaxed);
                before.clamp(0, i64::from(wanted)) as u32
            }
            _ => wanted,
        }
    }
}

/// When one connection's requests are due.
#[derive(Debug, Clone)]
pub(crate) enum Schedule {
    /// At once.
    Now,
    /// At fixed distances, whatever happens to earlier requests.
    Fixed {
        /// The first.
        first_ns: f64,
        /// From one to the next.
        step_ns: f64,
        /// How many were taken.
        taken: u64,
    },
}

impl Schedule {
    /// The schedule of connection `number` of `connections` that together make `requests_per_second`.
    ///
    /// Their requests interleave evenly.
    pub(crate) fn new(requests_per_second: Option<f64>, number: u32, connections: u32) -> Schedule {
        match requests_per_second {
            None => Schedule::Now,
            Some(rate) => {
                let distance_ns = NANOS as f64 / rate;
                Schedule::Fixed {
                    first_ns: distance_ns * f64::from(number),
                    step_ns: distance_ns * f64::from(connections),
                    taken: 0,
                }
            }
        }
    }

    /// When the next request is due, seen from `now_ns`.
    pub(crate) fn due_ns(&self, now_ns: u64) -> u64 {
        match self {
            Schedule::Now => now_ns,
            Schedule::Fixed { taken, .. } => self.nth_due_ns(*taken, now_ns),
        }
    }

    /// When request `number`, from 0, is due, seen from `now_ns`.
    pub(crate) fn nth_due_ns(&self, number: u64, now_ns: u64) -> u64 {
        match self {
            Schedule::Now => now_ns,
            Schedule::Fixed { first_ns, step_ns, .. } => (first_ns + step_ns * number as f64) as u64,
        }
    }

    /// Goes on to the request after the next.
    pub(crate) fn advance(&mut self) {
        if let Schedule::Fixed { taken, .. } = self {
            *taken += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seconds: Option<u32>, count: Option<u64>, warmup: Option<u32>, ends: bool) -> Plan {
        Plan::new(&DurationArgs { seconds, count, warmup }, ends)
    }

    #[test]
    fn without_a_word_it_warms_up_for_two_seconds_and_measures_for_ten() {
        let plan = plan(None, None, None, false);
        assert_eq!((plan.measure_from_ns, plan.end_ns), (2 * NANOS, Some(12 * NANOS)));
        let whole_backlog = self::plan(None, None, None, true);
        assert_eq!((whole_backlog.measure_from_ns, whole_backlog.end_ns), (0, None));
        assert_eq!(self::plan(Some(3), None, None, true).measure_from_ns, 0);
    }

    #[test]
    fn the_number_counts_measured_messages_only_and_is_never_exceeded() {
        let plan = plan(None, Some(10), Some(1), false);
        assert_eq!(plan.take(0, 4), 4);
        let measured: Vec<_> = (0..5).map(|_| plan.take(NANOS, 4)).collect();
        assert_eq!(measured, [4, 4, 2, 0, 0]);
        assert!(plan.is_over(NANOS));
    }

    #[test]
    fn nothing_is_taken_after_the_end() {
        let plan = plan(Some(1), None, Some(0), false);
        assert_eq!((plan.take(NANOS - 1, 1), plan.take(NANOS, 1)), (1, 0));
        assert!(!plan.is_over(NANOS - 1) && plan.is_over(NANOS));
        assert!(plan.is_measured(NANOS - 1) && !plan.is_measured(NANOS));
    }

    #[test]
    fn connections_share_a_rate_evenly() {
        let mut all: Vec<u64> = (0..4)
            .flat_map(|number| {
                let mut schedule = Schedule::new(Some(1000.0), number, 4);
                (0..3).map(move |_| {
                    let due = schedule.due_ns(99);
                    schedule.advance();
                    due
                })
            })
            .collect();
        all.sort_unstable();
        assert_eq!(all, (0..12).map(|number| number * 1_000_000).collect::<Vec<_>>());
    }
}
