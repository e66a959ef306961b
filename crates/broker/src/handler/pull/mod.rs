//! `PULL_MESSAGE` and `LITE_PULL_MESSAGE`.
//!
//! Read in this order: the checks (`admission`), reading and answering (`pull_message`, `answer`), waiting (`parked`).

mod admission;
mod answer;
mod parked;
mod pull_message;
#[cfg(test)]
mod pull_message_test;
#[cfg(test)]
mod sql_test;

pub use parked::ParkedPull;
pub use pull_message::PullMessageHandler;
