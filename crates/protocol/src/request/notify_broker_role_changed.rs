//! `NOTIFY_BROKER_ROLE_CHANGED` (1008).
//!
//! One-way, from the controller. Body: `SyncStateSet` JSON.
//!
//! Eruca's controller also asks the master of a planned change with it, and waits for the answer then: `handOverTo` is the number
//! of the successor; the master takes no messages until there is news. A Java broker sees news that it knows already, and answers without a header.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotifyBrokerRoleChangedRequestHeader`).
    pub struct NotifyBrokerRoleChangedRequest = NOTIFY_BROKER_ROLE_CHANGED {
        master_address: Option<String> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
        master_broker_id: Option<i64> = "masterBrokerId",
        hand_over_to: Option<i64> = "handOverTo",
    }
}

header_fields! {
    /// Header of an Eruca master's answer where it was asked to hand over: `lackingBytes` of the log are not acknowledged by the
    /// successor, and where it is not 0 the master takes messages again.
    pub struct NotifyBrokerRoleChangedResponse {
        lacking_bytes: Option<i64> = "lackingBytes",
    }
}
