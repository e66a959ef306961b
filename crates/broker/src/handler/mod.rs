//! One handler per request family. A handler owns only what it uses.

mod client;
mod consumer_list;
mod heartbeat;
mod lock_queue;
mod pull;
mod send;

pub use client::ClientHandler;
pub use consumer_list::ConsumerListHandler;
pub use heartbeat::HeartbeatHandler;
pub use lock_queue::LockQueueHandler;
pub use pull::{ParkedPull, PullMessageHandler, parse_subscription};
pub use send::{FlushTimeouts, SendMessageHandler};

#[cfg(test)]
pub(crate) mod test_parts;
