//! `UNLOCK_BATCH_MQ` (42).
//!
//! Request body: UnlockBatchRequestBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `UnlockBatchMqRequestHeader`).
    pub struct UnlockBatchMqRequest = UNLOCK_BATCH_MQ {
    }
}
