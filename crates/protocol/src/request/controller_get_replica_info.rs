//! `CONTROLLER_GET_REPLICA_INFO` (1004).
//!
//! Response body: `SyncStateSet` JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetReplicaInfoRequestHeader`).
    pub struct ControllerGetReplicaInfoRequest = CONTROLLER_GET_REPLICA_INFO {
        broker_name: String = "brokerName",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetReplicaInfoResponseHeader`).
    pub struct ControllerGetReplicaInfoResponse {
        master_broker_id: Option<i64> = "masterBrokerId",
        master_address: Option<String> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
    }
}
