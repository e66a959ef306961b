//! `CONTROLLER_ALTER_SYNC_STATE_SET` (1001).
//!
//! Request and response body: `SyncStateSet` JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `AlterSyncStateSetRequestHeader`).
    pub struct ControllerAlterSyncStateSetRequest = CONTROLLER_ALTER_SYNC_STATE_SET {
        broker_name: String = "brokerName",
        master_broker_id: i64 = "masterBrokerId",
        master_epoch: i32 = "masterEpoch",
    }
}

header_fields! {
    /// Header of the answer (Java: `AlterSyncStateSetResponseHeader`).
    pub struct ControllerAlterSyncStateSetResponse {
        new_sync_state_set_epoch: i32 = "newSyncStateSetEpoch",
    }
}
