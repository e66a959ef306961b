//! The timers of a slave: what its master took is taken, what it delivered is dropped; and what a slave is told of what waits.

use std::collections::HashMap;

use eruca_message::{QueueOffset, Timestamp, names::TIMER_TOPIC};
use eruca_store::{Delivered, DiskError, MessageStore};

use super::engine::{BATCH_MESSAGES, Engine, Rules, Stuck};

impl Engine {
    /// How many messages wait, less recalls, by the hash of their topic; `None` where there are more than `most`.
    pub(super) fn count_by_topic(&self, most: i64) -> Result<Option<HashMap<i32, i64>>, DiskError> {
        if self.files.count() > most {
            return Ok(None);
        }
        let mut counts = HashMap::new();
        let mut from = self.files.delivered().before;
        // The wheel is round: after one turn the first slot comes again.
        let end = from.add_ms(self.reach_ms());
        while let Some(start) = self.files.next_slot(from).filter(|start| *start < end) {
            self.files.walk(start, |_, unit| {
                *counts.entry(unit.topic_hash).or_insert(0) += i64::from(unit.kind.count());
            })?;
            from = start.add_ms(self.files.precision_ms());
        }
        Ok(Some(counts))
    }

    /// Slots are read from the disk again.
    pub(super) fn forget_loaded(&mut self) {
        self.loaded.clear();
        self.barrier = None;
        self.window.forget();
    }

    /// As a slave: takes what the master took, and drops what it delivered. `read` is the master's: it delivered all slots
    /// before that time of what it had taken, which is everything before `taken` in the timer topic's queue. The log must
    /// have all that it delivered. Whether there is more to take.
    pub(super) fn follow(
        &mut self,
        store: &MessageStore,
        rules: &Rules,
        read: Timestamp,
        taken: QueueOffset,
        now: Timestamp,
    ) -> Result<bool, Stuck> {
        let before = self.files.slot_start(read);
        if before > self.files.delivered().before {
            let known = self.files.delivered().before;
            let turn = before.add_ms(-self.reach_ms());
            let mut from = known.max(turn);
            while let Some(start) = self.files.next_slot(from).filter(|start| *start < before) {
                // After more than a turn a slot may be one of the future.
                if known >= turn || self.holds(start)? {
                    self.files.finish(start)?;
                }
                from = start.add_ms(self.files.precision_ms());
            }
            self.note(Delivered::before(before), self.files.queue_offset(), store);
        }
        let range = store.queue_range(TIMER_TOPIC, 0);
        let end = taken.min(range.max);
        let from = self.files.queue_offset().clamp(range.min, range.max);
        if from >= end {
            return Ok(false);
        }
        let most = usize::try_from(end.0 - from.0).unwrap_or(usize::MAX).min(BATCH_MESSAGES);
        let entries = store.queue_entries(TIMER_TOPIC, 0, from, most);
        let (mut next, mut waiting) = (from, Vec::new());
        for entry in &entries {
            // By the time at which the master took it, so that what is parked anew comes into the master's slot.
            if let Some(taken) = self.look(store, entry, rules.window_ms, None)?
                && self.files.slot_start(taken.timer.out) >= self.files.delivered().before
            {
                waiting.push((next, taken));
            }
            next = next.add_messages(1);
        }
        self.put(&waiting, next, now, store)?;
        Ok(next > from && next < end)
    }

    /// Whether a slot has messages of just this time.
    fn holds(&self, start: Timestamp) -> Result<bool, DiskError> {
        let mut holds = false;
        self.files.walk(start, |_, _| holds = true)?;
        Ok(holds)
    }
}
