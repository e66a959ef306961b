//! Who is connected: producers and consumers, by group, as their heartbeats say.
//!
//! Nothing of it is on disk: after a restart clients send their heartbeats again within seconds of reconnecting.

mod consumer_table;
mod group;
mod member;
mod notice;
mod producer_table;
mod twins;
mod wishes;

pub use consumer_table::{Changed, ConsumerGroupView, ConsumerTable, Heartbeat, TableFull};
pub use member::{ClientInfo, Member};
pub use notice::ConsumerIdsNotice;
pub use producer_table::ProducerTable;
pub(crate) use wishes::HANDED_OVER;
pub use wishes::{WantedBy, Wishes};
