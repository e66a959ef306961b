//! A queue that is ours at present: its state, and how tasks wait for a change of it.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::body::ProcessQueueInfo;
use tokio::sync::{Notify, watch};

use super::{super::process_queue::ProcessQueue, lease::Lease, listener::Messages};
use crate::{lock::lock, offset_store::OffsetStore, route_cache::MASTER_ID};

/// A queue that is ours.
///
/// Lock order: `state` before the offset store's own lock; so that an offset is committed only while the state that it
/// was computed from still holds.
#[derive(Debug)]
pub(crate) struct HeldQueue {
    pub(crate) queue: MessageQueue,
    pub(crate) state: Mutex<ProcessQueue>,
    pub(crate) lease: Mutex<Lease>,
    /// There may be room for more messages, or another reason to pull again.
    pub(crate) room: Notify,
    /// There may be messages, for the one task that consumes in order.
    pub(crate) filled: Notify,
    /// Id of the broker in its group to pull from.
    pub(crate) pull_from: AtomicI64,
    dropped: watch::Sender<bool>,
}

impl HeldQueue {
    pub(crate) fn new(queue: MessageQueue, start_offset: i64, lease: Lease, now: Timestamp) -> Self {
        HeldQueue {
            queue,
            state: Mutex::new(ProcessQueue::new(start_offset, now)),
            lease: Mutex::new(lease),
            room: Notify::new(),
            filled: Notify::new(),
            pull_from: AtomicI64::new(MASTER_ID),
            dropped: watch::Sender::new(false),
        }
    }

    /// The queue is no longer ours: its tasks are to end.
    pub(crate) fn drop_queue(&self) {
        self.dropped.send_replace(true);
    }

    pub(crate) fn is_dropped(&self) -> bool {
        *self.dropped.borrow()
    }

    /// Returns when the queue is no longer ours.
    pub(crate) async fn dropped(&self) {
        // The sender is `self`: it lives.
        let _ = self.dropped.subscribe().wait_for(|dropped| *dropped).await;
    }

    /// These messages are done with: notes the offset up to which all are.
    pub(crate) fn finished(
        &self,
        generation: u64,
        messages: &Messages,
        offsets: &OffsetStore,
        now: Timestamp,
    ) {
        let mut state = lock(&self.state);
        if state.finished(generation, messages, now) && !messages.is_empty() {
            offsets.advance(&self.queue, state.committable());
        }
        drop(state);
        self.room.notify_one();
    }

    /// Messages came by the pull that began with `generation`, and the next one is to start at `next_offset`.
    pub(crate) fn pulled(
        &self,
        generation: u64,
        messages: &Messages,
        next_offset: i64,
        offsets: &OffsetStore,
        now: Timestamp,
    ) -> bool {
        let mut state = lock(&self.state);
        let counts = state.pulled(generation, messages, next_offset, now);
        if counts && state.len() == 0 {
            // What does not match the filter is done with, too.
            offsets.advance(&self.queue, state.committable());
        }
        drop(state);
        self.filled.notify_one();
        counts
    }

    /// Forgets what is in flight and goes on from `offset`.
    pub(crate) fn reset(&self, offset: i64, offsets: &OffsetStore) {
        let mut state = lock(&self.state);
        state.reset(offset);
        offsets.set(&self.queue, offset);
        drop(state);
        self.room.notify_one();
        self.filled.notify_one();
    }

    /// How it is doing, for those who ask.
    pub(crate) fn info(&self, offsets: &BTreeMap<MessageQueue, i64>, now: Timestamp) -> ProcessQueueInfo {
        let (state, lease) = (lock(&self.state), *lock(&self.lease));
        let (min, max) = state.offsets().unwrap_or((0, 0));
        let clamp = |value: usize| i32::try_from(value).unwrap_or(i32::MAX);
        ProcessQueueInfo {
            commit_offset: offsets.get(&self.queue).copied().unwrap_or(-1),
            cached_msg_min_offset: min,
            cached_msg_max_offset: max,
            cached_msg_count: clamp(state.len()),
            cached_msg_size_in_mi_b: clamp(state.bytes() / (1024 * 1024)),
            locked: lease.is_held(now),
            last_lock_timestamp: lease.granted().map_or(0, |granted| granted.0),
            last_pull_timestamp: state.last_pulled().0,
            last_consume_timestamp: state.last_consumed().0,
            droped: self.is_dropped(),
            ..ProcessQueueInfo::default()
        }
    }

    /// The broker says which member of its group to pull from next.
    pub(crate) fn suggest_broker(&self, id: i64) {
        self.pull_from.store(id, Ordering::Relaxed);
    }
}
