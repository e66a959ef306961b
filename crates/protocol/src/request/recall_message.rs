//! `RECALL_MESSAGE` (370), since 5.4.0: a message with a time of delivery is not to be delivered.
//!
//! `recallHandle` is what the send was answered (`eruca_message::RecallHandle`), `msgId` the unique key of the message.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `RecallMessageRequestHeader`).
    pub struct RecallMessageRequest = RECALL_MESSAGE {
        producer_group: Option<String> = "producerGroup",
        topic: String = "topic",
        recall_handle: String = "recallHandle",
    }
}

header_fields! {
    /// Header of the answer (Java: `RecallMessageResponseHeader`).
    pub struct RecallMessageResponse {
        msg_id: String = "msgId",
    }
}
