//! What a user holds of a consumer that pulls what he says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eruca_message::{MessageQueue, StoredMessage, Timestamp};
use eruca_protocol::body::ConsumerRunningInfo;
use eruca_remoting::TaskGroup;
use tokio::time::Instant;

use super::{
    super::{
        membership::Membership,
        pull::{PullCall, PullOutcome, PullStatus},
        rates::Rates,
        send_back::{MAX_RECONSUME_TIMES, SendBack},
        subscription::{Filter, Subscription},
    },
    PullConsumerBuilder,
};
use crate::{
    CallError, OffsetFileError, client::CALL_TIMEOUT, inbound::BrokerRequests, lock::lock,
    offset_store::PersistError, route_cache::MASTER_ID, upkeep,
};

/// Why a pull consumer cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// A call that it needs failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The file with local offsets cannot be read or written.
    #[error(transparent)]
    Offsets(#[from] OffsetFileError),
}

impl From<PersistError> for PullError {
    fn from(error: PersistError) -> Self {
        match error {
            PersistError::Call(error) => PullError::Call(error),
            PersistError::File(error) => PullError::Offsets(error),
        }
    }
}

/// What the user and the tasks share.
struct Core {
    member: Membership,
    rates: Rates,
    /// Which broker of its group each queue was last said to be pulled from.
    pull_from: Mutex<BTreeMap<MessageQueue, i64>>,
}

/// Pulls from the queue and the offset that you say (Java: `DefaultMQPullConsumer`). Nothing happens by itself: no queues
/// are shared with others of the group, nothing is fetched ahead, no offset is committed.
///
/// Who does not need to say all that is better served by [`LitePullConsumer`](crate::LitePullConsumer).
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use eruca_client::PullConsumer;
///
/// let consumer = PullConsumer::builder().name_servers("127.0.0.1:9876").group("auditors").start().await?;
/// for queue in consumer.fetch_message_queues("orders").await? {
///     let offset = consumer.committed(&queue).await?.unwrap_or(0);
///     let pulled = consumer.pull_waiting(&queue, "coffee || tea", offset, 32, Duration::from_secs(10)).await?;
///     for message in &pulled.messages {
///         println!("{}", String::from_utf8_lossy(&message.message.body));
///     }
///     consumer.commit(&queue, pulled.next_begin_offset).await?;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct PullConsumer {
    core: Arc<Core>,
    tasks: TaskGroup,
    is_shut_down: AtomicBool,
}

impl PullConsumer {
    /// Settings for a new consumer.
    pub fn builder() -> PullConsumerBuilder {
        PullConsumerBuilder::default()
    }

    pub(super) fn start(member: Membership, inbound: &crate::inbound::Inbound) -> Self {
        let rates = Rates::new(member.session.now());
        let core = Arc::new(Core { member, rates, pull_from: Mutex::default() });
        let served: Weak<Core> = Arc::downgrade(&core);
        inbound.serve(served);
        let (tasks, beating) = (TaskGroup::new(), core.clone());
        // Brokers are greeted as soon as a route leads to them.
        upkeep::start(&tasks, &core.member.session, false, move || beating.member.heartbeat(), || {});
        PullConsumer { core, tasks, is_shut_down: AtomicBool::new(false) }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.core.member.session.client_id()
    }

    /// The queues of `topic` to pull from.
    ///
    /// # Errors
    /// The topic is unknown, or no name server answers.
    pub async fn fetch_message_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, PullError> {
        self.check_open()?;
        Ok(self.core.member.session.route(topic).await?.subscribe_queues.clone())
    }

    /// What matches `filter` among the messages of `queue` from `offset` on, at most `max_messages`. Where there is nothing the
    /// answer says so at once.
    ///
    /// # Errors
    /// The broker refuses, as where it does not take a [`Filter::Sql`], or does not answer.
    pub async fn pull(
        &self,
        queue: &MessageQueue,
        filter: impl Into<Filter>,
        offset: i64,
        max_messages: i32,
    ) -> Result<PullOutcome, PullError> {
        self.pull_waiting(queue, filter, offset, max_messages, Duration::ZERO).await
    }

