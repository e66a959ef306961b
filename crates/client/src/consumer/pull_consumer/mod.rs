//! The consumer that pulls what its user says, and nothing by itself.

mod builder;
#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod pull_consumer;

pub use builder::PullConsumerBuilder;
pub use pull_consumer::{PullConsumer, PullError};
