//! Messages of a queue consumed one after the other, by one member of the group at a time.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use eruca_message::{MessageQueue, trace::TraceOutcome};
use eruca_protocol::{
    RemotingCommand, RequestCode,
    body::{self, LockBatchRequestBody, LockBatchResponseBody, UnlockBatchRequestBody},
    request::{LockBatchMqRequest, UnlockBatchMqRequest},
};
use eruca_remoting::CancelToken;
use tokio::time::Instant;

use super::{
    super::queue_rounds::Locked,
    core::Core,
    held_queue::HeldQueue,
    listener::{Listener, Messages, OrderedConsumeStatus, Panicked, call},
};
use crate::{lock::lock, upkeep::wait};

/// A broker gives a queue for 60 s.
const RENEW_INTERVAL: Duration = Duration::from_secs(20);
/// Longest wait for messages: whatever brings some notifies, this is for safety.
const IDLE_PAUSE: Duration = Duration::from_secs(1);
/// Pause before the next attempt to get a queue for ourselves.
const LOCK_PAUSE: Duration = Duration::from_millis(500);
const SUSPEND_RANGE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(30));

/// Asks the brokers for `queues` for ourselves.
pub(crate) async fn lock_queues(core: &Core, queues: &[MessageQueue]) -> Locked {
    let mut locked = Locked::default();
    for (broker_name, mq_set) in by_broker(queues) {
        let body = LockBatchRequestBody {
            consumer_group: core.member.group().to_owned(),
            client_id: core.member.session.client_id().to_owned(),
            mq_set,
            only_this_broker: false,
        };
        let request = RemotingCommand::request(&LockBatchMqRequest {}).with_body(body::to_json(&body));
        match ask_master(core, &broker_name, request).await {
            Ok(answer) => locked.granted.extend(answer.lock_ok_mq_set),
            Err(error) => {
                locked.failed.insert(broker_name, error);
            }
        }
    }
    locked
}

async fn ask_master(
    core: &Core,
    broker_name: &str,
    request: RemotingCommand,
) -> Result<LockBatchResponseBody, crate::CallError> {
    debug_assert_eq!(request.request_code(), RequestCode::LOCK_BATCH_MQ);
    let addr = core.member.session.master_addr(broker_name)?;
    core.member.session.call(&addr, request).await?.body()
}

/// Gives `queue` back.
async fn unlock_queue(core: &Core, queue: &MessageQueue) {
    let body = UnlockBatchRequestBody {
        consumer_group: core.member.group().to_owned(),
        client_id: core.member.session.client_id().to_owned(),
        mq_set: vec![queue.clone()],
        only_this_broker: false,
    };
    let request = RemotingCommand::request(&UnlockBatchMqRequest {}).with_body(body::to_json(&body));
    let unlocked = match core.member.session.master_addr(&queue.broker_name) {
        Ok(addr) => core.member.session.call(&addr, request).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = unlocked {
        tracing::warn!(%queue, %error, "queue not given back, its next owner waits up to 60 s for it");
    }
}

fn by_broker(queues: &[MessageQueue]) -> BTreeMap<String, Vec<MessageQueue>> {
    let mut brokers: BTreeMap<String, Vec<MessageQueue>> = BTreeMap::new();
    for queue in queues {
        brokers.entry(queue.broker_name.clone()).or_default().push(queue.clone());
    }
    brokers
}

/// Renews the locks of all queues that are ours.
pub(crate) async fn renew_locks(core: Arc<Core>) {
    loop {
        tokio::time::sleep(RENEW_INTERVAL).await;
        let held = core.held();
        let queues: Vec<MessageQueue> = held.iter().map(|held| held.queue.clone()).collect();
        try_lock(&core, &held, &queues).await;
    }
}

async fn try_lock(core: &Core, held: &[Arc<HeldQueue>], queues: &[MessageQueue]) {
    let asked = core.now();
    let Locked { granted, failed } = lock_queues(core, queues).await;
    for (broker_name, error) in failed {
        tracing::warn!(broker_name, %error, "queues not locked");
    }
    for held in held {
        let mut lease = lock(&held.lease);
        if granted.contains(&held.queue) {
            lease.grant(asked);
            drop(lease);
            held.room.notify_one();
        } else {
            lease.lose();
        }
    }
}

/// Consumes the messages of one queue in order until it is no longer ours, then gives it back: the call in progress is
/// brought to its end before another member may begin.
pub(crate) async fn consume_in_order(core: Arc<Core>, held: Arc<HeldQueue>, stop: CancelToken) {
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = held.dropped() => break,
            () = wait(IDLE_PAUSE, held.filled.notified()) => {}
        }
        while let Some(pause) = consume_next(&core, &held).await {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = held.dropped() => break,
                () = tokio::time::sleep(pause) => {}
            }
            if stop.is_cancelled() || held.is_dropped() {
                break;
            }
        }
        if stop.is_cancelled() || held.is_dropped() {
            break;
        }
    }
    held.drop_queue();
    release(&core, &held.queue).await;
}

