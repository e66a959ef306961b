//! Messages of every kind that the store takes.

use std::net::SocketAddr;

use eruca_message::{
    DelayLevels, LogOffset, QueueOffset, RecordFields, Timestamp, encode_record, encoded_record_len, names,
    properties, sys_flag,
};
use eruca_store::AppendMessage;

use crate::{random::Random, scenario::Scenario};

/// Length of the filler that closes a segment.
const FILLER_LEN: u64 = 8;

/// A message that owns its parts.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Topic name.
    pub topic: String,
    /// Queue number.
    pub queue_id: i32,
    flag: i32,
    sys_flag: i32,
    born_timestamp: Timestamp,
    born_host: SocketAddr,
    store_host: SocketAddr,
    reconsume_times: i32,
    body: Vec<u8>,
    properties: Vec<u8>,
}

impl Draft {
    /// Draws one for a queue, of a size that fits a log that ends at `log_end`.
    pub fn draw(random: &mut Random, scenario: &Scenario, now: Timestamp, log_end: u64) -> Draft {
        let topic = random.pick(&scenario.topics).clone();
        let queue_id = random.below(scenario.queues) as i32;
        let mut draft = Draft::empty(random, topic, queue_id, now);
        let len = draft.draw_body_len(random, scenario, log_end);
        draft.fill(random, len);
        draft
    }

    /// Draws a small one for the same queue.
    pub fn draw_like(&self, random: &mut Random, now: Timestamp) -> Draft {
        let mut draft = Draft::empty(random, self.topic.clone(), self.queue_id, now);
        let len = random.below(60);
        draft.fill(random, len);
        draft
    }

    fn empty(random: &mut Random, topic: String, queue_id: i32, now: Timestamp) -> Draft {
        let v4: SocketAddr = SocketAddr::from(([10, 0, 0, 1], 10_911));
        let v6: SocketAddr = SocketAddr::from(([0xFD00, 0, 0, 0, 0, 0, 0, 1], 10_911));
        let host = |random: &mut Random| if random.percent(15) { v6 } else { v4 };
        Draft {
            properties: draw_properties(random, &topic),
            topic,
            queue_id,
            flag: random.number() as i32,
            sys_flag: random.weighted(&[
                (90, 0),
                (3, sys_flag::TRANSACTION_PREPARED),
                (4, sys_flag::TRANSACTION_COMMIT),
                (3, sys_flag::TRANSACTION_ROLLBACK),
            ]),
            born_timestamp: now.add_ms(-(random.below(1000) as i64)),
            born_host: host(random),
            store_host: host(random),
            reconsume_times: random.below(3) as i32,
            body: Vec::new(),
        }
    }

    /// Mostly a usual length; at times the largest that fits, and one that ends within 8 bytes of the
    /// segment's end; rarely one that is too large.
    fn draw_body_len(&self, random: &mut Random, scenario: &Scenario, log_end: u64) -> u64 {
        let segment = scenario.config.segment_size_bytes;
        let frame = encoded_record_len(&self.fields()) as u64;
        let body_max = scenario.config.max_message_size_bytes as u64;
        let largest = (segment - FILLER_LEN - frame.min(segment - FILLER_LEN)).min(body_max);
        let to_the_end = (segment - log_end % segment).checked_sub(frame + FILLER_LEN);
        match random.below(100) {
            0..2 => largest,
            2..10 => match to_the_end {
                Some(len) => (len + random.below(17)).saturating_sub(8).min(largest),
                None => 0,
            },
            10..14 => random.below(largest + 1),
            14 => largest + 1 + random.below(20),
            _ => random.below(scenario.usual_body + 1).min(largest),
        }
    }

    fn fill(&mut self, random: &mut Random, len: u64) {
        let mut body = Vec::with_capacity(len as usize + 8);
        // Zeros look like a place where nothing was written.
        let zeros = random.percent(10);
        while (body.len() as u64) < len {
            body.extend_from_slice(&if zeros { [0; 8] } else { random.number().to_be_bytes() });
        }
        body.truncate(len as usize);
        self.body = body;
    }

