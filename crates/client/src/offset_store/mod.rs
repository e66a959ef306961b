//! How far a group has come in its queues: in memory, and where it lasts.
//!
//! Read in this order: the store (`store`), the file of a broadcasting consumer (`file`), the broker's table
//! (`broker`).

mod broker;
mod file;
mod store;

pub use file::OffsetFileError;
pub(crate) use file::{OffsetFile, default_offsets_dir};
pub(crate) use store::{OffsetStore, PersistError};
