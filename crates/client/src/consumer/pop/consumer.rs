//! What a user holds of a consumer that pops.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_message::names;
use eruca_protocol::{ResponseCode, body::ConsumerRunningInfo};
use eruca_remoting::TaskGroup;
use tokio::{sync::Notify, time::Instant};

use super::{
    super::{
        membership::Membership,
        rates::Rates,
        send_back::SendBack,
        subscription::{Filter, Subscription},
    },
    PopConsumerBuilder, PoppedMessage,
    acks::batches,
    call::{ANY_QUEUE, Calls, PopOutcome, PopSettings},
};
use crate::{
    CallError, ConfigError,
    inbound::{BrokerRequests, Inbound},
    lock::lock,
    upkeep,
};

/// Longest time that a broker is asked to wait for messages.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// Pause after a round in which every broker failed.
const ERROR_PAUSE: Duration = Duration::from_secs(1);
/// Shortest time from a pop that finds nothing to the next one.
const IDLE_PAUSE: Duration = Duration::from_millis(20);

/// Why a popped message cannot be dealt with, or nothing can be popped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PopError {
    /// The message is not this consumer's any more: it was acknowledged, its invisible time is over, or it has expired.
    #[error("message {offset} of queue {queue_id} of {topic} is not held any more: {remark}")]
    NotHeld {
        /// The topic in which it lies.
        topic: String,
        /// Its queue.
        queue_id: i32,
        /// Its place in the queue.
        offset: i64,
        /// What the broker says.
        remark: String,
    },
    /// A call that it needs failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// A topic on a broker.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    topic: String,
    broker: String,
}

/// What the user and the tasks share.
struct Core {
    member: Membership,
    rates: Rates,
    settings: PopSettings,
    max_reconsume_times: i32,
    /// Something may have come where somebody is asked to tell.
    told: Notify,
    /// Where somebody is asked to tell.
    watched: Mutex<BTreeSet<Place>>,
    /// Attempts without an answer: asked for again, a broker gives out the same messages.
    open_attempts: Mutex<BTreeMap<Place, Vec<String>>>,
    attempts: AtomicUsize,
}

impl Core {
    fn calls(&self) -> Calls<'_> {
        Calls { session: &self.member.session, settings: &self.settings }
    }

    /// So many messages are done with. How long that took only the user knows.
    fn acknowledged(&self, topic: &str, messages: usize) {
        self.rates.consumed(topic, Duration::ZERO, messages, 0, self.member.session.now());
    }

    fn send_back(&self) -> SendBack<'_> {
        SendBack {
            session: &self.member.session,
            group: self.member.group(),
            max_reconsume_times: self.max_reconsume_times,
        }
    }
}

/// Gives messages when asked, each of which is acknowledged by itself (Java: the simple consumer of its gRPC client).
///
/// The members of a group share all queues: a slow one holds up nobody, and there may be more members than queues. A message
/// that was popped is invisible to the others for a time. What is not acknowledged by then comes again, to anybody, until it
/// ends in the dead letter topic `%DLQ%<group>`.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use eruca_client::PopConsumer;
///
/// let consumer = PopConsumer::builder()
///     .name_servers("127.0.0.1:9876")
///     .group("workers")
///     .subscribe("jobs", "*")
///     .invisible_time(Duration::from_secs(30))
///     .start()
///     .await?;
/// loop {
///     for message in consumer.pop(Duration::from_secs(10)).await? {
///         println!("{}", String::from_utf8_lossy(&message.stored.message.body));
///         consumer.ack(&message).await?;
///     }
/// #   break;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct PopConsumer {
    core: Arc<Core>,
    tasks: TaskGroup,
    turn: AtomicUsize,
    is_shut_down: AtomicBool,
}

impl PopConsumer {
    /// Settings for a new consumer.
    pub fn builder() -> PopConsumerBuilder {
        PopConsumerBuilder::default()
    }

    pub(super) async fn start(
        member: Membership,
        settings: PopSettings,
        max_reconsume_times: i32,
        inbound: &Inbound,
    ) -> Self {
        member.introduce().await;
        let core = Arc::new(Core {
            rates: Rates::new(member.session.now()),
            member,
            settings,
            max_reconsume_times,
            told: Notify::new(),
            watched: Mutex::default(),
            open_attempts: Mutex::default(),
            attempts: AtomicUsize::new(0),
        });
        let served: Weak<Core> = Arc::downgrade(&core);
        inbound.serve(served);
        let tasks = TaskGroup::new();
        let (beating, changed) = (core.clone(), core.clone());
        upkeep::start(
            &tasks,
            &core.member.session,
            false,
            move || beating.member.heartbeat(),
            move || changed.told.notify_waiters(),
        );
        PopConsumer { core, tasks, turn: AtomicUsize::new(0), is_shut_down: AtomicBool::new(false) }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.core.member.session.client_id()
    }

