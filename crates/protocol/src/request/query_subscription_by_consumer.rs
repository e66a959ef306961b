//! `QUERY_SUBSCRIPTION_BY_CONSUMER` (345).
//!
//! Response body: QuerySubscriptionResponseBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QuerySubscriptionByConsumerRequestHeader`).
    pub struct QuerySubscriptionByConsumerRequest = QUERY_SUBSCRIPTION_BY_CONSUMER {
        group: String = "group",
        topic: Option<String> = "topic",
    }
}
