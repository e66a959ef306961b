//! `PULL_MESSAGE` and `LITE_PULL_MESSAGE`.
//!
//! Read in this order: the checks (`admission`), reading and answering (`pull_message`, `answer`), waiting (`parked`);
//! what others of the group want (`hand_over`).

mod admission;
mod answer;
mod hand_over;
#[cfg(test)]
mod hand_over_test;
mod parked;
mod pull_message;
#[cfg(test)]
mod pull_message_test;
#[cfg(test)]
mod sql_test;

pub use parked::ParkedPull;
pub use pull_message::PullMessageHandler;
