//! The task that takes up queues and gives them away.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use eruca_message::MessageQueue;
use eruca_remoting::TaskGroup;

use super::{
    super::rebalance::Change,
    core::{AssignedQueue, Core, Mode},
    fetcher::fetch,
};
use crate::{CallError, lock::lock, upkeep::wait};

const INTERVAL: Duration = Duration::from_secs(20);
/// Pause after a round that could not do everything.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// Looks for changed queues from time to time and when asked to. Owns the tasks that fetch: when it ends, they end.
pub(crate) async fn assign(core: Arc<Core>) {
    let fetchers = TaskGroup::new();
    loop {
        let is_complete = round(&core, &fetchers).await;
        core.rounds.send_modify(|rounds| *rounds += 1);
        wait(if is_complete { INTERVAL } else { RETRY_PAUSE }, core.assign_due.notified()).await;
    }
}

/// One round; whether everything is as it should be.
async fn round(core: &Arc<Core>, fetchers: &TaskGroup) -> bool {
    let mode = lock(&core.mode).clone();
    let (wanted, mut is_complete) = match mode {
        Mode::Undecided => (BTreeSet::new(), true),
        Mode::Assigned(queues) => (queues, true),
        Mode::Subscribed => allocate(core).await,
    };
    let held: Vec<MessageQueue> = lock(&core.queues).keys().cloned().collect();
    let change = Change::between(&held, &wanted);
    for queue in &change.removed {
        give_away(core, queue).await;
    }
    // A broker that does not answer costs one time-out, not one for each of its queues.
    let mut silent = BTreeSet::new();
    for queue in change.added {
        if silent.contains(&queue.broker_name) {
            continue;
        }
        match core.member.start_offset(&queue).await {
            Ok(offset) => {
                tracing::info!(group = core.member.group(), %queue, offset, "queue taken up");
                let assigned = Arc::new(AssignedQueue::new(queue.clone(), offset));
                lock(&core.queues).insert(queue, assigned.clone());
                fetchers.spawn("fetch", fetch(core.clone(), assigned));
            }
            Err(error) => {
                tracing::warn!(%queue, %error, "no offset to start from, the queue waits");
                is_complete = false;
                if error.is_silence() {
                    silent.insert(queue.broker_name);
                }
            }
        }
    }
    is_complete
}

async fn allocate(core: &Core) -> (BTreeSet<MessageQueue>, bool) {
    let (mut wanted, mut is_complete) = (BTreeSet::new(), true);
    for topic in core.member.topics() {
        match core.member.allocate(&topic).await {
            Ok(Some(queues)) => wanted.extend(queues),
            outcome => {
                match outcome {
                    Err(CallError::TopicUnknown { .. }) | Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(topic, %error, "queues not allocated, the present ones are kept")
                    }
                }
                is_complete = false;
                let queues = lock(&core.queues);
                wanted.extend(queues.keys().filter(|queue| queue.topic == topic).cloned());
            }
        }
    }
    (wanted, is_complete)
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
