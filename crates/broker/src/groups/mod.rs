//! Consumer groups: their configuration.

mod table;

pub use table::{GroupTable, SYSTEM_GROUPS};
