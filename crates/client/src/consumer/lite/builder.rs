//! Settings of a consumer of lite topics.

use std::{sync::Arc, time::Duration};

use eruca_message::names;

use super::{super::send_back::MAX_RECONSUME_TIMES, LiteConsumer};
use crate::{
    ConfigError,
    client::{ClientSettings, Session},
    inbound::Inbound,
    setters::client_setters,
};

/// Settings of a [`LiteConsumer`].
#[derive(Clone)]
#[must_use]
pub struct LiteConsumerBuilder {
    client: ClientSettings,
    pub(super) settings: LiteSettings,
}

#[derive(Debug, Clone)]
pub(super) struct LiteSettings {
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) batch: i32,
    pub(super) invisible: Duration,
    pub(super) max_subscriptions: usize,
    pub(super) max_reconsume_times: i32,
}

impl Default for LiteConsumerBuilder {
    fn default() -> Self {
        LiteConsumerBuilder {
            client: ClientSettings::default(),
            settings: LiteSettings {
                group: String::new(),
                topic: String::new(),
                batch: 32,
                invisible: Duration::from_secs(60),
                max_subscriptions: 2_000,
                max_reconsume_times: MAX_RECONSUME_TIMES,
            },
        }
    }
}

impl LiteConsumerBuilder {
    client_setters!();

    /// The consumer group, which must be bound to the topic by its attribute `lite.bind.topic`. Must be set.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.group = group.into();
        self
    }

    /// The parent topic. Must be set.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.settings.topic = topic.into();
        self
    }

    /// Most messages of one pop; 32 by default, which is the most that brokers give.
    pub fn batch(mut self, messages: i32) -> Self {
        self.settings.batch = messages;
        self
    }

    /// After how long a message comes again that is not acknowledged; 60 s by default.
    pub fn invisible_time(mut self, time: Duration) -> Self {
        self.settings.invisible = time;
        self
    }

    /// Most lite topics that this client subscribes to; 2000 by default, as Java's clients have it.
    pub fn max_subscriptions(mut self, count: usize) -> Self {
        self.settings.max_subscriptions = count;
        self
    }

    /// How often a message comes again that is not acknowledged; 16 times by default. After that it is not given to you but
    /// goes to the dead letter topic `%DLQ%<group>`, so that one that always fails does not stop its lite topic for ever.
    /// [`i32::MAX`]: it comes without end.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.settings.max_reconsume_times = times;
        self
    }

    /// The consumer. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing or out of its range.
    pub async fn build(self) -> Result<LiteConsumer, ConfigError> {
        let LiteConsumerBuilder { client, settings } = self;
        names::validate_group(&settings.group)?;
        names::validate_topic(&settings.topic)?;
        if !(1..=32).contains(&settings.batch) {
            let value = settings.batch.to_string();
            return Err(ConfigError::OutOfRange { setting: "batch", value, allowed: "1 to 32" });
        }
        let inbound = Arc::new(Inbound::default());
        let session = Arc::new(Session::open(client, Some(inbound.clone())).await?);
        Ok(LiteConsumer::start(session, settings, &inbound))
    }
}
