//! One message to one broker, and on to the next one where that fails.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{MessageQueue, UniqueIdGenerator, lite::lite_bucket, names};
use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{HeartbeatData, ProducerData},
    request::{SendMessageRequestV2, SendMessageResponse},
};
use tokio::time::Instant;

use super::{
    SendError, SendResult, SendStatus,
    fault::Experience,
    prepare::{BodyRules, Prepared},
    request::PendingReplies,
    retry::{AfterFailure, after_failure, experience, may_be_master_no_more},
    select::Selector,
    trace::SendTrace,
};
use crate::{
    CallError, TopicRoute,
    client::{Answer, Session},
    lock::lock,
    millis::millis,
    trace::Tracer,
};

/// Settings of a producer.
#[derive(Debug, Clone)]
pub(crate) struct ProducerSettings {
    pub(crate) group: String,
    /// For all attempts of one message together.
    pub(crate) send_timeout: Duration,
    pub(crate) max_attempts: usize,
    pub(crate) body_rules: BodyRules,
    /// How many queues a topic gets on each broker that the first send creates.
    pub(crate) default_topic_queues: i32,
    pub(crate) avoid_slow_brokers: bool,
}

/// What sends.
pub(crate) struct Sender {
    pub(crate) session: Arc<Session>,
    pub(crate) settings: ProducerSettings,
    pub(crate) ids: UniqueIdGenerator,
    pub(crate) selector: Mutex<Selector>,
    pub(crate) replies: Arc<PendingReplies>,
    pub(crate) tracer: Option<Arc<Tracer>>,
}

impl Sender {
    pub(crate) fn heartbeat(&self) -> HeartbeatData {
        HeartbeatData {
            client_id: self.session.client_id().to_owned(),
            producer_data_set: vec![ProducerData { group_name: self.settings.group.clone() }],
            ..HeartbeatData::default()
        }
    }

    pub(crate) fn new_id(&self) -> String {
        self.ids.next_id(self.session.now())
    }

    /// The route of `topic`, or that of the template where the first send creates the topic.
    pub(crate) async fn route(&self, topic: &str) -> Result<Arc<TopicRoute>, SendError> {
        let route = self.route_as_known(topic).await?;
        if !route.publish_queues.is_empty() {
            return Ok(route);
        }
        // A master that comes back should not wait for the next refresh in its turn. Nor should a task that sends and sends again keep
        // its thread from ever getting there.
        let renewed = self.session.renew_route(topic, &route).await;
        renewed.map_err(|error| SendError::Route(Box::new(error)))?;
        let route = self.route_as_known(topic).await?;
        match route.publish_queues.is_empty() {
            true => Err(SendError::NoQueue { topic: topic.to_owned() }),
            false => Ok(route),
        }
    }

    async fn route_as_known(&self, topic: &str) -> Result<Arc<TopicRoute>, SendError> {
        let queues = self.settings.default_topic_queues;
        let route = self.session.route_or_template(topic, names::AUTO_CREATE_TOPIC, queues).await;
        route.map_err(|error| SendError::Route(Box::new(error)))
    }

    /// Sends to whatever queue is good, and tries others as long as attempts and time allow.
    pub(crate) async fn send(&self, message: &Prepared) -> Result<SendResult, SendError> {
        let deadline = Instant::now() + self.settings.send_timeout;
        let mut brokers: Vec<String> = Vec::new();
        loop {
            let queue = self.next_queue(message, brokers.last().map(String::as_str)).await?;
            brokers.push(queue.broker_name.clone());
            let left = deadline.saturating_duration_since(Instant::now());
            let error = match self.send_once(message, &queue, left).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match after_failure(&error, brokers.len(), self.settings.max_attempts, left) {
                AfterFailure::TryAgain => {
                    tracing::debug!(topic = %message.topic, %queue, %error, "send failed, another broker's turn");
                }
                AfterFailure::GiveUp => return Err(failed(message, brokers, error)),
            }
        }
    }

    /// Sends to `queue` and nowhere else.
    pub(crate) async fn send_to(
        &self,
        message: &Prepared,
        queue: &MessageQueue,
    ) -> Result<SendResult, SendError> {
        // Makes the broker's address known.
        self.route(&message.topic).await?;
        let sent = self.send_once(message, queue, self.settings.send_timeout).await;
        sent.map_err(|error| failed(message, vec![queue.broker_name.clone()], error))
    }

