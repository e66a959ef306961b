//! RocketMQ broker: handlers, topics, groups, offsets, long polling, retry and dead letters.
//!
//! Read in this order: what a request meets (`dispatch`, `handler`, `reply`), what the handlers know (`topics`,
//! `groups`, `offsets`, `clients`, `filter`, `assignment`), how that stays on disk (`persist`), what waits (`long_poll`, `delay`,
//! `pop`, `transaction`), what the broker does by itself (`registration`, `schedule`), and what of it only a master does (`role`).

pub mod assignment;
pub mod broker;
pub mod clients;
pub mod config;
pub mod control;
mod controller;
pub mod dead_letter;
pub mod delay;
pub mod dispatch;
pub mod filter;
pub mod groups;
mod ha;
pub mod handler;
pub mod idempotence;
pub mod lite;
mod local_time;
pub mod locks;
pub mod long_poll;
pub mod offsets;
mod parts;
pub mod persist;
pub mod pop;
mod pre_online;
mod queue_walk;
pub mod registration;
pub mod reply;
pub mod role;
pub mod schedule;
pub mod settings;
mod slave_sync;
pub mod stats;
pub mod stuck;
pub mod timer;
pub mod topics;
pub mod transaction;

pub use broker::{Broker, Environment, StartError};
pub use config::{BrokerConfig, ConfigError};
pub use persist::PersistError;
pub use reply::HandlerError;
