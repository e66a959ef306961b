//! Messages that are delivered later: where they are parked ([`Parking`]), and the delay levels.
//!
//! Messages with a delay level wait in the schedule topic, one queue a level, until their time has come.
//!
//! A queue is in the order of delivery, because all its messages wait equally long. So the schedule looks only at the
//! first message of each queue, sleeps until the earliest of them is due, and is woken when an earlier one arrives.

mod delivery;
mod out_time;
mod parked;
mod parking;
#[cfg(test)]
mod parking_test;
mod progress;
mod schedule;
mod wake;

pub use out_time::OutTime;
pub use parking::{ParkError, Parked, Parking, SlotCounts};
pub use schedule::{DelaySchedule, NextStep};
pub(crate) use wake::Wake;
