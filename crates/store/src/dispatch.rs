//! From a record of the log to its entries in the indexes: the one place that decides, at append as at rebuild.

use eruca_message::{DelayLevels, Timestamp, java_hash_code, names, properties, sys_flag};

use crate::{append::is_directory_name, config::StoreConfig};

/// Longest name of a directory, in bytes.
const NAME_LEN_MAX: usize = 255;

/// Whether a record gets an entry in its ConsumeQueue: half messages and rolled-back ones do not.
pub(crate) fn has_queue_entry(sys_flags: i32) -> bool {
    let transaction = sys_flag::transaction(sys_flags);
    transaction == 0 || transaction == sys_flag::TRANSACTION_COMMIT
}

/// Whether a record is an inner batch, which gets an entry in a batch ConsumeQueue.
pub(crate) fn is_inner_batch(sys_flags: i32) -> bool {
    sys_flags & sys_flag::INNER_BATCH != 0
}

/// How many messages an inner batch holds; `None` where its properties do not say it.
pub(crate) fn inner_batch_count(encoded_properties: &[u8]) -> Option<u16> {
    let count = properties::find_str(encoded_properties, properties::INNER_NUM)?.parse::<i16>().ok()?;
    u16::try_from(count).ok().filter(|count| *count > 0)
}

/// The queue offset of the first message of an inner batch; `None` where its properties do not say it.
pub(crate) fn inner_batch_base(encoded_properties: &[u8]) -> Option<u64> {
    let base = properties::find_str(encoded_properties, properties::INNER_BASE)?.parse::<i64>().ok()?;
    u64::try_from(base).ok()
}

/// A queue that a message names beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueName<'a> {
    /// Name of the light message queue, or of another topic.
    pub(crate) name: &'a str,
    /// Number of the queue.
    pub(crate) queue_id: i32,
    /// Whether the message gets an entry there. Not in its own queue a second time, and not in the system's.
    pub(crate) has_entry: bool,
}

/// The queues beside its own in which a message shall be, as its property names them; none where it has no such property,
/// and for topics whose messages are only on their way.
pub(crate) fn multi_dispatch<'a>(
    config: &StoreConfig,
    topic: &str,
    queue_id: i32,
    encoded_properties: &'a [u8],
) -> Vec<QueueName<'a>> {
    if !config.multi_dispatch || is_on_its_way(topic) {
        return Vec::new();
    }
    let text = properties::find_str(encoded_properties, properties::INNER_MULTI_DISPATCH).unwrap_or_default();
    let mut names: Vec<&str> = if text.trim().is_empty() { Vec::new() } else { text.split(',').collect() };
    // As Java splits: empty names at the end are none.
    while names.last().is_some_and(|name| name.is_empty()) {
        names.pop();
    }
    let place = |name: &'a str| {
        let queue_id = if config.lmq && names::is_lmq(name) { 0 } else { queue_id };
        let has_entry =
            is_directory_name(name) && name.len() <= NAME_LEN_MAX && !names::is_system_topic(name);
        QueueName { name, queue_id, has_entry }
    };
    let mut queues: Vec<QueueName<'a>> = names.into_iter().map(place).collect();
    for queue in &mut queues {
        queue.has_entry &= (queue.name, queue.queue_id) != (topic, queue_id);
    }
    queues
}

