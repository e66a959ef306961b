//! The broker's part of the replication of its log: what of it is set, where slaves come in and which master is copied (`link`),
//! where an empty copy begins (`beginning`), and what is told of it (`status`).
//!
//! The work is done by [`eruca_replication::driver`]; what acknowledgements wait for is decided in `handler/durability.rs`.

mod beginning;
mod link;
mod status;

pub(crate) use link::{live_settings, start};
pub(crate) use status::{HaStatusHandler, rows};
