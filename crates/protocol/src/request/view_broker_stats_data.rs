//! `VIEW_BROKER_STATS_DATA` (315).
//!
//! Response body: BrokerStatsData JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ViewBrokerStatsDataRequestHeader`).
    pub struct ViewBrokerStatsDataRequest = VIEW_BROKER_STATS_DATA {
        stats_name: String = "statsName",
        stats_key: String = "statsKey",
    }
}
