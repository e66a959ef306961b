//! `RESET_CONSUMER_CLIENT_OFFSET` (220).
//!
//! Request body: ResetOffsetBody JSON (or ResetOffsetBodyForC JSON when header isForceC-style C++ client).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ResetOffsetRequestHeader`).
    pub struct ResetConsumerClientOffsetRequest = RESET_CONSUMER_CLIENT_OFFSET {
        group: String = "group",
        topic: String = "topic",
        #[or(-1)]
        queue_id: i32 = "queueId",
        offset: Option<i64> = "offset",
        timestamp: i64 = "timestamp",
        is_force: bool = "isForce",
    }
}
