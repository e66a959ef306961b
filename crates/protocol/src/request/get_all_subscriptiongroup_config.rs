//! `GET_ALL_SUBSCRIPTIONGROUP_CONFIG` (201).
//!
//! Response body: SubscriptionGroupWrapper JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetAllSubscriptionGroupRequestHeader`).
    pub struct GetAllSubscriptiongroupConfigRequest = GET_ALL_SUBSCRIPTIONGROUP_CONFIG {
        group_seq: i32 = "groupSeq",
        data_version: Option<String> = "dataVersion",
        max_group_num: Option<i32> = "maxGroupNum",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetAllSubscriptionGroupResponseHeader`).
    pub struct GetAllSubscriptiongroupConfigResponse {
        total_group_num: i32 = "totalGroupNum",
    }
}
