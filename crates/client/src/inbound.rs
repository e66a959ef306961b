//! What brokers ask of a client.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock, Weak},
};

use eruca_message::{MessageQueue, StoredMessage};
use eruca_protocol::{
    HeaderError, RemotingCommand, RequestCode, ResponseCode,
    body::{self, BodyError, ConsumerRunningInfo, GetConsumerStatusBody, QueueMap, ResetOffsetBody},
    request::{
        ConsumeMessageDirectlyRequest, GetConsumerStatusFromClientRequest, NotifyUnsubscribeLiteRequest,
        ResetConsumerClientOffsetRequest,
    },
};
use eruca_remoting::{Caller, CommandService, Reply, Responder};

use crate::{
    decode::decode_messages,
    producer::{AnswersChecks, PendingReplies, Question, UselessReply},
};

/// A consumer, as brokers address it. Calls must not block.
pub(crate) trait BrokerRequests: Send + Sync {
    /// The members of the group changed: time to rebalance, where queues are shared out.
    fn consumer_ids_changed(&self) {}
    /// Go on from these offsets; nothing where the user or the broker says from where.
    fn reset_offsets(&self, _offsets: &BTreeMap<MessageQueue, i64>) {}
    /// The offsets in the queues of `topic`, as far as they are known here.
    fn offsets_of(&self, _topic: &str) -> BTreeMap<MessageQueue, i64> {
        BTreeMap::new()
    }
    /// How it is doing.
    fn running_info(&self) -> ConsumerRunningInfo;
    /// Consume this message and tell how it went. Refused where the user asks for messages instead of being called with them.
    fn consume_directly(
        self: Arc<Self>,
        _message: StoredMessage,
        request: RemotingCommand,
        responder: Responder,
    ) {
        let remark = "this consumer asks for its messages: nobody is called with them";
        responder.send(request.reply_error(ResponseCode::SYSTEM_ERROR, remark));
    }
}

/// A consumer of lite topics, as brokers tell it something. Calls must not block.
pub(crate) trait LiteNotices: Send + Sync {
    /// Another client of the group has taken this lite topic.
    fn taken_over(&self, lite_topic: &str);
}

/// Serves the requests of brokers. A producer leaves it without a consumer: then all are refused.
#[derive(Default)]
pub(crate) struct Inbound {
    consumer: OnceLock<Weak<dyn BrokerRequests>>,
    replies: OnceLock<Arc<PendingReplies>>,
    checks: OnceLock<Arc<dyn AnswersChecks>>,
    lite: OnceLock<Weak<dyn LiteNotices>>,
}

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body holds no message that can be read: {0}")]
    NoMessage(String),
    #[error("the reply is of no use: {0}")]
    UselessReply(#[from] UselessReply),
    #[error("this client does not serve {0}")]
    NotServed(RequestCode),
}

impl Inbound {
    /// Says who serves. Only the first call counts.
    pub(crate) fn serve(&self, consumer: Weak<dyn BrokerRequests>) {
        // A second consumer of one session does not exist.
        let _ = self.consumer.set(consumer);
    }

    /// Says where replies go that brokers pass on. Only the first call counts.
    pub(crate) fn take_replies(&self, replies: Arc<PendingReplies>) {
        // A second producer of one session does not exist.
        let _ = self.replies.set(replies);
    }

    /// Says who answers for transactions. Only the first call counts.
    pub(crate) fn answer_checks(&self, checks: Arc<dyn AnswersChecks>) {
        // A second producer of one session does not exist.
        let _ = self.checks.set(checks);
    }

    /// Says who is told of lite topics. Only the first call counts.
    pub(crate) fn take_lite_notices(&self, lite: Weak<dyn LiteNotices>) {
        // A second consumer of one session does not exist.
        let _ = self.lite.set(lite);
    }

    fn answer(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, Refusal> {
        let code = request.request_code();
        if code == RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT {
            let replies = self.replies.get().ok_or(Refusal::NotServed(code))?;
            replies.deliver(request.header()?, &request.body)?;
            return Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)));
        }
        if code == RequestCode::CHECK_TRANSACTION_STATE {
            let checks = self.checks.get().ok_or(Refusal::NotServed(code))?;
            let question = Question {
                header: request.header()?,
                broker_name: request.ext_fields.get("bname").map(str::to_owned),
                message: only_message(&request.body)?,
            };
            checks.clone().check(caller, question);
            return Ok(Reply::None);
        }
        if code == RequestCode::NOTIFY_UNSUBSCRIBE_LITE {
            let lite = self.lite.get().and_then(Weak::upgrade).ok_or(Refusal::NotServed(code))?;
            let header: NotifyUnsubscribeLiteRequest = request.header()?;
            lite.taken_over(&header.lite_topic);
            return Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)));
        }
        let consumer = self.consumer.get().and_then(Weak::upgrade).ok_or(Refusal::NotServed(code))?;
        let done = || Reply::Now(request.reply(ResponseCode::SUCCESS));
        match code {
            RequestCode::NOTIFY_CONSUMER_IDS_CHANGED => {
                consumer.consumer_ids_changed();
                Ok(done())
            }
            RequestCode::RESET_CONSUMER_CLIENT_OFFSET => {
                let header: ResetConsumerClientOffsetRequest = request.header()?;
                let body: ResetOffsetBody = body::from_json(&request.body)?;
                let offsets = body.offset_table.into_iter().filter(|(queue, _)| queue.topic == header.topic);
                consumer.reset_offsets(&offsets.collect());
                Ok(done())
            }
            RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT => {
                let header: GetConsumerStatusFromClientRequest = request.header()?;
                let offsets: QueueMap<i64> = consumer.offsets_of(&header.topic).into_iter().collect();
                let status = GetConsumerStatusBody {
                    message_queue_table: offsets,
                    ..GetConsumerStatusBody::default()
                };
                Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&status))))
            }
            RequestCode::GET_CONSUMER_RUNNING_INFO => {
                let info = body::to_json(&consumer.running_info());
                Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(info)))
            }
            RequestCode::CONSUME_MESSAGE_DIRECTLY => {
                let header: ConsumeMessageDirectlyRequest = request.header()?;
                let mut message = only_message(&request.body)?;
                message.broker_name = header.broker_name.unwrap_or_default();
                consumer.consume_directly(message, request.clone(), caller.responder(request));
                Ok(Reply::Later)
            }
            _ => Err(Refusal::NotServed(code)),
        }
    }
}

fn only_message(body: &[u8]) -> Result<StoredMessage, Refusal> {
    let mut messages = decode_messages(body).map_err(|error| Refusal::NoMessage(error.to_string()))?;
    messages.pop().ok_or_else(|| Refusal::NoMessage("it is empty".into()))
}

impl CommandService for Inbound {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        self.answer(caller, &request).unwrap_or_else(|refusal| {
            tracing::debug!(peer = %caller.peer_addr(), code = %request.request_code(), %refusal, "request refused");
            let code = match refusal {
                Refusal::NotServed(_) => ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
                _ => ResponseCode::SYSTEM_ERROR,
            };
            Reply::Now(request.reply_error(code, refusal.to_string()))
        })
    }
}

#[cfg(test)]
#[path = "inbound_test.rs"]
mod tests;
