//! Every way of an ordinary message into the log: what is to be delivered later is parked, the rest goes on.

use std::sync::Arc;

use eruca_message::{
    Properties, Timestamp,
    names::{SCHEDULE_TOPIC, TIMER_TOPIC},
    properties::{
        self, DELAY_TIME_LEVEL, REAL_QUEUE_ID, REAL_TOPIC, TIMER_DEL_UNIQUE_KEY, TIMER_DELAY_MS,
        TIMER_DELAY_SEC, TIMER_DELIVER_MS, TIMER_OUT_MS,
    },
};
use eruca_store::{AppendMessage, Appended, MessageStore};

use super::{out_time::OutTime, parked::park_level};
use crate::{HandlerError, config::BrokerConfig, settings::Settings};

/// The properties that ask for a time of delivery, in the order in which they count.
const TIMERS: [&str; 3] = [TIMER_DELAY_SEC, TIMER_DELAY_MS, TIMER_DELIVER_MS];

/// Parks messages that are to be delivered later (Java: `HookUtils.handleScheduleMessage`).
///
/// A delay level excludes a time of delivery. A time that has passed delivers at once. What has [`TIMER_OUT_MS`] was
/// parked before and is on its way to its topic.
#[derive(Debug)]
pub struct Parking {
    settings: Arc<Settings>,
    level_max: i32,
    counts: Option<Arc<dyn SlotCounts>>,
}

/// How many messages wait for which time.
pub trait SlotCounts: std::fmt::Debug + Send + Sync {
    /// Messages that were taken into the slot of a time, less recalls.
    fn count_at(&self, time: Timestamp) -> i64;
}

/// Where a message waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parked {
    /// The topic that it is stored in.
    pub topic: &'static str,
    /// The queue of that topic.
    pub queue_id: i32,
    /// When it is delivered, where it has a time of its own: not for delay levels.
    pub deliver_at: Option<Timestamp>,
}

/// Why a message with a time of delivery is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParkError {
    /// `timerWheelEnable` is off.
    #[error(
        "accurate timer message is not enabled, timerWheelEnable is false: set it to true in the broker's configuration, or use a \
         delay level (property DELAY)"
    )]
    NotEnabled,
    /// The time is further away than the broker allows.
    #[error(
        "timer message illegal, the delay time should not be bigger than the max delay {max_ms}ms; or if set del msg, the delay time \
         should be bigger than the current time: it asks for {delay_ms}ms; the broker's limit is timerMaxDelaySec={max_sec}: ask \
         for less, or set that key higher"
    )]
    TooFar {
        /// The delay in milliseconds.
        delay_ms: i64,
        /// The limit in milliseconds.
        max_ms: i64,
        /// The limit as it is configured.
        max_sec: i64,
    },
    /// A recall that comes when the message has gone.
    #[error(
        "timer message illegal, the delay time should not be bigger than the max delay {max_ms}ms; or if set del msg, the delay time \
         should be bigger than the current time: what it recalls was due {late_ms}ms ago, recall sooner"
    )]
    RecallTooLate {
        /// The limit of delays in milliseconds.
        max_ms: i64,
        /// How long ago the message was due.
        late_ms: i64,
    },
    /// Too many others are due in the same slot of the wheel.
    #[error(
        "timer message is under flow control: {count} messages are due in the {precision_ms} ms from {slot} on, the limit is \
         timerCongestNumEachSlot={limit}; choose another time, or set that key higher"
    )]
    SlotFull {
        /// Start of the slot.
        slot: Timestamp,
        /// Length of the slot in milliseconds.
        precision_ms: i64,
        /// How many wait in it.
        count: i64,
        /// The limit as it is configured.
        limit: i32,
    },
    /// A property that is no number.
    #[error(
        "timer message illegal: the property {name} is '{value}', which is no number of {unit}: give a whole number"
    )]
    NoNumber {
        /// The property.
        name: &'static str,
        /// Its value, cut where it is long.
        value: String,
        /// What it counts.
        unit: &'static str,
    },
    /// The same for a delay level.
    #[error(
        "the property DELAY is '{value}', which is no number of a delay level: give one from 0 to {level_max}"
    )]
    NoLevel {
        /// Its value, cut where it is long.
        value: String,
        /// The highest level; above it, it counts.
        level_max: i32,
    },
}

impl From<ParkError> for HandlerError {
    fn from(error: ParkError) -> Self {
        let remark = error.to_string();
        match error {
            ParkError::NotEnabled | ParkError::SlotFull { .. } => HandlerError::system_error(remark),
            _ => HandlerError::new(eruca_protocol::ResponseCode::MESSAGE_ILLEGAL, remark),
        }
    }
}

impl Parking {
    /// By these settings; delay levels go from 1 to `level_max`.
    pub fn new(settings: Arc<Settings>, level_max: i32) -> Self {
        Parking { settings, level_max, counts: None }
    }

    /// Refuses messages for slots that are full by these counts (`timerCongestNumEachSlot`).
    #[must_use]
    pub fn with_counts(self, counts: Arc<dyn SlotCounts>) -> Self {
        Parking { counts: Some(counts), ..self }
    }

    /// Whether encoded properties ask for anything that [`Parking::park`] would look at.
    pub fn concerns(properties: &[u8]) -> bool {
        properties::find(properties, DELAY_TIME_LEVEL).is_some_and(|level| level != b"0")
            || TIMERS.iter().any(|timer| properties::find(properties, timer).is_some())
    }

