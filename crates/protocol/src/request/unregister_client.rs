//! `UNREGISTER_CLIENT` (35).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `UnregisterClientRequestHeader`).
    pub struct UnregisterClientRequest = UNREGISTER_CLIENT {
        client_id: String = "clientID",
        producer_group: Option<String> = "producerGroup",
        consumer_group: Option<String> = "consumerGroup",
    }
}
