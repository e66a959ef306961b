//! Where a group pops next.

use std::sync::atomic::Ordering;

use eruca_message::{QueueOffset, names::is_retry_topic};

use super::{
    service::{PopParts, PopService, Turn},
    state::QueueKey,
};

/// Where a group pops next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(pub i64);

impl PopService {
    /// Where the group pops next in this queue, with the right to pop from it. `from_min` is what a new group wants.
    pub fn position(&self, _turn: &Turn<'_>, queue: &QueueKey, from_min: bool) -> Position {
        let QueueKey { topic, group, queue_id } = queue;
        if let Some(reset) = self.parts.offsets.take_reset(group, topic, *queue_id) {
            self.orders.clear(queue);
            let mut cursors = self.cursors();
            self.resets.fetch_add(1, Ordering::AcqRel);
            cursors.remove(queue);
            self.parts.offsets.commit(group, topic, *queue_id, reset);
            return Position(reset.max(0));
        }
        Position(self.look(queue).unwrap_or_else(|| {
            let first = self.first_position(queue, from_min);
            self.commit_on_log(queue, first);
            first
        }))
    }

    /// Commits an offset that stands on what the log has now: where a power cut takes that, it does not count, or the group
    /// would pass over what is stored there next.
    pub(super) fn commit_on_log(&self, queue: &QueueKey, next: i64) {
        let QueueKey { topic, group, queue_id } = queue;
        let after = self.parts.store.log_range().1;
        self.parts.offsets.commit_after(group, topic, *queue_id, next, after);
        self.committed.store(true, Ordering::Release);
    }

    /// Where the group pops next, for a look; `None` for a new group.
    pub fn look(&self, queue: &QueueKey) -> Option<i64> {
        let cursors = self.cursors();
        let committed = self.parts.offsets.committed(&queue.group, &queue.topic, queue.queue_id);
        cursors.get(queue).copied().max(committed)
    }

    /// Where a new group begins.
    pub fn first_position(&self, queue: &QueueKey, from_min: bool) -> i64 {
        let QueueKey { topic, queue_id, .. } = queue;
        let range = self.parts.store.readable_queue_range(topic, *queue_id);
        if from_min || is_retry_topic(topic) {
            return range.min.to_i64();
        }
        if self.parts.settings.now().init_pop_offset_by_check_msg_in_mem && self.starts_at_zero(queue) {
            return 0;
        }
        range.max.to_i64().saturating_sub(1).max(0)
    }

    /// Whether the queue's first message ever is there, and recent enough to be expected in memory.
    fn starts_at_zero(&self, queue: &QueueKey) -> bool {
        let PopParts { store, settings, memory_bytes, .. } = &self.parts;
        if store.queue_range(&queue.topic, queue.queue_id).min > QueueOffset(0) {
            return false;
        }
        let entries = store.queue_entries(&queue.topic, queue.queue_id, QueueOffset(0), 1);
        let Some(first) = entries.first().filter(|entry| !entry.is_blank()) else { return false };
        let percent = u64::from(settings.now().access_message_in_memory_max_ratio.unsigned_abs());
        let (_, end) = store.log_range();
        end.0.saturating_sub(first.log_offset.0) <= memory_bytes / 100 * percent
    }
}
