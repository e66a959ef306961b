//! RocketMQ's replication of a broker's log to its slaves.

pub mod auto_switch;
