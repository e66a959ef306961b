//! `QUERY_CORRECTION_OFFSET` (308).
//!
//! Response body: QueryCorrectionOffsetBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryCorrectionOffsetHeader`).
    pub struct QueryCorrectionOffsetRequest = QUERY_CORRECTION_OFFSET {
        compare_group: String = "compareGroup",
        topic: String = "topic",
    }
}
