//! What a user holds of a consumer that is asked.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use eruca_message::{MessageQueue, StoredMessage, Timestamp, names, names::NameError, trace::TraceOutcome};
use eruca_remoting::TaskGroup;
use tokio::time::Instant;

use super::{
    super::{subscription::Filter, trace::CallTrace},
    LitePullConsumerBuilder,
    assigner::assign,
    core::{AssignedQueue, Core, Mode},
    position::Position,
};
use crate::{CallError, OffsetFileError, lock::lock, offset_store::PersistError, upkeep};

/// Why a lite pull consumer cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LitePullError {
    /// The queue is not one of this consumer's.
    #[error("queue {queue} is not assigned to this consumer at present")]
    NotAssigned {
        /// The queue.
        queue: MessageQueue,
    },
    /// Queues are either subscribed or assigned.
    #[error("this consumer has {0}: a consumer either subscribes to topics or is assigned queues")]
    OtherMode(&'static str),
    /// The topic's name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A call that it needs failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The file with local offsets cannot be read or written.
    #[error(transparent)]
    Offsets(#[from] OffsetFileError),
}

impl From<PersistError> for LitePullError {
    fn from(error: PersistError) -> Self {
        match error {
            PersistError::Call(error) => LitePullError::Call(error),
            PersistError::File(error) => LitePullError::Offsets(error),
        }
    }
}

/// Gives messages when asked for them (Java: `DefaultLitePullConsumer`). It fetches ahead in the background.
///
/// Its queues come either from subscriptions, and then the members of the group share them, or from
/// [`LitePullConsumer::assign`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use eruca_client::LitePullConsumer;
///
/// let consumer =
///     LitePullConsumer::builder().name_servers("127.0.0.1:9876").group("auditors").subscribe("orders", "*").start().await?;
/// loop {
///     for message in consumer.poll(Duration::from_secs(5)).await? {
///         println!("{}", String::from_utf8_lossy(&message.message.body));
///     }
///     consumer.commit().await?;
/// #   break;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct LitePullConsumer {
    core: Arc<Core>,
    tasks: TaskGroup,
    is_shut_down: AtomicBool,
}

impl LitePullConsumer {
    /// Settings for a new consumer.
    pub fn builder() -> LitePullConsumerBuilder {
        LitePullConsumerBuilder::default()
    }

    pub(super) async fn start(core: Arc<Core>) -> Self {
        let tasks = TaskGroup::new();
        let session = &core.member.session;
        core.member.introduce().await;
        let (beating, changed) = (core.clone(), core.clone());
        upkeep::start(
            &tasks,
            session,
            false,
            move || beating.member.heartbeat(),
            move || changed.assign_due.notify_one(),
        );
        tasks.spawn("assign queues", assign(core.clone()));
        if let Some(interval) = core.settings.auto_commit {
            let committing = core.clone();
            tasks.spawn("commit offsets", async move {
                loop {
                    tokio::time::sleep(interval).await;
                    if let Err(error) = committing.commit(Position::committable).await {
                        tracing::warn!(group = committing.member.group(), %error, "offsets not committed");
                    }
                }
            });
        }
        LitePullConsumer { core, tasks, is_shut_down: AtomicBool::new(false) }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.core.member.session.client_id()
    }

    /// Adds or changes a subscription. The queues come in the background.
    pub fn subscribe(&self, topic: &str, filter: impl Into<Filter>) -> Result<(), LitePullError> {
        names::validate_topic(topic)?;
        let mut mode = lock(&self.core.mode);
        if matches!(*mode, Mode::Assigned(_)) {
            return Err(LitePullError::OtherMode("assigned queues"));
        }
        *mode = Mode::Subscribed;
        self.core.member.subscribe(topic, &filter.into());
        self.subscriptions_changed();
        Ok(())
    }

    /// Ends a subscription; its queues are given up.
    pub fn unsubscribe(&self, topic: &str) {
        self.core.member.unsubscribe(topic);
        self.subscriptions_changed();
    }

