//! `QUERY_TOPICS_BY_CONSUMER` (343).
//!
//! Response body: TopicList JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryTopicsByConsumerRequestHeader`).
    pub struct QueryTopicsByConsumerRequest = QUERY_TOPICS_BY_CONSUMER {
        group: String = "group",
    }
}
