//! Who of a group consumes which queue: pure strategies, and what changes for a member.

mod average;
mod change;

pub use average::allocate_averagely;
pub(crate) use change::Change;
