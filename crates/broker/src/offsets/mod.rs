//! Consumer offsets: how far each group has come in each queue.

mod change;
mod pulled;
mod resets;
mod table;

pub use pulled::{LastPull, TopicPulls};
pub use table::{OffsetTable, QueueOffsets};
