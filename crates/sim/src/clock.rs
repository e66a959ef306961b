//! Time, moved by hand.

use std::sync::Arc;

use eruca_message::{Clock, ManualClock, Timestamp};

use crate::random::Random;

/// When every run begins: 22:13 UTC, some hours before segments are deleted.
pub const START: Timestamp = Timestamp(1_700_000_000_000);
const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 60 * MINUTE_MS;

/// The clock of a run.
#[derive(Debug, Clone)]
pub struct SimClock(Arc<ManualClock>);

impl SimClock {
    /// A clock that shows [`START`].
    pub fn new() -> SimClock {
        SimClock(Arc::new(ManualClock::new(START)))
    }

    /// For the store and the disk.
    pub fn shared(&self) -> Arc<ManualClock> {
        Arc::clone(&self.0)
    }

    /// The present time.
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// Lets some time pass: mostly milliseconds, at times hours. A clock that is set goes back, too.
    pub fn pass(&self, random: &mut Random) {
        let ms = match random.below(100) {
            0..60 => random.below(20),
            60..85 => random.below(2000),
            85..96 => random.below(2 * MINUTE_MS),
            96..99 => random.below(9 * HOUR_MS),
            _ => return self.0.advance_ms(-(random.below(5000) as i64)),
        };
        self.0.advance_ms(ms as i64);
    }
}

impl Default for SimClock {
    fn default() -> SimClock {
        SimClock::new()
    }
}
