//! `VIEW_MESSAGE_BY_ID` (33).
//!
//! Response body: one message record.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ViewMessageRequestHeader`).
    pub struct ViewMessageByIdRequest = VIEW_MESSAGE_BY_ID {
        topic: Option<String> = "topic",
        offset: i64 = "offset",
    }
}
