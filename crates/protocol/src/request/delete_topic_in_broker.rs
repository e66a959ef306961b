//! `DELETE_TOPIC_IN_BROKER` (215).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `DeleteTopicRequestHeader`).
    pub struct DeleteTopicInBrokerRequest = DELETE_TOPIC_IN_BROKER {
        topic: String = "topic",
    }
}
