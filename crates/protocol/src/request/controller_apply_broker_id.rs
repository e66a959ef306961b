//! `CONTROLLER_APPLY_BROKER_ID` (1013).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ApplyBrokerIdRequestHeader`).
    pub struct ControllerApplyBrokerIdRequest = CONTROLLER_APPLY_BROKER_ID {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
        applied_broker_id: i64 = "appliedBrokerId",
        register_check_code: String = "registerCheckCode",
    }
}

header_fields! {
    /// Header of the answer (Java: `ApplyBrokerIdResponseHeader`).
    pub struct ControllerApplyBrokerIdResponse {
        cluster_name: Option<String> = "clusterName",
        broker_name: Option<String> = "brokerName",
    }
}
