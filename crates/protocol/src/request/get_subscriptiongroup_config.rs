//! `GET_SUBSCRIPTIONGROUP_CONFIG` (352).
//!
//! Response body: SubscriptionGroupConfig JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetSubscriptionGroupConfigRequestHeader`).
    pub struct GetSubscriptiongroupConfigRequest = GET_SUBSCRIPTIONGROUP_CONFIG {
        group: String = "group",
    }
}
