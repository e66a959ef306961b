//! `DELETE_SUBSCRIPTIONGROUP` (207).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `DeleteSubscriptionGroupRequestHeader`).
    pub struct DeleteSubscriptiongroupRequest = DELETE_SUBSCRIPTIONGROUP {
        group_name: String = "groupName",
        #[or(false)]
        clean_offset: bool = "cleanOffset",
    }
}
