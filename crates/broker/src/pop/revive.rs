//! What becomes of messages whose time is over: they are copied to their group's retry topic. And reading the revive
//! topic, in which each check point is dealt with, and the group's offset moves on.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use eruca_message::{
    Properties, QueueOffset, Record, Timestamp,
    names::{REVIVE_GROUP, is_retry_topic, pop_origin_topic, pop_retry_topic_v1, pop_retry_topic_v2},
    properties::{self, FIRST_POP_TIME, ORIGIN_GROUP, TIMER_DELIVER_MS},
};
use eruca_store::{AppendError, AppendMessage, EveryMessage, FlushMode, ReadLimits, ReadStatus};

use super::{
    record::ReviveRecord,
    service::PopService,
    state::{CheckPoint, EntryId, QueueKey, Revival},
};
use crate::{clients::HANDED_OVER, dead_letter::in_no_light_queue, role::put};

/// Records of one revive queue read at a time.
const READ_RECORDS: usize = 1024;
/// Bytes of one revive queue read at a time.
const READ_BYTES: usize = 1 << 20;
/// Check points revived with one settling.
const REVIVE_CHECK_POINTS: usize = 128;
/// Rounds of one step; the rest comes with the next, after others have had their turn.
const ROUNDS_MAX: usize = 64;

/// What became of one message.
enum Fate {
    /// It is in the retry topic, when the store has settled.
    Copied,
    /// It is not there any more, or nobody wants it.
    Gone,
    /// It cannot be read now.
    Unreadable,
    /// The store takes nothing now.
    Stuck,
}

/// A message cannot be read now.
struct Unreadable;

impl PopService {
    /// Reads the revive topic, revives what is due, tells who waits for a queue that is free again, and commits how far
    /// that is. When there is something next.
    pub fn step(&self, now: Timestamp) -> Option<Timestamp> {
        let _stepping = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_on_duty() {
            return None;
        }
        let mut is_more = true;
        for _ in 0..ROUNDS_MAX {
            if !is_more {
                break;
            }
            // While nothing can be revived, what is read would only pile up.
            let has_read_more = self.takes_copies() && self.state().has_room() && self.read_revive_topic(now);
            is_more = self.revive_due(now) || has_read_more;
        }
        self.commit_revive_offsets();
        for queue in self.orders.take_freed(now) {
            self.notify_free(&queue);
        }
        if is_more {
            return Some(now);
        }
        self.state().next_due().into_iter().chain(self.orders.next_free()).min()
    }

    /// Goes on reading each queue of the revive topic where its group is.
    pub(super) fn begin_revive(&self, now: Timestamp) {
        for queue in 0..self.revive_queue_nums {
            let committed = self.parts.offsets.committed(REVIVE_GROUP, self.log.topic(), queue);
            // The offset is that of the last record that was dealt with.
            let next =
                committed.map_or(0, |committed| u64::try_from(committed.saturating_add(1)).unwrap_or(0));
            self.state().read_revive_queue_from(queue, next, now);
        }
    }

    /// Reads some records of each queue; whether there are more.
    pub(super) fn read_revive_topic(&self, now: Timestamp) -> bool {
        let topic = self.log.topic();
        let limits = ReadLimits {
            max_messages: READ_RECORDS,
            max_bytes: READ_BYTES,
            max_entries_scanned: READ_RECORDS,
        };
        let mut is_more = false;
        for queue in 0..self.revive_queue_nums {
            let next = self.state().revive_queue_next(queue);
            let range = self.parts.store.queue_range(topic, queue);
            if next >= range.max.0 {
                continue;
            }
            let from = next.max(range.min.0);
            if from > next {
                tracing::warn!(
                    topic,
                    queue,
                    next,
                    from,
                    "records of pops expired before they were dealt with"
                );
            }
            let read = self.parts.store.read(topic, queue, QueueOffset(from), &limits, &EveryMessage);
            self.take_in(queue, &read.records, now);
            self.state().revive_skip_to(queue, read.next_offset.0);
            is_more |= read.next_offset > QueueOffset(from) && read.next_offset < range.max;
        }
        is_more
    }

