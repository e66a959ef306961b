//! `ADD_WRITE_PERM_OF_BROKER` (327).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `AddWritePermOfBrokerRequestHeader`).
    pub struct AddWritePermOfBrokerRequest = ADD_WRITE_PERM_OF_BROKER {
        broker_name: String = "brokerName",
    }
}

header_fields! {
    /// Header of the answer (Java: `AddWritePermOfBrokerResponseHeader`).
    pub struct AddWritePermOfBrokerResponse {
        add_topic_count: i32 = "addTopicCount",
    }
}
