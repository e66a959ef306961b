//! `SEND_MESSAGE`, `SEND_MESSAGE_V2` and `SEND_BATCH_MESSAGE`; and replies (`reply_message`).
//!
//! Read in this order: the header (`header`), the properties (`properties`), the checks and the way into the store
//! (`send_message`, `admission`), and waiting for the disk and for slaves (`flush_timeouts`).

mod admission;
mod flush_timeouts;
mod half_message;
mod header;
mod lite;
#[cfg(test)]
mod lite_test;
mod once;
#[cfg(test)]
mod priority_test;
mod properties;
#[cfg(test)]
mod refusals_test;
mod reply_message;
#[cfg(test)]
mod reply_message_test;
mod send_message;
#[cfg(test)]
mod send_message_test;

pub use flush_timeouts::FlushTimeouts;
pub(in crate::handler) use flush_timeouts::WaitingSend;
pub use reply_message::ReplyMessageHandler;
pub use send_message::SendMessageHandler;
