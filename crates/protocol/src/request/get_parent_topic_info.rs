//! `GET_PARENT_TOPIC_INFO` (200075).
//!
//! Response body: [`crate::body::GetParentTopicInfoResponseBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetParentTopicInfoRequestHeader`).
    pub struct GetParentTopicInfoRequest = GET_PARENT_TOPIC_INFO {
        topic: String = "topic",
    }
}
