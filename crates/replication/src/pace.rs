//! How fast the log goes to a slave, and how fast it may.

use eruca_message::Timestamp;

/// The time over which a speed is measured.
const SECOND_MS: i64 = 1000;

/// What was sent in the present second, and in the last whole one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    second: (Timestamp, u64),
    last_second_bytes: u64,
}

impl Pace {
    /// Nothing yet.
    pub(crate) fn new(now: Timestamp) -> Self {
        Pace { second: (now, 0), last_second_bytes: 0 }
    }

    /// Bytes of the log that were sent in the last second.
    pub(crate) fn bytes_per_second(&self) -> u64 {
        self.last_second_bytes
    }

    /// How many bytes more may go out in this second.
    pub(crate) fn allowed(&mut self, bytes_per_second: Option<u64>, now: Timestamp) -> usize {
        let since_ms = now.ms_since(self.second.0);
        // A clock that was set back begins anew.
        if !(0..SECOND_MS).contains(&since_ms) {
            self.last_second_bytes = if (0..2 * SECOND_MS).contains(&since_ms) { self.second.1 } else { 0 };
            self.second = (now, 0);
        }
        bytes_per_second.map_or(usize::MAX, |limit| {
            usize::try_from(limit.saturating_sub(self.second.1)).unwrap_or(usize::MAX)
        })
    }

    /// When the next second begins.
    pub(crate) fn next_second(&self) -> Timestamp {
        self.second.0.add_ms(SECOND_MS)
    }

    /// So many bytes went out.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.second.1 += bytes as u64;
    }
}
