//! `LOCK_BATCH_MQ` (41).
//!
//! Request body: LockBatchRequestBody JSON.
//!
//! Response body: LockBatchResponseBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `LockBatchMqRequestHeader`).
    pub struct LockBatchMqRequest = LOCK_BATCH_MQ {
    }
}
