//! `CONTROLLER_GET_NEXT_BROKER_ID` (1012).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetNextBrokerIdRequestHeader`).
    pub struct ControllerGetNextBrokerIdRequest = CONTROLLER_GET_NEXT_BROKER_ID {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetNextBrokerIdResponseHeader`).
    pub struct ControllerGetNextBrokerIdResponse {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
        next_broker_id: Option<i64> = "nextBrokerId",
    }
}
