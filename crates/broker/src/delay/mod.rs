//! Delay levels: messages wait in the schedule topic, one queue a level, until their time has come.
//!
//! A queue is in the order of delivery, because all its messages wait equally long. So the schedule looks only at the
//! first message of each queue, sleeps until the earliest of them is due, and is woken when an earlier one arrives.

mod delivery;
mod parked;
mod progress;
mod schedule;
mod wake;

pub use parked::park;
pub use schedule::{DelaySchedule, NextStep};
