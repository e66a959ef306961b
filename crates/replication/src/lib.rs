//! RocketMQ's replication of a broker's log to its slaves.
//!
//! The protocols are pure state machines, so that a whole cluster can be played in one process: [`classic`] is that of brokers
//! without a controller (its module says how it is driven), [`auto_switch`] that of controller mode. [`in_sync`] knows which
//! slave has what, and who waits for it. [`group`] is a broker's log in a group with a controller, synchronous, so that the simulation
//! drives the same code. [`driver`] alone has sockets and threads: it joins them.

pub mod auto_switch;
pub mod classic;
pub mod driver;
pub mod group;
pub mod in_sync;
mod pace;
pub mod waits;