    /// Takes in records of a revive queue, back to back.
    fn take_in(&self, queue: i32, mut records: &[u8], now: Timestamp) {
        let mut state = self.state();
        while !records.is_empty() {
            let record = match Record::decode(records) {
                Ok(record) => record,
                Err(error) => {
                    tracing::error!(queue, %error, "the rest of what was read of the revive topic is left out");
                    return;
                }
            };
            records = records.get(record.total_len..).unwrap_or_default();
            let fields = &record.fields;
            let offset = fields.queue_offset.0;
            let deliver_at = properties::find_str(fields.properties, TIMER_DELIVER_MS)
                .and_then(|text| text.parse().ok())
                .map_or(fields.store_timestamp, Timestamp);
            state.revive_record(queue, offset, deliver_at, now);
            match self.log.read(&record) {
                Ok(ReviveRecord::CheckPoint(check_point)) => {
                    state.revive_check_point(queue, offset, check_point)
                }
                Ok(ReviveRecord::Acks(key, offsets)) => state.revive_acks(&key, &offsets, now),
                Err(error) => {
                    tracing::warn!(queue, offset, %error, "a record of the revive topic says nothing, passed over");
                }
            }
        }
    }

    /// Revives some of what is due; whether there is more.
    fn revive_due(&self, now: Timestamp) -> bool {
        let due = self.state().take_due(now, REVIVE_CHECK_POINTS);
        if due.is_empty() {
            return false;
        }
        let is_more = due.len() == REVIVE_CHECK_POINTS;
        let mut done: Vec<(EntryId, Vec<i64>)> = Vec::with_capacity(due.len());
        let (mut copied, mut is_stuck) = (0, false);
        for Revival { id, check_point } in due {
            let mut offsets = Vec::new();
            for offset in &check_point.offsets {
                if is_stuck {
                    break;
                }
                match self.revive(&check_point, *offset) {
                    Fate::Stuck => is_stuck = true,
                    Fate::Unreadable => {}
                    fate => {
                        copied += usize::from(matches!(fate, Fate::Copied));
                        offsets.push(*offset);
                    }
                }
            }
            done.push((id, offsets));
        }
        let is_safe = copied == 0 || self.make_safe();
        let mut state = self.state();
        for (id, offsets) in done {
            state.revived(id, if is_safe { &offsets } else { &[] }, now);
        }
        is_more && is_safe && !is_stuck
    }

    /// Settles, as an acknowledged send is: the copies are safe before the check points are dealt with.
    fn make_safe(&self) -> bool {
        let store = &self.parts.store;
        self.parts.topics.settle();
        let settled = store.settle().and_then(|()| match store.config().flush_mode {
            FlushMode::Sync => store.flush_step().map(drop),
            FlushMode::Async => Ok(()),
        });
        if let Err(error) = &settled {
            tracing::warn!(%error, "messages that were not acknowledged wait: their copies are not safe");
        }
        settled.is_ok()
    }

    /// Copies a message to the retry topic.
    fn revive(&self, check_point: &CheckPoint, offset: i64) -> Fate {
        let QueueKey { topic, group, queue_id } = &check_point.key.queue;
        let parts = &self.parts;
        let origin = pop_origin_topic(topic, group);
        if parts.topics.get(origin).is_none() || parts.groups.get(group).is_none() {
            tracing::warn!(%topic, %group, offset, "a popped message does not come again: its topic or group was deleted");
            return Fate::Gone;
        }
        let Ok(at) = u64::try_from(offset) else { return Fate::Gone };
        let Ok(records) = self.message_at(check_point, QueueOffset(at)) else { return Fate::Unreadable };
        let record = records.as_deref().and_then(|records| Record::decode(records).ok());
        let Some(record) = record.filter(|record| record.fields.queue_offset.0 == at) else {
            tracing::info!(%topic, queue_id, offset, %group, "a popped message does not come again: it has expired");
            return Fate::Gone;
        };
        let to = self.ensure_retry_topic(topic, group);
        match self.copy(&record, &to, check_point) {
            Ok(()) => Fate::Copied,
            Err(error @ AppendError::Stopped(_)) => {
                tracing::warn!(%topic, %group, %error, "messages that were not acknowledged wait: the store does not take them");
                Fate::Stuck
            }
            Err(error) => {
                tracing::error!(%topic, queue_id, offset, %group, %error, "a popped message cannot come again");
                Fate::Gone
            }
        }
    }

