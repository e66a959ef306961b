//! `REGISTER_BROKER` (103).
//!
//! Request body: RegisterBrokerBody JSON; header compressed=true: zlib of a binary form (remoting.md section 9); bodyCrc32 over the sent bytes.
//!
//! Response body: KVTable JSON: ORDER_TOPIC_CONFIG namespace (only if returnOrderTopicConfig).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `RegisterBrokerRequestHeader`).
    pub struct RegisterBrokerRequest = REGISTER_BROKER {
        broker_name: String = "brokerName",
        broker_addr: String = "brokerAddr",
        cluster_name: String = "clusterName",
        ha_server_addr: String = "haServerAddr",
        broker_id: i64 = "brokerId",
        heartbeat_timeout_millis: Option<i64> = "heartbeatTimeoutMillis",
        enable_acting_master: Option<bool> = "enableActingMaster",
        #[or(false)]
        compressed: bool = "compressed",
        body_crc32: Option<i32> = "bodyCrc32",
    }
}

header_fields! {
    /// Header of the answer (Java: `RegisterBrokerResponseHeader`).
    pub struct RegisterBrokerResponse {
        ha_server_addr: Option<String> = "haServerAddr",
        master_addr: Option<String> = "masterAddr",
    }
}
