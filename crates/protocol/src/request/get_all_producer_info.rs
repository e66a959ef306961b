//! `GET_ALL_PRODUCER_INFO` (328).
//!
//! Response body: ProducerTableInfo JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetAllProducerInfoRequestHeader`).
    pub struct GetAllProducerInfoRequest = GET_ALL_PRODUCER_INFO {
    }
}
