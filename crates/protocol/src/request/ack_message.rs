//! `ACK_MESSAGE` (200051).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `AckMessageRequestHeader`). `extra_info` is a [`crate::pop::ReceiptHandle`].
    pub struct AckMessageRequest = ACK_MESSAGE {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        extra_info: String = "extraInfo",
        offset: i64 = "offset",
        lite_topic: Option<String> = "liteTopic",
    }
}
