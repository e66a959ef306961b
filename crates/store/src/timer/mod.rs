//! The files of messages that wait for a time of delivery, in the Java system's format.
//!
//! | file | holds |
//! |---|---|
//! | `timerlog/` | a unit for each message that waits: where it lies in the log, and the unit before it in the same slot ([`TimerUnit`]) |
//! | `timerwheel` | a ring of slots, one for each step of the precision: the last unit of each ([`slot`]) |
//! | `config/timercheck` | how far all this is on the disk, and what was delivered ([`check`]) |
//!
//! The timer log and the queue of the timer topic are what counts; the wheel is made of the log. So a slot gets into the wheel's
//! file only after its units, and the messages that they mean, are on the disk ([`TimerFlush`]), and a start reads the units
//! behind the last flush again ([`recover`]).

mod check;
mod files;
mod flush;
#[cfg(test)]
mod golden_test;
mod log;
mod look;
mod recover;
mod slot;
mod unit;
mod wheel;

pub use check::{Delivered, TimerCheck};
pub use files::{NewTimer, TimerFiles, TimerFull};
pub use flush::TimerFlush;
pub use look::TimerSurvey;
pub(crate) use look::look;
pub use unit::{TimerUnit, UnitKind};

/// Settings of the timer files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerSettings {
    /// Size of one file of the timer log (`mappedFileSizeTimerLog`, 100 MiB). A directory keeps the size it was made with.
    pub log_file_bytes: u64,
    /// Length of a slot (`timerPrecisionMs`, 1000), in ms. A directory keeps the one that it was made with.
    pub precision_ms: i64,
}

impl Default for TimerSettings {
    fn default() -> Self {
        TimerSettings { log_file_bytes: 100 << 20, precision_ms: 1_000 }
    }
}

/// Slots of the wheel: seven days of seconds, twice.
pub const WHEEL_SLOTS: i64 = 7 * 86_400 * 2;
