//! A queue that is popped: what of it is not done with, and how its task waits for a change of that.

use std::sync::Mutex;

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::body::PopProcessQueueInfo;
use tokio::sync::Notify;

use crate::lock::lock;

/// A queue that we pop. The broker knows what is in flight: here it is only counted.
#[derive(Debug)]
pub(crate) struct PoppedQueue {
    /// The queue; its number is -1 where it stands for all queues of its broker.
    pub(crate) queue: MessageQueue,
    state: Mutex<State>,
    /// There may be room for more messages, or another reason to look again.
    pub(crate) changed: Notify,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    last_popped: Timestamp,
    is_dropped: bool,
}

impl PoppedQueue {
    pub(crate) fn new(queue: MessageQueue, now: Timestamp) -> Self {
        PoppedQueue {
            queue,
            state: Mutex::new(State { in_flight: 0, last_popped: now, is_dropped: false }),
            changed: Notify::new(),
        }
    }

    /// It is not popped any more. What was popped stays ours.
    pub(crate) fn drop_queue(&self) {
        lock(&self.state).is_dropped = true;
        self.changed.notify_one();
    }

    pub(crate) fn is_dropped(&self) -> bool {
        lock(&self.state).is_dropped
    }

    /// How many messages are not done with.
    pub(crate) fn in_flight(&self) -> usize {
        lock(&self.state).in_flight
    }

    /// A pop begins.
    pub(crate) fn popping(&self, now: Timestamp) {
        lock(&self.state).last_popped = now;
    }

    /// So many messages came.
    pub(crate) fn popped(&self, count: usize) {
        lock(&self.state).in_flight += count;
    }

    /// So many messages are done with, well or not.
    pub(crate) fn finished(&self, count: usize) {
        let mut state = lock(&self.state);
        state.in_flight = state.in_flight.saturating_sub(count);
        drop(state);
        self.changed.notify_one();
    }

    /// How it is doing, for those who ask.
    pub(crate) fn info(&self) -> PopProcessQueueInfo {
        let state = lock(&self.state);
        PopProcessQueueInfo {
            droped: state.is_dropped,
            last_pop_timestamp: state.last_popped.0,
            wait_ack_count: i32::try_from(state.in_flight).unwrap_or(i32::MAX),
        }
    }
}
