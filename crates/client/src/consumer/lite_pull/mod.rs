//! The consumer that you ask.
//!
//! Read in this order: what the user holds (`lite_pull`, `builder`), the position in a queue (`position`), what was
//! fetched and not asked for yet (`buffer`), and the tasks that fetch (`fetcher`, `assigner`).

mod assigner;
mod buffer;
mod builder;
mod core;
mod fetcher;
#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod lite_pull;
mod position;
mod requests;

pub use builder::LitePullConsumerBuilder;
pub use lite_pull::{LitePullConsumer, LitePullError};
