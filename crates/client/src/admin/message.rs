//! What brokers are asked about messages and queues.

use eruca_message::{MessageQueue, OffsetMessageId, StoredMessage, Timestamp, names};
use eruca_protocol::{
    RemotingCommand,
    body::QueryConsumeQueueResponseBody,
    request::{
        GetEarliestMsgStoretimeRequest, GetEarliestMsgStoretimeResponse, GetMaxOffsetRequest,
        GetMaxOffsetResponse, GetMinOffsetRequest, GetMinOffsetResponse, QueryConsumeQueueRequest,
        QueryMessageRequest, ResumeCheckHalfMessageRequest, SearchOffsetByTimestampRequest,
        SearchOffsetByTimestampResponse, ViewMessageByIdRequest,
    },
};

use super::Admin;
use crate::{
    CallError,
    client::Answer,
    consumer::{PullOutcome, pull_once},
};

/// Which message of equal store times a search by time finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// The first one.
    #[default]
    Lower,
    /// The last one.
    Upper,
}

/// By what a message is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IndexKind {
    /// A word of its keys (`KEYS`).
    #[default]
    Key,
    /// The id that its producer gave it (`UNIQ_KEY`).
    UniqueKey,
    /// Its tag; brokers from 5.4 on.
    Tag,
}

/// What to pull from one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuePull<'a> {
    /// In whose name; the group need not have members.
    pub group: &'a str,
    /// The queue.
    pub queue: &'a MessageQueue,
    /// From where on.
    pub offset: i64,
    /// Most messages of one answer.
    pub max_messages: i32,
    /// Filter by tag: `*`, or `a || b`.
    pub tags: &'a str,
}

impl Admin {
    /// The message with the offset message id `message_id`, from the broker whose address is in it.
    pub async fn view_message(
        &self,
        topic: &str,
        message_id: &OffsetMessageId,
    ) -> Result<StoredMessage, CallError> {
        self.view_message_at(&message_id.store_host.to_string(), topic, message_id).await
    }

    /// As [`Admin::view_message`], but asks the broker at `addr`: for where the address in the id is not the one by
    /// which this host reaches the broker.
    pub async fn view_message_at(
        &self,
        addr: &str,
        topic: &str,
        message_id: &OffsetMessageId,
    ) -> Result<StoredMessage, CallError> {
        let header =
            ViewMessageByIdRequest { topic: Some(topic.to_owned()), offset: message_id.log_offset.to_i64() };
        let answer = self.ask(addr, &header).await?;
        let mut messages = decode_messages(&answer)?;
        messages.pop().ok_or_else(|| CallError::BadMessages {
            addr: answer.addr,
            request: answer.request,
            detail: "there is none".to_owned(),
        })
    }

    /// Lets the broker at `addr` check again the transaction whose message has the offset id `offset_id`: one that was given up
    /// (it lies in `TRANS_CHECK_MAX_TIME_TOPIC`); Eruca's brokers also take an open one, and count its checks anew.
    pub async fn resume_check_half_message(&self, addr: &str, offset_id: &str) -> Result<(), CallError> {
        let header = ResumeCheckHalfMessageRequest {
            topic: Some(names::TRANS_CHECK_MAX_TIME_TOPIC.to_owned()),
            msg_id: Some(offset_id.to_owned()),
        };
        self.ask(addr, &header).await.map(drop)
    }

    /// Messages of one queue, without waiting for new ones.
    pub async fn pull(&self, addr: &str, pull: &QueuePull<'_>) -> Result<PullOutcome, CallError> {
        pull_once(&self.session, addr, pull).await
    }

