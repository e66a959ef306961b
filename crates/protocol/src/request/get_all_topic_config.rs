//! `GET_ALL_TOPIC_CONFIG` (21).
//!
//! Response body: TopicConfigAndMappingSerializeWrapper JSON or TopicConfigSerializeWrapper JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetAllTopicConfigRequestHeader`).
    pub struct GetAllTopicConfigRequest = GET_ALL_TOPIC_CONFIG {
        topic_seq: i32 = "topicSeq",
        data_version: Option<String> = "dataVersion",
        max_topic_num: Option<i32> = "maxTopicNum",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetAllTopicConfigResponseHeader`).
    pub struct GetAllTopicConfigResponse {
        total_topic_num: Option<i32> = "totalTopicNum",
    }
}
