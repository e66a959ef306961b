//! `GET_EARLIEST_MSG_STORETIME` (32).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetEarliestMsgStoretimeRequestHeader`).
    pub struct GetEarliestMsgStoretimeRequest = GET_EARLIEST_MSG_STORETIME {
        topic: String = "topic",
        queue_id: i32 = "queueId",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetEarliestMsgStoretimeResponseHeader`).
    pub struct GetEarliestMsgStoretimeResponse {
        timestamp: i64 = "timestamp",
    }
}
