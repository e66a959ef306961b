//! `POP_LITE_MESSAGE` (200070).
//!
//! Response body: concatenated message records, of any lite topics that the client subscribes to.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `PopLiteMessageRequestHeader`).
    pub struct PopLiteMessageRequest = POP_LITE_MESSAGE {
        client_id: String = "clientId",
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        max_msg_num: i32 = "maxMsgNum",
        invisible_time: i64 = "invisibleTime",
        poll_time: i64 = "pollTime",
        // Where it is missing, the broker takes its own time.
        #[or(0)]
        born_time: i64 = "bornTime",
        attempt_id: Option<String> = "attemptId",
    }
}

header_fields! {
    /// Header of the answer (Java: `PopLiteMessageResponseHeader`). `order_count_info` has for each message how often it was
    /// given out before, separated by `;`.
    pub struct PopLiteMessageResponse {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
        start_offset_info: Option<String> = "startOffsetInfo",
        msg_offset_info: Option<String> = "msgOffsetInfo",
        order_count_info: Option<String> = "orderCountInfo",
    }
}
