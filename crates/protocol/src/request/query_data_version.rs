//! `QUERY_DATA_VERSION` (322).
//!
//! Request body: DataVersion JSON.
//!
//! Response body: DataVersion JSON (namesrv copy).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `QueryDataVersionRequestHeader`).
    pub struct QueryDataVersionRequest = QUERY_DATA_VERSION {
        broker_name: String = "brokerName",
        broker_addr: String = "brokerAddr",
        cluster_name: String = "clusterName",
        broker_id: i64 = "brokerId",
    }
}

header_fields! {
    /// Header of the answer (Java: `QueryDataVersionResponseHeader`).
    pub struct QueryDataVersionResponse {
        changed: bool = "changed",
    }
}
