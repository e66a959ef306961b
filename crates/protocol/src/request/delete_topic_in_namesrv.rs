//! `DELETE_TOPIC_IN_NAMESRV` (216).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `DeleteTopicFromNamesrvRequestHeader`).
    pub struct DeleteTopicInNamesrvRequest = DELETE_TOPIC_IN_NAMESRV {
        topic: String = "topic",
        cluster_name: Option<String> = "clusterName",
    }
}
