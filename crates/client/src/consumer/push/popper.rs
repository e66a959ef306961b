//! The task that pops one queue, or all queues of a broker.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    super::{
        pop::{PopOutcome, PoppedMessage},
        subscription::Subscription,
    },
    core::{Core, Work},
    popped::{Delivery, PoppedWork, bury},
    popped_queue::PoppedQueue,
    puller::{ERROR_PAUSE, IDLE_PAUSE, ROOM_PAUSE, SUSPEND, pause_after},
};
use crate::upkeep::wait;

/// Pops until the queue is no longer ours. A pop that is under way then is brought to its end: what it brings would else
/// be invisible to everybody for a while.
pub(crate) async fn pop_on(core: Arc<Core>, popped: Arc<PoppedQueue>) {
    while !popped.is_dropped() {
        let subscription = core.member.subscription(&popped.queue.topic).filter(|_| may_pop(&core, &popped));
        let Some(subscription) = subscription else {
            wait(ROOM_PAUSE, popped.changed.notified()).await;
            continue;
        };
        let pause_end = pop_once(&core, &popped, &subscription).await;
        tokio::time::sleep_until(pause_end).await;
    }
}

fn may_pop(core: &Core, popped: &PoppedQueue) -> bool {
    let (in_flight, limit) = (popped.in_flight(), core.settings.pop_in_flight);
    if in_flight > limit {
        tracing::debug!(queue = %popped.queue, in_flight, limit, "popping waits for the listener");
    }
    in_flight <= limit && !core.is_suspended.load(Ordering::Relaxed)
}

/// One pop; when the next one may begin.
async fn pop_once(core: &Arc<Core>, popped: &Arc<PoppedQueue>, subscription: &Subscription) -> Instant {
    let (queue, asked) = (&popped.queue, Instant::now());
    popped.popping(core.now());
    match core.pops().pop(&queue.broker_name, queue.queue_id, subscription, SUSPEND, None).await {
        Ok(PopOutcome::Messages(messages)) => {
            core.rates.pulled(&queue.topic, asked.elapsed(), messages.len(), core.now());
            take_in(core, popped, subscription, messages).await;
            asked
        }
        // A broker that does not wait for messages must not be asked in a tight loop.
        Ok(PopOutcome::Nothing) => asked + IDLE_PAUSE,
        Ok(PopOutcome::NoRoomToWait) => Instant::now() + ERROR_PAUSE,
        Err(error) => Instant::now() + pause_after(core, queue, "pop", &error),
    }
}

async fn take_in(
    core: &Arc<Core>,
    popped: &Arc<PoppedQueue>,
    subscription: &Subscription,
    messages: Vec<PoppedMessage>,
) {
    let came = Instant::now();
    let max_tries = core.settings.max_reconsume_times;
    let mut wanted = Vec::new();
    for message in messages {
        let delivery = Delivery::of(message);
        let tries = delivery.message.reconsume_times;
        if !subscription.wants(delivery.message.message.tag()) {
            // Brokers compare hashes of tags. What only looks alike is nobody's of this group.
            delivery.ack(core).await;
        } else if tries > max_tries {
            // Its end was not brought about the last time.
            bury(core, &delivery).await;
        } else {
            wanted.push(delivery);
        }
    }
    popped.popped(wanted.len());
    let mut wanted = wanted.into_iter().peekable();
    while let Some(first) = wanted.peek() {
        // By the time of our own clock, which need not agree with the broker's.
        let until = came + Duration::from_millis(u64::try_from(first.handle.invisible_time).unwrap_or(0));
        let messages = wanted.by_ref().take(core.settings.call_batch).collect();
        // The receivers are gone while the consumer shuts down: the messages come again.
        let _ = core.work.send(Work::Popped(PoppedWork { queue: popped.clone(), until, messages }));
    }
}
