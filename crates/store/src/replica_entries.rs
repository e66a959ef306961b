//! From a record that was copied to its entries: as recovery makes them, in a store that is open.

use std::sync::{Arc, PoisonError};

use eruca_message::{QueueOffset, Record, RecordFields};

use crate::{
    append::is_directory_name,
    arrival::Arrival,
    commit_log::Pending,
    consume_queue::{BatchQueueEntry, ConsumeQueue, ConsumeQueueEntry},
    disk::DiskError,
    dispatch::{
        entry_tags_code, has_queue_entry, inner_batch_base, inner_batch_count, is_inner_batch,
        multi_dispatched,
    },
    settle::arrival,
    store::MessageStore,
};

/// More messages of a queue than this are never missing: the offset is wrong, then. Their places take memory.
const HOLE_MAX: u64 = 1 << 20;

impl MessageStore {
    /// Gives the queues of a copied record its entries. Under the locks of one who writes and appends.
    pub(crate) fn enter_copied(
        &self,
        record: &Record<'_>,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<(), DiskError> {
        let fields = &record.fields;
        let has_entry =
            has_queue_entry(fields.sys_flag) && is_directory_name(fields.topic) && fields.queue_id >= 0;
        if !has_entry {
            return Ok(());
        }
        let levels = &self.config.delay_levels;
        let tags_code = entry_tags_code(fields.topic, fields.properties, fields.store_timestamp, levels);
        let size_bytes = record.total_len as u32;
        let entry = ConsumeQueueEntry { log_offset: fields.log_offset, size_bytes, tags_code };
        if is_inner_batch(fields.sys_flag) || self.batch_queues.is_batch_topic(fields.topic) {
            return self.enter_batch(fields, entry, arrivals);
        }
        self.enter(fields, (fields.topic, fields.queue_id), fields.queue_offset.0, entry, arrivals)?;
        let others = multi_dispatched(&self.config, fields.topic, fields.queue_id, fields.properties);
        for (queue, index) in others {
            if !self.batch_queues.is_batch_topic(queue.name) {
                self.enter(fields, (queue.name, queue.queue_id), index, entry, arrivals)?;
            }
        }
        Ok(())
    }

    fn enter(
        &self,
        fields: &RecordFields<'_>,
        (topic, queue_id): (&str, i32),
        index: u64,
        entry: ConsumeQueueEntry,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<(), DiskError> {
        let mut queue = self.queues.find_or_create(topic, queue_id);
        let max = queue.range().1;
        // An empty queue begins anywhere: the log may have begun in the middle.
        let hole_max = if max == 0 { i64::MAX as u64 / 32 } else { HOLE_MAX };
        if index.saturating_sub(max) > hole_max {
            tracing::warn!(topic, queue_id, index, max, log_offset = %fields.log_offset,
                "a copied record has an impossible offset in this queue, it gets no entry");
            return Ok(());
        }
        if index < max {
            let there = queue.entry(self.queues.files(), index)?;
            if there.is_some_and(|there| !there.is_blank() && there.log_offset >= entry.log_offset) {
                // From a try that failed halfway.
                return Ok(());
            }
            // The master deleted a topic of this name and made it anew.
            tracing::info!(topic, queue_id, index, max, "a queue begins anew, as at the master");
            self.drop_queue(&queue)?;
            queue = self.queues.find_or_create(topic, queue_id);
        }
        let max = if index < max { 0 } else { max };
        if max == 0 && index > 0 {
            let mut flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
            queue.begin_at(self.queues.files(), index, flush.step.touched())?;
        } else if index > max {
            tracing::warn!(
                topic,
                queue_id,
                from = max,
                to = index,
                "messages of the queue are missing in the copied log, their places stay empty"
            );
            for missing in max..index {
                let (_, list) = queue.publish(missing, ConsumeQueueEntry::BLANK);
                self.queues.entry_added(&queue, list);
            }
        }
        if !planted!(CopiedOffsetsForgotten) {
            queue.set_next(index + 1);
        }
        let stored = fields.store_timestamp;
        let name = Arc::clone(&queue);
        let pending =
            Pending { queue: Some(name), queue_offset: index, entry, store_timestamp: stored, extra: None };
        self.publish_entry(&queue, index, &pending, self.listener.get().is_some(), arrivals);
        Ok(())
    }

    /// Takes a queue out of the table, and its files from the disk, as where its topic is deleted.
    fn drop_queue(&self, queue: &Arc<ConsumeQueue>) -> Result<(), DiskError> {
        let mut flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
        let cannot = |why: crate::WriteStopped| self.cannot_delete(queue.topic(), &why);
        // Moves the checkpoint past what was written: recovery will not bring the old queue back.
        self.flush_queues(&mut flush).map_err(cannot)?;
        self.queues.remove_one(queue);
        flush.step.deleted(&self.queues, queue);
        if self.queues.files().queue_log().is_active() {
            self.flush_queues(&mut flush).map_err(cannot)?;
        }
        queue.remove_files(self.queues.files())
    }

    fn enter_batch(
        &self,
        fields: &RecordFields<'_>,
        entry: ConsumeQueueEntry,
        arrivals: &mut Vec<Arrival>,
    ) -> Result<(), DiskError> {
        let (base, count) = match is_inner_batch(fields.sys_flag) {
            true => (inner_batch_base(fields.properties), inner_batch_count(fields.properties)),
            false => (Some(fields.queue_offset.0), Some(1)),
        };
        let (Some(base), Some(count)) = (base, count) else {
            tracing::warn!(topic = fields.topic, queue_id = fields.queue_id, log_offset = %fields.log_offset,
                "a copied inner batch does not say which messages it holds, it gets no entry");
            return Ok(());
        };
        let queue = self.batch_queues.find_or_create(fields.topic, fields.queue_id)?;
        if queue.last_log_offset().is_some_and(|last| last >= fields.log_offset.0) {
            return Ok(());
        }
        if base < queue.range().1 {
            let _flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
            queue.cut_from(0)?;
        }
        let batch = BatchQueueEntry {
            log_offset: fields.log_offset,
            size_bytes: entry.size_bytes,
            tags_code: entry.tags_code,
            store_timestamp: fields.store_timestamp,
            base_offset: QueueOffset(base),
            message_count: count,
        };
        queue.restore(batch);
        if self.listener.get().is_some() {
            let pending = Pending {
                queue: None,
                queue_offset: base,
                entry,
                store_timestamp: fields.store_timestamp,
                extra: None,
            };
            arrivals.push(arrival((queue.topic(), queue.queue_id()), base, &pending, queue.range().1));
        }
        Ok(())
    }
}
