//! Delivering the first messages of one queue of the schedule topic.

use bytes::Bytes;
use eruca_message::{QueueOffset, Record, Timestamp, names::SCHEDULE_TOPIC};
use eruca_store::{AppendError, ConsumeQueueEntry, MessageStore, ReadError};

use super::parked::unpark;
use crate::role::{Escape, put};

/// Most messages delivered at a time, after which other levels get their turn.
const BATCH_MESSAGES: usize = 256;
/// Most bytes delivered at a time.
const BATCH_BYTES: u64 = 4 << 20;

/// How much later than its delay from now an entry may be due before the clock is held to have been wrong.
const CLOCK_SLACK_MS: i64 = 60_000;

/// What one look at a queue brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivered {
    /// Where to go on.
    pub(super) next: QueueOffset,
    /// What stands there.
    pub(super) head: Head,
    /// How many messages were appended; not visible before the store has settled.
    pub(super) messages: usize,
}

/// The first message of a queue that was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    /// There is none.
    Empty,
    /// It is due then.
    Due(Timestamp),
    /// It is due already, but others had to be let through.
    More,
    /// It is due already and the store does not take it now.
    Stuck,
}

/// Appends what is due of a queue to where it goes, or sends it by `escape`. `delay_ms` is the queue's delay.
pub(super) fn deliver(
    store: &MessageStore,
    escape: Option<&Escape>,
    queue_id: i32,
    from: QueueOffset,
    delay_ms: i64,
    now: Timestamp,
) -> Delivered {
    let range = store.queue_range(SCHEDULE_TOPIC, queue_id);
    // After messages expired, or where the file is from before a copy was brought back.
    let from = from.clamp(range.min, range.max);
    let entries = store.queue_entries(SCHEDULE_TOPIC, queue_id, from, BATCH_MESSAGES);
    let mut delivered = Delivered { next: from, head: Head::Empty, messages: 0 };
    let mut bytes = 0;
    for entry in &entries {
        let due = due_at(store, entry, delay_ms, now);
        if due > now {
            delivered.head = Head::Due(due);
            return delivered;
        }
        bytes += u64::from(entry.size_bytes);
        if bytes > BATCH_BYTES && delivered.messages > 0 {
            delivered.head = Head::More;
            return delivered;
        }
        match deliver_one(store, escape, entry) {
            Ok(is_appended) => delivered.messages += usize::from(is_appended),
            Err(why) => {
                tracing::warn!(queue_id, offset = delivered.next.0, %why, "delayed messages wait: the store does not take them");
                delivered.head = Head::Stuck;
                return delivered;
            }
        }
        delivered.next = delivered.next.add_messages(1);
    }
    if delivered.next < range.max {
        delivered.head = Head::More;
    }
    delivered
}

/// When an entry is due. One that lies far further ahead than its delay was stored by a clock that was wrong; a little
/// further may be one that was stored after `now` was read.
fn due_at(store: &MessageStore, entry: &ConsumeQueueEntry, delay_ms: i64, now: Timestamp) -> Timestamp {
    let due = if entry.is_extended() {
        // A record that cannot be read is told about by the delivery.
        stored_at(store, entry).map_or(now, |stored| stored.add_ms(delay_ms))
    } else {
        Timestamp(entry.tags_code)
    };
    if due > now.add_ms(delay_ms).add_ms(CLOCK_SLACK_MS) { now } else { due }
}

fn stored_at(store: &MessageStore, entry: &ConsumeQueueEntry) -> Option<Timestamp> {
    let record = store.record_at(entry.log_offset).ok()??;
    Some(Record::decode(&record).ok()?.fields.store_timestamp)
}

/// Why a message could not be delivered now.
#[derive(Debug, thiserror::Error)]
enum NotNow {
    #[error(transparent)]
    Read(ReadError),
    #[error(transparent)]
    Append(AppendError),
}

/// Appends one message to where it goes; false where it never can be, which is said.
fn deliver_one(
    store: &MessageStore,
    escape: Option<&Escape>,
    entry: &ConsumeQueueEntry,
) -> Result<bool, NotNow> {
    let lost = |why: &dyn std::fmt::Display| {
        tracing::error!(log_offset = entry.log_offset.0, %why, "a delayed message cannot be delivered, it is passed over");
        Ok(false)
    };
    if entry.is_blank() {
        return lost(&"its queue entry is blank");
    }
    let record: Bytes = match store.record_at(entry.log_offset) {
        Ok(Some(record)) => record,
        Ok(None) => return lost(&"its record is not in the log any more"),
        Err(damaged @ ReadError::Damaged { .. }) => return lost(&damaged),
        Err(error) => return Err(NotNow::Read(error)),
    };
    let record = match Record::decode(&record) {
        Ok(record) => record,
        Err(error) => return lost(&error),
    };
    let message = match unpark(&record) {
        Ok(message) => message,
        Err(why) => return lost(&why),
    };
    match put(store, escape, &message, None) {
        Ok(_) => Ok(true),
        Err(error @ AppendError::Stopped(_)) => Err(NotNow::Append(error)),
        Err(error) => lost(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::test_parts::TestParts;

    #[test]
    fn an_entry_with_an_address_is_due_by_its_record() {
        let parts = TestParts::new();
        parts.store(SCHEDULE_TOPIC, 1, "body", b"DELAY\x012\x02");
        let written = parts.store.queue_entries(SCHEDULE_TOPIC, 1, QueueOffset(0), 1)[0];
        let extended = ConsumeQueueEntry { tags_code: i64::MIN, ..written };
        let now = Timestamp(1_000_001);
        assert_eq!(due_at(&parts.store, &written, 5_000, now), Timestamp(1_005_000));
        assert_eq!(due_at(&parts.store, &extended, 5_000, now), Timestamp(1_005_000), "not at once");
        let gone = ConsumeQueueEntry { log_offset: eruca_message::LogOffset(1 << 40), ..extended };
        assert_eq!(due_at(&parts.store, &gone, 5_000, now), now, "passed over, not waited for");
    }
}
