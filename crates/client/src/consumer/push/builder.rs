//! Settings of a push consumer.

use std::{
    ops::RangeInclusive,
    sync::{Arc, Mutex, atomic::AtomicBool, atomic::AtomicU64},
    time::Duration,
};

use eruca_message::names;
use eruca_protocol::body::{ConsumeType, MessageModel};
use tokio::sync::{Notify, Semaphore, mpsc};

use super::{
    super::{
        membership::{ConsumeFrom, MemberSettings, Membership},
        pop::PopSettings,
        process_queue::FlowLimits,
        rates::Rates,
        rebalance::AllocationStrategy,
        send_back::MAX_RECONSUME_TIMES,
        subscription::Filter,
    },
    core::{Core, PushSettings, Queues},
    listener::{ConsumeStatus, Listener, Messages, OrderedConsumeStatus},
    push::PushConsumer,
};
use crate::{
    ConfigError, StartError,
    client::{ClientSettings, Session},
    inbound::Inbound,
    setters::{client_setters, member_setters, trace_setters},
    trace::{Tracer, TracerOf},
};

/// Most messages that may wait to be consumed on a broker's request.
const MAX_DIRECT_WORK: usize = 16;
/// As Java's consumers allow it.
const POP_INVISIBLE: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_secs(300);

/// Settings of a [`PushConsumer`].
#[derive(Clone)]
#[must_use]
pub struct PushConsumerBuilder {
    client: ClientSettings,
    member: MemberSettings,
    settings: PushSettings,
    pop_batch: i32,
    pop_invisible: Duration,
    subscriptions: Vec<(String, Filter)>,
    listener: Option<Listener>,
}

impl Default for PushConsumerBuilder {
    fn default() -> Self {
        PushConsumerBuilder {
            client: ClientSettings::default(),
            member: MemberSettings::default(),
            settings: PushSettings {
                parallel_calls: 20,
                call_batch: 1,
                pull_batch: 32,
                flow: FlowLimits { messages: 1000, bytes: 100 * 1024 * 1024, span: 2000 },
                pop_in_flight: 96,
                max_reconsume_times: MAX_RECONSUME_TIMES,
                consume_timeout: Duration::from_secs(15 * 60),
                suspend: Duration::from_secs(1),
                shutdown_grace: Duration::from_secs(30),
            },
            pop_batch: 32,
            pop_invisible: Duration::from_secs(60),
            subscriptions: Vec::new(),
            listener: None,
        }
    }
}

impl PushConsumerBuilder {
    client_setters!();
    trace_setters!();
    member_setters!();

