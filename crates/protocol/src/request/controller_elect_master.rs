//! `CONTROLLER_ELECT_MASTER` (1002).
//!
//! Response body: `ElectMasterResponseBody` JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ElectMasterRequestHeader`).
    pub struct ControllerElectMasterRequest = CONTROLLER_ELECT_MASTER {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
        #[or(-1)] broker_id: i64 = "brokerId",
        #[or(false)] designate_elect: bool = "designateElect",
    }
}

header_fields! {
    /// Header of the answer (Java: `ElectMasterResponseHeader`).
    pub struct ControllerElectMasterResponse {
        master_broker_id: Option<i64> = "masterBrokerId",
        master_address: Option<String> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
    }
}
