//! `GET_LITE_CLIENT_INFO` (200077).
//!
//! Response body: [`crate::body::GetLiteClientInfoResponseBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetLiteClientInfoRequestHeader`).
    pub struct GetLiteClientInfoRequest = GET_LITE_CLIENT_INFO {
        parent_topic: String = "parentTopic",
        group: String = "group",
        client_id: String = "clientId",
        #[or(1_000)]
        max_count: i32 = "maxCount",
    }
}
