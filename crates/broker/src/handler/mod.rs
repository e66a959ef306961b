//! One handler per request family. A handler owns only what it uses.

mod admin;
mod assignment;
mod client;
mod consumer_list;
mod consumer_offset;
mod durability;
mod end_transaction;
mod flushed_answer;
mod heartbeat;
mod lite;
mod lock_queue;
mod pop;
mod pull;
mod query_message;
mod recall_message;
mod send;
mod send_back;

pub use admin::{AdminHandler, AdminParts};
pub use assignment::AssignmentHandler;
pub use client::ClientHandler;
pub use consumer_list::ConsumerListHandler;
pub use consumer_offset::ConsumerOffsetHandler;
pub use durability::Durability;
pub use end_transaction::EndTransactionHandler;
pub use heartbeat::HeartbeatHandler;
pub(crate) use lite::LiteShard;
pub use lite::{LiteInfoHandler, LiteSubscriptionHandler};
pub use lock_queue::LockQueueHandler;
pub use pop::{ParkedPop, PopMessageHandler};
pub use pull::{ParkedPull, PullMessageHandler};
pub use query_message::QueryMessageHandler;
pub use recall_message::RecallMessageHandler;
pub use send::{FlushTimeouts, ReplyMessageHandler, SendMessageHandler};
pub use send_back::SendBackHandler;

#[cfg(test)]
pub(crate) mod test_parts;
