//! The schedule: which queue is looked at when, and the thread that does it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use eruca_message::{Clock, QueueOffset, Timestamp, names::SCHEDULE_TOPIC};
use eruca_protocol::body::DataVersion;
use eruca_store::{Arrival, FlushMode, MessageStore};

use super::{
    delivery::{Head, deliver},
    progress::Progress,
    wake::Wake,
};
use crate::{persist::PersistError, role::Escape};

/// Pause after the store refused a message, in milliseconds.
const STUCK_PAUSE_MS: i64 = 1_000;
/// Pause before it is looked whether what was delivered is confirmed, in milliseconds.
const CONFIRM_PAUSE_MS: i64 = 1_000;

/// When the schedule has something to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// At once: not all that is due was delivered.
    Now,
    /// Then, unless something earlier arrives.
    At(Timestamp),
    /// When something arrives.
    OnArrival,
}

/// Delivers messages when their delay is over (Java: `ScheduleMessageService`).
#[derive(Debug)]
pub struct DelaySchedule {
    store: Arc<MessageStore>,
    clock: Arc<dyn Clock>,
    progress: Progress,
    /// Queues that held messages at start, also of levels that are not configured any more.
    found_queues: Mutex<Vec<i32>>,
    /// When the first message of each queue is due, as far as it is known.
    heads: Mutex<BTreeMap<i32, Timestamp>>,
    wake: Wake,
    /// The way out while the broker stands in for its master.
    escape: OnceLock<Arc<Escape>>,
}

