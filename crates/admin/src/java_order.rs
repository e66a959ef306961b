//! The order in which Java's hash tables list their keys.
//!
//! The Java tool prints properties, topics and groups in this order. Printing them in the same one lets people
//! compare outputs of the two tools line by line.

use eruca_message::MessageQueue;

/// Buckets of a `HashMap` that was made without a size.
pub(crate) const DEFAULT_BUCKETS: usize = 16;
/// Buckets of the table in which a decoded message keeps its properties.
pub(crate) const PROPERTY_BUCKETS: usize = 128;

/// Java's `String.hashCode`.
fn hash_code(text: &str) -> u32 {
    text.encode_utf16().fold(0u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

/// Java's `MessageQueue.hashCode`.
fn queue_hash_code(queue: &MessageQueue) -> u32 {
    [hash_code(&queue.broker_name), queue.queue_id.cast_unsigned(), hash_code(&queue.topic)]
        .into_iter()
        .fold(1u32, |hash, part| hash.wrapping_mul(31).wrapping_add(part))
}

/// Sorts queues as a `HashSet` of them lists them.
pub(crate) fn sort_queues(queues: &mut [MessageQueue]) {
    sort_by_hash(queues, DEFAULT_BUCKETS, queue_hash_code);
}

/// Sorts entries by queue as a `HashMap` lists them that was made of another map: it begins with as many buckets as
/// it needs.
pub(crate) fn sort_copied_by_queue<V>(entries: &mut [(MessageQueue, V)]) {
    // One more than the entries take at a load of three quarters.
    let buckets = (entries.len() * 4 / 3 + 1).next_power_of_two();
    sort_by_hash(entries, buckets, |(queue, _)| queue_hash_code(queue));
}

/// Sorts `items` (without duplicates, in the order of insertion) as a table does that began with `buckets` buckets.
/// `key` is an item's name.
pub(crate) fn sort_by_key<T>(items: &mut [T], buckets: usize, key: impl Fn(&T) -> &str) {
    sort_by_hash(items, buckets, |item| hash_code(key(item)));
}

fn sort_by_hash<T>(items: &mut [T], buckets: usize, hash: impl Fn(&T) -> u32) {
    let mut buckets = buckets.max(1).next_power_of_two();
    while items.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mask = u32::try_from(buckets - 1).unwrap_or(u32::MAX);
    // Stable: within one bucket the order of insertion stays.
    items.sort_by_key(|item| {
        let hash = hash(item);
        (hash ^ (hash >> 16)) & mask
    });
}

/// Sorts names as a `HashSet` of them lists them.
pub(crate) fn sort_names(names: &mut [String]) {
    sort_by_key(names, DEFAULT_BUCKETS, |name| name.as_str());
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Java tool's `queryMsgByOffset` printed the properties of a message.
    #[test]
    fn properties_come_in_javas_order() {
        let mut names = [
            "KEYS",
            "TAGS",
            "WAIT",
            "UNIQ_KEY",
            "CLUSTER",
            "colour",
            "n",
            "TRACE_ON",
            "MSG_REGION",
            "MIN_OFFSET",
            "MAX_OFFSET",
        ];
        sort_by_key(&mut names, PROPERTY_BUCKETS, |name| name);
        let expected = "MSG_REGION UNIQ_KEY CLUSTER MIN_OFFSET TAGS KEYS WAIT TRACE_ON n colour MAX_OFFSET";
        assert_eq!(names.join(" "), expected);
    }

    /// As the Java tool's `printMsg` and `resetOffsetByTime` printed the queues of a topic.
    #[test]
    fn queues_come_in_javas_order() {
        let mut queues: Vec<_> = (0..4).map(|id| MessageQueue::new("GNormal", "broker-a", id)).collect();
        sort_queues(&mut queues);
        assert_eq!(queues.iter().map(|queue| queue.queue_id).collect::<Vec<_>>(), [3, 2, 1, 0]);
        let mut entries: Vec<_> = queues.into_iter().map(|queue| (queue, 0)).collect();
        sort_copied_by_queue(&mut entries);
        assert_eq!(entries.iter().map(|(queue, _)| queue.queue_id).collect::<Vec<_>>(), [2, 1, 0, 3]);
    }
}
