//! Consumer offsets: how far each group has come in each queue.

mod change;
mod table;

pub use table::{OffsetTable, QueueOffsets};
