//! The part of a pop that comes from one queue.

use bytes::BytesMut;
use eruca_message::{LogOffset, QueueOffset, names::is_retry_topic};
use eruca_protocol::pop::{ORDER_REVIVE_QUEUE, PopTopic, QueueOffsets, push_order_counts};
use eruca_store::{EntryFilter, ReadLimits, ReadOutcome, ReadStatus, Wait};

use super::{
    again, lite,
    members::{Again, AnyWish, Front, Wishes},
    plan::Plan,
    pop_message::PopMessageHandler,
};
use crate::{
    config::BrokerConfig,
    filter::MessageFilter,
    pop::{CheckPoint, PopKey, QueueKey, Turn},
    reply::HandlerError,
};

/// Entries that one pop looks through in a queue for messages that match.
const SCANS_MAX: usize = 8;

/// What the queues of a pop brought so far.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) pop_time: i64,
    pub(super) revive_queue: i32,
    pub(super) records: BytesMut,
    pub(super) messages: usize,
    /// Messages of the queues that were looked at that are left.
    pub(super) rest: i64,
    pub(super) start_offset_info: String,
    pub(super) msg_offset_info: String,
    pub(super) order_count_info: String,
    /// End of the last check point that was appended.
    pub(super) log_end: Option<LogOffset>,
    /// What the members of the group want, where they do not want the same.
    pub(super) wishes: Vec<MessageFilter>,
}

/// Why a queue brought nothing, and none of the others is asked.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The disk would have to be waited for.
    WouldWait,
    /// The store does not take the check point.
    Refused(HandlerError),
}

impl Gathered {
    pub(super) fn new(pop_time: i64, revive_queue: i32, wishes: Vec<MessageFilter>) -> Self {
        Gathered {
            pop_time,
            revive_queue,
            records: BytesMut::new(),
            messages: 0,
            rest: 0,
            start_offset_info: String::new(),
            msg_offset_info: String::new(),
            order_count_info: String::new(),
            log_end: None,
            wishes,
        }
    }
}

impl PopMessageHandler {
    /// Pops from one queue of `topic`, which is the plan's or a retry topic of it.
    pub(super) fn pop_queue(
        &self,
        plan: &Plan,
        topic: &str,
        queue_id: i32,
        gathered: &mut Gathered,
        wait: Wait,
    ) -> Result<(), Stopped> {
        let queue = QueueKey::new(topic, plan.group.clone(), queue_id);
        let config = self.settings.now();
        if wait == Wait::Allowed {
            // So that the queue's turn does not last as long as the disk takes.
            self.warm(plan, &queue, gathered, &config);
        }
        let turn = self.pop.turn(&queue);
        let mut from = self.pop.position(&turn, &queue, plan.from_min).0;
        if plan.is_order && self.pop.is_blocked(&queue, plan.attempt_id.as_deref()) {
            return Ok(());
        }
        let wanted = plan.max_messages.saturating_sub(gathered.messages);
        if wanted == 0 {
            gathered.rest += self.left_from(&queue, from);
            return Ok(());
        }
        if !gathered.wishes.is_empty() {
            self.left.comes(&queue, &plan.filter);
        }
        for _ in 0..SCANS_MAX {
            let read = self
                .read_at(plan, &queue, from, wanted, &gathered.wishes, &config, wait)
                .ok_or(Stopped::WouldWait)?;
            let next = read.next_offset.to_i64();
            match read.status {
                ReadStatus::Found => {
                    let front =
                        Wishes { own: &plan.filter, all: &gathered.wishes }.front(topic, &read.records);
                    if !front.offsets.is_empty() {
                        let next = front.others.as_ref().map_or(next, |others| others.offsets.start);
                        return self.give_out(plan, turn, queue, from, next, front, gathered);
                    }
                    let Some(others) = front.others else { break };
                    if !self.hands_over(plan, &queue, &others).map_err(Stopped::Refused)? {
                        break;
                    }
                    from = others.offsets.end;
                    self.pass_over(plan, &turn, &queue, from);
                }
                ReadStatus::OffsetTooSmall | ReadStatus::OffsetOverflowBadly => {
                    tracing::warn!(%topic, queue_id, group = %plan.group, from, next, "a group pops where the queue has nothing, set right");
                    self.pop.corrected(&turn, &queue, next);
                    from = next;
                }
                ReadStatus::NoMatchedMessage
                | ReadStatus::MessageWasRemoving
                | ReadStatus::OffsetFoundNull
                    if next > from =>
                {
                    self.pass_over(plan, &turn, &queue, next);
                    from = next;
                }
                _ => break,
            }
        }
        gathered.rest += self.left_from(&queue, from);
        Ok(())
    }

