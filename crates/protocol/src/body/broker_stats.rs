//! `VIEW_BROKER_STATS_DATA`: a number that the broker counts, over three spans of time.

use serde::{Deserialize, Serialize};

/// One number over a minute, an hour and a day (Java: `BrokerStatsData`).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsData {
    /// The last day.
    pub stats_day: BrokerStatsItem,
    /// The last hour.
    pub stats_hour: BrokerStatsItem,
    /// The last minute.
    pub stats_minute: BrokerStatsItem,
}

/// One number over one span of time (Java: `BrokerStatsItem`).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerStatsItem {
    /// The average value of an event.
    pub avgpt: f64,
    /// The sum.
    pub sum: i64,
    /// The sum for each second.
    pub tps: f64,
}
