//! What must be true of a group, whatever happens to it.

use std::collections::BTreeMap;

use eruca_message::{LogOffset, QueueOffset, StoredMessage};
use eruca_store::{EveryMessage, MessageStore, ReadLimits, ReadStatus, ReplicaCut};

use super::Violation;
use crate::random::Random;

/// A message that a master took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) id: u64,
    /// In which it was taken.
    pub(super) epoch: i32,
    pub(super) topic: String,
    pub(super) queue_id: i32,
    pub(super) queue_offset: u64,
    pub(super) log_offset: LogOffset,
    pub(super) log_end: LogOffset,
}

/// Topic, queue number and queue offset.
type Place = (String, i32, u64);

/// What the world outside knows: acknowledgements, and what consumers were given.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    /// By the place in the log.
    acknowledged: BTreeMap<LogOffset, Sent>,
    /// Which message a consumer got at a place.
    seen: BTreeMap<Place, u64>,
    /// The same by message.
    seen_at: BTreeMap<u64, Place>,
    /// Which broker acknowledged in an epoch.
    masters: BTreeMap<i32, usize>,
}

impl Oracle {
    pub(super) fn acknowledgements(&self) -> u64 {
        self.acknowledged.len() as u64
    }

    /// A master acknowledges a message.
    pub(super) fn acknowledged(&mut self, master: usize, sent: Sent) -> Result<(), Violation> {
        let epoch = sent.epoch;
        let first = *self.masters.entry(epoch).or_insert(master);
        if first != master {
            return Err(format!("brokers {first} and {master} both acknowledge in epoch {epoch}"));
        }
        self.note_seen((sent.topic.clone(), sent.queue_id, sent.queue_offset), sent.id)?;
        match self.acknowledged.insert(sent.log_offset, sent.clone()) {
            Some(before) if before != sent => {
                Err(format!("log offset {} was given to two messages: {before:?}, {sent:?}", sent.log_offset))
            }
            _ => Ok(()),
        }
    }

    /// A master acknowledges what it alone may have. No later one has acknowledged anything.
    pub(super) fn acknowledged_alone(&mut self, master: usize, epoch: i32) -> Result<(), Violation> {
        let first = *self.masters.entry(epoch).or_insert(master);
        if first != master {
            return Err(format!("brokers {first} and {master} both acknowledge in epoch {epoch}"));
        }
        match self.masters.last_key_value() {
            Some((newest, other)) if *newest > epoch => Err(format!(
                "broker {master} acknowledges alone in epoch {epoch}, and {other} has acknowledged in epoch {newest}"
            )),
            _ => Ok(()),
        }
    }

    fn note_seen(&mut self, place: Place, id: u64) -> Result<(), Violation> {
        match self.seen.get(&place) {
            Some(before) if *before != id => {
                Err(format!("{place:?} named message {before}, and names message {id}"))
            }
            Some(_) => Ok(()),
            None => {
                self.seen.insert(place.clone(), id);
                self.seen_at.insert(id, place);
                Ok(())
            }
        }
    }

    /// A consumer reads from a broker what it is shown. `up_to`: what lies behind may be lost, as where a lone master's disk does
    /// not have it yet.
    pub(super) fn consume(
        &mut self,
        store: &MessageStore,
        (topic, queue_id): (&str, i32),
        up_to: LogOffset,
        random: &mut Random,
    ) -> Result<(), Violation> {
        let range = store.queue_range(topic, queue_id);
        let from = range.min.0 + random.below(range.max.0.saturating_sub(range.min.0) + 1);
        let read = store.read(topic, queue_id, QueueOffset(from), &ReadLimits::default(), &EveryMessage);
        if read.status != ReadStatus::Found {
            return Ok(());
        }
        for message in decoded(&read.records)? {
            let is_here = (message.message.topic.as_str(), message.queue_id) == (topic, queue_id);
            if !is_here || message.queue_offset.0 < from || message.queue_offset >= read.next_offset {
                return Err(format!("{topic} {queue_id} from {from}: another message is read, {message:?}"));
            }
            if message.log_offset.add_bytes(message.store_size_bytes as u64) <= up_to {
                let place = (topic.to_owned(), queue_id, message.queue_offset.0);
                self.note_seen(place, id_of(&message.message.body))?;
            }
        }
        Ok(())
    }

