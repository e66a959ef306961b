//! A whole group of brokers in one process: real stores on simulated disks, the real sessions, members and in-sync set of
//! `eruca-replication`, the real state of `eruca-controller`, and between them a network that delays, cuts and loses.
//!
//! Read in this order: `scenario` (what a seed decides once) → `controller`, `broker`, `copy`, `link`, `network` (the parts) → `oracle` (what
//! must be true) → `world` (steps) → `play`. `classic`
//! is a master and a slave without a controller. `docs/internals/controller.md` says what is verified.

mod broker;
mod classic;
mod controller;
mod copy;
mod link;
mod message;
mod network;
mod oracle;
mod play;
mod scenario;
mod world;

pub use classic::{ClassicOutcome, play_classic};
pub use play::{ClusterOptions, ClusterOutcome, play_cluster};

/// What must be true and is not, in words.
type Violation = String;
