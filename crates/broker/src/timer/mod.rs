//! Messages with a time of delivery of their own, exact to the millisecond.
//!
//! They are parked in the topic `rmq_sys_wheel_timer` ([`crate::delay::Parking`]). From its queue the engine takes each into the timer
//! files ([`eruca_store::TimerFiles`]): a unit in the timer log, in the list of its slot of the wheel. Shortly before a slot comes its
//! list is read (`slot`), and each message is delivered at its time (`delivery`). Only the slots of the next second are in memory.
//!
//! `engine` decides and does one step (on a slave `following`); `schedule` owns the thread that takes the steps, and sleeps in between.

mod delivery;
mod engine;
#[cfg(test)]
mod engine_test;
mod following;
mod intake;
mod metrics;
mod outgoing;
mod recall_key;
mod schedule;
#[cfg(test)]
mod sim_test;
mod slot;

pub use schedule::{TimerInfo, TimerSchedule};
