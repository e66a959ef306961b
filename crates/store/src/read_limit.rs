//! Up to where readers see the log: everything that is written, or with a controller only what no later master can lack
//! (Java: `confirmOffset`).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use eruca_message::{LogOffset, QueueOffset};

use crate::{
    arrival::Arrival,
    consume_queue::{BatchQueue, ConsumeQueue},
    disk::DiskError,
    query::QueueRange,
    store::MessageStore,
};

/// Most arrivals that are kept until their messages can be read. Whoever waits for one more looks by itself when its time is over.
const HELD_MAX: usize = 1 << 20;
/// No limit.
const EVERYTHING: u64 = u64::MAX;
/// Nobody said what is confirmed.
const UNSAID: u64 = u64::MAX - 1;

/// The limit, and the arrivals behind it.
#[derive(Debug)]
pub(crate) struct ReadLimit {
    end: AtomicU64,
    /// What the checkpoint is to say.
    confirmed: AtomicU64,
    /// What it says.
    noted: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// By the end of their records.
    by_end: BTreeMap<u64, Vec<Arrival>>,
    count: usize,
}

impl Default for ReadLimit {
    fn default() -> Self {
        ReadLimit {
            end: AtomicU64::new(EVERYTHING),
            confirmed: AtomicU64::new(UNSAID),
            noted: AtomicU64::new(UNSAID),
            held: Mutex::default(),
        }
    }
}

impl ReadLimit {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// What the checkpoint is to say of a log that is on the disk up to `end`; `None`: what it says already.
    pub(crate) fn to_note(&self, end: u64) -> Option<i64> {
        match self.confirmed.load(Ordering::Acquire) {
            UNSAID => None,
            confirmed => Some(LogOffset(confirmed.min(end)).to_i64()),
        }
    }

    /// The checkpoint says so now, or when the queues allow it.
    pub(crate) fn noted(&self, confirmed: i64) {
        self.noted.store(u64::try_from(confirmed).unwrap_or(0), Ordering::Release);
    }
}

impl Held {
    fn keep(&mut self, end: u64, arrival: &Arrival) {
        if self.count < HELD_MAX {
            self.by_end.entry(end).or_default().push(arrival.clone());
            self.count += 1;
        }
    }

    /// Takes those that end at `end` or before.
    fn take_up_to(&mut self, end: u64) -> Vec<Arrival> {
        let later = match end.checked_add(1) {
            Some(next) => self.by_end.split_off(&next),
            None => BTreeMap::new(),
        };
        let ready: Vec<Arrival> =
            std::mem::replace(&mut self.by_end, later).into_values().flatten().collect();
        self.count -= ready.len();
        ready
    }
}

impl MessageStore {
    /// Readers see queues only as far as their messages end at `end` or before it; `None`: everything that is written. Those who
    /// wait for messages are told of the ones that can be read now, on this thread.
    ///
    /// What asks by a place in the log ([`MessageStore::record_at`], [`MessageStore::read_raw_log`]) is not limited.
    pub fn set_read_limit(&self, end: Option<LogOffset>) {
        let end = end.map_or(EVERYTHING, |end| end.0);
        let ready = {
            let mut held = self.read_limit.held();
            self.read_limit.end.store(end, Ordering::Release);
            held.take_up_to(end)
        };
        if let Some(listener) = self.listener.get()
            && !ready.is_empty()
        {
            listener.arrived(&ready);
        }
    }

    /// Everyone who may become master has the log up to `end`; `None`: up to its end, as this broker is alone. The checkpoint says so from
    /// the next flush of the queues on, for the next start.
    pub fn note_confirmed(&self, end: Option<LogOffset>) {
        self.read_limit.confirmed.store(end.map_or(EVERYTHING, |end| end.0), Ordering::Release);
    }

    /// What is written up to there is never cut off again: everyone has it who may become master. All of it where there is no controller.
    pub fn confirmed(&self) -> LogOffset {
        LogOffset(self.read_limit.confirmed.load(Ordering::Acquire)).min(self.log_range().1)
    }

    /// Up to where everyone had the log when that was noted last, as far as the log reaches; 0 where it never was.
    pub fn confirmed_before(&self) -> LogOffset {
        let flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
        LogOffset(u64::try_from(flush.checkpoint.confirm_offset).unwrap_or(0)).min(self.log_range().1)
    }

    /// Whether the checkpoint says less than is confirmed of what is on the disk.
    pub fn has_confirmed_more(&self) -> bool {
        let flushed = self.watermarks().flushed.0;
        let to_note = self.read_limit.to_note(flushed).and_then(|end| u64::try_from(end).ok());
        to_note.is_some_and(|end| end != self.read_limit.noted.load(Ordering::Acquire))
    }

    /// What [`MessageStore::set_read_limit`] set.
    pub fn read_limit(&self) -> Option<LogOffset> {
        Some(self.read_limit.end()).filter(|end| *end != EVERYTHING).map(LogOffset)
    }

