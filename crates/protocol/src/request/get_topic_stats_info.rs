//! `GET_TOPIC_STATS_INFO` (202).
//!
//! Response body: TopicStatsTable JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetTopicStatsInfoRequestHeader`).
    pub struct GetTopicStatsInfoRequest = GET_TOPIC_STATS_INFO {
        topic: String = "topic",
    }
}
