//! A whole group of brokers in one process: real stores on simulated disks, the real sessions, members, in-sync set and logs of
//! `eruca-replication`, the real state and liveness of `eruca-controller`, and between them a network that delays, cuts and loses.
//!
//! Read in this order: `scenario` (what a seed decides once) → `controllers`, `broker`, `crew` (what works in a broker beside its log), `acks`,
//! `link`, `network` (the parts) → `oracle` (what must be true) → `world` (steps) → `talk` (with the controller), `wire` (between brokers),
//! `life` (crashes and starts), `leading` (of the controllers), `healing` (the end) → `play`. `classic` is a master and a slave without a
//! controller. `docs/internals/controller.md` says what is verified.

mod acks;
mod broker;
mod classic;
mod controllers;
mod crew;
mod healing;
mod leading;
mod life;
mod link;
mod message;
mod network;
mod oracle;
mod play;
mod scenario;
mod talk;
mod wire;
mod world;

pub use acks::Acks;
pub use classic::{ClassicOutcome, play_classic};
pub use crew::{Board, Crew};
pub use play::{ClusterOptions, ClusterOutcome, play_cluster, play_with_crew};

/// What must be true and is not, in words.
type Violation = String;
/// What became of a step.
type Step = Result<(), Violation>;