    /// The consumer group. Must be set. All members of a group must have the same subscriptions.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.member.group = group.into();
        self
    }

    /// Adds a subscription: `"*"` is everything, `"a || b"` one of two tags. At least one must be set.
    pub fn subscribe(mut self, topic: impl Into<String>, filter: impl Into<Filter>) -> Self {
        self.subscriptions.push((topic.into(), filter.into()));
        self
    }

    /// What to call with messages; calls for messages of one queue may run at the same time and end in any order. A
    /// panic counts as [`ConsumeStatus::RetryLater`]. This or [`PushConsumerBuilder::on_messages_in_order`] must be
    /// set.
    pub fn on_messages<F>(mut self, listener: impl Fn(Messages) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ConsumeStatus> + Send + 'static,
    {
        self.listener = Some(Listener::concurrent(listener));
        self
    }

    /// What to call with messages; each queue has one call at a time, in the order of the queue, and only in one
    /// member of the group. A panic counts as [`OrderedConsumeStatus::Suspend`].
    pub fn on_messages_in_order<F>(mut self, listener: impl Fn(Messages) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = OrderedConsumeStatus> + Send + 'static,
    {
        self.listener = Some(Listener::ordered(listener));
        self
    }

    /// Every member of the group gets every message, and keeps its own offsets in a file. Failed messages do not come
    /// again.
    pub fn broadcasting(mut self) -> Self {
        self.member.model = MessageModel::Broadcasting;
        self
    }

    /// Most calls of the listener at a time; 20 by default.
    pub fn parallel_calls(mut self, calls: usize) -> Self {
        self.settings.parallel_calls = calls;
        self
    }

    /// Most messages of one call; 1 by default.
    pub fn call_batch(mut self, messages: usize) -> Self {
        self.settings.call_batch = messages;
        self
    }

    /// Most messages of one pull; 32 by default.
    pub fn pull_batch(mut self, messages: i32) -> Self {
        self.settings.pull_batch = messages;
        self
    }

    /// How much of one queue may be in memory: messages (1000 by default), bytes of their bodies (100 MiB), and, where
    /// messages are not consumed in order, the widest distance from the oldest to the newest (2000).
    pub fn flow_limits(mut self, messages: usize, bytes: usize, span: i64) -> Self {
        self.settings.flow = FlowLimits { messages, bytes, span };
        self
    }

    /// The brokers say which queues are whose, and whether the group pulls or pops them (Java: `clientRebalance=false`). What
    /// they say may change at any time: `eruca admin setConsumeMode` sets it for a topic and a group. All members must have
    /// the same setting; for [`PushConsumerBuilder::on_messages`], not for broadcasting. With brokers of version 4 the
    /// members share the queues by themselves, and pull.
    ///
    /// Where they pop, members share queues: each message is acknowledged by itself, and one that failed comes again to any
    /// of them. A level of [`ConsumeStatus::RetryAtLevel`] stands for a place in Java's list of delays of POP then: 30 s, 1, 2
    /// … 10, 20, 30 minutes, 1 and 2 hours.
    pub fn assigned_by_broker(mut self) -> Self {
        self.member.is_assigned_by_broker = true;
        self
    }

    /// How long nobody else gets a message that was popped, 5 s to 5 min; 60 s by default. Longer than a message waits for the
    /// listener and is consumed: what takes longer comes again.
    pub fn pop_invisible_time(mut self, time: Duration) -> Self {
        self.pop_invisible = time;
        self
    }

    /// Most messages of one pop, 1 to 32; 32 by default.
    pub fn pop_batch(mut self, messages: i32) -> Self {
        self.pop_batch = messages;
        self
    }

    /// A queue is popped no further while more messages of it than this wait for the listener or are consumed; 96 by default.
    pub fn pop_in_flight(mut self, messages: usize) -> Self {
        self.settings.pop_in_flight = messages;
        self
    }

    /// How often a failed message comes again before it goes to the dead letter queue; 16 times by default.
    ///
    /// Also where messages are consumed in order, so that one which always fails does not stop its queue for ever: with a
    /// [`PushConsumerBuilder::suspend_time`] of 1 s it is given up after 16 s, and those behind it go on without it. Who must not
    /// go on sets [`i32::MAX`], which is Java's default there.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.settings.max_reconsume_times = times;
        self
    }

    /// When a call takes so long, its message is sent back; 15 minutes by default.
    pub fn consume_timeout(mut self, timeout: Duration) -> Self {
        self.settings.consume_timeout = timeout;
        self
    }

    /// How long a queue pauses on [`OrderedConsumeStatus::Suspend`]; 1 s by default.
    pub fn suspend_time(mut self, time: Duration) -> Self {
        self.settings.suspend = time;
        self
    }

    /// How long a shutdown waits for calls in progress; 30 s by default.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.settings.shutdown_grace = grace;
        self
    }

    /// The consumer, at work. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing or out of its range, a broker refuses a [`Filter::Sql`], or the offsets file of a
    /// broadcasting consumer cannot be read. That brokers cannot be reached is no error: it goes on trying, and says so in
    /// the log.
    pub async fn start(self) -> Result<PushConsumer, StartError> {
        let listener = self.listener.clone().ok_or(ConfigError::Unset {
            setting: "listener",
            remedy: "call on_messages or on_messages_in_order on the builder",
        })?;
        self.check(listener.is_ordered())?;
        let inbound = Arc::new(Inbound::default());
        let tracing = self.client.clone();
        let session = Arc::new(Session::open(self.client, Some(inbound.clone())).await?);
        let member =
            Membership::new(session.clone(), self.member, ConsumeType::Passively, &self.subscriptions)?;
        if let Err(refused) = member.check_conditions(member.subscriptions()).await {
            session.close();
            return Err(refused.into());
        }
        if !member.is_broadcasting() {
            member.subscribe(&names::retry_topic(member.group()), &"*".into());
        }
        let pop = PopSettings {
            group: member.group().to_owned(),
            max_messages: self.pop_batch,
            invisible: self.pop_invisible,
            from: member.settings.consume_from,
            in_order: false,
        };
        let mut settings = self.settings;
        if listener.is_ordered() {
            // One after the other: there is no message that hangs while later ones run away.
            settings.flow.span = i64::MAX;
        }
        let tracer = Tracer::start(&tracing, &session, TracerOf::Consumer, member.group()).await?;
        let (work, work_queue) = mpsc::unbounded_channel();
        let (direct, direct_queue) = mpsc::channel(MAX_DIRECT_WORK);
        let core = Arc::new(Core {
            call_permits: Semaphore::new(settings.parallel_calls),
            rates: Rates::new(session.now()),
            member,
            settings,
            pop,
            listener,
            queues: Mutex::new(Queues::default()),
            rebalance_due: Notify::new(),
            work,
            later: Mutex::default(),
            direct,
            is_suspended: AtomicBool::new(false),
            consumed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            tracer,
        });
        let served: std::sync::Weak<Core> = Arc::downgrade(&core);
        inbound.serve(served);
        Ok(PushConsumer::start(core, work_queue, direct_queue).await)
    }

    fn check(&self, is_ordered: bool) -> Result<(), ConfigError> {
        if self.subscriptions.is_empty() {
            let remedy = "call subscribe(topic, \"*\") on the builder";
            return Err(ConfigError::Unset { setting: "subscription", remedy });
        }
        let out_of_range =
            |setting, value: String, allowed| Err(ConfigError::OutOfRange { setting, value, allowed });
        let settings = &self.settings;
        if !(1..=Semaphore::MAX_PERMITS.min(10_000)).contains(&settings.parallel_calls) {
            return out_of_range("parallel_calls", settings.parallel_calls.to_string(), "1 to 10000");
        }
        if !(1..=1024).contains(&settings.call_batch) {
            return out_of_range("call_batch", settings.call_batch.to_string(), "1 to 1024");
        }
        if !(1..=1024).contains(&settings.pull_batch) {
            return out_of_range("pull_batch", settings.pull_batch.to_string(), "1 to 1024");
        }
        if !(1..=32).contains(&self.pop_batch) {
            return out_of_range("pop_batch", self.pop_batch.to_string(), "1 to 32");
        }
        if !POP_INVISIBLE.contains(&self.pop_invisible) {
            return out_of_range("pop_invisible_time", format!("{:?}", self.pop_invisible), "5 s to 5 min");
        }
        let MemberSettings { model, allocation, is_assigned_by_broker, .. } = &self.member;
        if *is_assigned_by_broker && (is_ordered || *model == MessageModel::Broadcasting) {
            let how = if is_ordered { "in order" } else { "broadcasting" };
            return out_of_range("assigned_by_broker", how.to_owned(), "on_messages without broadcasting");
        }
        let is_known =
            matches!(allocation, AllocationStrategy::Average | AllocationStrategy::AverageByCircle);
        if *is_assigned_by_broker && !is_known {
            let name = allocation.name().to_owned();
            return out_of_range("allocation", name, "AVG or AVG_BY_CIRCLE where brokers assign the queues");
        }
        Ok(())
    }
}
