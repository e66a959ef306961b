//! A message that waits for its answer: who waits, and the answer as a broker passes it on.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{
    Message, MessageQueue, OffsetMessageId, Properties, QueueOffset, StoredMessage, Timestamp,
    properties::{CLUSTER, CORRELATION_ID, MESSAGE_TYPE, REPLY_TO_CLIENT, REQUEST_TTL},
};
use eruca_protocol::request::PushReplyMessageRequest;
use tokio::{sync::oneshot, time::Instant};

use super::{Producer, SendError, SendResult, send::Sender};
use crate::{compression::decompress, lock::lock};

/// Value of `MSG_TYPE` in a reply.
pub(super) const REPLY: &str = "reply";

/// Why a request has no reply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The request was not sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Nobody answered in time. The request is stored, and may still be consumed.
    #[error(
        "the request {correlation_id} to topic '{topic}' had no reply within {timeout:?}: is a consumer of the topic up, and does it reply?"
    )]
    NoReply {
        /// The topic.
        topic: String,
        /// What request and reply have in common.
        correlation_id: String,
        /// How long was waited, the sending included.
        timeout: Duration,
    },
}

/// Why a message cannot be replied to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplyError {
    /// The message does not ask for a reply.
    #[error("message {message_id} has no property {property}: it was not sent as a request")]
    NotARequest {
        /// Id of the message.
        message_id: String,
        /// What it lacks.
        property: &'static str,
    },
    /// The reply was not sent, or the one who waits did not take it.
    #[error(transparent)]
    Send(#[from] SendError),
}

/// The requests of one producer that have no reply yet, by correlation id.
#[derive(Debug, Default)]
pub(crate) struct PendingReplies {
    waiting: Mutex<HashMap<String, oneshot::Sender<StoredMessage>>>,
    /// Addresses of brokers that know this client, and so can pass replies on to it.
    greeted: Mutex<BTreeSet<String>>,
}

/// One place in the table; leaves it when dropped, so that a caller may stop waiting at any time.
struct Waiting<'a> {
    replies: &'a PendingReplies,
    correlation_id: String,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.replies.waiting).remove(&self.correlation_id);
    }
}

