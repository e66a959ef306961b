//! Reading a batch queue: whole inner batches, which the client splits.

use bytes::Bytes;
use eruca_message::{LogOffset, QueueOffset, Record, Timestamp};

use crate::{
    cold::Wait,
    consume_queue::{BatchQueue, BatchQueueEntry, ConsumeQueueEntry},
    damage::{DamagedAt, check_record},
    disk::DiskError,
    query::Boundary,
    read::{EntryFilter, ReadLimits, ReadOutcome, ReadStatus, outcome, outside},
    store::MessageStore,
};

/// Entries fetched from a queue at a time.
const ENTRIES_AT_ONCE: usize = 32;

impl MessageStore {
    /// Lets the messages of a topic go to batch queues from now on (Java: the attribute `queue.type=BatchCQ`); `false`
    /// where the topic has ordinary queues. Cheap where it was said before.
    pub fn declare_batch_topic(&self, topic: &str) -> bool {
        if self.batch_queues.is_batch_topic(topic) {
            return true;
        }
        let is_new = !self.queues.contains(topic);
        if is_new {
            self.batch_queues.declare(topic);
        }
        is_new
    }

    /// Whether the topic has batch queues.
    pub fn is_batch_topic(&self, topic: &str) -> bool {
        self.batch_queues.is_batch_topic(topic)
    }

    /// As [`MessageStore::read`]. A batch of which `from` is in the middle comes whole, as in Java: the client leaves out
    /// what it has.
    pub(crate) fn read_batches(
        &self,
        queue: &BatchQueue,
        from: QueueOffset,
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
        wait: Wait,
    ) -> Option<ReadOutcome> {
        let range = self.readable_batch_range(queue);
        if let Some((status, next)) = outside(from.0, range, queue.range().1) {
            return Some(outcome(status, next, range));
        }
        match self.read_batches_from(queue, from.0, range, limits, filter, wait) {
            Ok(outcome) => Some(outcome),
            Err(error) if error.would_block() => None,
            Err(error) => {
                let (topic, queue_id) = (queue.topic(), queue.queue_id());
                tracing::error!(%topic, queue_id, from = from.0, %error, "a batch queue cannot be read");
                Some(outcome(ReadStatus::OffsetFoundNull, from.0, range))
            }
        }
    }

    fn read_batches_from(
        &self,
        queue: &BatchQueue,
        from: u64,
        range: (u64, u64),
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
        wait: Wait,
    ) -> Result<ReadOutcome, DiskError> {
        let mut result = outcome(ReadStatus::NoMatchedMessage, from, range);
        let mut records = Vec::new();
        let mut next = from;
        let mut scanned = 0;
        'scan: while next < range.1 && scanned < limits.max_entries_scanned.max(1) {
            let entries = queue.read(next, ENTRIES_AT_ONCE)?;
            if entries.is_empty() {
                break;
            }
            for entry in entries {
                if entry.end_offset().0 > range.1 {
                    // There, and not to be seen yet.
                    break 'scan;
                }
                let size = entry.size_bytes as usize;
                let count = usize::from(entry.message_count);
                let is_full = result.message_count + count > limits.max_messages
                    || records.len().saturating_add(size) > limits.max_bytes;
                if result.message_count > 0 && is_full {
                    break 'scan;
                }
                if next > from && filter.is_spent() {
                    break 'scan;
                }
                next = entry.end_offset().0;
                scanned += 1;
                result.last_log_offset = entry.log_offset;
                if !filter.matches_entry(entry.tags_code) {
                    continue;
                }
                let start = records.len();
                let there = self.read_log(&mut records, size, entry.log_offset.0, wait)?;
                let record = records.get(start..).unwrap_or_default();
                let sound = if there { check_record(record, entry.log_offset.0) } else { Ok(()) };
                if let Err(why) = &sound {
                    let place = DamagedAt {
                        topic: queue.topic(),
                        queue_id: queue.queue_id(),
                        queue_offset: entry.base_offset,
                        log_offset: entry.log_offset,
                        len_bytes: size as u64,
                    };
                    self.pass_over(&place, why);
                }
                if !there || sound.is_err() {
                    records.truncate(start);
                    if result.message_count == 0 {
                        result.status = ReadStatus::MessageWasRemoving;
                    }
                    continue;
                }
                let matches = |record| {
                    Record::decode(record)
                        .is_ok_and(|record| filter.matches_properties(record.fields.properties))
                };
                if filter.needs_properties() && !matches(record) {
                    records.truncate(start);
                    continue;
                }
                result.message_count += count;
                result.status = ReadStatus::Found;
            }
        }
        result.next_offset = QueueOffset(next);
        if result.last_log_offset != LogOffset(0) || result.message_count > 0 {
            result.lag_bytes = self.progress.written().saturating_sub(result.last_log_offset.0);
        }
        result.records = Bytes::from(records);
        Ok(result)
    }

    /// The entry of the batch that holds the message at an offset.
    pub(crate) fn batch_entry_at(
        &self,
        topic: &str,
        queue_id: i32,
        at: QueueOffset,
    ) -> Option<BatchQueueEntry> {
        let entries = self.batch_queues.find(topic, queue_id)?.read(at.0, 1).unwrap_or_else(|error| {
            tracing::error!(topic, queue_id, at = at.0, %error, "a batch queue cannot be read");
            Vec::new()
        });
        entries.first().copied().filter(|entry| entry.base_offset <= at)
    }

    /// As [`MessageStore::queue_entries`].
    pub(crate) fn batch_queue_entries(
        &self,
        topic: &str,
        queue_id: i32,
        from: QueueOffset,
        count: u64,
    ) -> Vec<ConsumeQueueEntry> {
        let mut all = Vec::new();
        let Some(queue) = self.batch_queues.find(topic, queue_id) else { return all };
        let mut next = from.0.max(queue.range().0);
        let end = next.saturating_add(count);
        while next < end {
            let entries = queue.read(next, ENTRIES_AT_ONCE).unwrap_or_else(|error| {
                tracing::error!(topic, queue_id, next, %error, "a batch queue cannot be read");
                Vec::new()
            });
            if entries.is_empty() {
                break;
            }
            for batch in entries {
                let BatchQueueEntry { log_offset, size_bytes, tags_code, .. } = batch;
                let entry = ConsumeQueueEntry { log_offset, size_bytes, tags_code };
                // Offsets that no batch has stay out.
                let from = next.max(batch.base_offset.0);
                all.extend((from..batch.end_offset().0.min(end)).map(|_| entry));
                next = batch.end_offset().0;
            }
        }
        all
    }

    /// As [`MessageStore::queue_offset_by_time`].
    pub(crate) fn batch_offset_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        time: Timestamp,
        boundary: Boundary,
    ) -> QueueOffset {
        let Some(queue) = self.batch_queues.find(topic, queue_id) else { return QueueOffset(0) };
        QueueOffset(queue.offset_by_time(time, boundary).unwrap_or_else(|error| {
            tracing::error!(topic, queue_id, %error, "a batch queue cannot be read");
            0
        }))
    }
}
