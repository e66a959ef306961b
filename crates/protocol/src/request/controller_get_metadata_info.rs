//! `CONTROLLER_GET_METADATA_INFO` (1005).
//!
//! The request has no header.

use crate::header_fields;

header_fields! {
    /// Header of the answer (Java: `GetMetaDataResponseHeader`).
    pub struct ControllerGetMetadataInfoResponse {
        group: Option<String> = "group",
        controller_leader_id: Option<String> = "controllerLeaderId",
        controller_leader_address: Option<String> = "controllerLeaderAddress",
        #[or(false)] is_leader: bool = "isLeader",
        peers: Option<String> = "peers",
    }
}
