//! `REGISTER_TOPIC_IN_NAMESRV` (217).
//!
//! Request body: TopicRouteData JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `RegisterTopicRequestHeader`).
    pub struct RegisterTopicInNamesrvRequest = REGISTER_TOPIC_IN_NAMESRV {
        topic: String = "topic",
    }
}
