//! What the store must hold: a list of records, and for each queue which of them are its messages.

mod log;
mod record;

pub use log::{Model, Queue};
pub use record::{Key, ModelRecord};
