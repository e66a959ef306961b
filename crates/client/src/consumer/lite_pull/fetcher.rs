//! The task that fetches from one queue.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use eruca_protocol::ResponseCode;
use tokio::time::Instant;

use super::{
    super::{
        pull::{PullCall, PullOutcome, PullStatus},
        subscription::Subscription,
    },
    buffer::Fetched,
    core::{AssignedQueue, Core},
};
use crate::{CallError, lock::lock, upkeep::wait};

/// As Java's lite pull consumer.
const SUSPEND: Duration = Duration::from_secs(20);
const FETCH_TIMEOUT: Duration = Duration::from_secs(30);
const ERROR_PAUSE: Duration = Duration::from_secs(1);
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Shortest time from a fetch that finds nothing to the next one.
const IDLE_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause for want of room: whatever ends it notifies, this is for safety.
const ROOM_PAUSE: Duration = Duration::from_secs(1);

/// Fetches until the queue is no longer ours.
pub(crate) async fn fetch(core: Arc<Core>, assigned: Arc<AssignedQueue>) {
    tokio::select! {
        biased;
        () = assigned.dropped() => {}
        () = fetch_on(&core, &assigned) => {}
    }
}

async fn fetch_on(core: &Core, assigned: &AssignedQueue) {
    // A queue that was assigned by name is taken whole, unless something else was said of its topic.
    let topic = &assigned.queue.topic;
    let whole = || Arc::new(Subscription::new(topic, &"*".into(), core.member.session.now()));
    let of_assigned = core.assigned_filters.get(topic).cloned().unwrap_or_else(whole);
    loop {
        let may_fetch = {
            let position = lock(&assigned.position);
            !position.is_paused() && lock(&core.buffer).has_room(&assigned.queue, &core.settings.limits)
        };
        if !may_fetch {
            wait(ROOM_PAUSE, assigned.wake.notified()).await;
            continue;
        }
        let subscription = core.member.subscription(topic).unwrap_or_else(|| of_assigned.clone());
        let (generation, offset) = lock(&assigned.position).next_fetch();
        let asked = Instant::now();
        let pulled = tokio::select! {
            pulled = pull(core, assigned, &subscription, offset) => pulled,
            // A jump: what is under way no longer counts, so do not wait for it. A pause: neither.
            () = moved(assigned, generation) => continue,
        };
        match pulled {
            Ok(outcome) => {
                let is_idle = outcome.status == PullStatus::NoNewMessage;
                if outcome.status == PullStatus::Found {
                    let (count, now) = (outcome.messages.len(), core.member.session.now());
                    core.rates.pulled(topic, asked.elapsed(), count, now);
                }
                take_in(core, assigned, generation, outcome);
                if is_idle {
                    // A broker that does not wait for messages must not be asked in a tight loop.
                    tokio::time::sleep_until(asked + IDLE_PAUSE).await;
                }
            }
            Err(error) => tokio::time::sleep(pause_after(core, assigned, &error)).await,
        }
    }
}

/// Returns when the position is no longer of `generation`.
async fn moved(assigned: &AssignedQueue, generation: u64) {
    while lock(&assigned.position).next_fetch().0 == generation {
        assigned.wake.notified().await;
    }
}

async fn pull(
    core: &Core,
    assigned: &AssignedQueue,
    subscription: &Subscription,
    offset: i64,
) -> Result<PullOutcome, CallError> {
    let session = &core.member.session;
    // Makes the broker's address known, and keeps the route in use.
    session.reach(&assigned.queue).await?;
    let from = assigned.fetch_from.load(Ordering::Relaxed);
    let addr = session.addr_to_read(&assigned.queue.broker_name, from)?;
    let call = PullCall {
        group: core.member.group(),
        queue: &assigned.queue,
        subscription,
        tell_subscription: true,
        is_lite: core.speaks_lite.load(Ordering::Relaxed),
        offset,
        max_messages: core.settings.fetch_batch,
        max_bytes: i32::MAX,
        commit_offset: None,
        suspend: SUSPEND,
        timeout: FETCH_TIMEOUT,
    };
    call.send(session, &addr).await
}

fn take_in(core: &Core, assigned: &AssignedQueue, generation: u64, outcome: PullOutcome) {
    assigned.fetch_from.store(outcome.suggested_broker_id, Ordering::Relaxed);
    let mut position = lock(&assigned.position);
    if outcome.status == PullStatus::OffsetMoved {
        // A jump in the meantime has the last word.
        if position.next_fetch().0 == generation {
            tracing::warn!(queue = %assigned.queue, to = outcome.next_begin_offset, "offset lies outside of the queue, moved");
            position.jump(outcome.next_begin_offset);
            lock(&core.buffer).forget(&assigned.queue);
        }
        return;
    }
    if !position.fetched(generation, outcome.next_begin_offset) {
        return;
    }
    let mut buffer = lock(&core.buffer);
    if !outcome.messages.is_empty() {
        let messages = outcome.messages.into();
        buffer.push(Fetched { queue: assigned.queue.clone(), generation, messages });
        core.filled.notify_waiters();
    } else if buffer.is_empty_of(&assigned.queue) {
        position.skipped(generation, outcome.next_begin_offset);
    }
}

fn pause_after(core: &Core, assigned: &AssignedQueue, error: &CallError) -> Duration {
    match error.response_code() {
        Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) if core.speaks_lite.swap(false, Ordering::Relaxed) => {
            tracing::info!(queue = %assigned.queue, "broker knows no lite pulls, ordinary ones from now on");
            Duration::ZERO
        }
        // Another queue's fetch found it out at the same time.
        Some(ResponseCode::REQUEST_CODE_NOT_SUPPORTED) => BUSY_PAUSE,
        Some(ResponseCode::SYSTEM_BUSY | ResponseCode::FLOW_CONTROL) => BUSY_PAUSE,
        code => {
            tracing::warn!(queue = %assigned.queue, %error, "fetch failed, the next one is due in 1 s");
            if code.is_none() {
                core.member.session.routes_stale.notify_one();
            }
            ERROR_PAUSE
        }
    }
}
