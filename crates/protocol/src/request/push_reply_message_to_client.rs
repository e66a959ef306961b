//! `PUSH_REPLY_MESSAGE_TO_CLIENT` (326): the broker passes a reply on to the client that waits for it.
//!
//! Request body: raw message body bytes, as the replier sent them.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `ReplyMessageRequestHeader`).
    pub struct PushReplyMessageRequest = PUSH_REPLY_MESSAGE_TO_CLIENT {
        producer_group: String = "producerGroup",
        topic: String = "topic",
        default_topic: String = "defaultTopic",
        default_topic_queue_nums: i32 = "defaultTopicQueueNums",
        queue_id: i32 = "queueId",
        sys_flag: i32 = "sysFlag",
        born_timestamp: i64 = "bornTimestamp",
        flag: i32 = "flag",
        properties: Option<String> = "properties",
        reconsume_times: Option<i32> = "reconsumeTimes",
        unit_mode: Option<bool> = "unitMode",
        born_host: String = "bornHost",
        store_host: String = "storeHost",
        store_timestamp: i64 = "storeTimestamp",
    }
}
