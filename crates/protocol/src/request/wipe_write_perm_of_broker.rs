//! `WIPE_WRITE_PERM_OF_BROKER` (205).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `WipeWritePermOfBrokerRequestHeader`).
    pub struct WipeWritePermOfBrokerRequest = WIPE_WRITE_PERM_OF_BROKER {
        broker_name: String = "brokerName",
    }
}

header_fields! {
    /// Header of the answer (Java: `WipeWritePermOfBrokerResponseHeader`).
    pub struct WipeWritePermOfBrokerResponse {
        wipe_topic_count: i32 = "wipeTopicCount",
    }
}
