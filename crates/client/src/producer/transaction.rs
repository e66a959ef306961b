//! Messages that are delivered when their sender's own work is done: half messages, their ends, and the broker's questions.

use std::{
    future::Future,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use eruca_message::{
    Message, OffsetMessageId, StoredMessage,
    properties::{PRODUCER_GROUP, TRANSACTION_PREPARED, UNIQUE_KEY},
    sys_flag,
};
use eruca_protocol::{
    RemotingCommand,
    request::{CheckTransactionStateRequest, EndTransactionRequest},
};
use eruca_remoting::{Caller, TaskGroup};

use super::{
    Producer, ProducerBuilder, SendError, SendResult, SendStatus,
    prepare::{Prepared, prepare},
    send::Sender,
    trace::EndTrace,
};

/// Most questions of brokers that are being answered; those above are dropped, and asked again by the broker.
const CHECKS_MAX: usize = 2_000;
/// Where a remark that goes with an end says why.
const EXECUTED_NOT: &str = "the half message is not safe, its transaction was not executed";

/// What becomes of a transaction (Java: `LocalTransactionState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionState {
    /// The work is done: the message is delivered.
    Commit,
    /// It will never be: the message is forgotten.
    Rollback,
    /// Not known yet: the broker asks later.
    Unknown,
}

impl TransactionState {
    fn flag(self) -> i32 {
        match self {
            TransactionState::Commit => sys_flag::TRANSACTION_COMMIT,
            TransactionState::Rollback => sys_flag::TRANSACTION_ROLLBACK,
            TransactionState::Unknown => 0,
        }
    }
}

/// Does the work that a message tells of, and knows later whether it was done.
///
/// ```
/// use eruca_client::{Message, StoredMessage, TransactionListener, TransactionState};
///
/// struct Orders;
///
/// impl TransactionListener for Orders {
///     async fn execute(&self, order: &Message) -> TransactionState {
///         // Write the order and the message's id into the database, in one transaction of it.
///         let _ = order.properties.get("UNIQ_KEY");
///         TransactionState::Commit
///     }
///
///     async fn check(&self, order: &StoredMessage) -> TransactionState {
///         // Is that id in the database?
///         let _ = order.message_id();
///         TransactionState::Commit
///     }
/// }
/// ```
pub trait TransactionListener: Send + Sync + 'static {
    /// The broker has the half message, whose id is in the property `UNIQ_KEY`: do the work now.
    fn execute(&self, message: &Message) -> impl Future<Output = TransactionState> + Send;

    /// A broker asks what became of the work, of this process or of another one in the group, that may have died in it.
    fn check(&self, message: &StoredMessage) -> impl Future<Output = TransactionState> + Send;
}

/// A message that was sent in a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionSendResult {
    /// Where the half message is: its queue is the one that the message goes to, its offset that of the half message.
    pub half: SendResult,
    /// What the listener said. The broker was told; if it did not hear it, it asks.
    pub state: TransactionState,
}

/// Sends messages that are delivered when the work is done that they tell of (Java: `TransactionMQProducer`).
///
/// The broker keeps a message back until it hears the outcome. If it hears nothing, because this process died or the network
/// failed, it asks any producer of the group. As other sends, one whose answer was lost may be stored twice, and be asked for
/// twice: consumers should bear to get a message again.
///
/// ```no_run
/// # use eruca_client::{Message, StoredMessage, TransactionListener, TransactionState};
/// # struct Orders;
/// # impl TransactionListener for Orders {
/// #     async fn execute(&self, _: &Message) -> TransactionState { TransactionState::Commit }
/// #     async fn check(&self, _: &StoredMessage) -> TransactionState { TransactionState::Commit }
/// # }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use eruca_client::TransactionProducer;
///
/// let builder = TransactionProducer::builder().name_servers("127.0.0.1:9876").group("orders-producer");
/// let producer = builder.build_transactional(Orders).await?;
/// let sent = producer.send(Message::new("orders", "one espresso")).await?;
/// println!("{:?}", sent.state);
/// producer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct TransactionProducer<L> {
    producer: Producer,
    checks: Arc<Checks<L>>,
}

