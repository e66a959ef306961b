//! The queue log: the entries and states of very many ConsumeQueues in one sequential log.
//!
//! A queue of its own files costs two directories, a file and, whenever an entry is added, a page of it: right for
//! hundreds of busy queues, ruinous for a hundred thousand. So a store with very many queues also keeps this log. It
//! is the store's own, a Java broker does not look at it (see `docs/internals/queue-index.md` for how it is kept from
//! missing anything).
//!
//! `format` is the bytes, `log` the files, `restore` what the log says at start.

mod format;
mod log;
mod restore;

pub(crate) use format::{Commit, QueueRecord};
pub(crate) use log::{QueueLog, QueueLogSettings};
pub(crate) use restore::{QueueNews, Restored, restore};
