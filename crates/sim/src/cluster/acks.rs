//! What waits for its acknowledgement at one broker.

use std::sync::{Arc, Mutex, PoisonError};

use eruca_message::{LogOffset, Timestamp};
use eruca_replication::{
    group::GroupLog,
    in_sync::{Outcome, WHOLE_SET},
};

/// So long it waits for the in-sync set, in ms.
const WAIT_MS: i64 = 3_000;

/// Something that was appended, and where its record ends.
type Item<T> = (T, LogOffset);
/// Whose wait is over, and how it ended.
type Ended<T> = Vec<(Item<T>, Outcome)>;

/// By the whole in-sync set (`allAckInSyncStateSet`), and where the power goes by the disk.
#[derive(Debug)]
pub struct Acks<T> {
    waited: Arc<Mutex<Ended<T>>>,
    /// What the set has.
    replicated: Vec<Item<T>>,
}

impl<T> Default for Acks<T> {
    fn default() -> Self {
        Acks { waited: Arc::default(), replicated: Vec::new() }
    }
}

impl<T: Send + 'static> Acks<T> {
    /// `item` ends there in the log.
    pub fn wait(&self, group: &GroupLog, item: T, end: LogOffset, now: Timestamp) {
        let waited = self.waited.clone();
        let waiter = Box::new(move |outcome| {
            waited.lock().unwrap_or_else(PoisonError::into_inner).push(((item, end), outcome));
        });
        group.waits().wait(end, WHOLE_SET, now.add_ms(WAIT_MS), now, waiter);
    }

    /// What is acknowledged now.
    pub fn ready(&mut self, group: &GroupLog, is_durable: bool, now: Timestamp) -> Vec<T> {
        group.waits().expire(now);
        let waited = std::mem::take(&mut *self.waited.lock().unwrap_or_else(PoisonError::into_inner));
        let replicated = waited.into_iter().filter(|(_, outcome)| *outcome == Outcome::Replicated);
        self.replicated.extend(replicated.map(|(item, _)| item));
        let marks = group.store().watermarks();
        let up_to = if is_durable { marks.flushed } else { marks.written };
        self.replicated.extract_if(.., |(_, end)| *end <= up_to).map(|(item, _)| item).collect()
    }
}
