//! `TRIGGER_LITE_DISPATCH` (200079).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `TriggerLiteDispatchRequestHeader`).
    pub struct TriggerLiteDispatchRequest = TRIGGER_LITE_DISPATCH {
        group: String = "group",
        client_id: Option<String> = "clientId",
    }
}
