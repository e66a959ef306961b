//! `NOTIFY_BROKER_ROLE_CHANGED` (1008).
//!
//! One-way, from the controller. Body: `SyncStateSet` JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotifyBrokerRoleChangedRequestHeader`).
    pub struct NotifyBrokerRoleChangedRequest = NOTIFY_BROKER_ROLE_CHANGED {
        master_address: Option<String> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
        master_broker_id: Option<i64> = "masterBrokerId",
    }
}
