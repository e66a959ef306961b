//! Resets by an administrator of which a group was not told yet.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Most resets that wait; the oldest groups' are simply committed then.
const RESETS_MAX: usize = 1 << 20;

/// Group, topic, queue and the new offset. Lost with the process, as in Java: the commit stays.
#[derive(Debug, Default)]
pub(super) struct Resets {
    waiting: Mutex<HashMap<(String, String, i32), i64>>,
    /// As many as wait, for a look without the lock: mostly none.
    count: AtomicUsize,
}

impl Resets {
    pub(super) fn assign(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        let mut waiting = self.lock();
        if waiting.len() < RESETS_MAX {
            waiting.insert((group.to_owned(), topic.to_owned(), queue_id), offset);
        }
        self.count.store(waiting.len(), Ordering::Release);
    }

    pub(super) fn take(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut waiting = self.lock();
        let taken = waiting.remove(&(group.to_owned(), topic.to_owned(), queue_id));
        self.count.store(waiting.len(), Ordering::Release);
        taken
    }

    pub(super) fn contains(&self, group: &str, topic: &str, queue_id: i32) -> bool {
        self.count.load(Ordering::Acquire) > 0
            && self.lock().contains_key(&(group.to_owned(), topic.to_owned(), queue_id))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String, i32), i64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
