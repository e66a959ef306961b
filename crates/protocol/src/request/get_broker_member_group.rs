//! `GET_BROKER_MEMBER_GROUP` (901).
//!
//! Response body: GetBrokerMemberGroupResponseBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetBrokerMemberGroupRequestHeader`).
    pub struct GetBrokerMemberGroupRequest = GET_BROKER_MEMBER_GROUP {
        cluster_name: String = "clusterName",
        broker_name: String = "brokerName",
    }
}
