//! `GET_PRODUCER_CONNECTION_LIST` (204).
//!
//! Response body: ProducerConnection JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetProducerConnectionListRequestHeader`).
    pub struct GetProducerConnectionListRequest = GET_PRODUCER_CONNECTION_LIST {
        producer_group: String = "producerGroup",
    }
}
