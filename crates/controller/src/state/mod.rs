//! The state machine: which brokers a group has, who is its master, who is in sync. Pure: a command in, an answer out.

mod answer;
mod command;
mod decide;
mod elect;
mod group;
mod replicas;

#[cfg(test)]
mod invariants_test;

pub use answer::{Answer, Master, SyncStateSetView};
pub use command::{Candidate, Command, Liveness};
pub use group::{Group, Replica};
pub use replicas::{GROUPS_MAX, REPLICAS_MAX, Replicas};
