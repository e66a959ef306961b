//! The task that takes up queues and gives them away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eruca_message::MessageQueue;
use eruca_remoting::TaskGroup;

use super::{
    super::{allocation::Allocation, queue_rounds::QueueRounds, rebalance::Change},
    core::{AssignedQueue, Core, Mode},
    fetcher::fetch,
};
use crate::{lock::lock, upkeep::wait};

const INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a round that could not do everything.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Looks for changed queues from time to time and when asked to. Owns the tasks that fetch: when it ends, they end.
pub(crate) async fn assign(core: Arc<Core>) {
    let fetchers = TaskGroup::new();
    let mut rounds = QueueRounds::default();
    loop {
        let is_complete = round(&core, &mut rounds, &fetchers).await;
        core.rounds.send_modify(|rounds| *rounds += 1);
        wait(if is_complete { INTERVAL } else { RETRY_PAUSE }, core.assign_due.notified()).await;
    }
}

/// One round; whether everything is as it should be.
async fn round(core: &Arc<Core>, rounds: &mut QueueRounds, fetchers: &TaskGroup) -> bool {
    let mode = lock(&core.mode).clone();
    let held: Vec<MessageQueue> = lock(&core.queues).keys().cloned().collect();
    let (wanted, is_certain) = match mode {
        Mode::Undecided => (BTreeSet::new(), true),
        Mode::Assigned(queues) => (queues, true),
        Mode::Subscribed => {
            let held = Allocation::pulled(held.iter().cloned());
            let (allocation, is_certain) = rounds.allocate(&core.member, &held).await;
            (allocation.pulled, is_certain)
        }
    };
    let change = Change::between(&held, &wanted);
    for queue in &change.removed {
        give_away(core, queue).await;
    }
    let all_taken = rounds.take_up(&core.member, change.added, None, |queue, offset| {
        tracing::info!(group = core.member.group(), %queue, offset, "queue taken up");
        let assigned = Arc::new(AssignedQueue::new(queue.clone(), offset));
        lock(&core.queues).insert(queue, assigned.clone());
        fetchers.spawn("fetch", fetch(core.clone(), assigned));
    });
    all_taken.await && is_certain
}

async fn give_away(core: &Core, queue: &MessageQueue) {
    let Some(assigned) = lock(&core.queues).remove(queue) else { return };
    tracing::info!(group = core.member.group(), %queue, "queue given away");
    assigned.drop_queue();
    let committable = {
        let position = lock(&assigned.position);
        lock(&core.buffer).forget(queue);
        position.committable()
    };
    if core.settings.auto_commit.is_some()
        && let Some(offset) = committable
    {
        core.member.offsets.set(queue, offset);
        if let Err(error) = core.member.offsets.persist(&BTreeSet::from([queue.clone()])).await {
            tracing::warn!(%queue, %error, "offset not persisted, messages may come again");
        }
    }
    core.member.offsets.forget(queue);
}
