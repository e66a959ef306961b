//! `GET_LITE_GROUP_INFO` (200078).
//!
//! Response body: [`crate::body::GetLiteGroupInfoResponseBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetLiteGroupInfoRequestHeader`).
    pub struct GetLiteGroupInfoRequest = GET_LITE_GROUP_INFO {
        group: String = "group",
        lite_topic: Option<String> = "liteTopic",
        #[or(0)]
        top_k: i32 = "topK",
    }
}