    /// The same for another topic, and of a kind that has an entry.
    pub fn for_topic(self, topic: &str) -> Draft {
        Draft { topic: topic.to_owned(), sys_flag: 0, ..self }
    }

    /// As the store takes it.
    pub fn message(&self) -> AppendMessage<'_> {
        AppendMessage {
            topic: &self.topic,
            queue_id: self.queue_id,
            flag: self.flag,
            sys_flag: self.sys_flag,
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: 0,
            body: &self.body,
            properties: &self.properties,
        }
    }

    fn fields(&self) -> RecordFields<'_> {
        RecordFields {
            topic: &self.topic,
            queue_id: self.queue_id,
            flag: self.flag,
            sys_flag: self.sys_flag,
            queue_offset: QueueOffset(0),
            log_offset: LogOffset(0),
            born_timestamp: self.born_timestamp,
            born_host: self.born_host,
            store_timestamp: Timestamp(0),
            store_host: self.store_host,
            reconsume_times: self.reconsume_times,
            prepared_transaction_offset: 0,
            body: &self.body,
            properties: &self.properties,
        }
    }

    /// Length of its record.
    pub fn record_len(&self) -> u64 {
        encoded_record_len(&self.fields()) as u64
    }

    /// Its record, at its place.
    pub fn record(&self, at: u64, queue_offset: u64, stored: Timestamp) -> Vec<u8> {
        let mut bytes = Vec::new();
        let fields = RecordFields {
            queue_offset: QueueOffset(queue_offset),
            log_offset: LogOffset(at),
            store_timestamp: stored,
            ..self.fields()
        };
        encode_record(&fields, &mut bytes).expect("drafts keep the limits of a record");
        bytes
    }

    /// Whether its queue gets an entry: half messages and rolled-back ones have none.
    pub fn has_entry(&self) -> bool {
        matches!(sys_flag::transaction(self.sys_flag), 0 | sys_flag::TRANSACTION_COMMIT)
    }

    /// What its entry says beside its place.
    pub fn tags_code(&self, stored: Timestamp, levels: &DelayLevels) -> i64 {
        tags_code(&self.topic, &self.properties, stored, levels)
    }
}

/// The `tagsCode` of a record, by the rules and not by the store's code.
pub fn tags_code(topic: &str, encoded: &[u8], stored: Timestamp, levels: &DelayLevels) -> i64 {
    let value = |name: &str| {
        let pairs = encoded.split(|byte| *byte == properties::PROPERTY_SEPARATOR);
        let texts = pairs.filter_map(|pair| std::str::from_utf8(pair).ok());
        let found = texts.filter_map(|text| text.split_once(char::from(properties::NAME_VALUE_SEPARATOR)));
        found.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    };
    if topic == names::SCHEDULE_TOPIC
        && let Some(level) = value(properties::DELAY_TIME_LEVEL).and_then(|level| level.parse().ok())
    {
        return stored.0 + levels.delay_ms(level);
    }
    let hash = |tag: String| {
        tag.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
    };
    value(properties::TAGS).map_or(0, |tag| i64::from(hash(tag)))
}

fn draw_properties(random: &mut Random, topic: &str) -> Vec<u8> {
    let mut encoded = Vec::new();
    let mut put = |name: &str, value: &str| properties::encode_property(&mut encoded, name, value);
    if random.percent(60) {
        put(properties::TAGS, random.pick::<&str>(&["a", "tagB", "a longer tag", "übel"]));
    }
    if random.percent(40) {
        put(properties::KEYS, &format!("key{} order{}", random.below(50), random.below(1000)));
    }
    if topic == names::SCHEDULE_TOPIC {
        put(properties::DELAY_TIME_LEVEL, &random.between(1, 18).to_string());
    }
    if random.percent(4) {
        // Long enough to fill whole sectors.
        put("filling", &"x".repeat(random.between(1, 1800) as usize));
    }
    if random.percent(50) {
        put(properties::UNIQUE_KEY, &format!("{:032X}", random.number()));
    }
    encoded
}