impl<L> Clone for TransactionProducer<L> {
    fn clone(&self) -> Self {
        TransactionProducer { producer: self.producer.clone(), checks: Arc::clone(&self.checks) }
    }
}

impl TransactionProducer<()> {
    /// Settings for a new one; [`ProducerBuilder::build_transactional`] makes it.
    pub fn builder() -> ProducerBuilder {
        ProducerBuilder::default()
    }
}

impl<L: TransactionListener> TransactionProducer<L> {
    pub(super) fn new(producer: Producer, checks: Arc<Checks<L>>) -> Self {
        TransactionProducer { producer, checks }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.producer.client_id()
    }

    /// Sends `message` without a transaction: the same client serves for both.
    pub fn plain(&self) -> &Producer {
        &self.producer
    }

    /// Sends `message` as a half message, lets the listener do the work, and tells the broker what came of it.
    ///
    /// Where the broker has it not as safely as it should ([`SendStatus`]), the work is not done and the message rolled back, as
    /// with the Java client.
    ///
    /// # Errors
    /// The half message was not stored, or is not known to be: the work was not done.
    pub async fn send(&self, mut message: Message) -> Result<TransactionSendResult, SendError> {
        let sender = self.producer.sender()?;
        if let Some(property) = delay_of(&message) {
            return Err(SendError::DelayedTransaction { topic: message.topic, property });
        }
        message.properties.set(TRANSACTION_PREPARED, "true");
        message.properties.set(PRODUCER_GROUP, sender.settings.group.clone());
        if message.properties.get(UNIQUE_KEY).is_none() {
            message.properties.set(UNIQUE_KEY, sender.new_id());
        }
        let prepared = prepare(message.clone(), &sender.settings.body_rules, String::new())?;
        let sys_flag = prepared.sys_flag | sys_flag::TRANSACTION_PREPARED;
        let prepared = Prepared { sys_flag, ..prepared };
        // So that the broker knows whom to ask.
        sender.greet(&message.topic).await?;
        let half = sender.send(&prepared).await?;
        let (state, remark) = match half.status {
            SendStatus::Ok => (self.checks.listener.execute(&message).await, None),
            _ => (TransactionState::Rollback, Some(EXECUTED_NOT)),
        };
        if let Err(error) = end(sender, &message, &half, state, remark).await {
            tracing::warn!(id = half.message_id, ?state, %error, "the broker did not hear what became of a transaction, it will ask");
        }
        Ok(TransactionSendResult { half, state })
    }

    /// Takes leave of the brokers and closes the connections; sends in flight fail, questions are not answered any more.
    pub async fn shutdown(&self) {
        self.checks.tasks.shutdown().await;
        self.producer.shutdown().await;
    }
}

/// A property by which the message would be delayed: Java brokers lose half messages with such.
fn delay_of(message: &Message) -> Option<&'static str> {
    use eruca_message::properties::{DELAY_TIME_LEVEL, TIMER_DELAY_MS, TIMER_DELAY_SEC, TIMER_DELIVER_MS};
    [DELAY_TIME_LEVEL, TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS]
        .into_iter()
        .find(|name| message.properties.get(name).is_some_and(|value| value != "0"))
}

