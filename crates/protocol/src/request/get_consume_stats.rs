//! `GET_CONSUME_STATS` (208).
//!
//! Response body: ConsumeStats JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumeStatsRequestHeader`).
    pub struct GetConsumeStatsRequest = GET_CONSUME_STATS {
        consumer_group: String = "consumerGroup",
        topic: Option<String> = "topic",
    }
}