    fn subscriptions_changed(&self) {
        self.core.member.session.heartbeat_due.notify_one();
        self.core.assign_due.notify_one();
    }

    /// Makes exactly these queues this consumer's, whatever other members of the group have. Returns when they are
    /// taken up; a queue without an offset to start from, as its broker cannot be asked, comes later. Before
    /// [`MessageQueue::light`] ones, ask [`LitePullConsumer::fetch_message_queues`] for those of the topic that their messages
    /// are sent to: that is how their broker is found.
    pub async fn assign(&self, queues: impl IntoIterator<Item = MessageQueue>) -> Result<(), LitePullError> {
        {
            let mut mode = lock(&self.core.mode);
            if *mode == Mode::Subscribed {
                return Err(LitePullError::OtherMode("subscriptions"));
            }
            *mode = Mode::Assigned(queues.into_iter().collect());
        }
        let mut rounds = self.core.rounds.subscribe();
        // A round that is under way may have begun before the change: the one after it has not.
        let wanted = *rounds.borrow_and_update() + 1;
        self.core.assign_due.notify_one();
        self.check_open()?;
        let is_up_to_date = |rounds: &u64| *rounds >= wanted && self.has_assignment();
        tokio::time::timeout(crate::client::CALL_TIMEOUT, rounds.wait_for(is_up_to_date)).await.ok();
        Ok(())
    }

    fn has_assignment(&self) -> bool {
        let held: BTreeSet<MessageQueue> = lock(&self.core.queues).keys().cloned().collect();
        match &*lock(&self.core.mode) {
            Mode::Assigned(queues) => held == *queues,
            _ => true,
        }
    }

    /// The queues that are this consumer's at present.
    pub fn assignment(&self) -> Vec<MessageQueue> {
        lock(&self.core.queues).keys().cloned().collect()
    }

    /// Messages of one queue, at most as many as the batch of a poll; none where none came within `timeout`. With
    /// automatic commits, asking for more says that the messages of earlier polls are dealt with.
    pub async fn poll(&self, timeout: Duration) -> Result<Vec<StoredMessage>, LitePullError> {
        for assigned in self.core.assigned() {
            lock(&assigned.position).polled();
        }
        let deadline = Instant::now() + timeout;
        loop {
            self.check_open()?;
            // Registered before looking, so that what comes in between is not missed.
            let filled = self.core.filled.notified();
            tokio::pin!(filled);
            filled.as_mut().enable();
            if let Some(messages) = self.take() {
                self.core.wake_all();
                self.trace(&messages);
                return Ok(messages);
            }
            if tokio::time::timeout_at(deadline, filled).await.is_err() {
                return Ok(Vec::new());
            }
        }
    }

    /// Traces that the messages are given: as with Java's, what the program does with them is not known.
    fn trace(&self, messages: &[StoredMessage]) {
        let member = &self.core.member;
        let call = CallTrace::begin(self.core.tracer.as_ref(), &member.session, member.group(), messages);
        if let Some(call) = call {
            call.end(&member.session, TraceOutcome::Success, messages.len());
        }
    }

    /// How many traces were lost so far; see [`LitePullConsumerBuilder::trace`].
    pub fn traces_lost(&self) -> u64 {
        self.core.tracer.as_ref().map_or(0, |tracer| tracer.lost())
    }

    fn take(&self) -> Option<Vec<StoredMessage>> {
        let queues = lock(&self.core.queues).clone();
        let is_open = |queue: &MessageQueue| {
            queues
                .get(queue)
                .is_some_and(|assigned: &Arc<AssignedQueue>| !lock(&assigned.position).is_paused())
        };
        let open: BTreeSet<&MessageQueue> = queues.keys().filter(|queue| is_open(queue)).collect();
        loop {
            let fetched =
                lock(&self.core.buffer).take(self.core.settings.poll_batch, |queue| open.contains(queue))?;
            let Some(last) = fetched.messages.back() else { continue };
            let next = last.queue_offset.0 as i64 + 1;
            let counts = queues
                .get(&fetched.queue)
                .is_some_and(|assigned| lock(&assigned.position).hand_out(fetched.generation, next));
            if counts {
                return Some(fetched.messages.into());
            }
        }
    }

