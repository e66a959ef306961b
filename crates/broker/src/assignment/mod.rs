//! Server-side rebalance: which queues of a topic a member of a group has, and whether it pulls or pops them.
//!
//! `modes` is what administrators set, `allocate` how queues are shared (pure), `routes` which queues a topic has in the
//! whole cluster: the name servers know.

mod allocate;
mod modes;
mod routes;

pub use allocate::{Share, share};
pub use modes::MessageRequestModes;
pub use routes::{ClusterQueues, Known, RouteError};
