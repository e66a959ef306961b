//! A consumer of lite topics: it pops from all those that it subscribes to, of each in order.

mod builder;
#[expect(clippy::module_inception, reason = "the file is named after its main type")]
mod lite;
mod message;

pub use builder::LiteConsumerBuilder;
pub use lite::{LiteConsumer, LiteError, LiteStart};
pub use message::LiteMessage;