    /// Adds or changes a subscription.
    ///
    /// # Errors
    /// The name breaks the rules.
    pub fn subscribe(&self, topic: &str, filter: impl Into<Filter>) -> Result<(), ConfigError> {
        names::validate_topic(topic)?;
        self.core.member.subscribe(topic, &filter.into());
        self.core.member.session.heartbeat_due.notify_one();
        self.core.told.notify_waiters();
        Ok(())
    }

    /// Ends a subscription. What was popped may still be acknowledged.
    pub fn unsubscribe(&self, topic: &str) {
        self.core.member.unsubscribe(topic);
        self.core.member.session.heartbeat_due.notify_one();
    }

    /// Messages of one topic and broker, at most `max_messages`; none where none came within `wait`.
    ///
    /// Several tasks may pop at the same time.
    ///
    /// # Errors
    /// A broker refuses, or until the end of `wait` none could be asked.
    pub async fn pop(&self, wait: Duration) -> Result<Vec<PoppedMessage>, PopError> {
        let deadline = Instant::now() + wait;
        loop {
            self.check_open()?;
            // Registered before looking, so that what comes in between is not missed.
            let told = self.core.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            let left = deadline.saturating_duration_since(Instant::now());
            let asked = Instant::now();
            let (places, mut failure) = self.places().await;
            let waits_there = places.len() == 1;
            let mut answered = 0;
            for (place, subscription) in &places {
                let wait_there = if waits_there { left.min(WAIT_MAX) } else { Duration::ZERO };
                match self.pop_from(place, subscription, wait_there).await {
                    Ok(messages) if messages.is_empty() => answered += 1,
                    Ok(messages) => return Ok(messages),
                    // What a broker refuses it refuses the next time, too.
                    Err(error @ CallError::Refused { .. }) if !is_passing(&error) => return Err(error.into()),
                    Err(error) => {
                        tracing::debug!(topic = place.topic, broker = place.broker, %error, "pop failed");
                        failure = Some(error);
                    }
                }
            }
            if Instant::now() >= deadline {
                return match failure.filter(|_| answered == 0) {
                    Some(error) => Err(error.into()),
                    None => Ok(Vec::new()),
                };
            }
            let pause_end = match (answered, waits_there) {
                (0, _) => deadline.min(Instant::now() + ERROR_PAUSE),
                (_, true) => asked + IDLE_PAUSE,
                (_, false) => {
                    places.iter().for_each(|(place, subscription)| self.watch(place, subscription));
                    deadline
                }
            };
            // Which of the two comes first makes no difference.
            let _ = tokio::time::timeout_at(pause_end, told).await;
            // What is told of may be for others of the group.
            tokio::time::sleep_until(deadline.min(asked + IDLE_PAUSE)).await;
        }
    }

