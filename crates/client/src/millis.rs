//! Durations as the protocol writes them.

use std::time::Duration;

/// Whole milliseconds; the largest number for what no number holds.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
