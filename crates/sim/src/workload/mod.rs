//! What is done to the store: `step` chooses, `message` makes what is sent.

mod message;
mod step;

pub use message::{Draft, tags_code};
pub use step::Step;
