//! What was pulled from one queue and is not yet done. Pure: messages in, offsets out, time given.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{StoredMessage, Timestamp};

/// How much of one queue may be in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FlowLimits {
    /// Most messages.
    pub(crate) messages: usize,
    /// Most bytes of bodies.
    pub(crate) bytes: usize,
    /// Widest distance from the oldest message to the newest: one that hangs must not let the rest run away, for all
    /// that comes after it is consumed again after a restart.
    pub(crate) span: i64,
}

/// Which limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FlowLimit {
    Messages,
    Bytes,
    Span,
}

#[derive(Debug)]
struct InFlight {
    message: Arc<StoredMessage>,
    /// When its consumption began; `None` while it waits.
    started: Option<Timestamp>,
    /// Handed out in order, by [`ProcessQueue::take`].
    taken: bool,
}

/// The messages of one queue between their pull and their end.
///
/// Invariant: [`ProcessQueue::committable`] never exceeds the offset of a message in flight, nor the next offset to
/// pull; within one generation it never moves back.
#[derive(Debug)]
pub(crate) struct ProcessQueue {
    in_flight: BTreeMap<i64, InFlight>,
    bytes: usize,
    next_pull_offset: i64,
    /// Counts resets: what belongs to an earlier generation no longer counts.
    generation: u64,
    last_pulled: Timestamp,
    last_consumed: Timestamp,
}

impl ProcessQueue {
    /// An empty one, to be filled from `pull_from` on.
    pub(crate) fn new(pull_from: i64, now: Timestamp) -> Self {
        ProcessQueue {
            in_flight: BTreeMap::new(),
            bytes: 0,
            next_pull_offset: pull_from,
            generation: 0,
            last_pulled: now,
            last_consumed: now,
        }
    }

    /// Where to pull next, and the generation to show when the pull's messages come.
    pub(crate) fn pull_position(&self) -> (u64, i64) {
        (self.generation, self.next_pull_offset)
    }

    /// Messages came, and the next pull is to start at `next_offset`. `false` where a reset came in between: they do
    /// not count.
    pub(crate) fn pulled(
        &mut self,
        generation: u64,
        messages: &[Arc<StoredMessage>],
        next_offset: i64,
        now: Timestamp,
    ) -> bool {
        self.last_pulled = now;
        if generation != self.generation {
            return false;
        }
        for message in messages {
            let offset = offset_of(message);
            let entry = InFlight { message: message.clone(), started: None, taken: false };
            if self.in_flight.insert(offset, entry).is_none() {
                self.bytes += message.message.body.len();
            }
            self.next_pull_offset = self.next_pull_offset.max(offset + 1);
        }
        self.next_pull_offset = self.next_pull_offset.max(next_offset);
        true
    }

    /// Forgets everything and goes on from `offset`, forwards or backwards.
    pub(crate) fn reset(&mut self, offset: i64) {
        self.in_flight.clear();
        self.bytes = 0;
        self.generation += 1;
        self.next_pull_offset = offset;
    }

    /// The consumption of these messages begins.
    pub(crate) fn started(&mut self, generation: u64, messages: &[Arc<StoredMessage>], now: Timestamp) {
        if generation == self.generation {
            for message in messages {
                if let Some(entry) = self.in_flight.get_mut(&offset_of(message)) {
                    entry.started = Some(now);
                }
            }
        }
    }

    /// These messages are done with. `false` where a reset came in between: nothing is to be committed for them.
    pub(crate) fn finished(
        &mut self,
        generation: u64,
        messages: &[Arc<StoredMessage>],
        now: Timestamp,
    ) -> bool {
        self.last_consumed = now;
        if generation != self.generation {
            return false;
        }
        for message in messages {
            if let Some(entry) = self.in_flight.remove(&offset_of(message)) {
                self.bytes -= entry.message.message.body.len();
            }
        }
        true
    }

    /// This message is to be consumed once more from memory: the message with its count of tries raised. `None`
    /// where it is no longer there.
    pub(crate) fn retry(&mut self, generation: u64, message: &StoredMessage) -> Option<Arc<StoredMessage>> {
        if generation != self.generation {
            return None;
        }
        let entry = self.in_flight.get_mut(&offset_of(message))?;
        let again = Arc::make_mut(&mut entry.message);
        again.reconsume_times = again.reconsume_times.saturating_add(1);
        entry.started = None;
        entry.taken = false;
        Some(entry.message.clone())
    }

    /// The next messages in order, at most `max`, and the generation they belong to. They stay in flight until they
    /// are finished or retried.
    pub(crate) fn take(&mut self, max: usize, now: Timestamp) -> (u64, Vec<Arc<StoredMessage>>) {
        let next = self.in_flight.values_mut().filter(|entry| !entry.taken).take(max);
        let taken = next
            .map(|entry| {
                entry.taken = true;
                entry.started = Some(now);
                entry.message.clone()
            })
            .collect();
        (self.generation, taken)
    }

    /// All offsets below this one are done with: what may be committed.
    pub(crate) fn committable(&self) -> i64 {
        let committable = self.in_flight.keys().next().copied().unwrap_or(self.next_pull_offset);
        debug_assert!(committable <= self.next_pull_offset);
        committable
    }

    /// Messages, oldest first and at most `max`, whose consumption began more than `timeout_ms` ago.
    pub(crate) fn overdue(
        &self,
        timeout_ms: i64,
        now: Timestamp,
        max: usize,
    ) -> (u64, Vec<Arc<StoredMessage>>) {
        let overdue = self
            .in_flight
            .values()
            .take_while(|entry| entry.started.is_some_and(|started| now.ms_since(started) > timeout_ms))
            .take(max)
            .map(|entry| entry.message.clone())
            .collect();
        (self.generation, overdue)
    }

    /// The limit that is reached, if one is: nothing should be pulled until it is not.
    pub(crate) fn limit_reached(&self, limits: &FlowLimits) -> Option<FlowLimit> {
        if self.in_flight.len() > limits.messages {
            Some(FlowLimit::Messages)
        } else if self.bytes > limits.bytes {
            Some(FlowLimit::Bytes)
        } else if self.span() > limits.span {
            Some(FlowLimit::Span)
        } else {
            None
        }
    }

    fn span(&self) -> i64 {
        self.offsets().map_or(0, |(min, max)| max - min)
    }

    /// The lowest and the highest offset in flight.
    pub(crate) fn offsets(&self) -> Option<(i64, i64)> {
        Some((*self.in_flight.keys().next()?, *self.in_flight.keys().next_back()?))
    }

    /// How many messages are in flight.
    pub(crate) fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Bytes of their bodies.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn last_pulled(&self) -> Timestamp {
        self.last_pulled
    }

    pub(crate) fn last_consumed(&self) -> Timestamp {
        self.last_consumed
    }
}

fn offset_of(message: &StoredMessage) -> i64 {
    message.queue_offset.0 as i64
}

#[cfg(test)]
#[path = "process_queue_test.rs"]
mod tests;