/// Persists the offset of a queue that is no longer ours, and gives the queue back.
async fn release(core: &Core, queue: &MessageQueue) {
    if let Err(error) = core.member.offsets.persist(&BTreeSet::from([queue.clone()])).await {
        tracing::warn!(%queue, %error, "offset not persisted, messages may come again");
    }
    if !core.member.is_broadcasting() {
        unlock_queue(core, queue).await;
    }
    core.member.offsets.forget(queue);
    lock(&core.queues).releasing.remove(queue);
    core.rebalance_due.notify_one();
}

/// One call of the listener. `None`: there is nothing to consume; else the pause before the next call.
async fn consume_next(core: &Core, held: &Arc<HeldQueue>) -> Option<Duration> {
    let Listener::Ordered(listener) = &core.listener else { return None };
    if lock(&held.state).len() == 0 {
        return None;
    }
    let Ok(_permit) = core.call_permits.acquire().await else { return None };
    if !core.member.is_broadcasting() && !lock(&held.lease).is_held(core.now()) {
        try_lock(core, std::slice::from_ref(held), std::slice::from_ref(&held.queue)).await;
        if !lock(&held.lease).is_held(core.now()) {
            return Some(LOCK_PAUSE);
        }
    }
    let (generation, messages) = lock(&held.state).take(core.settings.call_batch, core.now());
    if messages.is_empty() {
        return None;
    }
    let trace = core.trace_call(&messages);
    let began = Instant::now();
    let called = call(listener, messages.clone()).await;
    let took = began.elapsed();
    if let Some(trace) = trace {
        let is_success = matches!(called, Ok(OrderedConsumeStatus::Success));
        let outcome = match called {
            Err(Panicked) => TraceOutcome::Exception,
            Ok(_) if trace.elapsed() >= core.settings.consume_timeout => TraceOutcome::TimedOut,
            Ok(_) if is_success => TraceOutcome::Success,
            Ok(_) => TraceOutcome::Failed,
        };
        trace.end(&core.member.session, outcome, if is_success { messages.len() } else { 0 });
    }
    let pause = match called {
        Ok(OrderedConsumeStatus::Success) => {
            core.count_call(&held.queue.topic, took, messages.len(), 0);
            held.finished(generation, &messages, &core.member.offsets, core.now());
            return Some(Duration::ZERO);
        }
        Ok(OrderedConsumeStatus::Suspend) | Err(_) => core.settings.suspend,
        Ok(OrderedConsumeStatus::SuspendFor(pause)) => pause,
    };
    core.count_call(&held.queue.topic, took, 0, messages.len());
    let dead = bury_exhausted(core, generation, held, &messages).await;
    if dead == messages.len() {
        return Some(Duration::ZERO);
    }
    Some(pause.clamp(SUSPEND_RANGE.0, SUSPEND_RANGE.1))
}

/// Sends messages whose tries are used up to the dead letter queue, and readies the others for the next try. How many
/// were buried.
async fn bury_exhausted(core: &Core, generation: u64, held: &HeldQueue, messages: &Messages) -> usize {
    let max_tries = core.settings.max_reconsume_times;
    let mut dead = Messages::new();
    for message in messages {
        let is_exhausted = message.reconsume_times >= max_tries && !core.member.is_broadcasting();
        if is_exhausted && core.send_back().bury(message).await {
            dead.push(message.clone());
            continue;
        }
        lock(&held.state).retry(generation, message);
    }
    if !dead.is_empty() {
        held.finished(generation, &dead, &core.member.offsets, core.now());
    }
    dead.len()
}

#[cfg(test)]
#[path = "ordered_test.rs"]
mod tests;
