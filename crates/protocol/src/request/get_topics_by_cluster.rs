//! `GET_TOPICS_BY_CLUSTER` (224).
//!
//! Response body: TopicList JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetTopicsByClusterRequestHeader`).
    pub struct GetTopicsByClusterRequest = GET_TOPICS_BY_CLUSTER {
        cluster: String = "cluster",
    }
}
