//! Consumer offsets: how far each group has come in each queue.

mod change;
mod resets;
mod table;

pub use table::{OffsetTable, QueueOffsets};
