//! What a user holds of a consumer of lite topics.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_message::{UniqueIdGenerator, lite::validate_lite_topic, names, names::NameError};
use eruca_protocol::{
    RemotingCommand,
    body::{
        self, LiteSubscriptionAction, LiteSubscriptionCtlRequestBody, LiteSubscriptionDto, OffsetOption,
        OffsetOptionType,
    },
    request::{
        AckMessageRequest, ChangeInvisibleTimeRequest, ChangeInvisibleTimeResponse,
        LiteSubscriptionCtlRequest, PopLiteMessageRequest, PopLiteMessageResponse,
    },
};
use eruca_remoting::TaskGroup;
use tokio::time::Instant;

use super::{super::send_back::SendBack, LiteConsumerBuilder, LiteMessage, builder::LiteSettings};
use crate::{
    CallError,
    client::{Answer, CALL_TIMEOUT, Session},
    client_id::random_u64,
    decode::decode_messages,
    inbound::{Inbound, LiteNotices},
    lock::lock,
    millis::millis,
};

/// Brokers forget subscriptions that nobody renews for 180 s.
const RENEW_INTERVAL: Duration = Duration::from_secs(30);
/// Where there are several brokers, how long one of them is waited for at most.
const TURN: Duration = Duration::from_secs(1);
/// Longest wait of one request.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How much longer than it waits an answer may take.
const SLACK: Duration = Duration::from_secs(3);

