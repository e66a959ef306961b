//! `NOTIFY_CONSUMER_IDS_CHANGED` (40).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotifyConsumerIdsChangedRequestHeader`).
    pub struct NotifyConsumerIdsChangedRequest = NOTIFY_CONSUMER_IDS_CHANGED {
        consumer_group: String = "consumerGroup",
    }
}
