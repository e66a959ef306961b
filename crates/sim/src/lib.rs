//! Deterministic simulation of the store: one seed gives one run, on a simulated disk, with a clock moved by hand and steps
//! instead of threads.
//!
//! Read in this order: `scenario` (what a seed decides once) → `workload` (steps and messages) → `model` (what the store
//! must hold) → `oracle` (what must be true, one invariant a file) → `run` (playing a seed). `plant` lists bugs that are
//! planted to show that the oracles see. `docs/internals/recovery.md` says what is verified, and what is not.

pub mod clock;
pub mod cluster;
pub mod model;
pub mod oracle;
pub mod plant;
pub mod random;
pub mod run;
pub mod scenario;
pub mod trace;
pub mod workload;

pub use run::{Failure, Options, Outcome, play};
