//! POP: members of a group share queues. A popped message is invisible for a while; it is acknowledged, or comes again in
//! the group's retry topic.
//!
//! Read in this order: what is in flight (`state`, pure), what is in flight in order (`order`, pure; `orders`, on disk),
//! how pops are noted in the log (`record`, `log`), the broker's own of all this (`service`), what becomes of messages
//! whose time is over (`revive`), and what is known again after a restart (`recover`).

mod handle;
mod in_order;
mod log;
mod order;
mod orders;
mod position;
mod record;
mod recover;
mod revive;
mod service;
mod state;

pub use handle::AckHandle;
pub use in_order::OrderVerdict;
pub(crate) use log::CHECK_POINT_LEAD_MS;
pub use position::Position;
pub(crate) use recover::Timers;
pub use service::{PopParts, PopService, Turn};
pub use state::{Acked, CheckPoint, PopKey, QueueKey};
