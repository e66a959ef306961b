//! Messages on their way out: a batch of a slot is appended to where its messages go.

use eruca_message::{LogOffset, Timestamp, names::TIMER_TOPIC};
use eruca_store::{AppendError, Delivered, FlushMode, MessageStore, ReadError, WriteStopped};

use super::{
    delivery::{deliver, roll},
    engine::{BATCH_BYTES, BATCH_MESSAGES, Engine, Stuck},
    slot::{Due, LoadedSlot},
};
use crate::{role::put, stats::BrokerStats};

/// A message that is delivered now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Out {
    pub(super) log_offset: LogOffset,
    pub(super) size_bytes: u32,
    /// When it was taken in; `None` where it never waited in the wheel.
    pub(super) written: Option<Timestamp>,
    pub(super) is_roll: bool,
}

/// Counts what is delivered; those of one topic at once, because a counter has to be looked up.
#[derive(Debug)]
pub(super) struct Tally<'s> {
    stats: &'s BrokerStats,
    topic: String,
    messages: u64,
    bytes: u64,
}

impl<'s> Tally<'s> {
    pub(super) fn new(stats: &'s BrokerStats) -> Tally<'s> {
        Tally { stats, topic: String::new(), messages: 0, bytes: 0 }
    }

    fn add(&mut self, topic: &str, bytes: u64) {
        if self.topic != topic {
            self.tell();
            self.topic.clear();
            self.topic.push_str(topic);
        }
        self.messages += 1;
        self.bytes += bytes;
    }

    fn tell(&mut self) {
        if self.messages > 0 {
            self.stats.put(&self.topic, self.messages, self.bytes);
        }
        (self.messages, self.bytes) = (0, 0);
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Engine {
    /// Delivers a batch of a slot. How many messages went on.
    pub(super) fn deliver_batch(
        &mut self,
        store: &MessageStore,
        stats: &BrokerStats,
        start: Timestamp,
        now: Timestamp,
    ) -> Result<usize, Stuck> {
        let Some(mut slot) = self.loaded.remove(&start) else { return Ok(0) };
        let mut delivered = self.files.delivered();
        let (mut count, mut bytes) = (0, 0);
        let mut result = Ok(());
        let mut tally = Tally::new(stats);
        while let Some(due) = slot.peek(now)
            && count < BATCH_MESSAGES
            && bytes < BATCH_BYTES
        {
            let Due { at, log_offset, size_bytes, written, is_roll, .. } = due;
            let out = Out { log_offset, size_bytes, written: Some(written), is_roll };
            result = self.append(store, &mut tally, out, Some(&slot), now);
            if result.is_err() {
                break;
            }
            slot.pop();
            delivered = Delivered { before: start, due: at, pos: due.place().1 };
            count += 1;
            bytes += u64::from(size_bytes);
        }
        drop(tally);
        // First the messages are safe, then the progress: a crash in between delivers them again rather than never.
        let settled = settle(store);
        if settled.is_ok() {
            self.loaded.insert(start, slot);
            self.delivered_end = store.log_range().1;
            self.note(delivered, self.files.queue_offset(), store);
        }
        // Where it was not settled the slot is loaded again, from what was noted last.
        settled?;
        result.map(|()| count)
    }

    /// Appends a message to where it goes. Nothing is done with one that was recalled, or that never can be delivered, which
    /// is said.
    pub(super) fn append(
        &mut self,
        store: &MessageStore,
        tally: &mut Tally<'_>,
        out: Out,
        slot: Option<&LoadedSlot>,
        now: Timestamp,
    ) -> Result<(), Stuck> {
        let lost = |why: &dyn std::fmt::Display| {
            tracing::error!(log_offset = out.log_offset.0, %why, "a message with a time of delivery cannot be delivered, it is passed over");
            Ok(())
        };
        let record = match store.record_near(out.log_offset, out.size_bytes, &mut self.window) {
            Ok(Some(record)) if record.fields.topic == TIMER_TOPIC => record,
            Ok(Some(_)) => return lost(&"its record in the log is that of another message"),
            Ok(None) => return lost(&"its record is not in the log any more"),
            Err(damaged @ ReadError::Damaged { .. }) => return lost(&damaged),
            Err(error) => return Err(Stuck::Read(error)),
        };
        if slot.is_some_and(|slot| slot.is_recalled(|| self.keys.own(record.fields.properties))) {
            return Ok(());
        }
        let message = match out.written {
            Some(written) if out.is_roll => roll(&record, written, now, &mut self.properties),
            _ => match deliver(&record, out.written, now, &mut self.properties) {
                Ok(message) => message,
                Err(why) => return lost(&why),
            },
        };
        match put(store, self.escape.as_deref(), &message, None) {
            Ok(size_bytes) => {
                if let Some(size_bytes) = size_bytes.filter(|_| !out.is_roll) {
                    tally.add(message.topic, size_bytes);
                }
                Ok(())
            }
            Err(AppendError::Stopped(why)) => Err(Stuck::Stopped(why)),
            Err(error) => lost(&error),
        }
    }
}

/// Makes what was appended as safe as an acknowledged message.
pub(super) fn settle(store: &MessageStore) -> Result<(), WriteStopped> {
    store.settle()?;
    match store.config().flush_mode {
        FlushMode::Sync => store.flush_step().map(drop),
        FlushMode::Async => Ok(()),
    }
}
