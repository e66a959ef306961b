//! `UPDATE_AND_CREATE_TOPIC_LIST` (18).
//!
//! Request body: CreateTopicListRequestBody JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `CreateTopicListRequestHeader`).
    pub struct UpdateAndCreateTopicListRequest = UPDATE_AND_CREATE_TOPIC_LIST {
    }
}
