//! Following another broker's timers, as a slave those of its master, and a master that comes back those of the slave that stood in
//! for it: what it took is taken, what it delivered is dropped. And what a slave is told of what waits.

use std::collections::HashMap;

use eruca_message::{
    LogOffset, QueueOffset, Timestamp,
    names::{TIMER_TOPIC, is_revive_topic},
    properties::{self, REAL_TOPIC, TIMER_OUT_MS},
};
use eruca_store::{Delivered, DiskError, MessageStore, ReadError};

use super::{
    engine::{BATCH_MESSAGES, Engine, Rules, Stuck},
    intake::Taken,
    outgoing::{Out, Tally, settle},
};
use crate::{pop::CHECK_POINT_LEAD_MS, stats::BrokerStats};

/// How far another broker's timers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    /// It delivered all slots before that time of what it had taken.
    pub(super) read: Timestamp,
    /// It took everything before that in the timer topic's queue.
    pub(super) taken: QueueOffset,
    /// Records of pops that speak of a later time it passed over; `None`: it did not, or dealt with them.
    pub(super) keep_pops_after: Option<Timestamp>,
}

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
    fn forget_loaded(&mut self) {
        self.loaded.clear();
        self.taken_late = None;
        self.barrier = None;
        self.window.forget();
    }

    /// The broker becomes a master: slots are read from the disk, and nobody knows what in the log is of this one.
    pub(super) fn take_up(&mut self, store: &MessageStore) {
        self.forget_loaded();
        self.delivered_end = store.log_range().1;
    }

    /// The log lost its end, and with it perhaps what was delivered: of the slot that is not finished, and of what was taken late.
    pub(super) fn log_was_cut(&mut self, store: &MessageStore) {
        self.forget_loaded();
        let slot = self.files.delivered().before;
        self.note(Delivered::before(slot), self.files.queue_offset(), store);
    }

    /// Takes what the other broker took, and drops what it delivered, but for what is to be kept. Whether there is more to take.
    pub(super) fn follow(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        rules: &Rules,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<bool, Stuck> {
        let Progress { read, taken, keep_pops_after } = *progress;
        let before = self.files.slot_start(read);
        if before > self.files.delivered().before {
            let known = self.files.delivered().before;
            let turn = before.add_ms(-self.reach_ms());
            let mut from = known.max(turn);
            while let Some(start) = self.files.next_slot(from).filter(|start| *start < before) {
                // After more than a turn a slot may be one of the future.
                if known >= turn || self.holds(start)? {
                    if let Some(after) = keep_pops_after {
                        let kept = self.pops_in(store, start, after)?;
                        self.deliver_kept(store, stats, &kept, now)?;
                    }
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
        let (mut next, mut waiting, mut kept) = (from, Vec::new(), Vec::new());
        for entry in &entries {
            // By the time at which the master took it, so that what is parked anew comes into the master's slot.
            if let Some(taken) = self.look(store, entry, rules.window_ms, None)? {
                if self.files.slot_start(taken.timer.out) >= self.files.delivered().before {
                    waiting.push((next, taken));
                } else if let Some(after) = keep_pops_after {
                    let Taken { timer, .. } = taken;
                    kept.extend(self.open_pop(store, timer.log_offset, timer.size_bytes, after)?);
                }
            }
            next = next.add_messages(1);
        }
        self.deliver_kept(store, stats, &kept, now)?;
        self.put(&waiting, next, now, store)?;
        Ok(next > from && next < end)
    }

    /// The records of pops in a slot that speak of a time after `after`.
    fn pops_in(
        &mut self,
        store: &MessageStore,
        start: Timestamp,
        after: Timestamp,
    ) -> Result<Vec<Out>, Stuck> {
        let mut units = Vec::new();
        self.files.walk(start, |_, unit| units.push((unit.log_offset, unit.size_bytes)))?;
        let mut kept = Vec::new();
        // The last one came first.
        for (log_offset, size_bytes) in units.into_iter().rev() {
            kept.extend(self.open_pop(store, log_offset, size_bytes, after)?);
        }
        Ok(kept)
    }

    /// The message there, where it is a record of a pop that speaks of a time after `after`.
    fn open_pop(
        &mut self,
        store: &MessageStore,
        log_offset: LogOffset,
        size_bytes: u32,
        after: Timestamp,
    ) -> Result<Option<Out>, Stuck> {
        let record = match store.record_near(log_offset, size_bytes, &mut self.window) {
            Ok(Some(record)) => record,
            // That it is damaged was said when it was taken.
            Ok(None) | Err(ReadError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(Stuck::Read(error)),
        };
        let text = |name| properties::find_str(record.fields.properties, name);
        let speaks_of = text(TIMER_OUT_MS).and_then(|out| out.parse().ok()).map(Timestamp);
        let is_kept = text(REAL_TOPIC).is_some_and(is_revive_topic)
            // A check point's is delivered that much before the time that it speaks of.
            && speaks_of.is_none_or(|time| time > after.add_ms(-CHECK_POINT_LEAD_MS));
        Ok(is_kept.then_some(Out { log_offset, size_bytes, written: None, is_roll: false }))
    }

    /// Delivers them now.
    fn deliver_kept(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        kept: &[Out],
        now: Timestamp,
    ) -> Result<(), Stuck> {
        if kept.is_empty() {
            return Ok(());
        }
        let mut tally = Tally::new(stats);
        for out in kept {
            self.append(store, &mut tally, *out, None, now)?;
        }
        drop(tally);
        Ok(settle(store)?)
    }

    /// Whether a slot has messages of just this time.
    fn holds(&self, start: Timestamp) -> Result<bool, DiskError> {
        let mut holds = false;
        self.files.walk(start, |_, _| holds = true)?;
        Ok(holds)
    }
}
