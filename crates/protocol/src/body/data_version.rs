//! How new a table is.

use eruca_message::Timestamp;
use serde::{Deserialize, Serialize};

/// Version of a table of metadata; a different one means that the table changed (Java: `DataVersion`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataVersion {
    /// How often the table changed.
    pub counter: i64,
    /// Counts changes of the state machine that owns the table; 0 without one.
    pub state_version: i64,
    /// When the table was made or last changed, in milliseconds since 1970.
    pub timestamp: i64,
}

impl DataVersion {
    /// The version of a table made at `now`.
    pub fn new(now: Timestamp) -> Self {
        DataVersion { counter: 0, state_version: 0, timestamp: now.0 }
    }

    /// The version after a change at `now`.
    #[must_use]
    pub fn next(self, now: Timestamp) -> Self {
        DataVersion { counter: self.counter.wrapping_add(1), timestamp: now.0, ..self }
    }
}
