//! `SEND_MESSAGE` (10), `SEND_MESSAGE_V2` (310) and `SEND_BATCH_MESSAGE` (320).
//!
//! The two younger requests name their fields by single letters to save bytes; what they mean is the same.
//!
//! Request body: raw message body bytes; of a batch, the entries one after the other.

use crate::{HeaderError, RemotingCommand, RequestCode, header_fields};

header_fields! {
    /// Header of the request (Java: `SendMessageRequestHeader`).
    pub struct SendMessageRequest = SEND_MESSAGE {
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
        batch: Option<bool> = "batch",
        max_reconsume_times: Option<i32> = "maxReconsumeTimes",
    }
}

header_fields! {
    /// Header of the younger requests (Java: `SendMessageRequestHeaderV2`). A [`RemotingCommand::request`] with it is
    /// a `SEND_MESSAGE_V2`; the sender of a batch changes the code to `SEND_BATCH_MESSAGE`.
    pub struct SendMessageRequestV2 = SEND_MESSAGE_V2 {
        producer_group: String = "a",
        topic: String = "b",
        default_topic: String = "c",
        default_topic_queue_nums: i32 = "d",
        queue_id: i32 = "e",
        sys_flag: i32 = "f",
        born_timestamp: i64 = "g",
        flag: i32 = "h",
        properties: Option<String> = "i",
        reconsume_times: Option<i32> = "j",
        unit_mode: Option<bool> = "k",
        max_reconsume_times: Option<i32> = "l",
        batch: Option<bool> = "m",
        broker_name: Option<String> = "n",
    }
}

header_fields! {
    /// Header of the answer (Java: `SendMessageResponseHeader`).
    pub struct SendMessageResponse {
        msg_id: String = "msgId",
        queue_id: i32 = "queueId",
        queue_offset: i64 = "queueOffset",
        transaction_id: Option<String> = "transactionId",
        batch_uniq_id: Option<String> = "batchUniqId",
        recall_handle: Option<String> = "recallHandle",
    }
}

impl SendMessageRequest {
    /// Reads the header of any of the three requests.
    pub fn decode_any(command: &RemotingCommand) -> Result<SendMessageRequest, HeaderError> {
        if command.request_code() == RequestCode::SEND_MESSAGE {
            return command.header();
        }
        command.header::<SendMessageRequestV2>().map(SendMessageRequest::from)
    }
}

impl From<SendMessageRequestV2> for SendMessageRequest {
    fn from(v2: SendMessageRequestV2) -> Self {
        SendMessageRequest {
            producer_group: v2.producer_group,
            topic: v2.topic,
            default_topic: v2.default_topic,
            default_topic_queue_nums: v2.default_topic_queue_nums,
            queue_id: v2.queue_id,
            sys_flag: v2.sys_flag,
            born_timestamp: v2.born_timestamp,
            flag: v2.flag,
            properties: v2.properties,
            reconsume_times: v2.reconsume_times,
            unit_mode: v2.unit_mode,
            batch: v2.batch,
            max_reconsume_times: v2.max_reconsume_times,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_name() -> SendMessageRequest {
        SendMessageRequest {
            producer_group: "g".to_owned(),
            topic: "T".to_owned(),
            default_topic: "TBW102".to_owned(),
            default_topic_queue_nums: 4,
            queue_id: -1,
            sys_flag: 1,
            born_timestamp: 2,
            flag: 3,
            properties: Some("a\u{1}b\u{2}".to_owned()),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            batch: Some(true),
            max_reconsume_times: None,
        }
    }

    #[test]
    fn the_header_is_read_by_names_and_by_letters() {
        let by_letter = SendMessageRequestV2 {
            producer_group: "g".to_owned(),
            topic: "T".to_owned(),
            default_topic: "TBW102".to_owned(),
            default_topic_queue_nums: 4,
            queue_id: -1,
            sys_flag: 1,
            born_timestamp: 2,
            flag: 3,
            properties: Some("a\u{1}b\u{2}".to_owned()),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(true),
            broker_name: Some("broker-a".to_owned()),
        };
        let mut letters = RemotingCommand::request(&by_letter);
        assert_eq!(letters.request_code(), RequestCode::SEND_MESSAGE_V2);
        assert_eq!(SendMessageRequest::decode_any(&letters), Ok(by_name()));
        letters.code = RequestCode::SEND_BATCH_MESSAGE.0;
        assert_eq!(SendMessageRequest::decode_any(&letters), Ok(by_name()));
        let names = RemotingCommand::request(&by_name());
        assert_eq!(SendMessageRequest::decode_any(&names), Ok(by_name()));
    }

    #[test]
    fn a_letter_that_is_missing_is_named() {
        let mut letters = RemotingCommand::request_without_header(RequestCode::SEND_MESSAGE_V2);
        letters.ext_fields.push("a", "g");
        assert_eq!(SendMessageRequest::decode_any(&letters), Err(HeaderError::Missing { field: "b" }));
    }
}
