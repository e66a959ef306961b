//! Putting a directory in order before it is used.
//!
//! `foreign` refuses what this version does not read, `directory` takes the lock and tells whether the last run ended in
//! order, `queues` finds out what the queues have, `start` chooses from where the log has to be read, `replay` reads it,
//! and gives the queues what they lack; `order` calls them. Nothing here guesses: what does not fit is refused by name, or
//! reported.

mod directory;
mod foreign;
mod order;
mod queues;
mod replay;
mod start;

use std::path::PathBuf;

use eruca_message::LogOffset;

pub(crate) use directory::{mark_open, take_directory};
pub use foreign::Foreign;
pub(crate) use foreign::foreign;
pub(crate) use order::{Recovered, recover};
pub(crate) use queues::{QueueLogFound, look_at_queue_log};
pub(crate) use replay::is_middle;
pub(crate) use start::{choose_start, store_time_at};

/// What [`crate::MessageStore::open`] found and did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecoveryReport {
    /// Whether the last run closed the store in order (or there was none).
    pub was_closed: bool,
    /// From where the log was read.
    pub scanned_from: LogOffset,
    /// Where the log ends.
    pub log_end: LogOffset,
    /// Records read.
    pub records: u64,
    /// Queues that there are.
    pub queues: usize,
    /// Queue entries made from the log.
    pub entries_rebuilt: u64,
    /// Queue entries cut, because their records are not in the log.
    pub entries_cut: u64,
    /// What was cut off the end of the log.
    pub torn_tail: Option<TornTail>,
    /// Damage in the middle of the log; the first 100 places. Consumers pass over it.
    pub damages: Vec<Damage>,
}

/// The end of the log that was cut off, because it was not written completely.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The file.
    pub path: PathBuf,
    /// From where on it was cleared, as a log offset.
    pub from: LogOffset,
    /// What was wrong there.
    pub why: String,
}

/// A part of the log that cannot be read, with good records behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file.
    pub path: PathBuf,
    /// Where it starts, as a log offset.
    pub from: LogOffset,
    /// Where the log can be read again.
    pub to: LogOffset,
    /// Topic, queue and queue offset, where they can be told.
    pub message: Option<(String, i32, u64)>,
    /// What is wrong.
    pub why: String,
}
