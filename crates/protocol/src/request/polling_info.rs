//! `POLLING_INFO` (200055): how many pops of a group wait.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `PollingInfoRequestHeader`).
    pub struct PollingInfoRequest = POLLING_INFO {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
    }
}

header_fields! {
    /// Header of the answer (Java: `PollingInfoResponseHeader`).
    pub struct PollingInfoResponse {
        polling_num: i32 = "pollingNum",
    }
}
