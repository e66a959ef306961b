//! The task that takes up queues and gives them away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eruca_message::MessageQueue;
use eruca_remoting::{CancelToken, TaskGroup};

use super::{
    super::{allocation::Allocation, queue_rounds::QueueRounds, rebalance::Change},
    core::Core,
    held_queue::HeldQueue,
    lease::Lease,
    ordered::{consume_in_order, lock_queues},
    popped_queue::PoppedQueue,
    popper::pop_on,
    puller::fill,
};
use crate::{lock::lock, upkeep::wait};

const INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a round that could not do everything.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Owns the tasks of the queues that are ours.
pub(crate) struct Rebalancer {
    core: Arc<Core>,
    pulling: TaskGroup,
    consuming: TaskGroup,
    rounds: QueueRounds,
}

impl Rebalancer {
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Rebalancer {
            core,
            pulling: TaskGroup::new(),
            consuming: TaskGroup::new(),
            rounds: QueueRounds::default(),
        }
    }

    /// Rebalances from time to time and when asked to, until told to stop. Then pulls and pops end at once, and calls of the
    /// listener that are in progress are waited for, but not too long.
    pub(crate) async fn run(mut self, stop: CancelToken) {
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
    async fn rebalance(&mut self) -> bool {
        let member = &self.core.member;
        let held = {
            let queues = lock(&self.core.queues);
            Allocation {
                pulled: queues.held.keys().cloned().collect(),
                popped: queues.popped.keys().cloned().collect(),
            }
        };
        let (allocated, is_certain) = self.rounds.allocate(member, &held).await;
        if member.follow_modes(&allocated) {
            member.session.heartbeat_due.notify_one();
            self.core.rebalance_due.notify_one();
        }
        let pulled = Change::between(&held.pulled, &allocated.pulled);
        let popped = Change::between(&held.popped, &allocated.popped);
        for queue in &popped.removed {
            if let Some(popped) = lock(&self.core.queues).popped.remove(queue) {
                tracing::info!(group = self.core.member.group(), %queue, "queue is popped no more");
                popped.drop_queue();
            }
        }
        for queue in &pulled.removed {
            self.give_away(queue).await;
        }
        popped.added.into_iter().for_each(|queue| self.start_popping(queue));
        self.take_up(pulled.added).await && is_certain
    }

    fn start_popping(&self, queue: MessageQueue) {
        tracing::info!(group = self.core.member.group(), %queue, "queue is popped");
        let popped = Arc::new(PoppedQueue::new(queue.clone(), self.core.now()));
        lock(&self.core.queues).popped.insert(queue, popped.clone());
        self.pulling.spawn("pop", pop_on(self.core.clone(), popped));
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
    async fn take_up(&mut self, mut queues: Vec<MessageQueue>) -> bool {
        let wanted = queues.len();
        {
            let state = lock(&self.core.queues);
            queues.retain(|queue| !state.releasing.contains(queue));
        }
        let is_any_releasing = queues.len() < wanted;
        let mut lease = Lease::default();
        let mut locked = None;
        if self.core.listener.is_ordered() && !self.core.member.is_broadcasting() {
            let asked = self.core.now();
            locked = Some(lock_queues(&self.core, &queues).await);
            lease.grant(asked);
        }
        let hold = |queue, offset| hold(&self.core, &self.pulling, &self.consuming, queue, offset, lease);
        self.rounds.take_up(&self.core.member, queues, locked, hold).await && !is_any_releasing
    }
}

fn hold(
    core: &Arc<Core>,
    pulling: &TaskGroup,
    consuming: &TaskGroup,
    queue: MessageQueue,
    offset: i64,
    lease: Lease,
) {
    tracing::info!(group = core.member.group(), %queue, offset, "queue taken up");
    let held = Arc::new(HeldQueue::new(queue.clone(), offset, lease, core.now()));
    lock(&core.queues).held.insert(queue, held.clone());
    pulling.spawn("pull", fill(core.clone(), held.clone()));
    if core.listener.is_ordered() {
        let core = core.clone();
        consuming.spawn_graceful("consume in order", |stop| consume_in_order(core, held, stop));
    }
}
