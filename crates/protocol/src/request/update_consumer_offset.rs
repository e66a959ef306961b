//! `UPDATE_CONSUMER_OFFSET` (15).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `UpdateConsumerOffsetRequestHeader`).
    pub struct UpdateConsumerOffsetRequest = UPDATE_CONSUMER_OFFSET {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        commit_offset: i64 = "commitOffset",
    }
}
