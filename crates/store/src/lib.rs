//! RocketMQ's storage engine: one CommitLog of all messages, and ConsumeQueues that say for each queue where its
//! messages lie. Embeddable; no network, no thread of its own.
//!
//! Read in this order: `store` (the façade) → `append` (`unfinished`) → `settle` → `commit_log` → `dispatch` → `consume_queue` →
//! `queue_log` → `flush` → `read` (`damage`, `look`, `cold`), `read_batch`, `query` → `index` → `timer` → `retention`; `replica` (`replica_entries`, `replica_cut`); then `recovery`, and below
//! all of it `disk`, the only door to files. `inspect` looks at a store from outside, without opening it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use eruca_message::{QueueOffset, SystemClock, Timestamp};
//! use eruca_store::{AppendMessage, EveryMessage, MessageStore, ReadLimits, RealDisk, StoreConfig};
//!
//! let dir = tempfile::tempdir()?;
//! let (store, _report) =
//!     MessageStore::open(StoreConfig::new(dir.path()), Arc::new(RealDisk), Arc::new(SystemClock))?;
//! let host = "127.0.0.1:10911".parse()?;
//! let appended = store.append(&AppendMessage {
//!     topic: "orders", queue_id: 0, flag: 0, sys_flag: 0, born_timestamp: Timestamp(0), born_host: host,
//!     store_host: host, reconsume_times: 0, prepared_transaction_offset: 0, body: b"hi", properties: b"",
//! })?;
//! store.settle()?; // now it can be read, and survives a killed process
//! store.flush_step()?; // and now a power cut
//! let read = store.read("orders", 0, QueueOffset(0), &ReadLimits::default(), &EveryMessage);
//! assert_eq!((appended.queue_offset, read.message_count), (QueueOffset(0), 1));
//! store.close()?;
//! # Ok(())
//! # }
//! ```

#[macro_use]
mod plant;

mod append;
mod arrival;
mod checkpoint;
mod cold;
mod commit_log;
mod config;
mod consume_queue;
mod damage;
pub mod disk;
mod dispatch;
mod error;
mod flush;
mod index;
pub mod inspect;
mod look;
mod near;
mod query;
mod queue_log;
mod read;
mod read_batch;
mod read_limit;
mod recovery;
mod replica;
mod replica_cut;
mod replica_entries;
mod retention;
mod segment;
mod settle;
mod store;
mod timer;
mod unfinished;
mod watermark;
mod write_state;

#[cfg(test)]
mod tests;

pub use append::{AppendMessage, Appended};
pub use arrival::{Arrival, ArrivalListener, WrittenListener};
pub use checkpoint::Checkpoint;
pub use cold::Wait;
pub use commit_log::{Found, LogEnd, LogItem, Walk, log_item};
pub use config::{FlushMode, QueueLogPolicy, StoreConfig, StoreConfigError};
pub use consume_queue::{
    BATCH_ENTRY_LEN_BYTES, BatchQueueEntry, ConsumeQueueEntry, ENTRY_LEN_BYTES, is_ext_address,
};
pub use disk::{Advice, Disk, DiskError, ReadOnlyDisk, RealDisk};
pub use error::{AppendError, CopyError, OpenError, ReadError};
pub use flush::QueueFlushed;
pub use index::{IndexEntry, IndexHeader, IndexStep, KeyKind, MessageQuery, QueryOutcome};
pub use near::RecordWindow;
#[cfg(feature = "sim")]
pub use plant::Plant;
pub use query::{Boundary, QueueRange};
pub use read::{EntryFilter, EveryMessage, ReadLimits, ReadOutcome, ReadStatus};
pub use recovery::{Damage, Foreign, RecoveryReport, TornTail};
pub use replica_cut::{QueueCut, ReplicaCut};
pub use retention::{DiskUsage, RetentionReport};
pub use store::MessageStore;
pub use timer::{
    Delivered, NewTimer, TimerCheck, TimerFiles, TimerFlush, TimerFull, TimerSettings, TimerUnit, UnitKind,
    WHEEL_SLOTS,
};
pub use watermark::{FlushWaiter, FlushWork, Watermarks};
pub use write_state::{WriteState, WriteStopped};