    /// As [`PullConsumer::pull`]; where there is nothing yet the broker waits for it, but no longer than `wait` (Java:
    /// `pullBlockIfNotFound`, with 20 s). It may answer sooner that there is nothing.
    ///
    /// # Errors
    /// As [`PullConsumer::pull`].
    pub async fn pull_waiting(
        &self,
        queue: &MessageQueue,
        filter: impl Into<Filter>,
        offset: i64,
        max_messages: i32,
        wait: Duration,
    ) -> Result<PullOutcome, PullError> {
        self.check_open()?;
        let (member, session) = (&self.core.member, &self.core.member.session);
        session.reach(queue).await?;
        let from = lock(&self.core.pull_from).get(queue).copied().unwrap_or(MASTER_ID);
        let addr = session.addr_to_read(&queue.broker_name, from)?;
        let subscription = Subscription::new(&queue.topic, &filter.into(), session.now());
        let call = PullCall {
            group: member.group(),
            queue,
            subscription: &subscription,
            tell_subscription: true,
            is_lite: false,
            offset,
            max_messages,
            max_bytes: i32::MAX,
            commit_offset: None,
            suspend: wait,
            timeout: wait.saturating_add(CALL_TIMEOUT),
        };
        let asked = Instant::now();
        let outcome = call.send(session, &addr).await?;
        lock(&self.core.pull_from).insert(queue.clone(), outcome.suggested_broker_id);
        if outcome.status == PullStatus::Found {
            let count = outcome.messages.len();
            self.core.rates.pulled(&queue.topic, asked.elapsed(), count, session.now());
        }
        Ok(outcome)
    }

    /// The group's committed offset in `queue`; `None` where it has none.
    ///
    /// # Errors
    /// The broker does not answer, or the offsets file cannot be read.
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, PullError> {
        self.check_open()?;
        Ok(self.core.member.offsets.read(queue).await?)
    }

    /// Commits that the group has dealt with all of `queue` before `offset`. Returns when the broker, or the offsets file, has
    /// it.
    ///
    /// # Errors
    /// The broker refuses or does not answer, or the offsets file cannot be written.
    pub async fn commit(&self, queue: &MessageQueue, offset: i64) -> Result<(), PullError> {
        self.check_open()?;
        self.core.member.session.reach(queue).await?;
        self.core.member.offsets.set(queue, offset);
        Ok(self.core.member.offsets.persist(&BTreeSet::from([queue.clone()])).await?)
    }

    /// The lowest offset of `queue`.
    ///
    /// # Errors
    /// The broker refuses or does not answer.
    pub async fn min_offset(&self, queue: &MessageQueue) -> Result<i64, PullError> {
        self.check_open()?;
        Ok(self.core.member.min_offset(queue).await?)
    }

    /// The offset that the next message of `queue` will get.
    ///
    /// # Errors
    /// The broker refuses or does not answer.
    pub async fn max_offset(&self, queue: &MessageQueue) -> Result<i64, PullError> {
        self.check_open()?;
        Ok(self.core.member.max_offset(queue).await?)
    }

    /// The offset in `queue` of the first message stored at or after `time`.
    ///
    /// # Errors
    /// The broker refuses or does not answer.
    pub async fn offset_for_timestamp(
        &self,
        queue: &MessageQueue,
        time: Timestamp,
    ) -> Result<i64, PullError> {
        self.check_open()?;
        Ok(self.core.member.offset_for_timestamp(queue, time).await?)
    }

    /// Has a message that failed come again, in the group's retry topic `%RETRY%<group>`, after the delay of this level: 1 and up;
    /// 0: the longer the more often it failed; -1: it goes to the dead letter topic at once. After 16 times it goes there, too.
    ///
    /// # Errors
    /// The broker refuses or does not answer.
    pub async fn send_back(&self, message: &StoredMessage, delay_level: i32) -> Result<(), PullError> {
        self.check_open()?;
        let (session, group) = (&self.core.member.session, self.core.member.group());
        let send_back = SendBack { session, group, max_reconsume_times: MAX_RECONSUME_TIMES };
        Ok(send_back.send(message, delay_level).await?)
    }

    /// Takes leave of the brokers and closes the connections. Does nothing the second time.
    pub async fn shutdown(&self) {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tasks.shutdown().await;
        let session = &self.core.member.session;
        session.unregister(None, Some(self.core.member.group())).await;
        session.close();
    }

    fn check_open(&self) -> Result<(), CallError> {
        if self.is_shut_down.load(Ordering::Acquire) { Err(CallError::ShutDown) } else { Ok(()) }
    }
}

impl BrokerRequests for Core {
    fn offsets_of(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        let mut offsets = self.member.offsets.all_known();
        offsets.retain(|queue, _| queue.topic == topic);
        offsets
    }

    fn running_info(&self) -> ConsumerRunningInfo {
        self.member.running_info(&self.rates, false)
    }
}

#[cfg(test)]
#[path = "pull_consumer_test.rs"]
mod tests;
