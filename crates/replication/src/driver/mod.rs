//! Replication with sockets: the listener for slaves, a thread for each of them, and one that copies from a master.
//!
//! | thread | does |
//! |---|---|
//! | `eruca-ha` | accepts slaves, ends waits whose time is over |
//! | `eruca-ha-slave` | one for each slave: ships the log to it, hears what it has |
//! | `eruca-ha-copy` | copies a master's log while this broker is a slave |
//!
//! Both protocols share the threads: `ships` and `copies` are the two ends of a connection, once for each. What a controller adds is
//! [`crate::group`]: epochs, the in-sync set, what is confirmed.

mod copies;
#[cfg(test)]
mod driver_test;
mod from_master;
#[cfg(test)]
mod group_test;

mod replicas;
mod service;
mod ships;
#[cfg(test)]
mod testing;
mod to_slave;

pub use from_master::CopyState;
pub use replicas::{HaSettings, Replicas, Status};
pub use service::{Replication, ReplicationParts};
