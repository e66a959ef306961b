//! One step of the timers: what came into the timer topic is taken into the wheel, and what is due is delivered. `following` is
//! what a slave does instead.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use eruca_message::{LogOffset, QueueOffset, Timestamp, names::TIMER_TOPIC};
use eruca_store::{
    ConsumeQueueEntry, Delivered, DiskError, MessageStore, NewTimer, ReadError, RecordWindow, TimerFiles,
    TimerFull, UnitKind, WriteStopped,
};

use super::{
    intake::{Taken, take},
    outgoing::{Out, Tally, settle},
    recall_key::RecallKeys,
    slot::{Due, Gather, LoadedSlot},
};
use crate::{delay::OutTime, role::Escape, stats::BrokerStats};

/// Most messages taken in, or delivered, by one step.
pub(super) const BATCH_MESSAGES: usize = 1_000;
/// Most bytes of them.
pub(super) const BATCH_BYTES: u64 = 4 << 20;
/// How long before it comes a slot is read into memory.
const LOOK_AHEAD_MS: i64 = 1_000;
/// Slots that are in memory ahead of their time.
const SLOTS_LOADED: usize = 3;
/// Most messages of a slot in memory; the rest comes when these are delivered.
const SLOT_MESSAGES: usize = 200_000;
/// Pause after the store or a disk refused something.
const STUCK_PAUSE_MS: i64 = 1_000;
/// Pause before it is looked whether what was delivered is confirmed.
pub(super) const CONFIRM_PAUSE_MS: i64 = 5;

/// When there is something to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// At once: not all was done.
    Now,
    /// Then, unless something arrives.
    At(Timestamp),
    /// When something arrives.
    OnArrival,
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) next: NextStep,
    /// Messages of the timer topic's queue that were taken.
    pub(super) taken: usize,
    /// Messages that were delivered.
    pub(super) delivered: usize,
}

/// What may be changed while the broker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rules {
    /// After which wait a message is parked anew.
    pub(super) window_ms: i64,
    pub(super) stop_enqueue: bool,
    pub(super) stop_dequeue: bool,
}

/// Why a step did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stuck {
    #[error(transparent)]
    Files(#[from] TimerFull),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Read(ReadError),
    #[error(transparent)]
    Stopped(#[from] WriteStopped),
}

/// The state of all timers; without a thread, a clock, or a lock.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) files: TimerFiles,
    pub(super) keys: RecallKeys,
    /// Nothing is delivered before the queue is taken up to here, as it was at this time: a recall that was acknowledged by
    /// then is heeded.
    pub(super) barrier: Option<(QueueOffset, Timestamp)>,
    pub(super) loaded: BTreeMap<Timestamp, LoadedSlot>,
    pub(super) window: RecordWindow,
    pub(super) properties: Vec<u8>,
    /// Behind what was delivered last in the log: a slot is finished when no later master can lack that.
    pub(super) delivered_end: LogOffset,
    /// Messages that were due when they were taken in, and delivered at once, count as taken then: where the queue goes on, and what must be
    /// confirmed.
    pub(super) taken_late: Option<(QueueOffset, LogOffset)>,
    is_stuck: bool,
    /// The way out while the broker stands in for its master.
    pub(super) escape: Option<Arc<Escape>>,
}

/// Messages of the queue, one after the other, that either all wait or all are due.
#[derive(Debug, Default)]
struct Run {
    is_past: bool,
    messages: Vec<(QueueOffset, Taken)>,
}

impl Engine {
    pub(super) fn new(files: TimerFiles) -> Engine {
        Engine {
            files,
            keys: RecallKeys::default(),
            barrier: None,
            loaded: BTreeMap::new(),
            window: RecordWindow::default(),
            properties: Vec::new(),
            delivered_end: LogOffset(0),
            taken_late: None,
            is_stuck: false,
            escape: None,
        }
    }

