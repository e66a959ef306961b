//! `QUERY_CONSUMER_OFFSET` (14).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryConsumerOffsetRequestHeader`).
    pub struct QueryConsumerOffsetRequest = QUERY_CONSUMER_OFFSET {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        set_zero_if_not_found: Option<bool> = "setZeroIfNotFound",
    }
}

header_fields! {
    /// Header of the answer (Java: `QueryConsumerOffsetResponseHeader`).
    pub struct QueryConsumerOffsetResponse {
        offset: i64 = "offset",
    }
}