    /// Tells the listener of messages that were written, as soon as they can be read.
    pub(crate) fn tell_arrivals(&self, arrivals: &[Arrival]) {
        let Some(listener) = self.listener.get() else { return };
        if arrivals.is_empty() {
            return;
        }
        if self.read_limit.end() == EVERYTHING {
            return listener.arrived(arrivals);
        }
        let mut ready = Vec::new();
        {
            let mut held = self.read_limit.held();
            let limit = self.read_limit.end();
            for arrival in arrivals {
                let end = arrival.log_offset.0 + u64::from(arrival.size_bytes);
                match end <= limit {
                    true => ready.push(arrival.clone()),
                    false => held.keep(end, arrival),
                }
            }
        }
        if !ready.is_empty() {
            listener.arrived(&ready);
        }
    }

    /// The offsets of a queue that consumers see; 0..0 for one that is not there.
    pub fn readable_queue_range(&self, topic: &str, queue_id: i32) -> QueueRange {
        let (min, max) = match self.queues.find(topic, queue_id) {
            Some(queue) => self.readable_range(&queue),
            None => {
                let queue = self.batch_queues.find(topic, queue_id);
                queue.map_or((0, 0), |queue| self.readable_batch_range(&queue))
            }
        };
        QueueRange { min: QueueOffset(min), max: QueueOffset(max) }
    }

    /// Forgets arrivals of what was cut off the log from `from` on: what comes to lie there is not confirmed yet.
    pub(crate) fn forget_arrivals(&self, from: u64) {
        let mut held = self.read_limit.held();
        if self.read_limit.end() != EVERYTHING {
            self.read_limit.end.fetch_min(from, Ordering::AcqRel);
        }
        let gone = held.by_end.split_off(&from.saturating_add(1));
        held.count -= gone.into_values().map(|all| all.len()).sum::<usize>();
    }

    /// The offsets of a queue that readers see.
    pub(crate) fn readable_range(&self, queue: &ConsumeQueue) -> (u64, u64) {
        let limit = self.read_limit.end();
        let (min, max) = queue.range();
        if limit == EVERYTHING {
            return (min, max);
        }
        let is_readable = |index| match queue.entry(self.queues.files(), index) {
            Ok(Some(entry)) if !entry.is_blank() => {
                Ok(Some(entry.log_offset.0 + u64::from(entry.size_bytes) <= limit))
            }
            Ok(_) => Ok(None),
            Err(error) => Err(error),
        };
        (min, readable_end(min, max, is_readable))
    }

    /// The same of a batch queue.
    pub(crate) fn readable_batch_range(&self, queue: &BatchQueue) -> (u64, u64) {
        let limit = self.read_limit.end();
        let (min, max) = queue.range();
        if limit == EVERYTHING {
            return (min, max);
        }
        let is_readable = |index| {
            let entries = queue.read(index, 1)?;
            Ok(entries.first().map(|entry| entry.log_offset.0 + u64::from(entry.size_bytes) <= limit))
        };
        (min, readable_end(min, max, is_readable))
    }
}

/// The end of those of `min..max` that can be read; places in the log grow with the index. An entry without a message is seen with
/// the one behind it. What cannot be looked at is not seen: the read that comes tells why.
fn readable_end(min: u64, max: u64, is_readable: impl Fn(u64) -> Result<Option<bool>, DiskError>) -> u64 {
    let decides =
        |from: u64, to: u64| (from..to).find_map(|at| is_readable(at).transpose().map(|found| (at, found)));
    // Nearly always the last one can be read, or only few cannot.
    let (mut low, mut high, mut step) = (min, max, 1);
    while low < high {
        let probe = max.saturating_sub(step).max(low);
        match decides(probe, high) {
            Some((at, Ok(true))) => {
                low = at + 1;
                break;
            }
            Some((_, Ok(false))) | None => high = probe,
            Some((_, Err(_))) => return low,
        }
        step = step.saturating_mul(4);
    }
    while low < high {
        let middle = low + (high - low) / 2;
        match decides(middle, high) {
            Some((at, Ok(true))) => low = at + 1,
            Some((_, Ok(false))) | None => high = middle,
            Some((_, Err(_))) => return low,
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_end_is_behind_the_last_one_that_can_be_read(
            min in 0u64..5,
            entries in proptest::collection::vec(any::<bool>(), 0..300),
            readable in 0usize..300,
        ) {
            let max = min + entries.len() as u64;
            let place = |index: u64| usize::try_from(index - min).unwrap();
            let end = readable_end(min, max, |index| Ok(entries[place(index)].then(|| place(index) < readable)));
            let last = (0..readable.min(entries.len())).rev().find(|at| entries[*at]);
            let first_hidden = (readable.min(entries.len())..entries.len()).find(|at| entries[*at]);
            // Blanks between the two may be seen or not.
            let low = min + last.map_or(0, |at| at as u64 + 1);
            let high = first_hidden.map_or(max, |at| min + at as u64);
            prop_assert!((low..=high).contains(&end), "{low} {end} {high}");
        }
    }
}