impl DelaySchedule {
    /// A schedule over the store's schedule topic; `directory` is the store's `config`.
    ///
    /// # Errors
    /// `delayOffset.json` cannot be read.
    pub fn open(
        directory: &Path,
        store: Arc<MessageStore>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PersistError> {
        let progress = Progress::open(directory, &*clock)?;
        let wake = Wake::default();
        wake.set_on_duty(!store.is_replica());
        Ok(DelaySchedule {
            found_queues: Mutex::new(schedule_queues(&store)),
            store,
            clock,
            progress,
            heads: Mutex::default(),
            wake,
            escape: OnceLock::new(),
        })
    }

    /// Sets the way out while the broker stands in for its master. Once.
    pub(crate) fn set_escape(&self, escape: Arc<Escape>) {
        // A second one is not used.
        let _ = self.escape.set(escape);
    }

    /// A slave's master is so far, by level.
    pub(crate) fn follow(&self, master: &BTreeMap<i32, i64>) {
        self.progress.follow(master);
    }

    /// The broker became a master: looks at the queues anew, as after a start. Where the former master was further than
    /// the log that came here, what comes to lie there must not count as delivered.
    pub(crate) fn take_up(&self) {
        self.progress.cut(|level| self.store.queue_range(SCHEDULE_TOPIC, level.saturating_sub(1)).max);
        *self.found_queues.lock().unwrap_or_else(PoisonError::into_inner) = schedule_queues(&self.store);
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The log lost its end, and with it perhaps what was delivered: that is delivered again.
    pub(crate) fn log_was_cut(&self) {
        self.progress.forget_unconfirmed();
    }

    /// Whether anything is delivered: a slave delivers nothing. Off duty nothing is under way any more when this returns.
    pub(crate) fn set_on_duty(&self, is_on_duty: bool) {
        self.wake.set_on_duty(is_on_duty);
        if !is_on_duty {
            // A step holds it to its end.
            drop(self.heads.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Delivers until [`DelaySchedule::stop`]: for a thread of its own, which sleeps as long as nothing is due.
    pub fn run(&self) {
        while self.wake.wait_for_duty() {
            self.wake.begin();
            match self.deliver_step(self.clock.now()) {
                NextStep::Now => {}
                NextStep::At(due) => self.wake.sleep(Some(due), &*self.clock),
                NextStep::OnArrival => self.wake.sleep(None, &*self.clock),
            }
        }
    }

    /// Ends [`DelaySchedule::run`].
    pub fn stop(&self) {
        self.wake.stop();
    }

    /// Messages became visible: wakes the thread if one of them is due before everything that it waits for. To be
    /// called by the store's listener.
    pub fn arrived(&self, arrivals: &[Arrival]) {
        for arrival in arrivals.iter().filter(|arrival| &*arrival.topic == SCHEDULE_TOPIC) {
            self.wake.due_at(Timestamp(arrival.tags_code));
        }
    }

    /// Delivers a batch of each queue's messages that are due.
    pub fn deliver_step(&self, now: Timestamp) -> NextStep {
        let mut heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_more = false;
        for queue_id in self.queue_ids() {
            if heads.get(&queue_id).is_some_and(|due| *due > now) {
                continue;
            }
            match self.deliver_queue(queue_id, now) {
                Head::Empty => drop(heads.remove(&queue_id)),
                Head::Due(due) => drop(heads.insert(queue_id, due)),
                Head::Stuck => drop(heads.insert(queue_id, now.add_ms(STUCK_PAUSE_MS))),
                Head::More => {
                    heads.remove(&queue_id);
                    is_more = true;
                }
            }
        }
        self.progress.confirm(self.store.confirmed());
        let look = self.progress.is_behind().then(|| now.add_ms(CONFIRM_PAUSE_MS));
        match heads.values().copied().chain(look).min() {
            _ if is_more => NextStep::Now,
            Some(due) => NextStep::At(due),
            None => NextStep::OnArrival,
        }
    }

    fn queue_ids(&self) -> BTreeSet<i32> {
        let levels = self.store.config().delay_levels.max_level();
        let found = self.found_queues.lock().unwrap_or_else(PoisonError::into_inner);
        (0..levels).chain(found.iter().copied()).collect()
    }

    fn deliver_queue(&self, queue_id: i32, now: Timestamp) -> Head {
        let level = queue_id.saturating_add(1);
        let from = self.progress.next(level);
        let delay_ms = self.store.config().delay_levels.delay_ms(level);
        let delivered =
            deliver(&self.store, self.escape.get().map(Arc::as_ref), queue_id, from, delay_ms, now);
        if delivered.next == from {
            return delivered.head;
        }
        // First the messages are safe, then the progress: a crash in between delivers them again rather than never.
        let settled = self.store.settle().and_then(|()| match self.store.config().flush_mode {
            FlushMode::Sync if delivered.messages > 0 => self.store.flush_step().map(drop),
            _ => Ok(()),
        });
        if let Err(error) = settled {
            tracing::warn!(level, %error, "delayed messages wait: what was delivered is not safe");
            return Head::Stuck;
        }
        self.progress.delivered(level, delivered.next, self.store.log_range().1, self.store.confirmed());
        delivered.head
    }

    /// Writes `delayOffset.json` if it is out of date. To be called every `flushDelayOffsetInterval` milliseconds and
    /// at the end.
    ///
    /// # Errors
    /// The file cannot be written; the next time all is tried again.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        self.progress.confirm(self.store.confirmed());
        if !self.progress.is_dirty() {
            return Ok(());
        }
        // After a power cut the log must not lack what the file says was delivered.
        if let Err(error) = self.store.flush_step() {
            tracing::warn!(%error, "delayOffset.json is not written: the log could not be flushed");
            return Ok(());
        }
        self.progress.persist_step(&*self.clock)
    }

    /// How new `delayOffset.json` is.
    pub(crate) fn data_version(&self) -> DataVersion {
        self.progress.data_version()
    }

    /// By level: the next offset to deliver, as far as it is noted, and the end of the queue, for levels that ever had a message.
    pub fn offsets(&self) -> BTreeMap<i32, (QueueOffset, QueueOffset)> {
        self.progress.confirm(self.store.confirmed());
        let offsets = self.progress.all().into_keys();
        offsets
            .map(|level| {
                let max = self.store.queue_range(SCHEDULE_TOPIC, level.saturating_sub(1)).max;
                (level, (self.progress.noted(level), max))
            })
            .collect()
    }
}

fn schedule_queues(store: &MessageStore) -> Vec<i32> {
    let queues = store.topics_with_queues().into_iter().find(|(topic, _)| topic == SCHEDULE_TOPIC);
    queues.map(|(_, ids)| ids).unwrap_or_default()
}

#[cfg(test)]
#[path = "schedule_test.rs"]
mod tests;
