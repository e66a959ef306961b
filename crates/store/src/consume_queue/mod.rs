//! ConsumeQueues: for every queue of every topic the places of its messages in the log.
//!
//! `entry` is the 20 bytes of a message, `files` their files, `queue` one queue, `table` all of them, `load` what the
//! directories hold at start, `rebuild` what recovery adds. New entries stay in memory and are written `behind`, all in
//! one `step`; an idle queue costs some bytes and no open file. `batch_entry`, `batch_queue` and `batch_table` are the
//! other kind of queue, whose entries stand for several messages each.

mod batch_entry;
mod batch_queue;
mod batch_table;
mod behind;
mod entry;
mod files;
mod load;
mod queue;
mod rebuild;
mod step;
mod table;

use std::sync::Arc;

pub use batch_entry::{BATCH_ENTRY_LEN_BYTES, BatchQueueEntry};
pub(crate) use batch_queue::BatchQueue;
pub(crate) use batch_table::BatchTable;
pub use entry::{ConsumeQueueEntry, ENTRY_LEN_BYTES, is_ext_address};
pub(crate) use files::{QueueFiles, TouchedFiles, remove_dir};
pub(crate) use queue::ConsumeQueue;
pub(crate) use rebuild::{Rebuild, Rebuilt};
pub(crate) use step::{QueueStep, Target};
pub(crate) use table::QueueTable;

/// Topics by name.
#[cfg(not(feature = "sim"))]
type TopicMap<V> = eruca_message::NameMap<Arc<str>, V>;
/// The same, in the same order in every run of a simulation.
#[cfg(feature = "sim")]
type TopicMap<V> =
    std::collections::HashMap<Arc<str>, V, std::hash::BuildHasherDefault<std::hash::DefaultHasher>>;
