//! `CHANGE_MESSAGE_INVISIBLETIME` (200053).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ChangeInvisibleTimeRequestHeader`). `extra_info` is a
    /// [`crate::pop::ReceiptHandle`].
    pub struct ChangeInvisibleTimeRequest = CHANGE_MESSAGE_INVISIBLETIME {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        extra_info: String = "extraInfo",
        offset: i64 = "offset",
        invisible_time: i64 = "invisibleTime",
        lite_topic: Option<String> = "liteTopic",
        #[or(false)]
        suspend: bool = "suspend",
    }
}

header_fields! {
    /// Header of the answer (Java: `ChangeInvisibleTimeResponseHeader`).
    pub struct ChangeInvisibleTimeResponse {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
    }
}
