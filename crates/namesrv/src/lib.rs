//! RocketMQ name server: routes in memory and the requests on them.
//!
//! Read in this order: what it can be told (`config`), what it knows (`routes`, `kv_config`), what it answers
//! (`namesrv`, `handler`), and how it runs (`server`). Name servers never talk to each other: each broker registers
//! with every one of them, and each answers from what it was told. Deliberately absent: persistence of routes, a name
//! server that comes back empty is filled by the next registrations.

pub mod config;
mod handler;
mod kv_config;
mod namesrv;
pub mod routes;
mod server;

pub use config::{NamesrvConfig, NamesrvKeys};
pub use kv_config::{KvConfigError, KvError};
pub use namesrv::{BrokerNotifier, Namesrv, NoNotices};
pub use routes::RouteTable;
pub use server::{NamesrvServer, StartError};
