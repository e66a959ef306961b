//! What administrators ask and change. One handler per family; [`AdminHandler`] knows which code is whose.

mod all_offsets;
mod attributes;
mod broker;
mod connections;
mod consume_stats;
mod dispatch;
mod engines;
mod group;
mod relay;
mod reset_offset;
mod runtime_info;
mod topic;
mod topic_stats;
mod who_consumes;

pub use dispatch::{AdminHandler, AdminParts};
