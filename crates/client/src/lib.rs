//! A RocketMQ client for async Rust.
//!
//! - [`Producer`] sends messages.
//! - [`TransactionProducer`] sends messages that are delivered when your own work is done.
//! - [`PushConsumer`] calls you with messages as they come.
//! - [`LitePullConsumer`] gives you messages when you ask for them.
//! - [`PullConsumer`] pulls from the queue and the offset that you say.
//! - [`PopConsumer`] gives you messages that you acknowledge one by one; its group shares queues.
//! - [`LiteConsumer`] gives you messages of very many small topics, of each in order.
//! - [`Admin`] asks and orders name servers and brokers.
//!
//! All of them work with brokers of Apache RocketMQ (4.x and 5.x) and of Eruca. They run inside a Tokio runtime.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use eruca_client::{ConsumeStatus, Message, Producer, PushConsumer};
//!
//! let producer = Producer::builder().name_servers("127.0.0.1:9876").group("greeters").build().await?;
//! producer.send(Message::new("hello", "hi")).await?;
//!
//! let consumer = PushConsumer::builder()
//!     .name_servers("127.0.0.1:9876")
//!     .group("listeners")
//!     .subscribe("hello", "*")
//!     .on_messages(|messages| async move {
//!         for message in &messages {
//!             println!("{}", String::from_utf8_lossy(&message.message.body));
//!         }
//!         ConsumeStatus::Success
//!     })
//!     .start()
//!     .await?;
//! # consumer.shutdown().await;
//! # producer.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Read the source in this order: one session with its routes (`client`, `name_servers`, `route_cache`, `upkeep`,
//! `inbound`), what sends (`producer`), what receives (`consumer`, `offset_store`), what tells of it (`trace`),
//! what administers (`admin`).

mod admin;
mod client;
mod client_id;
mod compression;
mod consumer;
mod decode;
mod error;
mod inbound;
mod lock;
mod millis;
mod name_servers;
mod offset_store;
mod producer;
mod route_cache;
mod setters;
#[cfg(test)]
mod testing;
mod trace;
mod upkeep;

pub use admin::{Admin, AdminBuilder, Boundary, BrokerConfigText, IndexKind, QueuePull};
pub use compression::{Compression, DecompressError, MAX_DECOMPRESSED_BYTES};
pub use consumer::{
    AllocationStrategy, ConsumeFrom, ConsumeStatus, Filter, LiteConsumer, LiteConsumerBuilder, LiteError,
    LiteMessage, LitePullConsumer, LitePullConsumerBuilder, LitePullError, LiteStart, Messages,
    OrderedConsumeStatus, PopConsumer, PopConsumerBuilder, PopError, PoppedMessage, PullConsumer,
    PullConsumerBuilder, PullError, PullOutcome, PullStatus, PushConsumer, PushConsumerBuilder, RoomOf,
};
pub use error::{CallError, ConfigError, StartError};
pub use eruca_message::{Message, MessageQueue, OffsetMessageId, StoredMessage, Timestamp};
pub use eruca_protocol::body::MessageModel;
pub use offset_store::OffsetFileError;
pub use producer::{
    Producer, ProducerBuilder, RecallError, ReplyError, RequestError, SendError, SendResult, SendStatus,
    TransactionListener, TransactionProducer, TransactionSendResult, TransactionState,
};
pub use route_cache::TopicRoute;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
