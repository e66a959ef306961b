//! Messages that were popped and are consumed at the same time: each is acknowledged by itself, or comes again.

use std::{sync::Arc, time::Duration};

use eruca_message::StoredMessage;
use eruca_protocol::pop::ReceiptHandle;
use tokio::time::Instant;

use super::{
    super::{
        pop::PoppedMessage,
        send_back::{LEVEL_BY_TRIES, LEVEL_DEAD},
    },
    concurrent::{divide, end_trace},
    core::Core,
    listener::{ConsumeStatus, Listener, Messages, call},
    popped_queue::PoppedQueue,
};

/// After how many seconds a message comes again, by the number of tries or by the level that the listener chose (as
/// Java's consumers have it).
const DELAYS_S: [u64; 16] =
    [10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1_200, 1_800, 3_600, 7_200];

/// A popped message and the handle by which it is acknowledged.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) message: Arc<StoredMessage>,
    pub(crate) handle: ReceiptHandle,
}

/// Popped messages for one call of the listener.
#[derive(Debug)]
pub(crate) struct PoppedWork {
    pub(crate) queue: Arc<PoppedQueue>,
    /// From then on others may get them.
    pub(crate) until: Instant,
    pub(crate) messages: Vec<Delivery>,
}

impl Delivery {
    pub(crate) fn of(message: PoppedMessage) -> Self {
        let (stored, handle) = message.into_parts();
        Delivery { message: Arc::new(stored), handle }
    }

    /// It is done with.
    pub(crate) async fn ack(&self, core: &Core) {
        if let Err(error) = core.pops().ack(&self.message.message.topic, &self.handle).await {
            tracing::warn!(id = %self.message.message_id(), handle = %self.handle, %error, "message not acknowledged, it comes again");
        }
    }

    /// It comes again after the delay of `level`.
    async fn retry(&self, core: &Core, level: i32) {
        let delay = delay(level, self.message.reconsume_times);
        if let Err(error) = core.pops().change(&self.message.message.topic, &self.handle, delay).await {
            tracing::warn!(id = %self.message.message_id(), handle = %self.handle, %error, "invisible time not changed, the message comes again when it is over");
        }
    }
}

fn delay(level: i32, tries: i32) -> Duration {
    let place = if level == LEVEL_BY_TRIES { tries } else { level };
    let place = usize::try_from(place).unwrap_or(0).min(DELAYS_S.len() - 1);
    Duration::from_secs(DELAYS_S[place])
}

/// Calls the listener, and tells the broker of each message how it went.
pub(crate) async fn consume_popped(core: &Core, work: PoppedWork) {
    let Listener::Concurrent(listener) = &core.listener else { return };
    let PoppedWork { queue, until, messages } = work;
    let count = messages.len();
    if Instant::now() >= until {
        tracing::debug!(queue = %queue.queue, count, "messages waited for the listener beyond their invisible time, they come again");
        queue.finished(count);
        return;
    }
    let called_with: Messages = messages.iter().map(|delivery| delivery.message.clone()).collect();
    let trace = core.trace_call(&called_with);
    let began = Instant::now();
    let called = call(listener, called_with).await;
    let took = began.elapsed();
    if let Some(trace) = trace {
        end_trace(core, trace, &called, count, core.pop.invisible);
    }
    if Instant::now() >= until {
        tracing::warn!(queue = %queue.queue, count, invisible = ?core.pop.invisible, "the listener took longer than the invisible time, messages come again: raise pop_invisible_time");
        core.count_call(&queue.queue.topic, took, 0, count);
        queue.finished(count);
        return;
    }
    let (done, failed, level) = divide(messages, called.unwrap_or(ConsumeStatus::RetryLater));
    core.count_call(&queue.queue.topic, took, done.len(), failed.len());
    for delivery in &done {
        delivery.ack(core).await;
    }
    for delivery in &failed {
        let is_exhausted = delivery.message.reconsume_times >= core.settings.max_reconsume_times;
        if level <= LEVEL_DEAD || is_exhausted {
            bury(core, delivery).await;
        } else {
            delivery.retry(core, level).await;
        }
    }
    queue.finished(count);
}

/// Brings a message to the dead letter queue, as Java's proxies do. (Java's push consumer acknowledges it, and it is gone.)
pub(crate) async fn bury(core: &Core, delivery: &Delivery) {
    if core.send_back().bury(&delivery.message).await {
        delivery.ack(core).await;
    } else {
        delivery.retry(core, LEVEL_BY_TRIES).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_grows_with_the_tries_or_is_chosen() {
        let seconds = |level, tries| delay(level, tries).as_secs();
        assert_eq!([seconds(0, 0), seconds(0, 1), seconds(0, 15), seconds(0, 99)], [10, 30, 7_200, 7_200]);
        assert_eq!([seconds(2, 9), seconds(99, 0)], [60, 7_200]);
    }
}

#[cfg(test)]
#[path = "popped_test.rs"]
mod cluster_tests;