    /// What there is to pop from, beginning with another one each time, and why something may be missing.
    async fn places(&self) -> (Vec<(Place, Arc<Subscription>)>, Option<CallError>) {
        let (mut places, mut failure) = (Vec::new(), None);
        for subscription in self.core.member.subscriptions() {
            let topic = &subscription.data().topic;
            match self.core.member.session.route(topic).await {
                Ok(route) => {
                    let brokers: BTreeSet<&String> =
                        route.subscribe_queues.iter().map(|queue| &queue.broker_name).collect();
                    places.extend(brokers.into_iter().map(|broker| {
                        (Place { topic: topic.clone(), broker: broker.clone() }, subscription.clone())
                    }));
                }
                Err(error) => failure = Some(error),
            }
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if !places.is_empty() {
            let first = turn % places.len();
            places.rotate_left(first);
        }
        (places, failure)
    }

    async fn pop_from(
        &self,
        place: &Place,
        subscription: &Subscription,
        wait: Duration,
    ) -> Result<Vec<PoppedMessage>, CallError> {
        let core = &self.core;
        let attempt = core.settings.in_order.then(|| {
            let open = lock(&core.open_attempts).get_mut(place).and_then(Vec::pop);
            open.unwrap_or_else(|| {
                format!("{}#{}", self.client_id(), core.attempts.fetch_add(1, Ordering::Relaxed))
            })
        });
        let asked = Instant::now();
        let popped = core.calls().pop(&place.broker, ANY_QUEUE, subscription, wait, attempt.as_deref()).await;
        if let (Err(CallError::Invoke(_)), Some(attempt)) = (&popped, attempt) {
            lock(&core.open_attempts).entry(place.clone()).or_default().push(attempt);
        }
        let PopOutcome::Messages(popped) = popped? else { return Ok(Vec::new()) };
        core.rates.pulled(&place.topic, asked.elapsed(), popped.len(), core.member.session.now());
        // Brokers compare hashes of tags. What only looks alike is nobody's of this group.
        let (wanted, mut done): (Vec<_>, Vec<_>) =
            popped.into_iter().partition(|message| subscription.wants(message.stored.message.tag()));
        let (exhausted, wanted): (Vec<_>, Vec<_>) =
            wanted.into_iter().partition(|message| message.stored.reconsume_times > core.max_reconsume_times);
        for message in exhausted {
            // What is not buried comes again when its invisible time is over, and is tried again then.
            if core.send_back().bury(&message.stored).await {
                done.push(message);
            }
        }
        if !done.is_empty()
            && let Err(error) = self.ack_all(&done).await
        {
            tracing::debug!(%error, "messages that do not match or were given up come again");
        }
        Ok(wanted)
    }

    /// Asks the broker to tell when there is something, unless it is asked already.
    fn watch(&self, place: &Place, subscription: &Arc<Subscription>) {
        if !lock(&self.core.watched).insert(place.clone()) {
            return;
        }
        let (core, place, subscription) = (self.core.clone(), place.clone(), subscription.clone());
        self.tasks.spawn("notification", async move {
            let told = core.calls().notification(&place.broker, &subscription, WAIT_MAX).await;
            if let Err(error) = told {
                tracing::debug!(topic = place.topic, broker = place.broker, %error, "notification failed");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
            lock(&core.watched).remove(&place);
            core.told.notify_waiters();
        });
    }

    /// The message was consumed: it does not come again.
    ///
    /// # Errors
    /// The broker cannot be asked or refuses; brokers do not tell that a message is not held any more.
    pub async fn ack(&self, message: &PoppedMessage) -> Result<(), PopError> {
        self.check_open()?;
        let acked = self.core.calls().ack(&message.topic, &message.handle).await;
        acked.map_err(|error| not_held(error, message))?;
        self.core.acknowledged(&message.topic, 1);
        Ok(())
    }

    /// All of these were consumed; one request to each broker.
    ///
    /// # Errors
    /// As [`PopConsumer::ack`]; some may have been acknowledged then.
    pub async fn ack_all(&self, messages: impl IntoIterator<Item = &PoppedMessage>) -> Result<(), PopError> {
        self.check_open()?;
        let (requests, alone) = batches(messages, &self.core.settings.group);
        for request in &requests {
            self.core.calls().batch_ack(request).await?;
            for ack in &request.acks {
                self.core.acknowledged(&ack.topic, ack.bits.iter().count());
            }
        }
        for message in alone {
            self.ack(message).await?;
        }
        Ok(())
    }

    /// Nobody else gets the message until `time` from now, longer or shorter than before; after no time at all it comes
    /// again at once. It has another handle then, so an older copy of it cannot be acknowledged.
    ///
    /// # Errors
    /// [`PopError::NotHeld`], and nothing was changed; or the broker cannot be asked or refuses.
    pub async fn change_invisible_time(
        &self,
        message: &mut PoppedMessage,
        time: Duration,
    ) -> Result<(), PopError> {
        self.check_open()?;
        let changed = self.core.calls().change(&message.topic, &message.handle, time).await;
        message.handle = changed.map_err(|error| not_held(error, message))?;
        Ok(())
    }

    /// Takes leave of the brokers and closes the connections. What was popped and not acknowledged comes again, to other
    /// members. Does nothing the second time.
    pub async fn shutdown(&self) {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tasks.shutdown().await;
        self.core.told.notify_waiters();
        let session = &self.core.member.session;
        session.unregister(None, Some(self.core.member.group())).await;
        session.close();
    }

    fn check_open(&self) -> Result<(), CallError> {
        if self.is_shut_down.load(Ordering::Acquire) { Err(CallError::ShutDown) } else { Ok(()) }
    }
}

impl BrokerRequests for Core {
    fn running_info(&self) -> ConsumerRunningInfo {
        self.member.running_info(&self.rates, self.settings.in_order)
    }
}

/// Whether the same request may succeed in a moment.
fn is_passing(error: &CallError) -> bool {
    matches!(error.response_code(), Some(ResponseCode::SYSTEM_BUSY))
}

fn not_held(error: CallError, message: &PoppedMessage) -> PopError {
    match error {
        CallError::Refused { code: ResponseCode::NO_MESSAGE, remark, .. } => PopError::NotHeld {
            topic: message.topic.clone(),
            queue_id: message.handle.queue_id,
            offset: message.handle.queue_offset,
            remark,
        },
        other => other.into(),
    }
}

#[cfg(test)]
#[path = "consumer_test.rs"]
mod tests;
