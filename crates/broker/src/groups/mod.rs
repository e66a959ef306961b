//! Consumer groups: their configuration.

mod table;

pub(crate) use table::FORBIDDEN_READ;
pub use table::{ForbidError, GroupTable, SYSTEM_GROUPS};
