//! `GET_MAX_OFFSET` (30).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetMaxOffsetRequestHeader`).
    pub struct GetMaxOffsetRequest = GET_MAX_OFFSET {
        topic: String = "topic",
        queue_id: i32 = "queueId",
        #[or(true)]
        committed: bool = "committed",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetMaxOffsetResponseHeader`).
    pub struct GetMaxOffsetResponse {
        offset: i64 = "offset",
    }
}
