//! Settings of a lite pull consumer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::Duration,
};

use eruca_protocol::body::{ConsumeType, MessageModel};
use tokio::sync::{Notify, watch};

use super::{
    super::{
        membership::{ConsumeFrom, MemberSettings, Membership},
        rates::Rates,
        rebalance::AllocationStrategy,
        subscription::{Filter, Subscription},
    },
    LitePullConsumer,
    buffer::{Buffer, BufferLimits},
    core::{Core, LitePullSettings, Mode},
};
use crate::{
    ConfigError, StartError,
    client::{ClientSettings, Session},
    inbound::Inbound,
    setters::{client_setters, member_setters, trace_setters},
    trace::{Tracer, TracerOf},
};

/// Settings of a [`LitePullConsumer`].
#[derive(Clone)]
#[must_use]
pub struct LitePullConsumerBuilder {
    client: ClientSettings,
    member: MemberSettings,
    settings: LitePullSettings,
    subscriptions: Vec<(String, Filter)>,
    assigned_filters: Vec<(String, Filter)>,
}

impl Default for LitePullConsumerBuilder {
    fn default() -> Self {
        LitePullConsumerBuilder {
            client: ClientSettings::default(),
            member: MemberSettings::default(),
            settings: LitePullSettings {
                poll_batch: 10,
                fetch_batch: 32,
                limits: BufferLimits {
                    queue_messages: 1000,
                    queue_bytes: 100 * 1024 * 1024,
                    messages: 10_000,
                },
                auto_commit: Some(Duration::from_secs(5)),
            },
            subscriptions: Vec::new(),
            assigned_filters: Vec::new(),
        }
    }
}

impl LitePullConsumerBuilder {
    client_setters!();
    trace_setters!();
    member_setters!();

    /// The consumer group. Must be set.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.member.group = group.into();
        self
    }

    /// Adds a subscription: `"*"` is everything, `"a || b"` one of two tags. Without one, queues are assigned by
    /// [`LitePullConsumer::assign`].
    pub fn subscribe(mut self, topic: impl Into<String>, filter: impl Into<Filter>) -> Self {
        self.subscriptions.push((topic.into(), filter.into()));
        self
    }

    /// Of queues of this topic that are assigned by name, only these messages (Java: `setSubExpressionForAssign`, which takes
    /// tags). By default all.
    pub fn filter_assigned(mut self, topic: impl Into<String>, filter: impl Into<Filter>) -> Self {
        self.assigned_filters.push((topic.into(), filter.into()));
        self
    }

    /// Every member of the group gets every message, and keeps its own offsets in a file.
    pub fn broadcasting(mut self) -> Self {
        self.member.model = MessageModel::Broadcasting;
        self
    }

    /// How often the offsets are committed of messages that came before the latest poll; every 5 s by default. `None`
    /// leaves it to [`LitePullConsumer::commit`].
    pub fn auto_commit(mut self, interval: Option<Duration>) -> Self {
        self.settings.auto_commit = interval;
        self
    }

    /// Most messages of one poll; 10 by default.
    pub fn poll_batch(mut self, messages: usize) -> Self {
        self.settings.poll_batch = messages;
        self
    }

    /// Most messages of one fetch from a broker; 32 by default.
    pub fn fetch_batch(mut self, messages: i32) -> Self {
        self.settings.fetch_batch = messages;
        self
    }

    /// How much is fetched ahead: messages of one queue (1000 by default), bytes of their bodies (100 MiB), and
    /// messages of all queues (10 000).
    pub fn buffer_limits(mut self, queue_messages: usize, queue_bytes: usize, messages: usize) -> Self {
        self.settings.limits = BufferLimits { queue_messages, queue_bytes, messages };
        self
    }

    /// The consumer, at work. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing or out of its range, a broker refuses a [`Filter::Sql`], or the offsets file of a
    /// broadcasting consumer cannot be read.
    pub async fn start(self) -> Result<LitePullConsumer, StartError> {
        let out_of_range =
            |setting, value: String| ConfigError::OutOfRange { setting, value, allowed: "1 to 1024" };
        if !(1..=1024).contains(&self.settings.poll_batch) {
            return Err(out_of_range("poll_batch", self.settings.poll_batch.to_string()).into());
        }
        if !(1..=1024).contains(&self.settings.fetch_batch) {
            return Err(out_of_range("fetch_batch", self.settings.fetch_batch.to_string()).into());
        }
        let inbound = Arc::new(Inbound::default());
        let tracing = self.client.clone();
        let session = Arc::new(Session::open(self.client, Some(inbound.clone())).await?);
        let member =
            Membership::new(session.clone(), self.member, ConsumeType::Actively, &self.subscriptions)?;
        let assigned_filters: BTreeMap<_, _> = self
            .assigned_filters
            .iter()
            .map(|(topic, filter)| (topic.clone(), Arc::new(Subscription::new(topic, filter, session.now()))))
            .collect();
        let filters = member.subscriptions().into_iter().chain(assigned_filters.values().cloned());
        if let Err(refused) = member.check_conditions(filters).await {
            session.close();
            return Err(refused.into());
        }
        let tracer = Tracer::start(&tracing, &session, TracerOf::Consumer, member.group()).await?;
        let core = Arc::new(Core {
            tracer,
            rates: Rates::new(session.now()),
            member,
            assigned_filters,
            settings: self.settings,
            mode: Mutex::new(if self.subscriptions.is_empty() { Mode::Undecided } else { Mode::Subscribed }),
            queues: Mutex::default(),
            buffer: Mutex::new(Buffer::default()),
            filled: Notify::new(),
            assign_due: Notify::new(),
            rounds: watch::Sender::new(0),
            speaks_lite: AtomicBool::new(true),
        });
        let served: std::sync::Weak<Core> = Arc::downgrade(&core);
        inbound.serve(served);
        Ok(LitePullConsumer::start(core).await)
    }
}
