//! `PEEK_MESSAGE` (200052).
//!
//! Answered with the header of `POP_MESSAGE`, of which only `restNum` says something. Response body: concatenated
//! message records.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `PeekMessageRequestHeader`).
    pub struct PeekMessageRequest = PEEK_MESSAGE {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        max_msg_nums: i32 = "maxMsgNums",
    }
}
