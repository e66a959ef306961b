//! A message as a program holds it: before it is sent, and after it was read.

use std::{net::SocketAddr, time::Duration};

use crate::{
    LogOffset, OffsetMessageId, Properties, QueueOffset, Record, RecordError, Timestamp, names::LMQ_PREFIX,
    properties,
};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Topic name.
    pub topic: String,
    /// The user's flag, opaque to the broker.
    pub flag: i32,
    /// Properties: tag, keys and the user's own.
    pub properties: Properties,
    /// Body.
    pub body: Vec<u8>,
}

impl Message {
    /// A message for `topic`.
    pub fn new(topic: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Message { topic: topic.into(), body: body.into(), ..Message::default() }
    }

    /// Sets the tag.
    #[must_use]
    pub fn with_tag(self, tag: impl Into<String>) -> Self {
        self.with_property(properties::TAGS, tag)
    }

    /// Sets the index keys (several are separated by one space).
    #[must_use]
    pub fn with_keys(self, keys: impl Into<String>) -> Self {
        self.with_property(properties::KEYS, keys)
    }

    /// Has it delivered after the delay of this level: of the 18 levels 1 s, 5 s, 10 s, 30 s, 1 to 10 min, 20 min, 30 min, 1 h and
    /// 2 h, unless the broker has others (`messageDelayLevel`). Level 0 is no delay, a higher one than there is stands for the
    /// highest. It excludes a time of delivery.
    #[must_use]
    pub fn with_delay_level(self, level: u16) -> Self {
        self.with_property(properties::DELAY_TIME_LEVEL, level.to_string())
    }

    /// Has it delivered at `time` and not before; at once, if that has passed. It excludes a delay level.
    #[must_use]
    pub fn with_delivery_at(self, time: Timestamp) -> Self {
        self.with_property(properties::TIMER_DELIVER_MS, time.to_string())
    }

    /// Has it delivered when `delay` has passed since the broker stored it; whole milliseconds count.
    #[must_use]
    pub fn with_delay(self, delay: Duration) -> Self {
        self.with_property(properties::TIMER_DELAY_MS, delay.as_millis().to_string())
    }

    /// Has it consumed before messages of lower priority, and those that have none, by consumers that pop from a topic with
    /// `message.type=PRIORITY`. Priorities are 0 and up; a topic tells as many of them apart as it has queues.
    #[must_use]
    pub fn with_priority(self, priority: u16) -> Self {
        self.with_property(properties::PRIORITY, priority.to_string())
    }

    /// Sends it to a lite topic below its topic, which must have `message.type=LITE`.
    #[must_use]
    pub fn with_lite_topic(self, lite_topic: impl Into<String>) -> Self {
        self.with_property(properties::LITE_TOPIC, lite_topic)
    }

    /// Puts it into these light message queues, too, which need not exist yet: it is stored once, and may be consumed from the
    /// queue of its topic and from each of them (see [`MessageQueue::light`](crate::MessageQueue::light)). The broker needs `enableLmq` and
    /// `enableMultiDispatch`.
    #[must_use]
    pub fn with_light_queues(self, names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let queues: Vec<String> =
            names.into_iter().map(|name| format!("{LMQ_PREFIX}{}", name.as_ref())).collect();
        self.with_property(properties::INNER_MULTI_DISPATCH, queues.join(","))
    }

    /// Sets a property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.properties.set(name, value);
        self
    }

    /// The tag.
    pub fn tag(&self) -> Option<&str> {
        self.properties.get(properties::TAGS)
    }

    /// Its priority; `None` where it has none, or one that is no number from 0 up.
    pub fn priority(&self) -> Option<i32> {
        self.properties.get(properties::PRIORITY)?.parse().ok().filter(|priority| *priority >= 0)
    }

    /// The lite topic that it is in.
    pub fn lite_topic(&self) -> Option<&str> {
        self.properties.get(properties::LITE_TOPIC)
    }

    /// The index keys, separated by spaces.
    pub fn keys(&self) -> Option<&str> {
        self.properties.get(properties::KEYS)
    }
}

/// A message as it was stored (Java: `MessageExt`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    /// Topic, flag, properties and body; the body as stored, possibly compressed (see `sys_flag`).
    pub message: Message,
    /// Name of the broker group that holds it; empty where the reader did not know it.
    pub broker_name: String,
    /// Queue number.
    pub queue_id: i32,
    /// Index in the queue.
    pub queue_offset: QueueOffset,
    /// Position in the log.
    pub log_offset: LogOffset,
    /// Size of the record in bytes.
    pub store_size_bytes: usize,
    /// See [`crate::sys_flag`].
    pub sys_flag: i32,
    /// CRC of the stored body.
    pub body_crc: u32,
    /// When the producer made it.
    pub born_timestamp: Timestamp,
    /// Where it came from.
    pub born_host: SocketAddr,
    /// When the broker stored it.
    pub store_timestamp: Timestamp,
    /// Which broker stored it.
    pub store_host: SocketAddr,
    /// How often it was sent back.
    pub reconsume_times: i32,
    /// Log offset of the half message of a committed one, else 0.
    pub prepared_transaction_offset: i64,
}

impl StoredMessage {
    /// Decodes the record at the start of `bytes`; the message and the record's length in bytes.
    pub fn decode(bytes: &[u8]) -> Result<(StoredMessage, usize), RecordError> {
        let record = Record::decode(bytes)?;
        Ok((StoredMessage::from(&record), record.total_len))
    }

    /// Decodes records that lie back to back, as a pull returns them.
    pub fn decode_all(bytes: &[u8]) -> Result<Vec<StoredMessage>, RecordError> {
        Record::decode_all(bytes).map(|record| Ok(StoredMessage::from(&record?))).collect()
    }

    /// The id by which a broker finds the message (Java: `offsetMsgId`).
    pub fn offset_message_id(&self) -> String {
        OffsetMessageId { store_host: self.store_host, log_offset: self.log_offset }.to_string()
    }

    /// The id that the producer gave, else [`StoredMessage::offset_message_id`] (Java: `msgId`).
    pub fn message_id(&self) -> String {
        match self.message.properties.get(properties::UNIQUE_KEY) {
            Some(id) => id.to_owned(),
            None => self.offset_message_id(),
        }
    }
}

impl From<&Record<'_>> for StoredMessage {
    fn from(record: &Record<'_>) -> Self {
        let fields = &record.fields;
        StoredMessage {
            message: Message {
                topic: fields.topic.to_owned(),
                flag: fields.flag,
                properties: Properties::decode(fields.properties),
                body: fields.body.to_vec(),
            },
            broker_name: String::new(),
            queue_id: fields.queue_id,
            queue_offset: fields.queue_offset,
            log_offset: fields.log_offset,
            store_size_bytes: record.total_len,
            sys_flag: fields.sys_flag,
            body_crc: record.body_crc,
            born_timestamp: fields.born_timestamp,
            born_host: fields.born_host,
            store_timestamp: fields.store_timestamp,
            store_host: fields.store_host,
            reconsume_times: fields.reconsume_times,
            prepared_transaction_offset: fields.prepared_transaction_offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setters_write_the_properties_that_brokers_read() {
        let message = Message::new("t", "x").with_delay_level(3).with_light_queues(["a", "b"]);
        let written: Vec<_> = message.properties.iter().collect();
        assert_eq!(written, [("DELAY", "3"), ("INNER_MULTI_DISPATCH", "%LMQ%a,%LMQ%b")]);
    }
}
