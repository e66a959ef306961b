//! `CONTROLLER_REGISTER_BROKER` (1003).
//!
//! Response body: `SyncStateSet` JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `RegisterBrokerToControllerRequestHeader`).
    pub struct ControllerRegisterBrokerRequest = CONTROLLER_REGISTER_BROKER {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
        broker_id: i64 = "brokerId",
        broker_address: String = "brokerAddress",
        invoke_time: Option<i64> = "invokeTime",
    }
}

header_fields! {
    /// Header of the answer (Java: `RegisterBrokerToControllerResponseHeader`).
    pub struct ControllerRegisterBrokerResponse {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
        master_broker_id: Option<i64> = "masterBrokerId",
        master_address: Option<String> = "masterAddress",
        master_epoch: Option<i32> = "masterEpoch",
        sync_state_set_epoch: Option<i32> = "syncStateSetEpoch",
    }
}