    /// A popped message as it is stored, here or by the group of brokers that the check point names; `None` where it is not there any more.
    /// [`Unreadable`] where it cannot be read now.
    fn message_at(&self, of: &CheckPoint, at: QueueOffset) -> Result<Option<Bytes>, Unreadable> {
        let QueueKey { topic, queue_id, group } = &of.key.queue;
        if let Some(broker) = &of.key.broker {
            let escape = self.escape.get().ok_or(Unreadable)?;
            return escape.fetch(broker, topic, *queue_id, at.0 as i64).or_else(|why| {
                let kept_ms = i64::from(self.config().file_reserved_time).saturating_mul(3_600_000);
                if self.parts.clock.now() > of.due().add_ms(kept_ms) {
                    return Ok(None);
                }
                if escape.is_to_be_told() {
                    tracing::warn!(%topic, queue_id, offset = at.0, %group, %broker, why, "a message that was popped from another broker, whose slave \
                        sent the record here, comes again when a broker of that name can be asked for it");
                }
                Err(Unreadable)
            });
        }
        let one = ReadLimits { max_messages: 1, max_bytes: usize::MAX, max_entries_scanned: 1 };
        let read = self.parts.store.read(topic, *queue_id, at, &one, &EveryMessage);
        match read.status {
            ReadStatus::Found => Ok(Some(read.records)),
            ReadStatus::OffsetFoundNull => Err(Unreadable),
            _ => Ok(None),
        }
    }

    /// The topic through which a message of `topic`, or of that retry topic itself, comes to the group again.
    pub(crate) fn ensure_retry_topic(&self, topic: &str, group: &str) -> String {
        let to = match is_retry_topic(topic) {
            true => topic.to_owned(),
            false if self.config().enable_retry_topic_v2 => pop_retry_topic_v2(topic, group),
            false => pop_retry_topic_v1(topic, group),
        };
        let parts = &self.parts;
        // A slave has its master's topics, and does not pop itself.
        if !parts.store.is_replica() && !parts.topics.contains(&to) {
            parts.topics.ensure(&to, 1);
            if parts.offsets.committed(group, &to, 0).is_none() {
                parts.offsets.commit(group, &to, 0, 0);
            }
        }
        to
    }

    /// Commits how far the revive topic is dealt with: whoever opens the store next goes on there.
    fn commit_revive_offsets(&self) {
        let offsets = &self.parts.offsets;
        let topic = self.log.topic();
        for queue in 0..self.revive_queue_nums {
            let committable =
                self.state().revive_committable(queue).and_then(|offset| i64::try_from(offset).ok());
            let Some(offset) = committable else { continue };
            if offsets.committed(REVIVE_GROUP, topic, queue).is_none_or(|committed| committed < offset) {
                // The copies of what comes again are in the log by now.
                let after = self.parts.store.log_range().1;
                offsets.commit_after(REVIVE_GROUP, topic, queue, offset, after);
                self.committed.store(true, std::sync::atomic::Ordering::Release);
            }
        }
        offsets.settle();
    }

    /// Appends a copy of a message, which tells that it was tried before; or sends it to another group.
    fn copy(&self, record: &Record<'_>, topic: &str, check_point: &CheckPoint) -> Result<(), AppendError> {
        let QueueKey { topic: popped_from, group, .. } = &check_point.key.queue;
        let fields = &record.fields;
        let mut properties = Properties::decode(fields.properties);
        if fields.reconsume_times == 0 || properties.get(FIRST_POP_TIME).is_none() {
            properties.set(FIRST_POP_TIME, check_point.key.pop_time.to_string());
        }
        properties.set(ORIGIN_GROUP, &**group);
        // From now on it is one that failed.
        properties.remove(HANDED_OVER);
        in_no_light_queue(&mut properties);
        let tried = i32::from(!check_point.suspend);
        let properties = properties.to_bytes();
        let message = AppendMessage {
            born_host: self.parts.store_host,
            store_host: self.parts.store_host,
            reconsume_times: fields.reconsume_times.saturating_add(tried),
            prepared_transaction_offset: 0,
            ..AppendMessage::moved(record, topic, 0, &properties)
        };
        let escape = self.escape.get().map(Arc::as_ref);
        let origin = pop_origin_topic(popped_from, group);
        put(&self.parts.store, escape, &message, Some(origin)).map(drop)
    }
}

#[cfg(test)]
#[path = "revive_test.rs"]
mod tests;