    /// Sends without waiting for an answer.
    pub(crate) async fn send_oneway(&self, message: &Prepared) -> Result<(), SendError> {
        let queue = self.next_queue(message, None).await?;
        let sent = match self.session.master_addr(&queue.broker_name) {
            Ok(addr) => {
                self.session.oneway(&addr, self.request(message, &queue)).await.map_err(CallError::from)
            }
            Err(error) => Err(error),
        };
        sent.map_err(|error| {
            self.note_failure(&queue, &error, 0);
            failed(message, vec![queue.broker_name.clone()], error)
        })
    }

    async fn next_queue(
        &self,
        message: &Prepared,
        last_broker: Option<&str>,
    ) -> Result<MessageQueue, SendError> {
        let topic = &message.topic;
        let route = self.route(topic).await?;
        if let Some(lite) = &message.lite_topic {
            // Each lite topic has one broker, whether it is well or not.
            let index = lite_bucket(lite, route.publish_queues.len());
            let queue = route.publish_queues.get(index).cloned();
            return queue.ok_or_else(|| SendError::NoQueue { topic: topic.clone() });
        }
        let next = lock(&self.selector).next(topic, &route.publish_queues, last_broker, self.session.now());
        next.ok_or_else(|| SendError::NoQueue { topic: topic.clone() })
    }

    async fn send_once(
        &self,
        message: &Prepared,
        queue: &MessageQueue,
        timeout: Duration,
    ) -> Result<SendResult, CallError> {
        let started = Instant::now();
        let sent = self.exchange(message, queue, timeout).await;
        let latency_ms = millis(started.elapsed());
        match &sent {
            Ok(_) => {
                let answered = Experience::Answered { latency_ms };
                lock(&self.selector).report(&queue.broker_name, answered, self.session.now());
            }
            Err(error) => self.note_failure(queue, error, latency_ms),
        }
        sent
    }

    fn note_failure(&self, queue: &MessageQueue, error: &CallError, latency_ms: i64) {
        lock(&self.selector).report(&queue.broker_name, experience(error, latency_ms), self.session.now());
        if may_be_master_no_more(error) {
            self.session.routes_stale.notify_one();
        }
    }

    async fn exchange(
        &self,
        message: &Prepared,
        queue: &MessageQueue,
        timeout: Duration,
    ) -> Result<SendResult, CallError> {
        let addr = self.session.master_addr(&queue.broker_name)?;
        let request = self.request(message, queue);
        let code = request.request_code();
        let trace = SendTrace::begin(self, &message.topic);
        let reply = self.session.invoke(&addr, request, timeout).await?;
        let answer = Answer { addr, request: code, reply };
        let Some(status) = SendStatus::from_code(answer.reply.response_code()) else {
            return Err(answer.refusal());
        };
        let header: SendMessageResponse = answer.header()?;
        let result = SendResult::new(status, message.message_id.clone(), queue, header);
        if let Some(trace) = trace {
            trace.stored(&self.settings.group, message, &answer.addr, &answer.reply, &result);
        }
        Ok(result)
    }

    fn request(&self, message: &Prepared, queue: &MessageQueue) -> RemotingCommand {
        let header = SendMessageRequestV2 {
            producer_group: self.settings.group.clone(),
            topic: message.topic.clone(),
            default_topic: names::AUTO_CREATE_TOPIC.to_owned(),
            default_topic_queue_nums: self.settings.default_topic_queues,
            queue_id: queue.queue_id,
            sys_flag: message.sys_flag,
            born_timestamp: self.session.now().0,
            flag: message.flag,
            properties: Some(message.properties.clone()),
            reconsume_times: Some(0),
            unit_mode: Some(false),
            max_reconsume_times: None,
            batch: Some(message.is_batch),
            broker_name: Some(queue.broker_name.clone()),
        };
        let mut request = RemotingCommand::request(&header).with_body(message.body.clone());
        if message.is_batch {
            request.code = RequestCode::SEND_BATCH_MESSAGE.0;
        } else if message.is_reply {
            request.code = RequestCode::SEND_REPLY_MESSAGE_V2.0;
        }
        request
    }
}

fn failed(message: &Prepared, brokers: Vec<String>, source: CallError) -> SendError {
    SendError::Call {
        topic: message.topic.clone(),
        attempts: brokers.len(),
        brokers,
        source: Box::new(source),
    }
}