/// Why a reply that a broker passed on is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UselessReply {
    #[error("it has no property CORRELATION_ID")]
    NoCorrelationId,
    #[error("{field} '{value}' is no address")]
    BadAddress { field: &'static str, value: String },
    #[error("its body cannot be read: {0}")]
    Compression(#[from] crate::DecompressError),
}

impl PendingReplies {
    fn wait_for(&self, correlation_id: String) -> (Waiting<'_>, oneshot::Receiver<StoredMessage>) {
        let (sender, receiver) = oneshot::channel();
        lock(&self.waiting).insert(correlation_id.clone(), sender);
        (Waiting { replies: self, correlation_id }, receiver)
    }

    /// Hands a reply to the one who waits. A reply that nobody waits for any more is dropped: it came too late.
    pub(crate) fn deliver(&self, header: PushReplyMessageRequest, body: &[u8]) -> Result<(), UselessReply> {
        let properties = Properties::decode(header.properties.as_deref().unwrap_or_default().as_bytes());
        let id = properties.get(CORRELATION_ID).ok_or(UselessReply::NoCorrelationId)?.to_owned();
        let born_host = address("bornHost", &header.born_host)?;
        let store_host = address("storeHost", &header.store_host)?;
        let body = decompress(body, header.sys_flag)?.unwrap_or_else(|| body.to_vec());
        let reply = StoredMessage {
            message: Message { topic: header.topic, flag: header.flag, properties, body },
            broker_name: String::new(),
            queue_id: header.queue_id,
            queue_offset: QueueOffset(0),
            log_offset: eruca_message::LogOffset(0),
            store_size_bytes: 0,
            sys_flag: header.sys_flag,
            body_crc: 0,
            born_timestamp: Timestamp(header.born_timestamp),
            born_host,
            store_timestamp: Timestamp(header.store_timestamp),
            store_host,
            reconsume_times: header.reconsume_times.unwrap_or(0),
            prepared_transaction_offset: 0,
        };
        match lock(&self.waiting).remove(&id) {
            // The other end went away just now: as too late as one that is not in the table.
            Some(waiting) => drop(waiting.send(reply)),
            None => tracing::debug!(correlation_id = %id, "reply came too late, nobody waits for it"),
        }
        Ok(())
    }
}

/// Brokers write addresses as Java prints them: `host/ip:port` or `/ip:port`.
fn address(field: &'static str, text: &str) -> Result<SocketAddr, UselessReply> {
    let address = text.rsplit('/').next().unwrap_or(text);
    address.parse().map_err(|_| UselessReply::BadAddress { field, value: text.to_owned() })
}

impl Producer {
    /// Sends `message` and waits until a consumer of its topic has replied, sending included no longer than `timeout`.
    ///
    /// The reply is passed on by the broker and not stored in a queue: a client that is gone does not get it.
    ///
    /// # Errors
    /// The message was not sent, or nobody replied in time.
    pub async fn request(
        &self,
        mut message: Message,
        timeout: Duration,
    ) -> Result<StoredMessage, RequestError> {
        let deadline = Instant::now() + timeout;
        let sender = self.sender()?;
        let correlation_id = sender.new_id();
        message.properties.set(CORRELATION_ID, correlation_id.clone());
        message.properties.set(REPLY_TO_CLIENT, self.client_id());
        message.properties.set(REQUEST_TTL, timeout.as_millis().to_string());
        let topic = message.topic.clone();
        let no_reply = || RequestError::NoReply {
            topic: topic.clone(),
            correlation_id: correlation_id.clone(),
            timeout,
        };
        let exchange = async {
            sender.greet(&topic).await?;
            let (_waiting, reply) = sender.replies.wait_for(correlation_id.clone());
            let sent = self.send(message).await;
            if sent.is_err() {
                // The broker may come back without knowing us.
                lock(&sender.replies.greeted).clear();
            }
            sent?;
            reply.await.map_err(|_| no_reply())
        };
        tokio::time::timeout_at(deadline, exchange).await.unwrap_or_else(|_| Err(no_reply()))
    }

    /// Replies to `request` with `body`. Success says that the one who waits has the reply.
    ///
    /// # Errors
    /// `request` was not sent as one, or the broker could not pass the reply on, for instance because the other
    /// side waits no longer and left.
    pub async fn reply(
        &self,
        request: &StoredMessage,
        body: impl Into<Vec<u8>>,
    ) -> Result<SendResult, ReplyError> {
        let sender = self.sender()?;
        let reply = reply_message(request, body.into())?;
        let route = sender.route(&reply.topic).await?;
        // The broker that holds the request is the one that surely knows who sent it.
        let same_broker = |queue: &&MessageQueue| {
            !request.broker_name.is_empty() && queue.broker_name == request.broker_name
        };
        Ok(match route.publish_queues.iter().find(same_broker) {
            Some(queue) => self.send_to_queue(reply, queue).await?,
            None => self.send(reply).await?,
        })
    }
}

/// The reply to `request` (Java: `MessageUtil.createReplyMessage`).
fn reply_message(request: &StoredMessage, body: Vec<u8>) -> Result<Message, ReplyError> {
    let need = |property: &'static str| {
        request.message.properties.get(property).ok_or_else(|| ReplyError::NotARequest {
            message_id: OffsetMessageId { store_host: request.store_host, log_offset: request.log_offset }
                .to_string(),
            property,
        })
    };
    let cluster = need(CLUSTER)?;
    let mut reply = Message::new(format!("{cluster}_REPLY_TOPIC"), body).with_property(MESSAGE_TYPE, REPLY);
    reply.properties.set(CORRELATION_ID, need(CORRELATION_ID)?);
    reply.properties.set(REPLY_TO_CLIENT, need(REPLY_TO_CLIENT)?);
    if let Some(ttl) = request.message.properties.get(REQUEST_TTL) {
        reply.properties.set(REQUEST_TTL, ttl);
    }
    Ok(reply)
}

impl Sender {
    /// Makes this client known to all brokers that a reply could come through, before the first request to `topic`.
    pub(super) async fn greet(self: &Arc<Self>, topic: &str) -> Result<(), SendError> {
        self.route(topic).await?;
        let addrs: BTreeSet<String> = self.session.broker_addrs(true).into_iter().collect();
        if addrs.is_subset(&lock(&self.replies.greeted)) {
            return Ok(());
        }
        let heard = self.session.heartbeat(&self.heartbeat(), true).await;
        if heard == addrs.len() {
            lock(&self.replies.greeted).extend(addrs);
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "request_test.rs"]
mod tests;
