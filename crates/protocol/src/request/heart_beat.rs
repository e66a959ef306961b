//! `HEART_BEAT` (34).
//!
//! Request body: HeartbeatData JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `HeartbeatRequestHeader`).
    pub struct HeartBeatRequest = HEART_BEAT {
    }
}
