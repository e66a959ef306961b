//! `CONSUMER_SEND_MSG_BACK` (36).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ConsumerSendMsgBackRequestHeader`).
    pub struct ConsumerSendMsgBackRequest = CONSUMER_SEND_MSG_BACK {
        offset: i64 = "offset",
        group: String = "group",
        delay_level: i32 = "delayLevel",
        origin_msg_id: Option<String> = "originMsgId",
        origin_topic: Option<String> = "originTopic",
        #[or(false)]
        unit_mode: bool = "unitMode",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }
}
