//! POP: popping, acknowledging, changing the invisible time, and looking without taking.
//!
//! Read in this order: `admission` (who may), `plan` and `pop_message` (a pop, parked where there is nothing),
//! `pop_queue` (the part of one queue), `members` (who of a group wants what) and `hand_over` (what they did not pop in time), `again`
//! (messages from retry topics), `ack`, `change_invisible`, `notification`, `peek_message`.

mod ack;
mod admission;
mod again;
mod change_invisible;
#[cfg(test)]
mod fixture;
mod hand_over;
mod lite;
#[cfg(test)]
mod lite_test;
mod members;
#[cfg(test)]
mod members_test;
mod notification;
mod peek_message;
mod plan;
mod pop_message;
#[cfg(test)]
mod pop_message_test;
mod pop_queue;
#[cfg(test)]
mod priority_test;
#[cfg(test)]
mod simulation_test;
#[cfg(test)]
mod simulation_world;

pub use pop_message::{ParkedPop, PopMessageHandler};