/// Tells the broker that has the half message.
async fn end(
    sender: &Sender,
    message: &Message,
    half: &SendResult,
    state: TransactionState,
    remark: Option<&str>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let OffsetMessageId { log_offset, .. } = half.offset_message_id.parse()?;
    let addr = sender.session.master_addr(&half.queue.broker_name)?;
    let header = EndTransactionRequest {
        topic: Some(message.topic.clone()),
        producer_group: sender.settings.group.clone(),
        tran_state_table_offset: half.queue_offset,
        commit_log_offset: i64::try_from(log_offset.0)?,
        commit_or_rollback: state.flag(),
        from_transaction_check: Some(false),
        msg_id: half.message_id.clone(),
        transaction_id: half.transaction_id.clone(),
    };
    let mut request = RemotingCommand::request(&header);
    request.ext_fields.push("bname", &half.queue.broker_name);
    request.remark = remark.map(str::to_owned);
    sender.trace_end(&EndTrace {
        topic: &message.topic,
        group: &sender.settings.group,
        message_id: &half.message_id,
        transaction_id: half.transaction_id.as_deref(),
        properties: &message.properties,
        addr: &addr,
        state,
        from_check: false,
    });
    Ok(sender.session.oneway(&addr, request).await?)
}

/// Answers the questions of brokers; the listener behind it is no matter of the session's.
pub(crate) trait AnswersChecks: Send + Sync {
    /// Finds out what became of the transaction, and tells the broker. Returns at once.
    fn check(self: Arc<Self>, caller: &Caller, question: Question);
}

/// What a broker wants to know.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) header: CheckTransactionStateRequest,
    pub(crate) broker_name: Option<String>,
    pub(crate) message: StoredMessage,
}

/// The listener at work.
pub(super) struct Checks<L> {
    listener: L,
    sender: OnceLock<Weak<Sender>>,
    tasks: TaskGroup,
    under_way: AtomicUsize,
}

impl<L: TransactionListener> Checks<L> {
    pub(super) fn new(listener: L) -> Arc<Self> {
        Arc::new(Checks {
            listener,
            sender: OnceLock::new(),
            tasks: TaskGroup::new(),
            under_way: AtomicUsize::new(0),
        })
    }

    /// Says for whom it answers. Only the first call counts.
    pub(super) fn answers_for(&self, sender: &Arc<Sender>) {
        let _ = self.sender.set(Arc::downgrade(sender));
    }

    async fn answer(&self, caller: Caller, question: Question) {
        let Question { header, broker_name, message } = question;
        let state = self.listener.check(&message).await;
        let Some(sender) = self.sender.get().and_then(Weak::upgrade) else { return };
        let group = message.message.properties.get(PRODUCER_GROUP).unwrap_or(&sender.settings.group);
        let end = EndTransactionRequest {
            topic: header.topic,
            producer_group: group.to_owned(),
            tran_state_table_offset: header.tran_state_table_offset,
            commit_log_offset: header.commit_log_offset,
            commit_or_rollback: state.flag(),
            from_transaction_check: Some(true),
            msg_id: message.message_id(),
            transaction_id: header.transaction_id,
        };
        let mut request = RemotingCommand::request(&end);
        if let Some(name) = &broker_name {
            request.ext_fields.push("bname", name);
        }
        sender.trace_end(&EndTrace {
            topic: end.topic.as_deref().unwrap_or_default(),
            group: &end.producer_group,
            message_id: &end.msg_id,
            transaction_id: end.transaction_id.as_deref(),
            properties: &message.message.properties,
            addr: &caller.peer_addr().to_string(),
            state,
            from_check: true,
        });
        if let Err(error) = caller.notify(request) {
            tracing::warn!(id = message.message_id(), ?state, %error, "the broker did not hear the answer to its check, it will ask again");
        }
    }
}

impl<L: TransactionListener> AnswersChecks for Checks<L> {
    fn check(self: Arc<Self>, caller: &Caller, question: Question) {
        let under_way = self.under_way.fetch_add(1, Ordering::AcqRel);
        if under_way >= CHECKS_MAX {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!(
                limit = CHECKS_MAX,
                "too many checks of transactions are under way, this one is left to the broker's next question"
            );
            return;
        }
        let (caller, this) = (caller.clone(), Arc::clone(&self));
        self.tasks.spawn("transaction check", async move {
            let _place = Place(&this.under_way);
            this.answer(caller, question).await;
        });
    }
}

/// A check under way; left also where the listener panics.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
#[path = "transaction_test.rs"]
mod tests;