/// Why a consumer of lite topics cannot do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LiteError {
    /// A lite topic's name breaks the rules.
    #[error(transparent)]
    Name(#[from] NameError),
    /// This client subscribes to too many.
    #[error(
        "the client would subscribe to {count} lite topics, the limit is {limit}: unsubscribe some, or raise max_subscriptions"
    )]
    TooMany {
        /// How many it would be.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// A call that it needs failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A broker's answer is none.
    #[error("the answer of broker '{broker}' cannot be read: {why}")]
    BadAnswer {
        /// The broker group.
        broker: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Where a group begins in lite topics that it subscribes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LiteStart {
    /// Where it is; a new group at the first message, unless that is old.
    #[default]
    WhereItIs,
    /// At the first message.
    First,
    /// Behind the last one.
    Last,
    /// At this offset.
    At(i64),
    /// So many messages before where it is.
    Back(i64),
}

impl LiteStart {
    fn option(self) -> Option<OffsetOption> {
        let (kind, value) = match self {
            LiteStart::WhereItIs => return None,
            LiteStart::First => (OffsetOptionType::Policy, 1),
            LiteStart::Last => (OffsetOptionType::Policy, 2),
            LiteStart::At(offset) => (OffsetOptionType::Offset, offset),
            LiteStart::Back(count) => (OffsetOptionType::TailN, count),
        };
        Some(OffsetOption { kind, value })
    }
}

/// Consumes lite topics below one topic (Java: the client of the proxies' `LitePushConsumer`). Messages of a lite topic come in their
/// order: the next ones when those before are acknowledged, or their invisible time is over. What comes again too often ends in the dead letter
/// topic `%DLQ%<group>`.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use eruca_client::{LiteConsumer, LiteStart};
///
/// let builder = LiteConsumer::builder().name_servers("127.0.0.1:9876").group("agents").topic("sessions");
/// let consumer = builder.build().await?;
/// consumer.subscribe(["session-17", "session-18"], LiteStart::First).await?;
/// for message in consumer.pop(Duration::from_secs(5)).await? {
///     println!("{}: {}", message.lite_topic, String::from_utf8_lossy(&message.stored.message.body));
///     consumer.ack(&message).await?;
/// }
/// consumer.shutdown().await;
/// # Ok(())
/// # }
/// ```
pub struct LiteConsumer {
    core: Arc<Core>,
    tasks: TaskGroup,
    is_shut_down: AtomicBool,
}

struct Core {
    session: Arc<Session>,
    settings: LiteSettings,
    subscribed: Mutex<Subscribed>,
    ids: UniqueIdGenerator,
    /// Which broker is asked first.
    turn: AtomicUsize,
}

#[derive(Debug, Default)]
struct Subscribed {
    lite_topics: BTreeSet<String>,
    /// The group subscribes to everything.
    everything: bool,
}

impl LiteConsumer {
    /// Settings for a new consumer.
    pub fn builder() -> LiteConsumerBuilder {
        LiteConsumerBuilder::default()
    }

    pub(super) fn start(session: Arc<Session>, settings: LiteSettings, inbound: &Inbound) -> Self {
        let core = Arc::new(Core {
            ids: UniqueIdGenerator::new(session.local_ip(), std::process::id(), random_u64() as u32),
            session,
            settings,
            subscribed: Mutex::default(),
            turn: AtomicUsize::new(0),
        });
        let noticed: Weak<Core> = Arc::downgrade(&core);
        inbound.take_lite_notices(noticed);
        let tasks = TaskGroup::new();
        let renewing = core.clone();
        tasks.spawn("renew lite subscriptions", async move {
            loop {
                tokio::time::sleep(RENEW_INTERVAL).await;
                if let Err(error) = renewing.renew().await {
                    tracing::warn!(group = renewing.settings.group, %error, "lite subscriptions not renewed, the next attempt is due in 30 s");
                }
            }
        });
        LiteConsumer { core, tasks, is_shut_down: AtomicBool::new(false) }
    }

    /// How this client calls itself.
    pub fn client_id(&self) -> &str {
        self.core.session.client_id()
    }

    /// The lite topics that this client subscribes to. In an exclusive group (`lite.sub.model=Exclusive`) one goes when another
    /// client takes it.
    pub fn subscriptions(&self) -> Vec<String> {
        lock(&self.core.subscribed).lite_topics.iter().cloned().collect()
    }

    /// Subscribes to these lite topics, too; they need not exist yet.
    ///
    /// # Errors
    /// A name breaks the rules, they are too many, or a broker refuses or does not answer: then some brokers may have heard it.
    pub async fn subscribe(
        &self,
        lite_topics: impl IntoIterator<Item = impl Into<String>>,
        from: LiteStart,
    ) -> Result<(), LiteError> {
        let lite_topics: BTreeSet<String> = lite_topics.into_iter().map(Into::into).collect();
        lite_topics.iter().try_for_each(|lite| validate_lite_topic(lite))?;
        let count = lock(&self.core.subscribed).lite_topics.union(&lite_topics).count();
        let limit = self.core.settings.max_subscriptions;
        if count > limit {
            return Err(LiteError::TooMany { count, limit });
        }
        self.core.tell(LiteSubscriptionAction::PartialAdd, lite_topics.clone(), from.option()).await?;
        lock(&self.core.subscribed).lite_topics.extend(lite_topics);
        Ok(())
    }

    /// Subscribes to all lite topics, those to come included: for groups with the attribute `lite.sub.wildcard`.
    ///
    /// # Errors
    /// A broker refuses or does not answer.
    pub async fn subscribe_to_all(&self) -> Result<(), LiteError> {
        self.core.tell(LiteSubscriptionAction::CompleteAdd, BTreeSet::new(), None).await?;
        lock(&self.core.subscribed).everything = true;
        Ok(())
    }

    /// Ends subscriptions.
    ///
    /// # Errors
    /// A broker does not answer.
    pub async fn unsubscribe(
        &self,
        lite_topics: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<(), LiteError> {
        let lite_topics: BTreeSet<String> = lite_topics.into_iter().map(Into::into).collect();
        lock(&self.core.subscribed).lite_topics.retain(|known| !lite_topics.contains(known));
        self.core.tell(LiteSubscriptionAction::PartialRemove, lite_topics, None).await
    }

    /// Messages of any lite topics; none where none came within `timeout`. Each has to be acknowledged.
    ///
    /// # Errors
    /// A broker refuses or does not answer.
    pub async fn pop(&self, timeout: Duration) -> Result<Vec<LiteMessage>, LiteError> {
        self.check_open()?;
        self.core.pop(timeout).await
    }

    /// The message was consumed.
    ///
    /// # Errors
    /// The broker refuses or does not answer: then the message comes again.
    pub async fn ack(&self, message: &LiteMessage) -> Result<(), LiteError> {
        self.check_open()?;
        self.core.ack(message).await
    }

    /// The message comes again when `time` has passed from now; zero: at once. What it is acknowledged by stays the same.
    ///
    /// # Errors
    /// It was acknowledged or comes again already, or the broker does not answer.
    pub async fn change_invisible_time(
        &self,
        message: &mut LiteMessage,
        time: Duration,
    ) -> Result<(), LiteError> {
        self.check_open()?;
        let header = ChangeInvisibleTimeRequest {
            consumer_group: self.core.settings.group.clone(),
            topic: self.core.settings.topic.clone(),
            queue_id: 0,
            extra_info: message.handle.to_string(),
            offset: message.offset,
            invisible_time: millis(time),
            lite_topic: Some(message.lite_topic.clone()),
            suspend: false,
        };
        let answer = self.core.call(&message.handle.broker_name, RemotingCommand::request(&header)).await?;
        let changed: ChangeInvisibleTimeResponse = answer.header()?;
        (message.handle.pop_time, message.handle.invisible_time) = (changed.pop_time, changed.invisible_time);
        Ok(())
    }

    /// Takes leave of the brokers and closes the connections. What is not acknowledged comes again when its time is over. Does nothing
    /// the second time.
    pub async fn shutdown(&self) {
        if self.is_shut_down.swap(true, Ordering::AcqRel) {
            return;
        }
        self.tasks.shutdown().await;
        if let Err(error) =
            self.core.tell(LiteSubscriptionAction::CompleteRemove, BTreeSet::new(), None).await
        {
            tracing::debug!(%error, "a broker did not hear that we leave, it notices in a while");
        }
        self.core.session.close();
    }

    fn check_open(&self) -> Result<(), LiteError> {
        match self.is_shut_down.load(Ordering::Acquire) {
            true => Err(CallError::ShutDown.into()),
            false => Ok(()),
        }
    }
}

impl Core {
    /// The brokers of the topic, by name.
    async fn brokers(&self) -> Result<Vec<String>, CallError> {
        let route = self.session.route(&self.settings.topic).await?;
        let names: BTreeSet<&str> =
            route.subscribe_queues.iter().map(|queue| queue.broker_name.as_str()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    async fn call(&self, broker: &str, request: RemotingCommand) -> Result<Answer, LiteError> {
        // Makes the broker's address known.
        self.session.route(&self.settings.topic).await?;
        Ok(self.session.ask_master(broker, request, CALL_TIMEOUT).await?.expect_success()?)
    }

    /// Tells all brokers of the topic; each serves those lite topics that are its own.
    async fn tell(
        &self,
        action: LiteSubscriptionAction,
        lite_topics: BTreeSet<String>,
        offset_option: Option<OffsetOption>,
    ) -> Result<(), LiteError> {
        let change = LiteSubscriptionDto {
            action: Some(action),
            client_id: Some(self.session.client_id().to_owned()),
            group: Some(self.settings.group.clone()),
            topic: Some(self.settings.topic.clone()),
            lite_topic_set: Some(lite_topics),
            offset_option,
            version: self.session.now().0,
        };
        let content = body::to_json(&LiteSubscriptionCtlRequestBody { subscription_set: vec![change] });
        for broker in self.brokers().await? {
            let request = RemotingCommand::request(&LiteSubscriptionCtlRequest {}).with_body(content.clone());
            self.call(&broker, request).await?;
        }
        Ok(())
    }

    async fn renew(&self) -> Result<(), LiteError> {
        let (lite_topics, everything) = {
            let subscribed = lock(&self.subscribed);
            (subscribed.lite_topics.clone(), subscribed.everything)
        };
        if lite_topics.is_empty() && !everything {
            return Ok(());
        }
        self.tell(LiteSubscriptionAction::CompleteAdd, lite_topics, None).await
    }

    async fn pop(&self, timeout: Duration) -> Result<Vec<LiteMessage>, LiteError> {
        let deadline = Instant::now() + timeout;
        let brokers = self.brokers().await?;
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        // Whoever has something is asked before anybody is waited for.
        let is_one = brokers.len() == 1;
        for round in 0.. {
            for index in 0..brokers.len() {
                let Some(broker) = brokers.get((first + index) % brokers.len()) else { continue };
                let left = deadline.saturating_duration_since(Instant::now());
                let wait = match (is_one, round) {
                    (true, _) => left.min(WAIT_MAX),
                    (false, 0) => Duration::ZERO,
                    (false, _) => left.min(TURN),
                };
                let got = self.pop_from(broker, wait).await?;
                if !got.is_empty() {
                    return Ok(got);
                }
            }
            if brokers.is_empty() || Instant::now() >= deadline {
                break;
            }
        }
        Ok(Vec::new())
    }

    async fn pop_from(&self, broker: &str, wait: Duration) -> Result<Vec<LiteMessage>, LiteError> {
        let now = self.session.now();
        let header = PopLiteMessageRequest {
            client_id: self.session.client_id().to_owned(),
            consumer_group: self.settings.group.clone(),
            topic: self.settings.topic.clone(),
            max_msg_num: self.settings.batch,
            invisible_time: millis(self.settings.invisible),
            poll_time: millis(wait),
            born_time: now.0,
            attempt_id: Some(self.ids.next_id(now)),
        };
        let request = RemotingCommand::request(&header);
        let answer = self.session.ask_master(broker, request, wait + SLACK).await?;
        let Some(answer) = answer.with_messages()? else { return Ok(Vec::new()) };
        let header: PopLiteMessageResponse = answer.header()?;
        let messages = decode_messages(&answer.reply.body)
            .map_err(|error| LiteError::BadAnswer { broker: broker.to_owned(), why: error.to_string() })?;
        let given = LiteMessage::of_pop(&header, broker, messages);
        let (given_up, given): (Vec<_>, Vec<_>) =
            given.into_iter().partition(|message| self.is_given_up(message));
        for message in &given_up {
            self.bury(message).await;
        }
        Ok(given)
    }

    async fn ack(&self, message: &LiteMessage) -> Result<(), LiteError> {
        let header = AckMessageRequest {
            consumer_group: self.settings.group.clone(),
            topic: self.settings.topic.clone(),
            queue_id: 0,
            extra_info: message.handle.to_string(),
            offset: message.offset,
            lite_topic: Some(message.lite_topic.clone()),
        };
        self.call(&message.handle.broker_name, RemotingCommand::request(&header)).await.map(drop)
    }

    fn is_given_up(&self, message: &LiteMessage) -> bool {
        message.times_given > self.settings.max_reconsume_times || self.is_dead_letter(message)
    }

    /// Java's brokers put a dead letter into its lite topic once more.
    fn is_dead_letter(&self, message: &LiteMessage) -> bool {
        message.stored.message.topic == names::dlq_topic(&self.settings.group)
    }

    /// Brings a message to the dead letter topic. What cannot be comes again when its invisible time is over.
    async fn bury(&self, message: &LiteMessage) {
        let (group, max_reconsume_times) = (self.settings.group.as_str(), self.settings.max_reconsume_times);
        let send_back = SendBack { session: &self.session, group, max_reconsume_times };
        if (self.is_dead_letter(message) || send_back.bury(&message.stored).await)
            && let Err(error) = self.ack(message).await
        {
            tracing::warn!(group, id = %message.stored.message_id(), %error, "message that was given up not acknowledged, it comes again");
        }
    }
}

impl LiteNotices for Core {
    fn taken_over(&self, lite_topic: &str) {
        tracing::info!(
            lite_topic,
            group = self.settings.group,
            "another client of the group has taken this lite topic"
        );
        lock(&self.subscribed).lite_topics.remove(lite_topic);
    }
}

#[cfg(test)]
#[path = "lite_test.rs"]
mod tests;
