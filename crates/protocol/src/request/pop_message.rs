//! `POP_MESSAGE` (200050).
//!
//! Response body: concatenated message records. The three texts of the answer are read and written by
//! [`crate::pop::QueueOffsets`] and its neighbours.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `PopMessageRequestHeader`).
    pub struct PopMessageRequest = POP_MESSAGE {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        max_msg_nums: i32 = "maxMsgNums",
        invisible_time: i64 = "invisibleTime",
        poll_time: i64 = "pollTime",
        born_time: i64 = "bornTime",
        init_mode: i32 = "initMode",
        exp_type: Option<String> = "expType",
        exp: Option<String> = "exp",
        #[or(false)]
        order: bool = "order",
        attempt_id: Option<String> = "attemptId",
    }
}

header_fields! {
    /// Header of the answer (Java: `PopMessageResponseHeader`).
    pub struct PopMessageResponse {
        pop_time: i64 = "popTime",
        invisible_time: i64 = "invisibleTime",
        revive_qid: i32 = "reviveQid",
        rest_num: i64 = "restNum",
        start_offset_info: Option<String> = "startOffsetInfo",
        msg_offset_info: Option<String> = "msgOffsetInfo",
        order_count_info: Option<String> = "orderCountInfo",
    }
}
