//! `BROKER_HEARTBEAT` (904).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `BrokerHeartbeatRequestHeader`).
    pub struct BrokerHeartbeatRequest = BROKER_HEARTBEAT {
        cluster_name: String = "clusterName",
        broker_addr: String = "brokerAddr",
        broker_name: String = "brokerName",
        broker_id: Option<i64> = "brokerId",
        epoch: Option<i32> = "epoch",
        max_offset: Option<i64> = "maxOffset",
        confirm_offset: Option<i64> = "confirmOffset",
        heartbeat_timeout_mills: Option<i64> = "heartbeatTimeoutMills",
        election_priority: Option<i32> = "electionPriority",
    }
}
