//! Settings of a consumer that pops.

use std::{sync::Arc, time::Duration};

use eruca_protocol::body::ConsumeType;

use super::{
    super::{
        membership::{ConsumeFrom, MemberSettings, Membership},
        send_back::MAX_RECONSUME_TIMES,
    },
    PopConsumer,
    call::PopSettings,
};
use crate::{
    ConfigError, Filter, StartError,
    client::{ClientSettings, Session},
    inbound::Inbound,
    setters::client_setters,
};

/// Settings of a [`PopConsumer`].
#[derive(Clone)]
#[must_use]
pub struct PopConsumerBuilder {
    client: ClientSettings,
    settings: PopSettings,
    max_reconsume_times: i32,
    subscriptions: Vec<(String, Filter)>,
}

impl Default for PopConsumerBuilder {
    fn default() -> Self {
        PopConsumerBuilder {
            client: ClientSettings::default(),
            settings: PopSettings {
                group: String::new(),
                max_messages: 16,
                invisible: Duration::from_secs(60),
                from: ConsumeFrom::Last,
                in_order: false,
            },
            max_reconsume_times: MAX_RECONSUME_TIMES,
            subscriptions: Vec::new(),
        }
    }
}

impl PopConsumerBuilder {
    client_setters!();

    /// The consumer group. Must be set.
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.settings.group = group.into();
        self
    }

    /// Adds a subscription: `"*"` is everything, `"a || b"` one of two tags, [`Filter::by_sql`] a condition. At least one.
    pub fn subscribe(mut self, topic: impl Into<String>, filter: impl Into<Filter>) -> Self {
        self.subscriptions.push((topic.into(), filter.into()));
        self
    }

    /// How long nobody else gets a message that was popped, 60 s by default. Longer than consuming one pop takes.
    pub fn invisible_time(mut self, time: Duration) -> Self {
        self.settings.invisible = time;
        self
    }

    /// Most messages of one pop, 1 to 32; 16 by default.
    pub fn max_messages(mut self, messages: i32) -> Self {
        self.settings.max_messages = messages;
        self
    }

    /// Where the group starts in queues that it never popped; [`ConsumeFrom::Last`] by default. Not by time.
    pub fn consume_from(mut self, from: ConsumeFrom) -> Self {
        self.settings.from = from;
        self
    }

    /// The messages of a queue in order: nothing later is given to anybody of the group before all that was is
    /// acknowledged or visible again. Every member of the group has to want it.
    pub fn in_order(mut self) -> Self {
        self.settings.in_order = true;
        self
    }

    /// How often a message comes again that is not acknowledged; 16 times by default. After that it is not given to you but
    /// goes to the dead letter topic `%DLQ%<group>`, so that one that always fails does not stop its queue for ever where
    /// messages are popped in order. [`i32::MAX`]: it comes without end.
    pub fn max_reconsume_times(mut self, times: i32) -> Self {
        self.max_reconsume_times = times;
        self
    }

    /// The consumer. To be called inside a Tokio runtime, in which it then runs.
    ///
    /// # Errors
    /// A setting is missing or out of its range, or a broker refuses a [`Filter::Sql`].
    pub async fn start(self) -> Result<PopConsumer, StartError> {
        let out_of_range = |setting, value, allowed| ConfigError::OutOfRange { setting, value, allowed };
        let PopSettings { max_messages, invisible, from, .. } = &self.settings;
        if !(1..=32).contains(max_messages) {
            return Err(out_of_range("max_messages", max_messages.to_string(), "1 to 32").into());
        }
        if invisible.as_millis() == 0 {
            return Err(out_of_range("invisible_time", format!("{invisible:?}"), "1 ms or more").into());
        }
        if let ConsumeFrom::Timestamp(time) = from {
            return Err(
                out_of_range("consume_from", format!("Timestamp({})", time.0), "First or Last").into()
            );
        }
        if self.subscriptions.is_empty() {
            let remedy = "call subscribe(topic, filter) on the builder";
            return Err(ConfigError::Unset { setting: "subscribe", remedy }.into());
        }
        let inbound = Arc::new(Inbound::default());
        let session = Arc::new(Session::open(self.client, Some(inbound.clone())).await?);
        let member = MemberSettings {
            group: self.settings.group.clone(),
            consume_from: self.settings.from,
            ..MemberSettings::default()
        };
        let member = Membership::new(session.clone(), member, ConsumeType::Pop, &self.subscriptions)?;
        if let Err(refused) = member.check_conditions(member.subscriptions()).await {
            session.close();
            return Err(refused.into());
        }
        Ok(PopConsumer::start(member, self.settings, self.max_reconsume_times, &inbound).await)
    }
}
