//! The consumer that pops: members of its group share queues, and each message is acknowledged by itself.
//!
//! Read in this order: what it is told (`builder`), one pop (`call`) and what its answer holds (`answer`), one message
//! and the name by which it is acknowledged (`popped`, `acks`), and what the user holds (`consumer`).

mod acks;
mod answer;
mod builder;
mod call;
mod consumer;
#[cfg(test)]
pub(super) mod fixture;
mod popped;

pub use builder::PopConsumerBuilder;
pub(super) use call::{Calls, PopOutcome, PopSettings};
pub use consumer::{PopConsumer, PopError};
pub use popped::PoppedMessage;
