//! `UPDATE_AND_GET_GROUP_FORBIDDEN` (353).
//!
//! Response body: [`GroupForbidden`](crate::body::GroupForbidden) JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `UpdateGroupForbiddenRequestHeader`). Without `readable` nothing is changed.
    pub struct UpdateAndGetGroupForbiddenRequest = UPDATE_AND_GET_GROUP_FORBIDDEN {
        group: String = "group",
        topic: String = "topic",
        readable: Option<bool> = "readable",
    }
}
