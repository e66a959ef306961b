//! `GET_TOPIC_CONFIG` (351).
//!
//! Response body: TopicConfigAndQueueMapping JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetTopicConfigRequestHeader`).
    pub struct GetTopicConfigRequest = GET_TOPIC_CONFIG {
        topic: String = "topic",
    }
}