    /// A broker that is master has everything that was acknowledged, at its place.
    pub(super) fn check_master(&self, who: &str, store: &MessageStore) -> Result<(), Violation> {
        self.check_from(who, store, LogOffset(0))
    }

    /// A broker has everything that was acknowledged and lies at `begin` or behind it in the log, at its place.
    pub(super) fn check_from(
        &self,
        who: &str,
        store: &MessageStore,
        begin: LogOffset,
    ) -> Result<(), Violation> {
        for sent in self.acknowledged.range(begin..).map(|(_, sent)| sent) {
            let record = store.record_at(sent.log_offset).map_err(|error| format!("{who}: {error}"))?;
            let there = record.as_deref().map(decoded).transpose()?.and_then(|all| all.first().cloned());
            let is_there = there.as_ref().is_some_and(|there| id_of(&there.message.body) == sent.id);
            if !is_there {
                return Err(format!("{who} lacks what was acknowledged: {sent:?}"));
            }
            let entries = store.queue_entries(&sent.topic, sent.queue_id, QueueOffset(sent.queue_offset), 1);
            if entries.first().map(|entry| entry.log_offset) != Some(sent.log_offset) {
                return Err(format!(
                    "at {who} the queue does not lead to what was acknowledged: {sent:?}, {entries:?}"
                ));
            }
        }
        Ok(())
    }

    /// Behind the last message that was acknowledged.
    pub(super) fn acknowledged_end(&self) -> LogOffset {
        self.acknowledged.last_key_value().map_or(LogOffset(0), |(_, sent)| sent.log_end)
    }

    /// Nobody has seen what was cut off a broker's log, and the queues end where it was said.
    pub(super) fn check_cut(
        &self,
        who: &str,
        store: &MessageStore,
        cut: &ReplicaCut,
        lost: &[u64],
    ) -> Result<(), Violation> {
        if let Some((id, place)) = lost.iter().find_map(|id| Some((id, self.seen_at.get(id)?))) {
            return Err(format!(
                "{who} cut its log at {}, and with it message {id}, which was seen at {place:?}",
                cut.end
            ));
        }
        for queue in &cut.queues {
            // A read limit only hides more.
            let max = store.queue_range(&queue.topic, queue.queue_id).max;
            if max > queue.max {
                return Err(format!("{who}: {queue:?} ends at {max} after the cut"));
            }
        }
        Ok(())
    }
}

/// The messages of a store from `from` on.
pub(super) fn messages_from(store: &MessageStore, from: LogOffset) -> Vec<u64> {
    let (segment_size, end) = (store.config().segment_size_bytes, store.log_range().1);
    let (mut at, mut ids) = (from, Vec::new());
    while at < end {
        match store.record_at(at) {
            Ok(Some(record)) => {
                let message = StoredMessage::decode(&record).ok();
                ids.extend(message.map(|(message, _)| id_of(&message.message.body)));
                at = at.add_bytes(record.len() as u64);
            }
            // The filler of a segment.
            Ok(None) => at = LogOffset((at.0 / segment_size + 1) * segment_size),
            Err(_) => break,
        }
    }
    ids
}

/// The message that a body is of.
pub(super) fn id_of(body: &[u8]) -> u64 {
    body.first_chunk().map_or(0, |id| u64::from_be_bytes(*id))
}

fn decoded(records: &[u8]) -> Result<Vec<StoredMessage>, Violation> {
    StoredMessage::decode_all(records).map_err(|error| format!("what was read is no record: {error}"))
}

/// The log of a store from `from` to `to`, as it lies.
pub(super) fn raw_log(store: &MessageStore, from: LogOffset, to: LogOffset) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), from);
    while at < to {
        let left = usize::try_from(to.0 - at.0).unwrap_or(usize::MAX);
        match store.read_raw_log(at, left, &mut bytes) {
            Ok(len @ 1..) => at = at.add_bytes(len as u64),
            _ => break,
        }
    }
    bytes
}
