//! ConsumeQueues: for every queue of every topic the places of its messages in the log.
//!
//! `entry` is the 20 bytes of a message, `files` their files, `queue` one queue, `table` all of them,
//! `load` what the directories hold at start. New entries stay in memory and are written behind; an idle
//! queue costs some bytes and no open file.

mod entry;
mod files;
mod load;
mod queue;
mod table;

pub use entry::{ConsumeQueueEntry, ENTRY_LEN_BYTES};
pub(crate) use files::{QueueFiles, TouchedFiles};
pub(crate) use queue::{ConsumeQueue, Rebuild, Rebuilt};
pub(crate) use table::QueueTable;
