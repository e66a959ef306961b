//! `CONSUME_MESSAGE_DIRECTLY` (309).
//!
//! Response body: ConsumeMessageDirectlyResult JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ConsumeMessageDirectlyResultRequestHeader`).
    pub struct ConsumeMessageDirectlyRequest = CONSUME_MESSAGE_DIRECTLY {
        consumer_group: String = "consumerGroup",
        client_id: Option<String> = "clientId",
        msg_id: Option<String> = "msgId",
        broker_name: Option<String> = "brokerName",
        topic: Option<String> = "topic",
        topic_sys_flag: Option<i32> = "topicSysFlag",
        group_sys_flag: Option<i32> = "groupSysFlag",
    }
}
