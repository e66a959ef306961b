//! `NOTIFICATION` (200054): waits until a pop would bring something.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `NotificationRequestHeader`).
    pub struct NotificationRequest = NOTIFICATION {
        consumer_group: String = "consumerGroup",
        topic: String = "topic",
        queue_id: i32 = "queueId",
        poll_time: i64 = "pollTime",
        born_time: i64 = "bornTime",
        #[or(false)]
        order: bool = "order",
        attempt_id: Option<String> = "attemptId",
        exp_type: Option<String> = "expType",
        exp: Option<String> = "exp",
    }
}

header_fields! {
    /// Header of the answer (Java: `NotificationResponseHeader`).
    pub struct NotificationResponse {
        #[or(false)]
        has_msg: bool = "hasMsg",
        #[or(false)]
        polling_full: bool = "pollingFull",
    }
}
