//! `QUERY_MESSAGE` (12).
//!
//! Response body: concatenated message records.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryMessageRequestHeader`).
    pub struct QueryMessageRequest = QUERY_MESSAGE {
        topic: String = "topic",
        key: String = "key",
        max_num: i32 = "maxNum",
        begin_timestamp: i64 = "beginTimestamp",
        end_timestamp: i64 = "endTimestamp",
        index_type: Option<String> = "indexType",
        last_key: Option<String> = "lastKey",
    }
}

header_fields! {
    /// Header of the answer (Java: `QueryMessageResponseHeader`).
    pub struct QueryMessageResponse {
        index_last_update_timestamp: i64 = "indexLastUpdateTimestamp",
        index_last_update_phyoffset: i64 = "indexLastUpdatePhyoffset",
    }
}
