//! `GET_BROKER_CONSUME_STATS` (317).
//!
//! Response body: ConsumeStatsList JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumeStatsInBrokerHeader`).
    pub struct GetBrokerConsumeStatsRequest = GET_BROKER_CONSUME_STATS {
        is_order: bool = "isOrder",
    }
}
