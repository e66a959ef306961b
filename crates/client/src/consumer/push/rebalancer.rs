//! The task that takes up queues and gives them away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eruca_message::MessageQueue;
use eruca_remoting::{CancelToken, TaskGroup};

use super::{
    super::rebalance::Change,
    core::Core,
    held_queue::HeldQueue,
    lease::Lease,
    ordered::{consume_in_order, lock_queues},
    puller::fill,
};
use crate::{CallError, lock::lock, upkeep::wait};

const INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a round that could not do everything.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Owns the tasks of the queues that are ours.
pub(crate) struct Rebalancer {
    core: Arc<Core>,
    pulling: TaskGroup,
    consuming: TaskGroup,
}

impl Rebalancer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Rebalancer { core, pulling: TaskGroup::new(), consuming: TaskGroup::new() }
    }

    /// Rebalances from time to time and when asked to, until told to stop. Then pulls end at once, and calls of the
    /// listener that are in progress are waited for, but not too long.
    pub(crate) async fn run(self, stop: CancelToken) {
        loop {
            let is_complete = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                is_complete = self.rebalance() => is_complete,
            };
            let pause = if is_complete { INTERVAL } else { RETRY_PAUSE };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = wait(pause, self.core.rebalance_due.notified()) => {}
            }
        }
        self.pulling.shutdown().await;
        let grace = self.core.settings.shutdown_grace;
        if tokio::time::timeout(grace, self.consuming.shutdown()).await.is_err() {
            tracing::warn!(
                group = self.core.member.group(),
                ?grace,
                "the listener did not end in time, its messages will come again"
            );
        }
    }

    /// One round; whether everything is as it should be.
    async fn rebalance(&self) -> bool {
        let mut is_complete = true;
        let mut allocated = BTreeSet::new();
        for topic in self.core.member.topics() {
            match self.core.member.allocate(&topic).await {
                Ok(Some(queues)) => allocated.extend(queues),
                outcome => {
                    if let Err(error) = outcome {
                        note(&topic, &error);
                    }
                    is_complete = false;
                    // Who does not know better keeps what he has.
                    let held = self.core.held();
                    allocated.extend(held.iter().map(|h| h.queue.clone()).filter(|q| q.topic == topic));
                }
            }
        }
        let held: Vec<MessageQueue> = self.core.held().iter().map(|held| held.queue.clone()).collect();
        let change = Change::between(&held, &allocated);
        for queue in &change.removed {
            self.give_away(queue).await;
        }
        is_complete & self.take_up(change.added).await
    }

    async fn give_away(&self, queue: &MessageQueue) {
        let held = {
            let mut queues = lock(&self.core.queues);
            let Some(held) = queues.held.remove(queue) else { return };
            if self.core.listener.is_ordered() {
                // The task that consumes it releases it when its call has ended.
                queues.releasing.insert(queue.clone());
            }
            held
        };
        tracing::info!(group = self.core.member.group(), %queue, "queue given away");
        held.drop_queue();
        if !self.core.listener.is_ordered() {
            if let Err(error) = self.core.member.offsets.persist(&BTreeSet::from([queue.clone()])).await {
                tracing::warn!(%queue, %error, "offset not persisted, messages may come again");
            }
            self.core.member.offsets.forget(queue);
        }
    }

    /// Takes up `queues`; whether all of them could be.
    async fn take_up(&self, mut queues: Vec<MessageQueue>) -> bool {
        let wanted = queues.len();
        {
            let state = lock(&self.core.queues);
            queues.retain(|queue| !state.releasing.contains(queue));
        }
        if queues.is_empty() {
            return wanted == 0;
        }
        let mut lease = Lease::default();
        if self.core.listener.is_ordered() && !self.core.member.is_broadcasting() {
            let asked = self.core.now();
            let granted = lock_queues(&self.core, &queues).await;
            queues.retain(|queue| granted.contains(queue));
            lease.grant(asked);
        }
        let mut taken = 0;
        // A broker that does not answer costs one time-out, not one for each of its queues.
        let mut silent = BTreeSet::new();
        for queue in queues {
            if silent.contains(&queue.broker_name) {
                continue;
            }
            match self.core.member.start_offset(&queue).await {
                Ok(offset) => {
                    self.hold(queue, offset, lease);
                    taken += 1;
                }
                Err(error) => {
                    tracing::warn!(%queue, %error, "no offset to start from, the queue waits");
                    if error.is_silence() {
                        silent.insert(queue.broker_name);
                    }
                }
            }
        }
        taken == wanted
    }

    fn hold(&self, queue: MessageQueue, offset: i64, lease: Lease) {
        tracing::info!(group = self.core.member.group(), %queue, offset, "queue taken up");
        let held = Arc::new(HeldQueue::new(queue.clone(), offset, lease, self.core.now()));
        lock(&self.core.queues).held.insert(queue, held.clone());
        self.pulling.spawn("pull", fill(self.core.clone(), held.clone()));
        if self.core.listener.is_ordered() {
            let core = self.core.clone();
            self.consuming.spawn_graceful("consume in order", |stop| consume_in_order(core, held, stop));
        }
    }
}

fn note(topic: &str, error: &CallError) {
    match error {
        // A retry topic comes with the first heartbeat, and others may come with their first message.
        CallError::TopicUnknown { .. } => tracing::debug!(topic, "topic has no route yet"),
        _ => tracing::warn!(topic, %error, "queues not allocated, the present ones are kept"),
    }
}
