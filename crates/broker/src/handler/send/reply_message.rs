//! `SEND_REPLY_MESSAGE` and its V2: the answer to a request message, passed on to the client that waits for it.

use std::{sync::Arc, time::Duration};

use eruca_message::{
    OffsetMessageId, Properties, PropertiesError,
    properties::{MAX_PROPERTIES_LEN_BYTES, MSG_REGION, PUSH_REPLY_TIME, REPLY_TO_CLIENT, TRACE_SWITCH},
};
use eruca_protocol::{ExtFields, RemotingCommand, ResponseCode, request::PushReplyMessageRequest};
use eruca_remoting::{Caller, Reply};
use eruca_store::{AppendMessage, Appended, MessageStore};

use super::{SendMessageHandler, header::SendHeader, properties::trace_text, send_message::refuse_long_body};
use crate::{clients::ProducerTable, control::Control, reply::HandlerError};

/// How long the client that waits for the reply may take to acknowledge it.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);

/// Passes replies on (Java: `ReplyMessageProcessor`).
#[derive(Debug)]
pub struct ReplyMessageHandler {
    producers: Arc<ProducerTable>,
    /// Where the client's acknowledgement is waited for.
    control: Arc<Control>,
}

/// A reply on its way, with nothing borrowed from its request.
struct Push {
    /// Client id of the one that waits.
    to: String,
    request: RemotingCommand,
    header: PushReplyMessageRequest,
    properties: Vec<u8>,
    caller: Caller,
    /// Where it is kept as well (`storeReplyMessageEnable`).
    store: Option<Arc<MessageStore>>,
    store_host: std::net::SocketAddr,
    max_message_size: usize,
}

impl ReplyMessageHandler {
    /// A handler that finds clients in `producers` and waits on `control`.
    pub fn new(producers: Arc<ProducerTable>, control: Arc<Control>) -> Self {
        ReplyMessageHandler { producers, control }
    }

    /// Checks the reply as `send` checks messages, passes it on, stores it, and answers for both: an answer with
    /// success says that the client has it.
    pub fn handle(
        &self,
        send: &SendMessageHandler,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let config = send.settings.now();
        let header = SendHeader::decode(request)?;
        let now = send.clock.now();
        let destination = send.admit(&header, &config, caller.peer_addr(), now)?;
        refuse_long_body(&request.body, &config)?;
        let mut properties = Properties::decode(header.properties.as_bytes());
        properties.set(MSG_REGION, config.region_id.as_str());
        properties.set(TRACE_SWITCH, trace_text(config.trace_on));
        let to = properties.get(REPLY_TO_CLIENT).map(str::to_owned);
        let member = to.as_deref().and_then(|to| self.producers.by_client_id(to));
        if member.is_some() {
            properties.set(PUSH_REPLY_TIME, now.0.to_string());
        }
        let encoded = properties.to_bytes();
        if encoded.len() > MAX_PROPERTIES_LEN_BYTES {
            let cause = PropertiesError::TooLong { len: encoded.len() };
            return Err(HandlerError::message_illegal(config.max_message_size, cause));
        }
        let mut answer = request.reply(ResponseCode::SUCCESS);
        send.push_region(&mut answer.ext_fields, config.trace_on);
        let push = Push {
            header: PushReplyMessageRequest {
                producer_group: header.producer_group.to_owned(),
                topic: destination.topic.topic_name.clone(),
                default_topic: header.default_topic.to_owned(),
                default_topic_queue_nums: header.default_topic_queue_nums,
                queue_id: destination.queue_id,
                sys_flag: header.sys_flag,
                born_timestamp: header.born_timestamp,
                flag: header.flag,
                properties: Some(String::from_utf8_lossy(&encoded).into_owned()),
                reconsume_times: Some(header.reconsume_times),
                unit_mode: Some(header.unit_mode),
                born_host: caller.peer_addr().to_string(),
                store_host: send.store_host.to_string(),
                store_timestamp: now.0,
            },
            to: to.clone().unwrap_or_default(),
            request: request.clone(),
            properties: encoded,
            caller: caller.clone(),
            store: config.store_reply_message_enable.then(|| send.store.clone()),
            store_host: send.store_host,
            max_message_size: config.max_message_size,
        };
        let responder = caller.responder(request);
        self.control.spawn("reply to a client", async move {
            let pushed = match (to, member) {
                (None, _) => Err("reply message properties[REPLY_TO_CLIENT] is null".to_owned()),
                (Some(to), None) => Err(format!(
                    "push reply message fail, channel of <{to}> not found: the client that asked is no longer \
                     connected to this broker"
                )),
                (_, Some(member)) => push.pass_on(&member.caller).await,
            };
            responder.send(push.answer(answer, pushed));
        });
        Ok(Reply::Later)
    }
}

impl Push {
    /// The client's acknowledgement, or why there is none.
    async fn pass_on(&self, client: &Caller) -> Result<(), String> {
        let question = RemotingCommand::request(&self.header).with_body(self.request.body.clone());
        match client.invoke(question, PUSH_TIMEOUT).await {
            Ok(answer) if answer.response_code() == ResponseCode::SUCCESS => Ok(()),
            Ok(answer) => Err(format!(
                "push reply message to {}fail. It answered {} {}",
                self.to,
                answer.response_code(),
                answer.remark.unwrap_or_default()
            )),
            Err(error) => Err(format!("push reply message to {}fail. {error}", self.to)),
        }
    }

    /// Stores the reply where that is asked for, and completes the answer. As in Java a reply that the client has
    /// is a success even where it could not be stored.
    fn answer(&self, mut answer: RemotingCommand, pushed: Result<(), String>) -> RemotingCommand {
        let stored = self.store.as_ref().map(|store| self.keep(store));
        let mut fields = ExtFields::with_capacity(5, 160);
        match &stored {
            Some(Ok(appended)) => {
                let id = OffsetMessageId { store_host: self.store_host, log_offset: appended.log_offset };
                fields.push_display("msgId", id);
                fields.push_display("queueId", self.header.queue_id);
                fields.push_display("queueOffset", appended.queue_offset);
            }
            _ => ["msgId", "queueId", "queueOffset"].iter().for_each(|name| fields.push(name, "0")),
        }
        for (name, value) in answer.ext_fields.iter() {
            fields.push(name, value);
        }
        answer.ext_fields = fields;
        if let Some(Err(error)) = stored {
            tracing::warn!(topic = %self.header.topic, error = %error, "a reply was not stored");
        }
        match pushed {
            Ok(()) => answer,
            Err(why) => {
                answer.code = ResponseCode::SYSTEM_ERROR.0;
                answer.with_remark(why)
            }
        }
    }

    fn keep(&self, store: &MessageStore) -> Result<Appended, HandlerError> {
        let message = AppendMessage {
            topic: &self.header.topic,
            queue_id: self.header.queue_id,
            flag: self.header.flag,
            sys_flag: self.header.sys_flag,
            born_timestamp: eruca_message::Timestamp(self.header.born_timestamp),
            born_host: self.caller.peer_addr(),
            store_host: self.store_host,
            reconsume_times: self.header.reconsume_times.unwrap_or_default(),
            prepared_transaction_offset: 0,
            body: &self.request.body,
            properties: &self.properties,
        };
        let appended = store
            .append(&message)
            .map_err(|error| HandlerError::from_append(error, self.max_message_size))?;
        store.settle().map_err(|why| HandlerError::system_error(why.to_string()))?;
        Ok(appended)
    }
}
