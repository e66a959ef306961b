//! `UNREGISTER_BROKER` (104).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `UnRegisterBrokerRequestHeader`).
    pub struct UnregisterBrokerRequest = UNREGISTER_BROKER {
        broker_name: String = "brokerName",
        broker_addr: String = "brokerAddr",
        cluster_name: String = "clusterName",
        broker_id: i64 = "brokerId",
    }
}
