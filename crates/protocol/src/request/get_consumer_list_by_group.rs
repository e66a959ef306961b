//! `GET_CONSUMER_LIST_BY_GROUP` (38).
//!
//! Response body: GetConsumerListByGroupResponseBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumerListByGroupRequestHeader`).
    pub struct GetConsumerListByGroupRequest = GET_CONSUMER_LIST_BY_GROUP {
        consumer_group: String = "consumerGroup",
    }
}
