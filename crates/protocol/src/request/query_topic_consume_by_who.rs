//! `QUERY_TOPIC_CONSUME_BY_WHO` (300).
//!
//! Response body: GroupList JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryTopicConsumeByWhoRequestHeader`).
    pub struct QueryTopicConsumeByWhoRequest = QUERY_TOPIC_CONSUME_BY_WHO {
        topic: String = "topic",
    }
}
