//! `PULL_MESSAGE` and `LITE_PULL_MESSAGE`.
//!
//! Read in this order: the checks (`admission`), which messages are wanted (`subscription`), reading and answering
//! (`pull_message`, `answer`).

mod admission;
mod answer;
mod pull_message;
#[cfg(test)]
mod pull_message_test;
mod subscription;

pub use pull_message::{ParkedPull, PullMessageHandler};
pub use subscription::parse_subscription;
