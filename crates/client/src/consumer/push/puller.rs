//! The task that fills one queue.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use eruca_message::MessageQueue;
use eruca_protocol::ResponseCode;
use tokio::time::Instant;

use super::{
    super::{
        pull::{PullCall, PullOutcome, PullStatus},
        subscription::Subscription,
    },
    core::Core,
    held_queue::HeldQueue,
    listener::{Messages, name_as_subscribed},
};
use crate::{CallError, lock::lock, upkeep::wait};

/// How long a broker keeps a pull or a pop that finds nothing.
pub(super) const SUSPEND: Duration = Duration::from_secs(15);
/// How long we wait for the answer.
const PULL_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after an error.
pub(super) const ERROR_PAUSE: Duration = Duration::from_secs(3);
/// Pause after an error that the heartbeat just sent will mend.
const UNKNOWN_PAUSE: Duration = Duration::from_millis(200);
/// Pause when the broker asks for patience.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Shortest time from a pull that finds nothing to the next one.
pub(super) const IDLE_PAUSE: Duration = Duration::from_millis(20);
/// Longest pause for want of room: whatever ends it notifies, this is for safety.
pub(super) const ROOM_PAUSE: Duration = Duration::from_secs(1);
/// As Java asks for.
const MAX_PULL_BYTES: i32 = 256 * 1024;

/// Pulls until the queue is no longer ours.
pub(crate) async fn fill(core: Arc<Core>, held: Arc<HeldQueue>) {
    tokio::select! {
        biased;
        () = held.dropped() => {}
        () = pull_on(&core, &held) => {}
    }
}

async fn pull_on(core: &Arc<Core>, held: &Arc<HeldQueue>) {
    loop {
        if !may_pull(core, held) {
            wait(ROOM_PAUSE, held.room.notified()).await;
            continue;
        }
        let Some(subscription) = core.member.subscription(&held.queue.topic) else {
            // Unsubscribed: the next rebalance takes the queue away.
            wait(ROOM_PAUSE, held.room.notified()).await;
            continue;
        };
        let (generation, offset) = lock(&held.state).pull_position();
        let asked = Instant::now();
        match pull(core, held, &subscription, offset).await {
            Ok(outcome) => {
                let is_idle = outcome.status == PullStatus::NoNewMessage;
                if outcome.status == PullStatus::Found {
                    let (topic, count) = (&held.queue.topic, outcome.messages.len());
                    core.rates.pulled(topic, asked.elapsed(), count, core.now());
                }
                take_in(core, held, generation, outcome);
                if is_idle {
                    // A broker that does not wait for messages must not be asked in a tight loop.
                    tokio::time::sleep_until(asked + IDLE_PAUSE).await;
                }
            }
            Err(error) => tokio::time::sleep(pause_after(core, &held.queue, "pull", &error)).await,
        }
    }
}

fn may_pull(core: &Core, held: &HeldQueue) -> bool {
    if core.is_suspended.load(Ordering::Relaxed) {
        return false;
    }
    if core.listener.is_ordered() && !core.member.is_broadcasting() && !lock(&held.lease).is_held(core.now())
    {
        return false;
    }
    let limit = lock(&held.state).limit_reached(&core.settings.flow);
    if let Some(limit) = limit {
        tracing::debug!(queue = %held.queue, ?limit, "pulling waits for the listener");
    }
    limit.is_none()
}

async fn pull(
    core: &Core,
    held: &HeldQueue,
    subscription: &Subscription,
    offset: i64,
) -> Result<PullOutcome, CallError> {
    let from = held.pull_from.load(Ordering::Relaxed);
    let session = &core.member.session;
    let addr = session.addr_to_read(&held.queue.broker_name, from)?;
    let known = core.member.offsets.known(&held.queue).filter(|offset| *offset > 0);
    let call = PullCall {
        group: core.member.group(),
        queue: &held.queue,
        subscription,
        tell_subscription: false,
        is_lite: false,
        offset,
        max_messages: core.settings.pull_batch,
        max_bytes: MAX_PULL_BYTES,
        // Only masters keep offsets.
        commit_offset: known.filter(|_| from == 0 && !core.member.is_broadcasting()),
        suspend: SUSPEND,
        timeout: PULL_TIMEOUT,
    };
    call.send(session, &addr).await
}

fn take_in(core: &Arc<Core>, held: &Arc<HeldQueue>, generation: u64, outcome: PullOutcome) {
    held.suggest_broker(outcome.suggested_broker_id);
    if outcome.status == PullStatus::OffsetMoved {
        // A reset in the meantime has the last word.
        if lock(&held.state).pull_position().0 == generation {
            tracing::warn!(queue = %held.queue, to = outcome.next_begin_offset, "offset lies outside of the queue, moved");
            held.reset(outcome.next_begin_offset, &core.member.offsets);
        }
        return;
    }
    let messages: Messages = outcome
        .messages
        .into_iter()
        .map(|mut message| {
            name_as_subscribed(&mut message.message, core.member.group());
            Arc::new(message)
        })
        .collect();
    let counts =
        held.pulled(generation, &messages, outcome.next_begin_offset, &core.member.offsets, core.now());
    if counts && !core.listener.is_ordered() {
        core.enqueue(held, generation, &messages);
    }
}

/// What to do about a failed pull or pop of `queue`, and how long to wait before the next one.
pub(super) fn pause_after(core: &Core, queue: &MessageQueue, what: &str, error: &CallError) -> Duration {
    match error.response_code() {
        Some(ResponseCode::SYSTEM_BUSY | ResponseCode::FLOW_CONTROL) => BUSY_PAUSE,
        // The broker has yet to hear of us, or forgot us in a restart.
        Some(ResponseCode::SUBSCRIPTION_NOT_EXIST | ResponseCode::SUBSCRIPTION_NOT_LATEST) => {
            core.member.session.heartbeat_due.notify_one();
            UNKNOWN_PAUSE
        }
        code => {
            tracing::warn!(%queue, %error, "{what} failed, the next one is due in 3 s");
            if code.is_none() {
                core.member.session.routes_stale.notify_one();
            }
            ERROR_PAUSE
        }
    }
}
