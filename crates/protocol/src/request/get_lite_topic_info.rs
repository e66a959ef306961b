//! `GET_LITE_TOPIC_INFO` (200076).
//!
//! Response body: [`crate::body::GetLiteTopicInfoResponseBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetLiteTopicInfoRequestHeader`).
    pub struct GetLiteTopicInfoRequest = GET_LITE_TOPIC_INFO {
        parent_topic: String = "parentTopic",
        lite_topic: String = "liteTopic",
    }
}
