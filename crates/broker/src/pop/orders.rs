//! The table of what is in flight in order: `config/consumerOrderInfo.json`, and a journal beside it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::body;
use serde::{Deserialize, Serialize};

use super::{
    order::{OrderAck, OrderInfo},
    state::QueueKey,
};
use crate::persist::{PersistError, TableFile};

/// What nobody consumed for so long is forgotten (Java: a day). A pop that is older has long been visible again.
const KEPT_MS: i64 = 24 * 3600 * 1000;

/// What is in flight in order, by queue and group (Java: `QueueLevelConsumerManager`).
///
/// A change reaches the kernel with [`Orders::settle`], before it is answered: a killed broker gives out nothing later
/// than what is in flight, either.
#[derive(Debug)]
pub(super) struct Orders {
    inner: Mutex<Inner>,
    file: TableFile,
}

#[derive(Debug, Default)]
struct Inner {
    infos: HashMap<QueueKey, OrderInfo>,
    /// When queues are free again, as far as somebody has to be told.
    frees: BTreeSet<(Timestamp, QueueKey)>,
}

/// The file, as Java has it; keys are `topic@group`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OrderInfoFile {
    order_info_count: usize,
    ordered_consumption_level: Option<String>,
    table: BTreeMap<String, BTreeMap<i32, OrderInfo>>,
}

/// A change in the journal, in JSON: the queue, and what it has now.
#[derive(Debug, Serialize, Deserialize)]
struct Change {
    topic: String,
    group: String,
    queue: i32,
    #[serde(default)]
    info: Option<OrderInfo>,
}

impl Orders {
    /// Opens the file in `directory`, the store's `config`.
    pub(super) fn open(directory: &Path) -> Result<Self, PersistError> {
        let (file, loaded) = TableFile::open(directory, "consumerOrderInfo", |bytes| {
            body::from_json::<OrderInfoFile>(bytes).map_err(|error| error.to_string())
        })?;
        let mut inner = Inner::default();
        for (key, queues) in loaded.table.unwrap_or_default().table {
            // A topic has no '@'.
            let Some((topic, group)) = key.split_once('@') else {
                tracing::warn!(key, "consumerOrderInfo.json: key without '@' left out");
                continue;
            };
            let (topic, group): (Arc<str>, Arc<str>) = (topic.into(), group.into());
            for (queue_id, info) in queues {
                inner.set(QueueKey::new(topic.clone(), group.clone(), queue_id), Some(info));
            }
        }
        for change in &loaded.changes {
            match body::from_json::<Change>(change) {
                Ok(change) => inner.set(QueueKey::new(change.topic, change.group, change.queue), change.info),
                Err(error) => tracing::warn!(%error, "a change of an order info is not understood, left out"),
            }
        }
        Ok(Orders { inner: Mutex::new(inner), file })
    }

    /// Whether nothing of the queue may be given to `attempt_id` now.
    pub(super) fn blocks(&self, queue: &QueueKey, attempt_id: Option<&str>, now: Timestamp) -> bool {
        self.lock().infos.get(queue).is_some_and(|info| info.blocks(attempt_id, now))
    }

    /// Messages were given out. By offset how often they were before, and the least of all.
    pub(super) fn given(
        &self,
        queue: &QueueKey,
        attempt_id: Option<&str>,
        pop_time: i64,
        invisible_ms: i64,
        offsets: &[i64],
    ) -> (Vec<(i64, i32)>, i32) {
        let mut inner = self.lock();
        let before = inner.infos.get(queue);
        let info = OrderInfo::given(attempt_id, pop_time, invisible_ms, offsets, before);
        let counts = info.given_before();
        self.set(&mut inner, queue, Some(info));
        counts
    }

    /// A message was consumed. Without a pop in flight it is a stale acknowledgement.
    pub(super) fn ack(&self, queue: &QueueKey, offset: i64, pop_time: i64) -> OrderAck {
        let mut inner = self.lock();
        let Some(mut info) = inner.infos.get(queue).cloned() else { return OrderAck::Stale };
        let acked = info.ack(offset, pop_time);
        if let OrderAck::Next(_) = acked {
            self.set(&mut inner, queue, Some(info));
        }
        acked
    }

    /// A message becomes visible at another time; false where that pop does not have it in flight.
    pub(super) fn change(
        &self,
        queue: &QueueKey,
        offset: i64,
        pop_time: i64,
        visible_at: Timestamp,
        suspend: bool,
    ) -> bool {
        let mut inner = self.lock();
        let Some(mut info) = inner.infos.get(queue).cloned() else { return false };
        let changed = match suspend {
            true => info.suspend(offset, pop_time, visible_at),
            false => info.change(offset, pop_time, visible_at),
        };
        if changed {
            self.set(&mut inner, queue, Some(info));
        }
        changed
    }

    /// How many queues and groups have something in flight.
    pub(super) fn len(&self) -> usize {
        self.lock().infos.len()
    }

    /// Nothing of the queue is in flight any more: an administrator sent the group elsewhere.
    pub(super) fn clear(&self, queue: &QueueKey) {
        let mut inner = self.lock();
        if inner.infos.contains_key(queue) {
            self.set(&mut inner, queue, None);
        }
    }

    /// Forgets the queues in which something at or behind their `end` is in flight or acknowledged; whether there were any.
    pub(super) fn forget_beyond(&self, end: impl Fn(&QueueKey) -> i64) -> bool {
        let mut inner = self.lock();
        let is_lost =
            |(queue, info): &(&QueueKey, &OrderInfo)| info.last().is_some_and(|last| last >= end(queue));
        let lost: Vec<QueueKey> =
            inner.infos.iter().filter(is_lost).map(|(queue, _)| queue.clone()).collect();
        for queue in &lost {
            let QueueKey { topic, group, queue_id } = queue;
            tracing::warn!(%topic, %group, queue_id, "messages in flight in order are not there any more, forgotten");
            self.set(&mut inner, queue, None);
        }
        !lost.is_empty()
    }

