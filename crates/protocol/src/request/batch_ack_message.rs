//! `BATCH_ACK_MESSAGE` (200151).
//!
//! Request body: [`crate::body::BatchAckMessageRequestBody`].

use crate::header_fields;

header_fields! {
    /// The request has no header.
    pub struct BatchAckMessageRequest = BATCH_ACK_MESSAGE {}
}