/// The same for a record of the log, with its offset in each queue; each queue once.
pub(crate) fn multi_dispatched<'a>(
    config: &StoreConfig,
    topic: &str,
    queue_id: i32,
    encoded_properties: &'a [u8],
) -> Vec<(QueueName<'a>, u64)> {
    let queues = multi_dispatch(config, topic, queue_id, encoded_properties);
    if queues.is_empty() {
        return Vec::new();
    }
    let offsets = properties::find_str(encoded_properties, properties::INNER_MULTI_QUEUE_OFFSET);
    let offsets: Vec<&str> = offsets.map(|text| text.split(',').collect()).unwrap_or_default();
    if offsets.len() != queues.len() {
        // Written by a broker that did not know these queues, or not by a broker: Java takes none then, too.
        return Vec::new();
    }
    let mut all: Vec<(QueueName<'a>, u64)> = Vec::new();
    for (queue, offset) in queues.into_iter().zip(offsets) {
        let offset = offset.parse::<i64>().ok().and_then(|offset| u64::try_from(offset).ok());
        if let Some(offset) = offset.filter(|_| queue.has_entry)
            && !all.iter().any(|(known, _)| *known == queue)
        {
            all.push((queue, offset));
        }
    }
    all
}

/// Topics that are not the message's last one: there it is not dispatched (Java: `topicAllowsLMQ`).
fn is_on_its_way(topic: &str) -> bool {
    names::is_retry_topic(topic)
        || topic.starts_with(names::SYSTEM_TOPIC_PREFIX)
        || topic == names::SCHEDULE_TOPIC
}

/// The `tagsCode` of a record's entry: the time of delivery in the schedule topic, the tag's hash elsewhere.
///
/// `encoded_properties` are those of the record.
pub(crate) fn entry_tags_code(
    topic: &str,
    encoded_properties: &[u8],
    store_timestamp: Timestamp,
    delay_levels: &DelayLevels,
) -> i64 {
    if topic == names::SCHEDULE_TOPIC
        && let Some(level) = delay_level(encoded_properties)
    {
        return store_timestamp.add_ms(delay_levels.delay_ms(level)).0;
    }
    properties::find(encoded_properties, properties::TAGS)
        .map_or(0, |tag| i64::from(java_hash_code(&String::from_utf8_lossy(tag))))
}

fn delay_level(encoded_properties: &[u8]) -> Option<i32> {
    let level = properties::find_str(encoded_properties, properties::DELAY_TIME_LEVEL)?;
    level.parse().ok().filter(|level| *level > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_code_is_hash_or_time_of_delivery() {
        let levels = DelayLevels::default();
        let code = |topic, props: &[u8]| entry_tags_code(topic, props, Timestamp(50_000), &levels);
        assert_eq!(code("T", b"TAGS\x01tagA\x02"), 3_552_231);
        assert_eq!(code("T", b""), 0);
        assert_eq!(code("T", b"DELAY\x013\x02"), 0);
        assert_eq!(code(names::SCHEDULE_TOPIC, b"DELAY\x013\x02TAGS\x01tagA\x02"), 60_000);
        assert_eq!(code(names::SCHEDULE_TOPIC, b"DELAY\x0199\x02"), 50_000 + 7_200_000);
        assert_eq!(code(names::SCHEDULE_TOPIC, b"DELAY\x01x\x02TAGS\x01tagA\x02"), 3_552_231);
    }

    #[test]
    fn half_messages_and_rollbacks_have_no_entry() {
        for (flags, expected) in [(0, true), (8, true), (4, false), (12, false), (0x80, true), (0x301, true)]
        {
            assert_eq!(has_queue_entry(flags), expected, "{flags:#x}");
        }
    }

    fn config() -> StoreConfig {
        StoreConfig { multi_dispatch: true, lmq: true, ..StoreConfig::new("/data") }
    }

    #[test]
    fn the_queues_that_a_message_names() {
        let named = |topic: &str, names: &str| -> Vec<(String, i32, bool)> {
            let encoded = format!("INNER_MULTI_DISPATCH\u{1}{names}\u{2}");
            let queues = multi_dispatch(&config(), topic, 3, encoded.as_bytes());
            queues.iter().map(|q| (q.name.to_owned(), q.queue_id, q.has_entry)).collect()
        };
        let expected =
            [("%LMQ%a", 0, true), ("b", 3, true)].map(|(name, id, has)| (name.to_owned(), id, has));
        assert_eq!(named("T", "%LMQ%a,b"), expected);
        assert_eq!(named("T", "%LMQ%a,b,,"), expected);
        for without in ["x/y", "", "T", "rmq_sys_x", "SCHEDULE_TOPIC_XXXX", &"x".repeat(256)] {
            assert!(!named("T", &format!("{without},b"))[0].2, "{without}");
        }
        for topic in ["%RETRY%g", "rmq_sys_wheel_timer", "SCHEDULE_TOPIC_XXXX"] {
            assert_eq!(named(topic, "%LMQ%a"), [], "{topic}");
        }
        let off = StoreConfig { multi_dispatch: false, ..config() };
        assert_eq!(multi_dispatch(&off, "T", 0, b"INNER_MULTI_DISPATCH\x01%LMQ%a\x02"), []);
        assert_eq!(named("T", " "), []);
    }

    #[test]
    fn offsets_go_with_names_or_not_at_all() {
        let dispatched = |encoded: &str| -> Vec<(String, u64)> {
            let encoded = encoded.replace('=', "\u{1}").replace(' ', "\u{2}");
            let all = multi_dispatched(&config(), "T", 3, encoded.as_bytes());
            all.into_iter().map(|(queue, offset)| (queue.name.to_owned(), offset)).collect()
        };
        assert_eq!(
            dispatched("INNER_MULTI_DISPATCH=%LMQ%a,b,%LMQ%a INNER_MULTI_QUEUE_OFFSET=7,9,7 "),
            [("%LMQ%a".to_owned(), 7), ("b".to_owned(), 9)]
        );
        assert_eq!(dispatched("INNER_MULTI_DISPATCH=%LMQ%a,b INNER_MULTI_QUEUE_OFFSET=7 "), []);
        assert_eq!(dispatched("INNER_MULTI_DISPATCH=%LMQ%a,b "), []);
        // A 5.5 broker gives offsets to light message queues alone.
        assert_eq!(
            dispatched("INNER_MULTI_DISPATCH=%LMQ%a,b INNER_MULTI_QUEUE_OFFSET=7, "),
            [("%LMQ%a".to_owned(), 7)]
        );
        assert_eq!(dispatched("INNER_MULTI_DISPATCH=%LMQ%a INNER_MULTI_QUEUE_OFFSET=-7 "), []);
    }

    proptest::proptest! {
        #[test]
        fn any_properties_never_panic(names in ".{0,80}", offsets in ".{0,80}") {
            let encoded = format!("INNER_MULTI_DISPATCH\u{1}{names}\u{2}INNER_MULTI_QUEUE_OFFSET\u{1}{offsets}");
            let all = multi_dispatched(&config(), "T", 0, encoded.as_bytes());
            proptest::prop_assert!(all.iter().all(|(queue, _)| is_directory_name(queue.name)));
            let _ = (inner_batch_base(encoded.as_bytes()), inner_batch_count(encoded.as_bytes()));
        }
    }
}