    /// The newest messages of `topic` that carry `key`, stored between two times (inclusive) on the broker at `addr`.
    /// Brokers find them by a hash: what is found may have another key.
    pub async fn query_message(
        &self,
        addr: &str,
        topic: &str,
        key: &str,
        max_messages: i32,
        between: (Timestamp, Timestamp),
        kind: IndexKind,
    ) -> Result<Vec<StoredMessage>, CallError> {
        let header = QueryMessageRequest {
            topic: topic.to_owned(),
            key: key.to_owned(),
            max_num: max_messages,
            begin_timestamp: between.0.0,
            end_timestamp: between.1.0,
            index_type: Some(
                match kind {
                    IndexKind::Key => "K",
                    IndexKind::UniqueKey => "U",
                    IndexKind::Tag => "T",
                }
                .to_owned(),
            ),
            last_key: None,
        };
        let mut request = RemotingCommand::request(&header);
        request
            .ext_fields
            .push("_UNIQUE_KEY_QUERY", if kind == IndexKind::UniqueKey { "true" } else { "false" });
        match self.session.call(addr, request).await {
            Ok(answer) => decode_messages(&answer),
            Err(CallError::Refused { code: eruca_protocol::ResponseCode::QUERY_NOT_FOUND, .. }) => {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    /// The offset in `queue` of the first message stored at or after `timestamp`, on the broker at `addr`.
    pub async fn search_offset(
        &self,
        addr: &str,
        queue: &MessageQueue,
        timestamp: Timestamp,
        boundary: Boundary,
    ) -> Result<i64, CallError> {
        let header = SearchOffsetByTimestampRequest {
            topic: queue.topic.clone(),
            lite_topic: None,
            queue_id: queue.queue_id,
            timestamp: timestamp.0,
            boundary_type: Some(if boundary == Boundary::Lower { "LOWER" } else { "UPPER" }.to_owned()),
        };
        Ok(self.ask_header::<_, SearchOffsetByTimestampResponse>(addr, &header).await?.offset)
    }

    /// The offset that the next message of `queue` will get, on the broker at `addr`.
    pub async fn max_offset(&self, addr: &str, queue: &MessageQueue) -> Result<i64, CallError> {
        let header =
            GetMaxOffsetRequest { topic: queue.topic.clone(), queue_id: queue.queue_id, committed: true };
        Ok(self.ask_header::<_, GetMaxOffsetResponse>(addr, &header).await?.offset)
    }

    /// The lowest offset of `queue` that is still stored, on the broker at `addr`.
    pub async fn min_offset(&self, addr: &str, queue: &MessageQueue) -> Result<i64, CallError> {
        let header = GetMinOffsetRequest { topic: queue.topic.clone(), queue_id: queue.queue_id };
        Ok(self.ask_header::<_, GetMinOffsetResponse>(addr, &header).await?.offset)
    }

    /// When the oldest message of `queue` that is still there was stored, on the broker at `addr`; -1 where there is
    /// none.
    pub async fn earliest_msg_store_time(
        &self,
        addr: &str,
        queue: &MessageQueue,
    ) -> Result<Timestamp, CallError> {
        let header = GetEarliestMsgStoretimeRequest { topic: queue.topic.clone(), queue_id: queue.queue_id };
        let answer: GetEarliestMsgStoretimeResponse = self.ask_header(addr, &header).await?;
        Ok(Timestamp(answer.timestamp))
    }

    /// Entries of the consume queue of `queue` from `index` on, on the broker at `addr`; with what `group`'s filter
    /// says of each, where a group is given.
    pub async fn query_consume_queue(
        &self,
        addr: &str,
        queue: &MessageQueue,
        index: i64,
        count: i32,
        group: Option<&str>,
    ) -> Result<QueryConsumeQueueResponseBody, CallError> {
        let header = QueryConsumeQueueRequest {
            topic: Some(queue.topic.clone()),
            queue_id: queue.queue_id,
            index,
            count,
            consumer_group: group.map(str::to_owned),
        };
        self.ask_body(addr, &header).await
    }
}

/// The messages in an answer's body, decompressed.
fn decode_messages(answer: &Answer) -> Result<Vec<StoredMessage>, CallError> {
    crate::decode::decode_messages(&answer.reply.body).map_err(|error| CallError::BadMessages {
        addr: answer.addr.clone(),
        request: answer.request,
        detail: error.to_string(),
    })
}
