//! The consumer that calls you.
//!
//! Read in this order: what the user holds (`push`, `builder`, `listener`), what the tasks share (`core`, `held_queue`,
//! `lease`, `popped_queue`), the tasks: who gives and takes queues (`rebalancer`), who fills them (`puller`, `popper`), who
//! empties them (`concurrent`, `popped`, `ordered`), and what brokers ask (`requests`).

mod builder;
mod concurrent;
mod core;
#[cfg(test)]
mod fixture;
mod held_queue;
mod lease;
mod listener;
mod ordered;
mod popped;
mod popped_queue;
mod popper;
mod puller;
#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod push;
mod rebalancer;
mod requests;

pub use builder::PushConsumerBuilder;
pub use listener::{ConsumeStatus, Messages, OrderedConsumeStatus};
pub use push::PushConsumer;