    /// Does what is to be done at `now`, as far as one step goes.
    pub(super) fn step(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        rules: &Rules,
        now: Timestamp,
    ) -> Step {
        let mut step = Step { next: NextStep::OnArrival, taken: 0, delivered: 0 };
        let result = self.try_step(store, stats, rules, now, &mut step);
        let was_stuck = std::mem::replace(&mut self.is_stuck, result.is_err());
        match result {
            Ok(next) => step.next = next,
            Err(why) => {
                if !was_stuck {
                    tracing::warn!(%why, "messages with a time of delivery wait; it is tried again every second");
                }
                step.next = NextStep::At(now.add_ms(STUCK_PAUSE_MS));
            }
        }
        step
    }

    fn try_step(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        rules: &Rules,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<NextStep, Stuck> {
        let range = store.queue_range(TIMER_TOPIC, 0);
        let (until, at) = *self.barrier.get_or_insert((range.max, now));
        if !rules.stop_enqueue && !self.is_far_behind(rules, now) {
            self.note_late(store);
            if self.taken_late.is_none() {
                step.taken = self.take_in(store, stats, rules, now)?;
            }
            if self.taken_late.is_some() {
                return Ok(NextStep::At(now.add_ms(CONFIRM_PAUSE_MS)));
            }
            if self.files.queue_offset() < until.min(range.max) {
                return Ok(NextStep::Now);
            }
        }
        self.barrier = None;
        if rules.stop_dequeue {
            return Ok(NextStep::At(now.add_ms(STUCK_PAUSE_MS)));
        }
        self.deliver_due(store, stats, at, &mut step.delivered)
    }

    /// How far ahead the wheel reaches.
    pub(super) fn reach_ms(&self) -> i64 {
        eruca_store::WHEEL_SLOTS.saturating_mul(self.files.precision_ms())
    }

    /// Whether so much was not delivered that a slot of the future could be one of the past: first that.
    fn is_far_behind(&self, rules: &Rules, now: Timestamp) -> bool {
        let precision_ms = self.files.precision_ms();
        let reach_ms = self.reach_ms();
        // The two slots of which only a part lies in the window.
        let free_ms = reach_ms.saturating_sub(rules.window_ms).saturating_sub(2 * precision_ms);
        now.ms_since(self.files.delivered().before) > free_ms
    }

    /// Takes messages of the timer topic's queue into the wheel. How many.
    fn take_in(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        rules: &Rules,
        now: Timestamp,
    ) -> Result<usize, Stuck> {
        let range = store.queue_range(TIMER_TOPIC, 0);
        let from = self.files.queue_offset().clamp(range.min, range.max);
        let entries = store.queue_entries(TIMER_TOPIC, 0, from, BATCH_MESSAGES);
        let mut run = Run::default();
        let (mut next, mut bytes) = (from, 0);
        for entry in &entries {
            if let Some(taken) = self.look(store, entry, rules.window_ms, Some(now))? {
                let is_past = self.is_past(&taken, now);
                if is_past != run.is_past {
                    // In the order of the queue, so that a failure does not have anything taken twice.
                    self.end_run(&mut run, next, store, stats, now)?;
                    if self.taken_late.is_some() {
                        return Ok(usize::try_from(next.0 - from.0).unwrap_or(usize::MAX));
                    }
                    run.is_past = is_past;
                }
                run.messages.push((next, taken));
            }
            next = next.add_messages(1);
            bytes += u64::from(entry.size_bytes);
            if bytes > BATCH_BYTES {
                break;
            }
        }
        if next != self.files.queue_offset() {
            self.end_run(&mut run, next, store, stats, now)?;
        }
        Ok(usize::try_from(next.0 - from.0).unwrap_or(usize::MAX))
    }

    /// Messages before `next` wait from now on, or are delivered.
    fn end_run(
        &mut self,
        run: &mut Run,
        next: QueueOffset,
        store: &MessageStore,
        stats: &BrokerStats,
        now: Timestamp,
    ) -> Result<(), Stuck> {
        let messages = std::mem::take(&mut run.messages);
        if !run.is_past {
            return self.put(&messages, next, now, store);
        }
        let mut tally = Tally::new(stats);
        let mut done = (next, Ok(()));
        for (offset, Taken { timer, .. }) in messages {
            if timer.kind == UnitKind::Recall {
                continue;
            }
            let out = Out {
                log_offset: timer.log_offset,
                size_bytes: timer.size_bytes,
                written: None,
                is_roll: timer.kind.is_roll(),
            };
            if let Err(stuck) = self.append(store, &mut tally, out, None, now) {
                done = (offset, Err(stuck));
                break;
            }
        }
        drop(tally);
        settle(store)?;
        self.taken_late = Some((done.0, store.log_range().1));
        self.note_late(store);
        done.1
    }

    /// Notes what was delivered as it was taken in, when it cannot be cut off the log any more.
    fn note_late(&mut self, store: &MessageStore) {
        if let Some((next, _)) = self.taken_late.take_if(|(_, end)| *end <= store.confirmed()) {
            self.note(self.files.delivered(), next, store);
        }
    }

    /// What a message of the queue is that is taken at `now`, or was when it was stored; `None` where nothing ever can become
    /// of it, which is said.
    pub(super) fn look(
        &mut self,
        store: &MessageStore,
        entry: &ConsumeQueueEntry,
        window_ms: i64,
        now: Option<Timestamp>,
    ) -> Result<Option<Taken>, Stuck> {
        let at = entry.log_offset;
        let lost = |why: &dyn std::fmt::Display| {
            tracing::error!(log_offset = at.0, %why, "a message of the timer topic cannot be delivered, it is passed over");
            Ok(None)
        };
        if entry.is_blank() {
            return lost(&"its queue entry is blank");
        }
        let record = match store.record_near(at, entry.size_bytes, &mut self.window) {
            Ok(Some(record)) => record,
            Ok(None) => return lost(&"its record is not in the log any more"),
            Err(damaged @ ReadError::Damaged { .. }) => return lost(&damaged),
            Err(error) => return Err(Stuck::Read(error)),
        };
        let now = now.unwrap_or(record.fields.store_timestamp);
        match take(&record, &self.keys, self.files.precision_ms(), window_ms, now) {
            Ok(taken) => Ok(Some(taken)),
            Err(why) => lost(&why),
        }
    }

    /// Whether the slot of a message was delivered already. A clock that was set back has slots come again.
    fn is_past(&mut self, taken: &Taken, now: Timestamp) -> bool {
        let delivered = self.files.delivered();
        let slot = self.files.slot_start(taken.timer.out);
        let is_past = slot < delivered.before || (slot == delivered.before && taken.due < delivered.due);
        if is_past && taken.due > now {
            self.files.note(Delivered::before(slot), self.files.queue_offset(), LogOffset(0));
            return false;
        }
        is_past
    }

    /// Puts messages into the wheel; everything before `next` was taken then.
    pub(super) fn put(
        &mut self,
        waiting: &[(QueueOffset, Taken)],
        next: QueueOffset,
        now: Timestamp,
        store: &MessageStore,
    ) -> Result<(), Stuck> {
        let timers: Vec<NewTimer> = waiting.iter().map(|(_, taken)| taken.timer).collect();
        let positions = self.files.put(&timers, now)?;
        for ((_, taken), pos) in waiting.iter().zip(positions) {
            let slot = self.files.slot_start(taken.timer.out);
            let Some(loaded) = self.loaded.get_mut(&slot) else { continue };
            match taken.recalls {
                Some(key) => loaded.recall(key),
                None if taken.timer.kind == UnitKind::Recall => {}
                None => loaded.push(Due {
                    at: taken.due,
                    pos,
                    log_offset: taken.timer.log_offset,
                    size_bytes: taken.timer.size_bytes,
                    written: now,
                    is_roll: taken.timer.kind.is_roll(),
                }),
            }
        }
        self.note(self.files.delivered(), next, store);
        Ok(())
    }

    pub(super) fn note(&mut self, delivered: Delivered, next: QueueOffset, store: &MessageStore) {
        self.files.note(delivered, next, store.log_range().1);
    }

    /// Delivers what is due at `now`, as far as one step goes.
    fn deliver_due(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        now: Timestamp,
        count: &mut usize,
    ) -> Result<NextStep, Stuck> {
        let precision_ms = self.files.precision_ms();
        loop {
            let ahead = self.load_ahead(store, now)?;
            let Some((start, next_at, is_more)) =
                self.loaded.first_key_value().map(|(start, slot)| (*start, slot.next_at(), slot.is_more()))
            else {
                self.pass_to(self.files.slot_start(now));
                return Ok(ahead.map_or(NextStep::OnArrival, NextStep::At));
            };
            self.pass_to(self.files.slot_start(now).min(start));
            let end = start.add_ms(precision_ms);
            match next_at {
                Some(at) if at <= now => {
                    if *count > 0 {
                        return Ok(NextStep::Now);
                    }
                    *count += self.deliver_batch(store, stats, start, now)?;
                }
                // The end of the slot is no time at which anything is due; the slot after it may be.
                Some(at) => return Ok(NextStep::At(ahead.map_or(at, |ahead| ahead.min(at)))),
                None if is_more => drop(self.loaded.remove(&start)),
                None if now >= end && self.delivered_end > store.confirmed() => {
                    return Ok(NextStep::At(now.add_ms(CONFIRM_PAUSE_MS)));
                }
                None if now >= end => {
                    self.files.finish(start)?;
                    self.loaded.remove(&start);
                    self.note(Delivered::before(end), self.files.queue_offset(), store);
                }
                None => return Ok(NextStep::At(ahead.map_or(end, |ahead| ahead.min(end)))),
            }
        }
    }

    /// All slots before `start` are empty and stay so.
    fn pass_to(&mut self, start: Timestamp) {
        if start > self.files.delivered().before {
            self.files.pass_to(start);
        }
    }

    /// Reads the slots that come next into memory; when the next one after them is to be read.
    fn load_ahead(&mut self, store: &MessageStore, now: Timestamp) -> Result<Option<Timestamp>, Stuck> {
        let precision_ms = self.files.precision_ms();
        let mut from = self.files.delivered().before;
        for place in 0.. {
            let Some(start) = self.files.next_slot(from) else { return Ok(None) };
            if start > now.add_ms(LOOK_AHEAD_MS) {
                return Ok(Some(start.add_ms(-LOOK_AHEAD_MS)));
            }
            if !self.loaded.contains_key(&start) {
                if place >= SLOTS_LOADED {
                    return Ok(None);
                }
                let slot = self.load(store, start)?;
                self.loaded.insert(start, slot);
            }
            from = start.add_ms(precision_ms);
        }
        Ok(None)
    }

    fn load(&mut self, store: &MessageStore, start: Timestamp) -> Result<LoadedSlot, Stuck> {
        let precision_ms = self.files.precision_ms();
        let mut gather = Gather::new(start, self.files.delivered(), SLOT_MESSAGES);
        let mut recalled = HashSet::new();
        let (window, keys) = (&mut self.window, &self.keys);
        let mut failed = None;
        self.files.walk(start, |pos, unit| {
            let is_coarse = unit.kind == UnitKind::Deliver && unit.out.0.rem_euclid(precision_ms) == 0;
            let is_recall = unit.kind == UnitKind::Recall;
            let mut at =
                if unit.kind.is_roll() { unit.out } else { OutTime(unit.out.0).due(b"", precision_ms) };
            if (is_coarse || is_recall) && failed.is_none() {
                // Only the message itself says it.
                let fields = match store.record_near(unit.log_offset, unit.size_bytes, window) {
                    Ok(record) => record.map(|record| record.fields),
                    Err(ReadError::Damaged { .. }) => None,
                    Err(error) => {
                        failed = Some(error);
                        None
                    }
                };
                if let Some(fields) = fields {
                    at = OutTime(unit.out.0).due(fields.properties, precision_ms);
                    recalled.extend(is_recall.then(|| keys.recalled(fields.properties)).flatten());
                }
            }
            if !is_recall {
                gather.add(Due {
                    at,
                    pos,
                    log_offset: unit.log_offset,
                    size_bytes: unit.size_bytes,
                    written: unit.written,
                    is_roll: unit.kind.is_roll(),
                });
            }
        })?;
        match failed {
            Some(error) => Err(Stuck::Read(error)),
            None => Ok(gather.finish(recalled)),
        }
    }
}