    /// The next message of `queue` to be given is the one at `offset`.
    pub fn seek(&self, queue: &MessageQueue, offset: i64) -> Result<(), LitePullError> {
        self.core.jump(&*self.assigned(queue)?, offset);
        Ok(())
    }

    /// The next message of `queue` to be given is the first one that is still stored.
    pub async fn seek_to_begin(&self, queue: &MessageQueue) -> Result<(), LitePullError> {
        self.assigned(queue)?;
        let offset = self.core.member.min_offset(queue).await?;
        self.seek(queue, offset)
    }

    /// The next message of `queue` to be given is one that is yet to come.
    pub async fn seek_to_end(&self, queue: &MessageQueue) -> Result<(), LitePullError> {
        self.assigned(queue)?;
        let offset = self.core.member.max_offset(queue).await?;
        self.seek(queue, offset)
    }

    /// No messages of these queues are given or fetched until [`LitePullConsumer::resume`]; those that are not this
    /// consumer's are passed over.
    pub fn pause(&self, queues: &[MessageQueue]) {
        self.set_paused(queues, true);
    }

    /// Messages of these queues are given again.
    pub fn resume(&self, queues: &[MessageQueue]) {
        self.set_paused(queues, false);
        self.core.filled.notify_waiters();
    }

    fn set_paused(&self, queues: &[MessageQueue], is_paused: bool) {
        for assigned in queues.iter().filter_map(|queue| self.core.assigned_queue(queue)) {
            lock(&assigned.position).set_paused(is_paused);
            assigned.wake.notify_one();
        }
    }

    /// Commits the offsets of all messages that were given. Returns when brokers, or the file of a broadcasting
    /// consumer, have them.
    pub async fn commit(&self) -> Result<(), LitePullError> {
        self.check_open()?;
        Ok(self.core.commit(|position| Some(position.handed_out())).await?)
    }

    /// The group's committed offset in `queue`; `None` where it has none.
    pub async fn committed(&self, queue: &MessageQueue) -> Result<Option<i64>, LitePullError> {
        Ok(self.core.member.offsets.read(queue).await?)
    }

    /// The offset in `queue` of the first message stored at or after `time`.
    pub async fn offset_for_timestamp(
        &self,
        queue: &MessageQueue,
        time: Timestamp,
    ) -> Result<i64, LitePullError> {
        Ok(self.core.member.offset_for_timestamp(queue, time).await?)
    }

    /// The queues of `topic` to receive from.
    pub async fn fetch_message_queues(&self, topic: &str) -> Result<Vec<MessageQueue>, LitePullError> {
        Ok(self.core.member.session.route(topic).await?.subscribe_queues.clone())
    }

    /// With automatic commits, commits what was given; takes leave of the brokers and closes the connections. Does
    /// nothing the second time.
    pub async fn shutdown(&self) {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tasks.shutdown().await;
        self.core.filled.notify_waiters();
        if self.core.settings.auto_commit.is_some()
            && let Err(error) = self.core.commit(|position| Some(position.handed_out())).await
        {
            tracing::warn!(group = self.core.member.group(), %error, "offsets not committed, messages will come again");
        }
        let session = &self.core.member.session;
        session.unregister(None, Some(self.core.member.group())).await;
        session.close();
        if let Some(tracer) = &self.core.tracer {
            tracer.shutdown().await;
        }
    }

    fn assigned(&self, queue: &MessageQueue) -> Result<Arc<AssignedQueue>, LitePullError> {
        let assigned = self.core.assigned_queue(queue);
        assigned.ok_or_else(|| LitePullError::NotAssigned { queue: queue.clone() })
    }

    fn check_open(&self) -> Result<(), LitePullError> {
        if self.is_shut_down.load(Ordering::Acquire) {
            return Err(CallError::ShutDown.into());
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "lite_pull_test.rs"]
mod tests;
