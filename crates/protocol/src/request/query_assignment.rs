//! `QUERY_ASSIGNMENT` (400) and `SET_MESSAGE_REQUEST_MODE` (401).
//!
//! Bodies: [`crate::body::QueryAssignmentRequestBody`], [`crate::body::QueryAssignmentResponseBody`],
//! [`crate::body::SetMessageRequestModeRequestBody`].

use crate::header_fields;

header_fields! {
    /// The request has no header.
    pub struct QueryAssignmentRequest = QUERY_ASSIGNMENT {}
}

header_fields! {
    /// The request has no header.
    pub struct SetMessageRequestModeRequest = SET_MESSAGE_REQUEST_MODE {}
}
