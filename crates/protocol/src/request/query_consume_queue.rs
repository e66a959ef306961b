//! `QUERY_CONSUME_QUEUE` (321).
//!
//! Response body: QueryConsumeQueueResponseBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryConsumeQueueRequestHeader`).
    pub struct QueryConsumeQueueRequest = QUERY_CONSUME_QUEUE {
        topic: Option<String> = "topic",
        #[or(0)]
        queue_id: i32 = "queueId",
        #[or(0)]
        index: i64 = "index",
        #[or(0)]
        count: i32 = "count",
        consumer_group: Option<String> = "consumerGroup",
    }
}
