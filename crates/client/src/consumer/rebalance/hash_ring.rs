//! A ring of hashes, as Java's `ConsistentHashRouter` with its `MD5Hash` makes it.

use std::collections::BTreeMap;

use eruca_message::MessageQueue;

/// Members on a ring; a queue belongs to the first member at or behind its own hash.
pub(super) struct HashRing<'a> {
    members: BTreeMap<u32, &'a str>,
}

impl<'a> HashRing<'a> {
    /// Each of `members` gets `virtual_nodes` places. Of two with the same hash the later one has the place.
    pub(super) fn new(members: &[&'a str], virtual_nodes: usize) -> Self {
        let places = members.iter().flat_map(|member| {
            (0..virtual_nodes).map(move |node| (hash(&format!("{member}-{node}")), *member))
        });
        HashRing { members: places.collect() }
    }

    /// The member that `queue` belongs to; `None` on an empty ring.
    pub(super) fn owner(&self, queue: &MessageQueue) -> Option<&'a str> {
        // The text by which Java's `MessageQueue` prints itself is what Java's clients hash.
        let text = format!(
            "MessageQueue [topic={}, brokerName={}, queueId={}]",
            queue.topic, queue.broker_name, queue.queue_id
        );
        let behind = self.members.range(hash(&text)..).next();
        behind.or_else(|| self.members.first_key_value()).map(|(_, member)| *member)
    }
}

/// The first four bytes of the MD5 digest.
fn hash(text: &str) -> u32 {
    let [a, b, c, d, ..] = md5::compute(text).0;
    u32::from_be_bytes([a, b, c, d])
}
