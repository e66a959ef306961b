//! Which brokers are slow, and how long to keep away from them. Pure: latencies in, time given.

use std::collections::HashMap;

use eruca_message::Timestamp;

/// From this latency on (ms), a broker is avoided for so long (ms). Java's table.
const AVOID: [(i64, i64); 7] =
    [(15_000, 30_000), (5_000, 10_000), (3_000, 6_000), (1_800, 5_000), (550, 2_000), (100, 0), (50, 0)];
/// A failure counts as this latency.
const FAILURE_LATENCY_MS: i64 = 10_000;
/// Brokers to remember: those of a cluster, and then some.
const MAX_BROKERS: usize = 10_000;

/// How a send went, as far as its broker is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Experience {
    /// It answered after so many milliseconds.
    Answered {
        /// Milliseconds.
        latency_ms: i64,
    },
    /// It did not answer, or said that it cannot.
    Failed,
}

/// Until when which broker is avoided (Java: `LatencyFaultToleranceImpl`).
#[derive(Debug, Default)]
pub(crate) struct FaultTable {
    avoided_until: HashMap<String, Timestamp>,
}

impl FaultTable {
    /// Notes how a send to `broker_name` went.
    pub(crate) fn report(&mut self, broker_name: &str, experience: Experience, now: Timestamp) {
        let latency_ms = match experience {
            Experience::Answered { latency_ms } => latency_ms,
            Experience::Failed => FAILURE_LATENCY_MS,
        };
        let avoid_ms =
            AVOID.iter().find(|(latency, _)| latency_ms >= *latency).map_or(0, |(_, avoid_ms)| *avoid_ms);
        if avoid_ms == 0 {
            self.avoided_until.remove(broker_name);
            return;
        }
        if self.avoided_until.len() >= MAX_BROKERS {
            self.avoided_until.retain(|_, until| *until > now);
        }
        if self.avoided_until.len() < MAX_BROKERS {
            self.avoided_until.insert(broker_name.to_owned(), now.add_ms(avoid_ms));
        }
    }

    /// Whether nothing speaks against `broker_name`.
    pub(crate) fn is_available(&self, broker_name: &str, now: Timestamp) -> bool {
        self.avoided_until.get(broker_name).is_none_or(|until| now >= *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);

    fn avoided_ms(experience: Experience) -> i64 {
        let mut table = FaultTable::default();
        table.report("b", experience, NOW);
        (0..100_000).step_by(500).find(|ms| table.is_available("b", NOW.add_ms(*ms))).unwrap()
    }

    #[test]
    fn the_slower_the_longer() {
        let expected = [
            (0, 0),
            (549, 0),
            (550, 2_000),
            (1_800, 5_000),
            (3_000, 6_000),
            (5_000, 10_000),
            (99_999, 30_000),
        ];
        for (latency_ms, avoided) in expected {
            assert_eq!(avoided_ms(Experience::Answered { latency_ms }), avoided, "{latency_ms}");
        }
        assert_eq!(avoided_ms(Experience::Failed), 10_000);
    }

    #[test]
    fn a_good_answer_ends_the_avoidance() {
        let mut table = FaultTable::default();
        table.report("b", Experience::Failed, NOW);
        assert!(!table.is_available("b", NOW));
        assert!(table.is_available("other", NOW));
        table.report("b", Experience::Answered { latency_ms: 3 }, NOW);
        assert!(table.is_available("b", NOW));
    }
}
