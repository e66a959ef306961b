//! `GET_BROKER_LITE_INFO` (200074).
//!
//! Response body: [`crate::body::GetBrokerLiteInfoResponseBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request: Java sends none.
    pub struct GetBrokerLiteInfoRequest = GET_BROKER_LITE_INFO {
    }
}
