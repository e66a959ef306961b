//! RocketMQ remoting over Tokio: server, client, connections, back-pressure.
//!
//! Read in this order: the seam that handlers see (`service`, `caller`), a listening server (`server`, `bind`,
//! `accept`, `shard`), one connection (`connection`, `session`, `end`, `link`, `output`, `scratch`, `pending`), the limits (`limits`, `budget`),
//! and the side that asks (`client`).
//!
//! Everything that one read of a socket brings is handled on the spot: decode all frames, call the service for
//! each, settle once, answer with one write. No task, channel or wake-up per request; only what has to wait (a disk
//! flush, a long poll) is answered later, through a [`Responder`], from any thread.

mod accept;
mod bind;
mod budget;
mod caller;
mod client;
mod client_slot;
mod connection;
mod end;
mod error;
mod first_bytes;
mod limits;
mod link;
mod mailbox;
mod outbox;
mod output;
mod pending;
mod port_owner;
mod scratch;
mod server;
mod service;
mod session;
mod shard;
mod task_group;

pub use bind::{BindError, check_listen};
pub use caller::{Caller, Responder};
pub use client::{Client, ClientConfig};
pub use error::{InvokeError, NotifyError};
pub use outbox::Outbox;
pub use server::{Server, ServerConfig};
pub use service::{CommandService, Reply, SettleError};
pub use task_group::{CancelToken, TaskGroup};
