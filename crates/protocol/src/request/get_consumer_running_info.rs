//! `GET_CONSUMER_RUNNING_INFO` (307).
//!
//! Response body: ConsumerRunningInfo JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetConsumerRunningInfoRequestHeader`).
    pub struct GetConsumerRunningInfoRequest = GET_CONSUMER_RUNNING_INFO {
        consumer_group: String = "consumerGroup",
        client_id: String = "clientId",
        #[or(false)]
        jstack_enable: bool = "jstackEnable",
    }
}
