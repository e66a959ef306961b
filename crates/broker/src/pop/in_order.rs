//! Giving out in order, as the broker has it.

use eruca_message::{Timestamp, lite::is_lite_queue};

use super::{
    order::OrderAck,
    service::{PopService, Turn},
    state::QueueKey,
};
use crate::lite::wake;

/// What an acknowledgement in order met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderVerdict {
    /// It counts, or is stale and changes nothing.
    Done,
    /// The pop that it names had no such message.
    NotGiven,
}

impl PopService {
    /// Whether nothing of the queue may be given in order to `attempt_id` now.
    pub fn is_blocked(&self, queue: &QueueKey, attempt_id: Option<&str>) -> bool {
        self.orders.blocks(queue, attempt_id, self.parts.clock.now())
    }

    /// Messages are given out in order: by offset how often they were before, and the least of all. Settled as
    /// [`PopService::popped`].
    pub fn given_in_order(
        &self,
        _turn: &Turn<'_>,
        queue: &QueueKey,
        attempt_id: Option<&str>,
        pop_time: i64,
        invisible_ms: i64,
        offsets: &[i64],
    ) -> (Vec<(i64, i32)>, i32) {
        let counts = self.orders.given(queue, attempt_id, pop_time, invisible_ms, offsets);
        self.parts.hold.call_before(Timestamp(pop_time.saturating_add(invisible_ms)));
        counts
    }

    /// A message that was given out in order was consumed.
    pub fn ack_in_order(&self, queue: &QueueKey, offset: i64, pop_time: i64) -> OrderVerdict {
        let QueueKey { topic, group, queue_id } = queue;
        let turn = self.turn(queue);
        if self.look(queue).is_some_and(|committed| offset < committed) {
            return OrderVerdict::Done;
        }
        match self.orders.ack(queue, offset, pop_time) {
            OrderAck::Stale => return OrderVerdict::Done,
            OrderAck::NotGiven => return OrderVerdict::NotGiven,
            OrderAck::Next(next) => {
                if !self.parts.offsets.has_reset(group, topic, *queue_id) {
                    self.commit_on_log(queue, next);
                }
            }
        }
        drop(turn);
        if !self.is_blocked(queue, None) {
            self.notify_free(queue);
        }
        OrderVerdict::Done
    }

    /// A power cut may have taken messages that were in flight in order: what comes in their places is not in flight, and
    /// nobody acknowledged it.
    pub(super) fn forget_lost_orders(&self) {
        let end = |QueueKey { topic, queue_id, .. }: &QueueKey| {
            self.parts.store.queue_range(topic, *queue_id).max.to_i64()
        };
        if !self.orders.forget_beyond(end) {
            return;
        }
        if let Err(error) = self.orders.persist_step() {
            // The log will reach that far again, with other messages: until then it is tried every few seconds.
            tracing::error!(%error, "what was in flight in order and is lost is still in consumerOrderInfo.json");
        }
    }

    /// Tells who waits that a queue may be popped from in order again.
    pub(super) fn notify_free(&self, queue: &QueueKey) {
        let QueueKey { topic, group, queue_id } = queue;
        if !is_lite_queue(topic) {
            self.parts.hold.notify(topic, group, *queue_id);
            return;
        }
        let max = self.parts.store.readable_queue_range(topic, *queue_id).max.to_i64();
        if self.look(queue).is_none_or(|next| next < max) {
            let mut woken = Vec::new();
            self.parts.lite.notify(topic, Some(group), &mut woken);
            wake(&woken, &self.parts.hold);
        }
    }

    /// What is in flight of the queue is forgotten: the queue is deleted.
    pub(crate) fn forget_in_order(&self, queue: &QueueKey) {
        self.orders.clear(queue);
    }

    /// How many queues and groups have messages in flight in order.
    pub(crate) fn orders_len(&self) -> usize {
        self.orders.len()
    }

    /// A message that was given out in order becomes visible at `visible_at`, with `suspend` all of its pop do, and the pop does not
    /// count; false where the handle is stale.
    pub fn change_in_order(
        &self,
        queue: &QueueKey,
        offset: i64,
        pop_time: i64,
        visible_at: Timestamp,
        suspend: bool,
    ) -> bool {
        let _turn = self.turn(queue);
        let is_over = self.look(queue).is_some_and(|committed| offset < committed);
        let changed = !is_over && self.orders.change(queue, offset, pop_time, visible_at, suspend);
        if changed {
            self.parts.hold.call_before(visible_at);
        }
        changed
    }
}
