//! What a run came to.

use std::fmt;

use eruca_store::disk::SimDisk;

use crate::oracle::Violation;

/// A run that ended with a violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// The step, from 0.
    pub step: u64,
    /// What it was.
    pub what: String,
    /// The invariant.
    pub violation: Violation,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, step, what, violation } = self;
        writeln!(f, "seed {seed}, step {step} ({what}): violated: {}", violation.invariant)?;
        writeln!(f, "  expected {}", violation.expected)?;
        writeln!(f, "  found    {}", violation.found)?;
        write!(f, "  replay   cargo run -p eruca-sim --release -- --seed {seed} --trace")
    }
}

/// A run.
#[derive(Debug)]
pub struct Outcome {
    /// Steps done.
    pub steps: u64,
    /// Kills and power cuts.
    pub crashes: u64,
    /// Time that passed on the simulated clock, in ms.
    pub simulated_ms: i64,
    /// Hash of the trace.
    pub trace_hash: u64,
    /// The disk as it was left.
    pub disk: SimDisk,
    /// What went wrong, if anything did.
    pub failure: Option<Failure>,
}
