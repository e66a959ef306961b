//! `INVOKE_BROKER_TO_RESET_OFFSET` (222).
//!
//! Response body: ResetOffsetBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ResetOffsetRequestHeader`).
    pub struct InvokeBrokerToResetOffsetRequest = INVOKE_BROKER_TO_RESET_OFFSET {
        group: String = "group",
        topic: String = "topic",
        #[or(-1)]
        queue_id: i32 = "queueId",
        offset: Option<i64> = "offset",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
    }
}