    /// Forgets the queues that `keep` does not want, and those that nobody consumed for a day.
    pub(super) fn retain(&self, now: Timestamp, keep: impl Fn(&QueueKey) -> bool) {
        let mut inner = self.lock();
        let is_gone = |(queue, info): &(&QueueKey, &OrderInfo)| {
            now.ms_since(info.given_at()) > KEPT_MS && info.blocked_until().is_none_or(|until| until < now)
                || !keep(queue)
        };
        let gone: Vec<QueueKey> =
            inner.infos.iter().filter(is_gone).map(|(queue, _)| queue.clone()).collect();
        gone.iter().for_each(|queue| self.set(&mut inner, queue, None));
    }

    /// Takes out the queues that are free now because what was in flight has become visible.
    pub(super) fn take_freed(&self, now: Timestamp) -> Vec<QueueKey> {
        let mut inner = self.lock();
        let mut freed = Vec::new();
        while inner.frees.first().is_some_and(|(at, _)| *at <= now) {
            freed.extend(inner.frees.pop_first().map(|(_, queue)| queue));
        }
        freed
    }

    /// When [`Orders::take_freed`] has something next.
    pub(super) fn next_free(&self) -> Option<Timestamp> {
        self.lock().frees.first().map(|(at, _)| *at)
    }

    /// Hands all changes so far to the kernel.
    pub(super) fn settle(&self) {
        self.file.settle();
    }

    /// Writes the file if it is out of date.
    pub(super) fn persist_step(&self) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let infos = {
            let inner = self.lock();
            self.file.begin()?;
            inner.infos.clone()
        };
        let mut table: BTreeMap<String, BTreeMap<i32, OrderInfo>> = BTreeMap::new();
        for (QueueKey { topic, group, queue_id }, info) in infos {
            table.entry(format!("{topic}@{group}")).or_default().insert(queue_id, info);
        }
        self.file.write_json(&body::to_json_pretty(&OrderInfoFile {
            order_info_count: table.len(),
            ordered_consumption_level: Some("QUEUE".to_owned()),
            table,
        }))
    }

    fn set(&self, inner: &mut Inner, queue: &QueueKey, info: Option<OrderInfo>) {
        let QueueKey { topic, group, queue_id } = queue;
        let change = Change { topic: topic.to_string(), group: group.to_string(), queue: *queue_id, info };
        self.file.note(&body::to_json(&change));
        inner.set(queue.clone(), change.info);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn set(&mut self, queue: QueueKey, info: Option<OrderInfo>) {
        if let Some(before) = self.infos.get(&queue).and_then(OrderInfo::blocked_until) {
            self.frees.remove(&(before, queue.clone()));
        }
        let Some(info) = info else {
            self.infos.remove(&queue);
            return;
        };
        if let Some(until) = info.blocked_until() {
            self.frees.insert((until, queue.clone()));
        }
        self.infos.insert(queue, info);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(queue_id: i32) -> QueueKey {
        QueueKey::new("T", "g", queue_id)
    }

    #[test]
    fn what_was_settled_is_there_after_a_kill_and_in_javas_file() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::open(dir.path()).unwrap();
        orders.given(&queue(0), Some("a"), 1_000, 500, &[3, 4]);
        orders.given(&queue(1), None, 1_000, 700, &[9]);
        assert_eq!(orders.ack(&queue(0), 3, 1_000), OrderAck::Next(4));
        orders.settle();
        drop(orders);
        let orders = Orders::open(dir.path()).unwrap();
        assert!(orders.blocks(&queue(0), None, Timestamp(1_400)));
        assert_eq!(orders.ack(&queue(0), 4, 1_000), OrderAck::Next(5));
        assert!(!orders.blocks(&queue(0), None, Timestamp(1_400)));
        assert_eq!(orders.next_free(), Some(Timestamp(1_700)));
        orders.persist_step().unwrap();
        let json = std::fs::read_to_string(dir.path().join("consumerOrderInfo.json")).unwrap();
        assert!(
            json.contains("\"orderInfoCount\":1") && json.contains("\"orderedConsumptionLevel\":\"QUEUE\""),
            "{json}"
        );
        assert!(json.contains("\"T@g\":{"), "{json}");
        orders.clear(&queue(1));
        assert_eq!(orders.next_free(), None);
        orders.settle();
        drop(orders);
        let orders = Orders::open(dir.path()).unwrap();
        assert!(!orders.blocks(&queue(1), None, Timestamp(1_400)));
    }

    #[test]
    fn freed_queues_are_told_once_and_old_ones_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let orders = Orders::open(dir.path()).unwrap();
        orders.given(&queue(0), None, 1_000, 500, &[3]);
        assert!(orders.change(&queue(0), 3, 1_000, Timestamp(5_000), false));
        assert!(!orders.change(&queue(0), 3, 999, Timestamp(6_000), false));
        assert_eq!(orders.take_freed(Timestamp(4_999)), []);
        assert_eq!(orders.take_freed(Timestamp(5_000)), [queue(0)]);
        assert_eq!(orders.take_freed(Timestamp(9_000)), []);
        orders.retain(Timestamp(10_000), |_| true);
        assert_eq!(orders.ack(&queue(0), 4, 1_000), OrderAck::NotGiven);
        orders.retain(Timestamp(KEPT_MS + 9_000), |_| true);
        assert_eq!(orders.ack(&queue(0), 3, 1_000), OrderAck::Stale, "forgotten");
    }
}
