//! `RESUME_CHECK_HALF_MESSAGE` (323).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ResumeCheckHalfMessageRequestHeader`).
    pub struct ResumeCheckHalfMessageRequest = RESUME_CHECK_HALF_MESSAGE {
        topic: Option<String> = "topic",
        msg_id: Option<String> = "msgId",
    }
}
