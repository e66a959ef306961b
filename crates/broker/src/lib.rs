//! RocketMQ broker: handlers, topics, groups, offsets, long polling, retry and dead letters.
//!
//! Read in this order: what a request meets (`dispatch`, `handler`, `reply`), what the handlers know (`topics`,
//! `groups`, `offsets`), and how that stays on disk (`persist`).

pub mod groups;
pub mod offsets;
pub mod persist;
pub mod reply;
pub mod topics;

pub use persist::PersistError;
pub use reply::HandlerError;
