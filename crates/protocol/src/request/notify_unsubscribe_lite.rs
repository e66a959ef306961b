//! `NOTIFY_UNSUBSCRIBE_LITE` (200073), from the broker to a client, without an answer.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotifyUnsubscribeLiteRequestHeader`).
    pub struct NotifyUnsubscribeLiteRequest = NOTIFY_UNSUBSCRIBE_LITE {
        lite_topic: String = "liteTopic",
        consumer_group: String = "consumerGroup",
        client_id: String = "clientId",
    }
}
