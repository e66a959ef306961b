//! `GET_CONSUMER_STATUS_FROM_CLIENT` (221).
//!
//! Response body: GetConsumerStatusBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumerStatusRequestHeader`).
    pub struct GetConsumerStatusFromClientRequest = GET_CONSUMER_STATUS_FROM_CLIENT {
        topic: String = "topic",
        group: String = "group",
        client_addr: Option<String> = "clientAddr",
    }
}
