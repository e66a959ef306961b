//! The routes: which broker has which topic. Pure: no clock, no socket, no lock.
//!
//! `table` holds what brokers registered, `register` and `unregister` change it, `query` answers clients from it.

mod query;
mod register;
mod table;
mod unregister;

pub use query::UnitTopics;
pub use register::{Refused, Registered, Registration};
pub use table::{BrokerIdentity, MASTER_ID, MinBrokerIdChange, RouteLimits, RouteTable, TopicQueues};
pub use unregister::Expired;

#[cfg(test)]
mod routes_test;
