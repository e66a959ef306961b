//! RocketMQ's replication of a broker's log to its slaves.
//!
//! The protocols are pure state machines, so that a whole cluster can be played in one process: [`classic`] is that of brokers
//! without a controller (its module says how it is driven), [`auto_switch`] that of controller mode. [`in_sync`] knows which
//! slave has what, and who waits for it. [`driver`] alone has sockets, threads and a store: it joins them.

pub mod auto_switch;
pub mod classic;
pub mod driver;
pub mod in_sync;
mod pace;
