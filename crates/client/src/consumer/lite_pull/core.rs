//! What the tasks and the user of a lite pull consumer share.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64},
    },
    time::Duration,
};

use eruca_message::MessageQueue;
use tokio::sync::{Notify, watch};

use super::{
    super::{membership::Membership, rates::Rates, subscription::Subscription},
    buffer::{Buffer, BufferLimits},
    position::Position,
};
use crate::{lock::lock, offset_store::PersistError, route_cache::MASTER_ID, trace::Tracer};

/// Settings of a lite pull consumer.
#[derive(Debug, Clone)]
pub(crate) struct LitePullSettings {
    /// Most messages of one poll.
    pub(crate) poll_batch: usize,
    /// Most messages of one fetch.
    pub(crate) fetch_batch: i32,
    pub(crate) limits: BufferLimits,
    /// How often offsets are committed by themselves; `None`: never.
    pub(crate) auto_commit: Option<Duration>,
}

/// A queue that is ours.
///
/// Lock order: `position` before the buffer, and that before the offset store.
#[derive(Debug)]
pub(crate) struct AssignedQueue {
    pub(crate) queue: MessageQueue,
    pub(crate) position: Mutex<Position>,
    /// There may be a reason to fetch again: room, a jump, the end of a pause.
    pub(crate) wake: Notify,
    pub(crate) fetch_from: AtomicI64,
    dropped: watch::Sender<bool>,
}

impl AssignedQueue {
    pub(crate) fn new(queue: MessageQueue, start: i64) -> Self {
        AssignedQueue {
            queue,
            position: Mutex::new(Position::new(start)),
            wake: Notify::new(),
            fetch_from: AtomicI64::new(MASTER_ID),
            dropped: watch::Sender::new(false),
        }
    }

    pub(crate) fn drop_queue(&self) {
        self.dropped.send_replace(true);
    }

    /// Returns when the queue is no longer ours.
    pub(crate) async fn dropped(&self) {
        // The sender is `self`: it lives.
        let _ = self.dropped.subscribe().wait_for(|dropped| *dropped).await;
    }
}

/// Where the queues come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody said yet.
    Undecided,
    /// The members of the group share the queues of the subscribed topics.
    Subscribed,
    /// The user named them.
    Assigned(BTreeSet<MessageQueue>),
}

/// What the tasks and the user share.
pub(crate) struct Core {
    pub(crate) tracer: Option<Arc<Tracer>>,
    pub(crate) member: Membership,
    /// Which messages of queues that are assigned by name, by topic; all where it says nothing.
    pub(crate) assigned_filters: BTreeMap<String, Arc<Subscription>>,
    pub(crate) settings: LitePullSettings,
    pub(crate) mode: Mutex<Mode>,
    pub(crate) queues: Mutex<BTreeMap<MessageQueue, Arc<AssignedQueue>>>,
    pub(crate) buffer: Mutex<Buffer>,
    /// Something was fetched.
    pub(crate) filled: Notify,
    /// It is time to look for changed queues.
    pub(crate) assign_due: Notify,
    /// Counts finished rounds of assignment.
    pub(crate) rounds: watch::Sender<u64>,
    /// Whether brokers know the request for lite pulls; those before 5.0 do not.
    pub(crate) speaks_lite: AtomicBool,
    pub(crate) rates: Rates,
}

impl Core {
    pub(crate) fn assigned(&self) -> Vec<Arc<AssignedQueue>> {
        lock(&self.queues).values().cloned().collect()
    }

    pub(crate) fn assigned_queue(&self, queue: &MessageQueue) -> Option<Arc<AssignedQueue>> {
        lock(&self.queues).get(queue).cloned()
    }

    /// Wakes all fetchers: there is room.
    pub(crate) fn wake_all(&self) {
        for assigned in lock(&self.queues).values() {
            assigned.wake.notify_one();
        }
    }

    /// Goes on from `offset` in a queue.
    pub(crate) fn jump(&self, assigned: &AssignedQueue, offset: i64) {
        let mut position = lock(&assigned.position);
        position.jump(offset);
        lock(&self.buffer).forget(&assigned.queue);
        drop(position);
        assigned.wake.notify_one();
    }

    /// Commits what `offset_of` says of each queue.
    pub(crate) async fn commit(
        &self,
        offset_of: impl Fn(&Position) -> Option<i64>,
    ) -> Result<(), PersistError> {
        let mut queues = BTreeSet::new();
        for assigned in self.assigned() {
            let position = lock(&assigned.position);
            if let Some(offset) = offset_of(&position) {
                self.member.offsets.set(&assigned.queue, offset);
                queues.insert(assigned.queue.clone());
            }
        }
        self.member.offsets.persist(&queues).await
    }
}
