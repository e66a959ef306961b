//! Consumer offsets: how far each group has come in each queue.

mod change;
mod own;
mod pulled;
mod resets;
mod table;

pub(crate) use own::OwnOffset;
pub use pulled::{LastPull, TopicPulls};
pub use table::{OffsetTable, QueueOffsets};
