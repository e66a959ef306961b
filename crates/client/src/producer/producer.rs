//! What a user holds to send messages.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use eruca_message::{Message, MessageQueue, properties};
use eruca_remoting::TaskGroup;

use super::{
    ProducerBuilder, RecallError, SendError, SendResult,
    batch::prepare_batch,
    prepare::{Prepared, prepare},
    select::index_by_key,
    send::Sender,
};
use crate::CallError;

/// Sends messages (Java: `DefaultMQProducer`). Clones share one client.
///
/// A send that fails is tried again on other brokers, within the time-out. A message that timed out or whose
/// connection broke may have been stored nevertheless, and then be stored twice.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use eruca_client::{Message, Producer};
///
/// let producer = Producer::builder().name_servers("127.0.0.1:9876").group("orders-producer").build().await?;
/// let sent = producer.send(Message::new("orders", "one espresso").with_tag("coffee").with_keys("order-17")).await?;
/// println!("{} is message {} of {}", sent.message_id, sent.queue_offset, sent.queue);
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Producer {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Arc<Sender>,
    tasks: TaskGroup,
    is_shut_down: AtomicBool,
}

impl Producer {
    /// Settings for a new producer.
    pub fn builder() -> ProducerBuilder {
        ProducerBuilder::default()
    }

    pub(super) fn new(sender: Arc<Sender>, tasks: TaskGroup) -> Self {
        Producer { inner: Arc::new(Inner { sender, tasks, is_shut_down: AtomicBool::new(false) }) }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.inner.sender.session.client_id()
    }

    /// Sends `message` and waits until a broker has stored it.
    pub async fn send(&self, message: Message) -> Result<SendResult, SendError> {
        let prepared = self.prepare(message)?;
        self.inner.sender.send(&prepared).await
    }

    /// Sends `message` without waiting for an answer: it is lost if the broker does not take it.
    pub async fn send_oneway(&self, message: Message) -> Result<(), SendError> {
        let prepared = self.prepare(message)?;
        self.inner.sender.send_oneway(&prepared).await
    }

    /// Sends `messages` in one request: all are stored, one after the other in one queue, or none is.
    ///
    /// They must have one topic, must not be delayed, and together not exceed `max_message_bytes`.
    pub async fn send_batch(&self, messages: Vec<Message>) -> Result<SendResult, SendError> {
        self.check_open()?;
        let sender = &self.inner.sender;
        let prepared = prepare_batch(messages, &sender.settings.body_rules, || sender.new_id())?;
        sender.send(&prepared).await
    }

    /// Sends `messages` in one request to `queue`; see [`Producer::send_batch`].
    pub async fn send_batch_to_queue(
        &self,
        messages: Vec<Message>,
        queue: &MessageQueue,
    ) -> Result<SendResult, SendError> {
        self.check_open()?;
        let sender = &self.inner.sender;
        let prepared = prepare_batch(messages, &sender.settings.body_rules, || sender.new_id())?;
        sender.send_to(&prepared, queue).await
    }

    /// Sends `message` to `queue`, in one attempt.
    pub async fn send_to_queue(
        &self,
        message: Message,
        queue: &MessageQueue,
    ) -> Result<SendResult, SendError> {
        let prepared = self.prepare(message)?;
        self.inner.sender.send_to(&prepared, queue).await
    }

    /// Sends `message` to the queue whose index `select` returns, in one attempt.
    pub async fn send_selected(
        &self,
        message: Message,
        select: impl FnOnce(&[MessageQueue]) -> usize,
    ) -> Result<SendResult, SendError> {
        let prepared = self.prepare(message)?;
        self.send_prepared_selected(&prepared, select).await
    }

    /// Sends `message` to the queue for `sharding_key`, in one attempt: messages of equal keys keep their order, as
    /// long as the number of queues stays.
    pub async fn send_by_key(&self, message: Message, sharding_key: &str) -> Result<SendResult, SendError> {
        let prepared = self.prepare(message.with_property(properties::SHARDING_KEY, sharding_key))?;
        self.send_prepared_selected(&prepared, |queues| index_by_key(sharding_key, queues.len())).await
    }

    async fn send_prepared_selected(
        &self,
        message: &Prepared,
        select: impl FnOnce(&[MessageQueue]) -> usize,
    ) -> Result<SendResult, SendError> {
        let route = self.inner.sender.route(&message.topic).await?;
        let queues = &route.publish_queues;
        let index = select(queues);
        let queue = queues.get(index).ok_or_else(|| SendError::BadSelection {
            topic: message.topic.clone(),
            index,
            count: queues.len(),
        })?;
        self.inner.sender.send_to(message, queue).await
    }

    /// Takes back a message with a time of delivery that was not delivered yet; the id of the message. `handle` is the
    /// [`SendResult::recall_handle`] of its send.
    ///
    /// Brokers must allow it (`recallMessageEnable`). Success says that the message will not be delivered, if the
    /// broker had it.
    ///
    /// # Errors
    /// [`RecallError`]; for a message whose time has come it is the broker's refusal.
    pub async fn recall(&self, topic: &str, handle: &str) -> Result<String, RecallError> {
        self.check_open()?;
        self.inner.sender.recall(topic, handle).await
    }

    /// The queues of `topic` to send to; of a topic that does not exist yet, those that the first send may create.
    pub async fn publish_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, SendError> {
        Ok(self.inner.sender.route(topic).await?.publish_queues.clone())
    }

    /// How many traces were lost so far, because they came faster than they could be sent or could not be sent at all; see
    /// [`ProducerBuilder::trace`].
    pub fn traces_lost(&self) -> u64 {
        self.inner.sender.tracer.as_ref().map_or(0, |tracer| tracer.lost())
    }

    /// Takes leave of the brokers and closes the connections; sends in flight fail. Does nothing the second time.
    pub async fn shutdown(&self) {
        if self.inner.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.inner.tasks.shutdown().await;
        let sender = &self.inner.sender;
        sender.session.unregister(Some(&sender.settings.group), None).await;
        sender.session.close();
        if let Some(tracer) = &sender.tracer {
            tracer.shutdown().await;
        }
    }

    /// What sends, unless this producer was shut down.
    pub(super) fn sender(&self) -> Result<&Arc<Sender>, SendError> {
        self.check_open()?;
        Ok(&self.inner.sender)
    }

    fn prepare(&self, message: Message) -> Result<Prepared, SendError> {
        self.check_open()?;
        let sender = &self.inner.sender;
        prepare(message, &sender.settings.body_rules, sender.new_id())
    }

    fn check_open(&self) -> Result<(), SendError> {
        if self.inner.is_shut_down.load(Ordering::Acquire) {
            return Err(SendError::Route(Box::new(CallError::ShutDown)));
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "producer_test.rs"]
mod tests;
