//! The admin API: one typed call per request, as in Java's `DefaultMQAdminExt`.
//!
//! Read in this order: how to connect (`admin`), what name servers are asked (`name_server`), and what brokers are
//! asked (`topic`, `group`, `message`, `client`, `broker`, `engines`), and controllers (`controller`).

#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod admin;
mod broker;
mod client;
mod controller;
mod engines;
mod group;
mod lite;
mod message;
mod name_server;
mod topic;

pub use admin::{Admin, AdminBuilder};
pub use broker::BrokerConfigText;
pub use message::{Boundary, IndexKind, QueuePull};
