//! RocketMQ controller: who is master of a broker group, kept by a Raft group of controllers.
//!
//! Read in this order: what is kept and how it changes (`state`, pure), whose heartbeats come (`liveness`, pure), how the
//! controllers agree (`raft`), what all parts share and when a master is elected (`core`), what is answered (`handler`),
//! what can be told (`config`), and how it runs (`server`).

pub mod config;
mod core;
mod handler;
pub mod liveness;
pub mod raft;
mod server;
pub mod state;

pub use config::{ConfigError, ControllerConfig, ControllerKeys};
pub use server::{ControllerServer, StartError};
