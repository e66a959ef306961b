//! The table of queue locks.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::{MessageQueue, Timestamp};

/// How long a lock lives that its owner does not renew, in milliseconds. Clients renew every 20 s.
const LOCK_LIFE_MS: i64 = 60_000;
/// Most locks; beyond it those that have expired are forgotten, and then new ones are not granted.
const LOCKS_MAX: usize = 1_000_000;

/// Who alone consumes a queue for its group (Java: `RebalanceLockManager`).
#[derive(Debug, Default)]
pub struct QueueLocks {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    groups: HashMap<String, HashMap<MessageQueue, Lock>>,
    /// Locks of all groups.
    count: usize,
}

#[derive(Debug)]
struct Lock {
    client_id: Arc<str>,
    renewed_at: Timestamp,
}

impl Lock {
    fn is_expired(&self, now: Timestamp) -> bool {
        now.ms_since(self.renewed_at) > LOCK_LIFE_MS
    }
}

impl QueueLocks {
    /// Locks queues for a member of `group`, or renews its locks. The queues that are its own now.
    pub fn lock(
        &self,
        group: &str,
        client_id: &str,
        queues: &[MessageQueue],
        now: Timestamp,
    ) -> Vec<MessageQueue> {
        let client_id: Arc<str> = client_id.into();
        let mut table = self.table();
        if table.count.saturating_add(queues.len()) > LOCKS_MAX {
            table.expire(now);
        }
        let Table { groups, count } = &mut *table;
        let locks = groups.entry(group.to_owned()).or_default();
        let mut own = Vec::with_capacity(queues.len());
        for queue in queues {
            match locks.get_mut(queue) {
                Some(lock) if lock.client_id == client_id || lock.is_expired(now) => {
                    *lock = Lock { client_id: Arc::clone(&client_id), renewed_at: now };
                }
                Some(_) => continue,
                None if *count >= LOCKS_MAX => continue,
                None => {
                    *count += 1;
                    let lock = Lock { client_id: Arc::clone(&client_id), renewed_at: now };
                    locks.insert(queue.clone(), lock);
                }
            }
            own.push(queue.clone());
        }
        if locks.is_empty() {
            groups.remove(group);
        }
        own
    }

    /// Gives back those of `queues` that the member holds.
    pub fn unlock(&self, group: &str, client_id: &str, queues: &[MessageQueue]) {
        let mut table = self.table();
        let Table { groups, count } = &mut *table;
        let Some(locks) = groups.get_mut(group) else { return };
        for queue in queues {
            if locks.get(queue).is_some_and(|lock| &*lock.client_id == client_id) {
                locks.remove(queue);
                *count -= 1;
            }
        }
        if locks.is_empty() {
            groups.remove(group);
        }
    }

    /// Whether a member of `group` holds a lock that has not expired: the group consumes in order.
    pub fn has_live_lock(&self, group: &str, now: Timestamp) -> bool {
        self.table().groups.get(group).is_some_and(|locks| locks.values().any(|lock| !lock.is_expired(now)))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change leaves the table whole before anything can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Forgets locks that have expired; without effect on who may lock what.
    fn expire(&mut self, now: Timestamp) {
        self.groups.retain(|_, locks| {
            locks.retain(|_, lock| !lock.is_expired(now));
            !locks.is_empty()
        });
        self.count = self.groups.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn queue(queue_id: i32) -> MessageQueue {
        MessageQueue { topic: "T".into(), broker_name: "b".into(), queue_id }
    }

    #[test]
    fn a_lock_is_renewed_by_its_owner_and_lost_by_silence() {
        let locks = QueueLocks::default();
        let lock = |client: &str, now: i64| locks.lock("g", client, &[queue(0)], Timestamp(now)).len();
        assert_eq!(lock("a", 0), 1);
        assert_eq!(lock("b", 1), 0);
        assert_eq!(lock("a", 50_000), 1);
        assert_eq!(lock("b", 110_000), 0, "exactly as long as it lives");
        assert_eq!(lock("b", 110_001), 1);
        assert_eq!(lock("a", 110_002), 0);
        assert!(
            locks.has_live_lock("g", Timestamp(170_001)) && !locks.has_live_lock("g", Timestamp(170_002))
        );
        locks.table().expire(Timestamp(170_002));
        assert!(locks.table().groups.is_empty() && locks.table().count == 0);
    }

    #[test]
    fn groups_do_not_meet_and_only_the_owner_unlocks() {
        let locks = QueueLocks::default();
        assert_eq!(locks.lock("g", "a", &[queue(0), queue(1)], Timestamp(0)).len(), 2);
        assert_eq!(locks.lock("h", "b", &[queue(0)], Timestamp(0)).len(), 1);
        locks.unlock("g", "b", &[queue(0)]);
        assert_eq!(locks.lock("g", "b", &[queue(0)], Timestamp(0)).len(), 0);
        locks.unlock("g", "a", &[queue(0), queue(1)]);
        assert!(!locks.has_live_lock("g", Timestamp(0)));
        assert_eq!(locks.lock("g", "b", &[queue(0)], Timestamp(0)).len(), 1);
    }

    proptest! {
        /// Against the plainest model: per queue an owner and the time of its last word.
        #[test]
        fn at_most_one_member_owns_a_queue(
            steps in proptest::collection::vec((0..3u8, 0..3u8, 0..3i32, 0..40_000i64), 0..60)
        ) {
            let locks = QueueLocks::default();
            let mut model: BTreeMap<i32, (u8, i64)> = BTreeMap::new();
            let mut now = 0;
            for (step, client, queue_id, pause_ms) in steps {
                now += pause_ms;
                let id = format!("c{client}");
                match step {
                    0 | 1 => {
                        let own = locks.lock("g", &id, &[queue(queue_id)], Timestamp(now));
                        let is_free = model
                            .get(&queue_id)
                            .is_none_or(|(owner, since)| *owner == client || now - since > LOCK_LIFE_MS);
                        prop_assert_eq!(own.len() == 1, is_free);
                        if is_free {
                            model.insert(queue_id, (client, now));
                        }
                    }
                    _ => {
                        locks.unlock("g", &id, &[queue(queue_id)]);
                        if model.get(&queue_id).is_some_and(|(owner, _)| *owner == client) {
                            model.remove(&queue_id);
                        }
                    }
                }
                let held: usize = locks.table().groups.values().map(HashMap::len).sum();
                prop_assert_eq!(locks.table().count, held);
                if pause_ms % 7 == 0 {
                    locks.table().expire(Timestamp(now));
                }
            }
        }
    }
}
