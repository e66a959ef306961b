//! `UPDATE_AND_CREATE_TOPIC` (17).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `CreateTopicRequestHeader`).
    pub struct UpdateAndCreateTopicRequest = UPDATE_AND_CREATE_TOPIC {
        topic: String = "topic",
        default_topic: String = "defaultTopic",
        read_queue_nums: i32 = "readQueueNums",
        write_queue_nums: i32 = "writeQueueNums",
        perm: i32 = "perm",
        topic_filter_type: String = "topicFilterType",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        #[or(false)]
        order: bool = "order",
        attributes: Option<String> = "attributes",
        force: Option<bool> = "force",
    }
}