    /// Reads without taking, so that what is read then is in memory.
    fn warm(&self, plan: &Plan, queue: &QueueKey, gathered: &Gathered, config: &BrokerConfig) {
        let wanted = plan.max_messages.saturating_sub(gathered.messages);
        if wanted > 0 {
            let from = self.pop.look(queue).unwrap_or_else(|| self.pop.first_position(queue, plan.from_min));
            drop(self.read_at(plan, queue, from, wanted, &gathered.wishes, config, Wait::Allowed));
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what is read, for whom, and how")]
    fn read_at(
        &self,
        plan: &Plan,
        queue: &QueueKey,
        from: i64,
        wanted: usize,
        wishes: &[MessageFilter],
        config: &BrokerConfig,
        wait: Wait,
    ) -> Option<ReadOutcome> {
        let most = usize::try_from(config.max_transfer_count_on_message_in_memory).unwrap_or(1).max(1);
        let limits = ReadLimits {
            max_messages: wanted.min(most),
            max_bytes: usize::try_from(config.max_transfer_bytes_on_message_in_memory).unwrap_or(usize::MAX),
            max_entries_scanned: usize::try_from(config.max_filter_message_size / 20)
                .unwrap_or(0)
                .max(wanted),
        };
        let by_plan = plan.filter.for_read();
        let by_any = || AnyWish::new(Wishes { own: &plan.filter, all: wishes });
        let (any, again);
        let filter: &dyn EntryFilter = match (is_retry_topic(&queue.topic), wishes.is_empty()) {
            (true, _) => {
                again = Again(by_any());
                &again
            }
            (false, true) => &by_plan,
            (false, false) => {
                any = by_any();
                &any
            }
        };
        let from = QueueOffset(from.max(0).unsigned_abs());
        self.store.read_waiting(&queue.topic, queue.queue_id, from, &limits, filter, wait)
    }

    fn pass_over(&self, plan: &Plan, turn: &Turn<'_>, queue: &QueueKey, next: i64) {
        match plan.is_order {
            true => self.pop.corrected(turn, queue, next),
            false => self.pop.passed_over(turn, queue.clone(), next),
        }
    }

    /// How many messages a queue has from there on.
    fn left_from(&self, queue: &QueueKey, from: i64) -> i64 {
        let max = self.store.readable_queue_range(&queue.topic, queue.queue_id).max;
        max.to_i64().saturating_sub(from).max(0)
    }

    #[expect(clippy::too_many_arguments, reason = "the end of one function, which would be too long with it")]
    fn give_out(
        &self,
        plan: &Plan,
        turn: Turn<'_>,
        queue: QueueKey,
        from: i64,
        next: i64,
        front: Front,
        gathered: &mut Gathered,
    ) -> Result<(), Stopped> {
        let Front { records, offsets, .. } = front;
        let (pop_time, invisible_ms) = (gathered.pop_time, plan.invisible_ms);
        let QueueKey { topic, queue_id, .. } = &queue;
        let (topic, queue_id) = (topic.clone(), *queue_id);
        let revive_queue = if plan.is_order { ORDER_REVIVE_QUEUE } else { gathered.revive_queue };
        if plan.is_order {
            let attempt_id = plan.attempt_id.as_deref();
            let (counts, least) =
                self.pop.given_in_order(&turn, &queue, attempt_id, pop_time, invisible_ms, &offsets);
            match plan.lite {
                Some(_) => lite::push_counts(&mut gathered.order_count_info, &offsets, &counts),
                None => push_order_counts(
                    &mut gathered.order_count_info,
                    PopTopic::of(&topic),
                    queue_id,
                    counts,
                    least,
                ),
            }
        } else {
            let key = PopKey::new(queue.clone(), from, pop_time);
            if self.pop.is_taken(&key) {
                // Two pops of one name in a millisecond, as after a reset: the next one gets it.
                gathered.rest += self.left_from(&queue, from);
                return Ok(());
            }
            let check_point = CheckPoint { key, invisible_ms, offsets: offsets.clone(), suspend: false };
            let end = self.pop.popped(&turn, check_point, revive_queue, next).map_err(Stopped::Refused)?;
            gathered.log_end = Some(end);
        }
        drop(turn);
        let config = self.settings.now();
        if is_retry_topic(&topic) && !config.pop_response_return_actual_retry_topic {
            let handle = again::handle(
                &topic,
                queue_id,
                from,
                pop_time,
                invisible_ms,
                revive_queue,
                &config.broker_name,
            );
            if let Err(error) = again::rewrite(&records, plan, &handle, &mut gathered.records) {
                tracing::error!(%topic, queue_id, from, %error, "messages that come again cannot be given out, they come later");
                return Ok(());
            }
        } else {
            gathered.records.extend_from_slice(&records);
        }
        gathered.messages += offsets.len();
        gathered.rest += self.left_from(&queue, next);
        self.stats.got(&plan.group, &plan.topic, offsets.len() as u64, records.len() as u64);
        QueueOffsets { topic: PopTopic::of(&topic), queue_id, start: from, offsets }
            .push_to(&mut gathered.start_offset_info, &mut gathered.msg_offset_info);
        Ok(())
    }
}
