//! Who of a group consumes which queue: pure strategies, and what changes for a member.

mod change;
mod hash_ring;
mod strategy;

pub(crate) use change::Change;
pub use strategy::{AllocationStrategy, RoomOf};
