//! `LITE_SUBSCRIPTION_CTL` (200071).
//!
//! Request body: [`crate::body::LiteSubscriptionCtlRequestBody`] JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `LiteSubscriptionCtlRequestHeader`).
    pub struct LiteSubscriptionCtlRequest = LITE_SUBSCRIPTION_CTL {
    }
}