    /// Where a message for `topic` and `queue_id` waits, which its properties say from then on; `None`: it goes there at
    /// once. Not for half messages of transactions.
    ///
    /// # Errors
    /// The properties ask for what cannot be; they may have been changed then.
    pub fn park(
        &self,
        properties: &mut Properties,
        topic: &str,
        queue_id: i32,
        now: Timestamp,
    ) -> Result<Option<Parked>, ParkError> {
        let level = match properties.get(DELAY_TIME_LEVEL) {
            Some(text) => text
                .parse()
                .map_err(|_| ParkError::NoLevel { value: cut(text), level_max: self.level_max })?,
            None => 0,
        };
        if level > 0 {
            for timer in TIMERS {
                properties.remove(timer);
            }
            let queue_id = park_level(properties, level, self.level_max, topic, queue_id);
            return Ok(Some(Parked { topic: SCHEDULE_TOPIC, queue_id, deliver_at: None }));
        }
        if topic == TIMER_TOPIC || properties.get(TIMER_OUT_MS).is_some() {
            return Ok(None);
        }
        let config = self.settings.now();
        let Some(deliver_at) = asked_time(properties, now)? else { return Ok(None) };
        check_time(&config, properties, deliver_at, now)?;
        if deliver_at <= now {
            return Ok(None);
        }
        let out = OutTime::of(deliver_at, properties, config.timer_precision_ms());
        if properties.get(TIMER_DEL_UNIQUE_KEY).is_none() {
            self.check_slot(&config, out)?;
        }
        properties.set(TIMER_OUT_MS, out.0.to_string());
        properties.set(REAL_TOPIC, topic);
        properties.set(REAL_QUEUE_ID, queue_id.to_string());
        Ok(Some(Parked { topic: TIMER_TOPIC, queue_id: 0, deliver_at: Some(out.recall_time()) }))
    }

    /// Java refuses at random from the limit on, and all from twice the limit on. By default there is none, and nothing is counted.
    fn check_slot(&self, config: &BrokerConfig, out: OutTime) -> Result<(), ParkError> {
        let limit = config.timer_congest_num_each_slot;
        let Some(counts) = self.counts.as_ref().filter(|_| limit < i32::MAX) else { return Ok(()) };
        let count = counts.count_at(Timestamp(out.0));
        if count < i64::from(limit) {
            return Ok(());
        }
        let precision_ms = config.timer_precision_ms();
        Err(ParkError::SlotFull { slot: out.slot_start(precision_ms), precision_ms, count, limit })
    }

    /// Appends a message to where it goes, or to where it waits until then. As with [`MessageStore::append`] the store must
    /// be settled before it is acknowledged.
    ///
    /// # Errors
    /// As [`Parking::park`], and what the store refuses.
    pub fn append(
        &self,
        store: &MessageStore,
        message: &AppendMessage<'_>,
        now: Timestamp,
    ) -> Result<Appended, HandlerError> {
        let append = |message: &AppendMessage<'_>| {
            let limit = self.settings.now().max_message_size;
            store.append(message).map_err(|error| HandlerError::from_append(error, limit))
        };
        if !Self::concerns(message.properties) {
            return append(message);
        }
        let mut properties = Properties::decode(message.properties);
        match self.park(&mut properties, message.topic, message.queue_id, now)? {
            None => append(message),
            Some(Parked { topic, queue_id, .. }) => {
                append(&AppendMessage { topic, queue_id, properties: &properties.to_bytes(), ..*message })
            }
        }
    }
}

/// When the properties want the message delivered.
fn asked_time(properties: &Properties, now: Timestamp) -> Result<Option<Timestamp>, ParkError> {
    for (name, unit) in
        [(TIMER_DELAY_SEC, "seconds"), (TIMER_DELAY_MS, "milliseconds"), (TIMER_DELIVER_MS, "milliseconds")]
    {
        let Some(text) = properties.get(name) else { continue };
        let number: i64 = text.parse().map_err(|_| ParkError::NoNumber { name, value: cut(text), unit })?;
        return Ok(Some(match name {
            TIMER_DELAY_SEC => now.add_ms(number.saturating_mul(1_000)),
            TIMER_DELAY_MS => now.add_ms(number),
            _ => Timestamp(number),
        }));
    }
    Ok(None)
}

fn check_time(
    config: &BrokerConfig,
    properties: &Properties,
    deliver_at: Timestamp,
    now: Timestamp,
) -> Result<(), ParkError> {
    if !config.timer_wheel_enable {
        return Err(ParkError::NotEnabled);
    }
    let max_sec = config.timer_max_delay_sec;
    let max_ms = max_sec.saturating_mul(1_000);
    let delay_ms = deliver_at.ms_since(now);
    if delay_ms > max_ms {
        return Err(ParkError::TooFar { delay_ms, max_ms, max_sec });
    }
    if delay_ms <= 0 && properties.get(TIMER_DEL_UNIQUE_KEY).is_some() {
        return Err(ParkError::RecallTooLate { max_ms, late_ms: delay_ms.saturating_neg() });
    }
    Ok(())
}

fn cut(text: &str) -> String {
    text.chars().take(32).collect()
}
