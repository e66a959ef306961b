//! `GET_MIN_OFFSET` (31).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetMinOffsetRequestHeader`).
    pub struct GetMinOffsetRequest = GET_MIN_OFFSET {
        topic: String = "topic",
        queue_id: i32 = "queueId",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetMinOffsetResponseHeader`).
    pub struct GetMinOffsetResponse {
        offset: i64 = "offset",
    }
}
