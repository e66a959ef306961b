//! `QUERY_CONSUME_TIME_SPAN` (303).
//!
//! Response body: QueryConsumeTimeSpanBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryConsumeTimeSpanRequestHeader`).
    pub struct QueryConsumeTimeSpanRequest = QUERY_CONSUME_TIME_SPAN {
        topic: String = "topic",
        group: String = "group",
    }
}
