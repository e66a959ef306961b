//! Lite topics: who subscribes to which (`registry`, pure: `state`), what there is for whom (`ready`), and when they are
//! deleted (`queues`, `expiry`). Their messages are popped in `handler/pop/lite.rs`.

mod expiry;
mod group;
mod queues;
mod ready;
mod registry;
mod state;

pub(crate) use expiry::LiteExpiry;
pub(crate) use group::LiteGroup;
pub(crate) use queues::{LiteQueues, lite_queues_of, lmq_count};
pub use registry::LiteRegistry;
pub(crate) use registry::wake;
pub(crate) use state::{Found, QuotaExceeded, Subscriber, Woken};
