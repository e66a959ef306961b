//! Settings of a producer.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{UniqueIdGenerator, names};
use eruca_remoting::TaskGroup;

use super::{
    PendingReplies, Producer, TransactionListener, TransactionProducer,
    prepare::BodyRules,
    select::Selector,
    send::{ProducerSettings, Sender},
    transaction::Checks,
};
use crate::{
    Compression, ConfigError,
    client::{ClientSettings, Session},
    client_id::random_u64,
    inbound::Inbound,
    setters::{client_setters, trace_setters},
    trace::{Tracer, TracerOf},
    upkeep,
};

/// Settings of a [`Producer`].
#[derive(Clone)]
#[must_use]
pub struct ProducerBuilder {
    client: ClientSettings,
    settings: ProducerSettings,
}

impl Default for ProducerBuilder {
    fn default() -> Self {
        ProducerBuilder {
            client: ClientSettings::default(),
            settings: ProducerSettings {
                group: String::new(),
                send_timeout: Duration::from_secs(3),
                max_attempts: 3,
                body_rules: BodyRules {
                    max_message_bytes: 4 * 1024 * 1024,
                    compress_over_bytes: 4096,
                    compression: Compression::Zlib,
                    compression_level: 5,
                },
                default_topic_queues: 4,
                avoid_slow_brokers: true,
            },
        }
    }
}

impl ProducerBuilder {
    client_setters!();
    trace_setters!();

    /// The same settings as another client of this program.
    pub(crate) fn with_client(mut self, client: ClientSettings) -> Self {
        self.client = client;
        self
    }

    /// The producer group. Must be set.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.group = group.into();
        self
    }

    /// How long a send may take, all attempts together; 3 s by default.
    pub fn send_timeout(mut self, timeout: Duration) -> Self {
        self.settings.send_timeout = timeout;
        self
    }

    /// How often a failed send is tried again, if possible on another broker; 2 by default.
    pub fn retries(mut self, retries: usize) -> Self {
        self.settings.max_attempts = retries.saturating_add(1);
        self
    }

    /// Largest body, and largest batch, in bytes; 4 MiB by default, as brokers have it.
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.settings.body_rules.max_message_bytes = bytes;
        self
    }

    /// Bodies of at least so many bytes are compressed; 4096 by default. `usize::MAX` compresses none.
    pub fn compress_over_bytes(mut self, bytes: usize) -> Self {
        self.settings.body_rules.compress_over_bytes = bytes;
        self
    }

    /// How they are compressed; zlib by default, which clients of every age read.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.settings.body_rules.compression = compression;
        self
    }

    /// With how much effort, 0 to 9; 5 by default.
    pub fn compression_level(mut self, level: u32) -> Self {
        self.settings.body_rules.compression_level = level;
        self
    }

    /// How many queues a topic gets on each broker, where the first send creates it; 4 by default.
    pub fn default_topic_queues(mut self, queues: i32) -> Self {
        self.settings.default_topic_queues = queues;
        self
    }

    /// Whether brokers that answer slowly or not at all are avoided for a while; yes by default.
    pub fn avoid_slow_brokers(mut self, avoid: bool) -> Self {
        self.settings.avoid_slow_brokers = avoid;
        self
    }

    /// The producer. It connects with its first send. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing or out of its range.
    pub async fn build(self) -> Result<Producer, ConfigError> {
        self.build_with(Inbound::default()).await.map(|(producer, _)| producer)
    }

    /// As [`ProducerBuilder::build`], a producer for messages that are delivered when the work is done that they tell of; the
    /// listener does it, and answers for it.
    ///
    /// # Errors
    /// As [`ProducerBuilder::build`].
    pub async fn build_transactional<L: TransactionListener>(
        self,
        listener: L,
    ) -> Result<TransactionProducer<L>, ConfigError> {
        let checks = Checks::new(listener);
        let inbound = Inbound::default();
        inbound.answer_checks(checks.clone());
        let (producer, sender) = self.build_with(inbound).await?;
        checks.answers_for(&sender);
        Ok(TransactionProducer::new(producer, checks))
    }

    async fn build_with(self, inbound: Inbound) -> Result<(Producer, Arc<Sender>), ConfigError> {
        let ProducerBuilder { client, settings } = self;
        names::validate_group(&settings.group)?;
        check_range("default_topic_queues", i64::from(settings.default_topic_queues), 1..=1024, "1 to 1024")?;
        check_range("compression_level", i64::from(settings.body_rules.compression_level), 0..=9, "0 to 9")?;
        let inbound = Arc::new(inbound);
        let replies = Arc::new(PendingReplies::default());
        inbound.take_replies(replies.clone());
        let tracing = client.clone();
        let session = Arc::new(Session::open(client, Some(inbound)).await?);
        let tracer = Tracer::start(&tracing, &session, TracerOf::Producer, &settings.group).await?;
        let sender = Arc::new(Sender {
            ids: UniqueIdGenerator::new(session.local_ip(), std::process::id(), random_u64() as u32),
            selector: Mutex::new(Selector::new(random_u64() as usize, settings.avoid_slow_brokers)),
            session: session.clone(),
            settings,
            replies,
            tracer,
        });
        let tasks = TaskGroup::new();
        let beating = sender.clone();
        upkeep::start(&tasks, &session, true, move || beating.heartbeat(), || {});
        Ok((Producer::new(sender.clone(), tasks), sender))
    }
}

fn check_range(
    setting: &'static str,
    value: i64,
    range: std::ops::RangeInclusive<i64>,
    allowed: &'static str,
) -> Result<(), ConfigError> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(ConfigError::OutOfRange { setting, value: value.to_string(), allowed })
}
