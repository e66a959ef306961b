//! What the broker counted: messages and bytes, in all and by topic and group, and how many a second.
//!
//! Counting costs a hash lookup and an atomic addition, and allocates only for the first message of a topic or group.

mod broker_stats;
mod counter;
mod daily;
mod history;

pub use broker_stats::{BrokerStats, StatsName};
pub use counter::Counter;
pub use daily::DailyTotals;
pub use history::SAMPLE_INTERVAL_MS;
