//! Offsets that consumers brought to a slave, because there was no master to bring them to.
//!
//! A slave otherwise has its master's. These must not be lost when a master comes back that never heard of them: the slave
//! keeps them, and tells the master.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// An offset that a consumer committed to a slave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OwnOffset {
    pub(crate) group: String,
    pub(crate) topic: String,
    pub(crate) queue_id: i32,
    pub(crate) offset: i64,
}

/// By group and topic, then by queue.
type Table = HashMap<(String, String), HashMap<i32, Noted>>;

#[derive(Debug, Clone, Copy)]
struct Noted {
    offset: i64,
    /// The master named the queue since then.
    is_known: bool,
}

#[derive(Debug, Default)]
pub(super) struct OwnOffsets {
    is_noting: AtomicBool,
    noted: Mutex<Table>,
}

impl OwnOffsets {
    /// Whether commits are noted. What was noted is forgotten when a slave became a master: they are the group's offsets then.
    pub(super) fn set_noting(&self, is_noting: bool) {
        self.is_noting.store(is_noting, Ordering::Release);
        if !is_noting {
            self.lock().clear();
        }
    }

    /// A consumer committed; one load on a master.
    pub(super) fn note(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        if !self.is_noting.load(Ordering::Acquire) {
            return;
        }
        let queues = &mut *self.lock();
        let queues = queues.entry((group.to_owned(), topic.to_owned())).or_default();
        queues.insert(queue_id, Noted { offset, is_known: false });
    }

    /// What was brought here and is further than the master's `offset`. Where the master has come as far, it is forgotten.
    pub(super) fn ahead_of(&self, group: &str, topic: &str, queue_id: i32, offset: i64) -> Option<OwnOffset> {
        let mut noted = self.lock();
        if noted.is_empty() {
            return None;
        }
        let key = (group.to_owned(), topic.to_owned());
        let queues = noted.get_mut(&key)?;
        let own = queues.get_mut(&queue_id)?;
        if own.offset > offset {
            own.is_known = true;
            let (group, topic) = key;
            return Some(OwnOffset { group, topic, queue_id, offset: own.offset });
        }
        queues.remove(&queue_id);
        if queues.is_empty() {
            noted.remove(&key);
        }
        None
    }

    /// What was brought here of queues that the master never named.
    pub(super) fn unknown_to_master(&self) -> Vec<OwnOffset> {
        let noted = self.lock();
        let all = noted.iter().flat_map(|((group, topic), queues)| {
            queues.iter().filter(|(_, noted)| !noted.is_known).map(|(queue_id, noted)| OwnOffset {
                group: group.clone(),
                topic: topic.clone(),
                queue_id: *queue_id,
                offset: noted.offset,
            })
        });
        all.collect()
    }

    pub(super) fn forget(&self, own: &OwnOffset) {
        let mut noted = self.lock();
        let key = (own.group.clone(), own.topic.clone());
        if let Some(queues) = noted.get_mut(&key) {
            queues.remove(&own.queue_id);
            if queues.is_empty() {
                noted.remove(&key);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
