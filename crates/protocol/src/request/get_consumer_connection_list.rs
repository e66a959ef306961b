//! `GET_CONSUMER_CONNECTION_LIST` (203).
//!
//! Response body: ConsumerConnection JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumerConnectionListRequestHeader`).
    pub struct GetConsumerConnectionListRequest = GET_CONSUMER_CONNECTION_LIST {
        consumer_group: String = "consumerGroup",
    }
}
