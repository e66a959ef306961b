//! From a record of the log to its entries in the indexes: the one place that decides, at append as at rebuild.

use eruca_message::{DelayLevels, Timestamp, java_hash_code, names, properties, sys_flag};

/// Whether a record gets an entry in its ConsumeQueue: half messages and rolled-back ones do not, and an inner
/// batch has its own kind of queue.
pub(crate) fn has_queue_entry(sys_flags: i32) -> bool {
    let transaction = sys_flag::transaction(sys_flags);
    (transaction == 0 || transaction == sys_flag::TRANSACTION_COMMIT)
        && sys_flags & sys_flag::INNER_BATCH == 0
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
    fn half_messages_rollbacks_and_inner_batches_have_no_entry() {
        for (flags, expected) in [(0, true), (8, true), (4, false), (12, false), (0x80, false), (0x301, true)]
        {
            assert_eq!(has_queue_entry(flags), expected, "{flags:#x}");
        }
    }
}
