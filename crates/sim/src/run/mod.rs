//! One seed, one run.

mod crash;
mod outcome;
mod play;
mod steps;

pub use outcome::{Failure, Outcome};
pub use play::{Options, play};
