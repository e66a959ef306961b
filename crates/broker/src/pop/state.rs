//! What is in flight, as a state machine: an event and *now* in, what to do out. No lock, clock, disk or thread.
//!
//! A pop makes a check point: which messages of a queue a group was given, and until when they are invisible to its
//! other members. Each message leaves its check point once: it is acknowledged, it gets a check point of its own (its
//! invisible time was changed), or the time is over and it is put into the retry topic. Check points and
//! acknowledgements are noted in the log too, where they wait for the end of the invisible time and then reach the
//! revive topic; so there are two ways for a check point to get here:
//!
//! * it was popped by this broker, which has seen every acknowledgement since (`Source::Popped`), or
//! * its record was read in the revive topic (`Source::Log`): from before a restart, of a Java broker, or one for which
//!   there was no room here. Its acknowledgements come behind it, so it is revived only when they must have been read.
//!
//! The group of the revive topic commits the offset before which all check points are dealt with; whoever opens the
//! store next goes on there.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use eruca_message::Timestamp;

/// A check point's record reaches the revive topic so long before the time is over, acknowledgements with the end
/// (Java: `PopAckConstants.ackTimeInterval`). The timer may round a second down.
const RECORD_LEAD_MS: i64 = 2_000;
/// A check point that came from the log waits until records were read that are due so much later than it.
const LOG_LAG_MS: i64 = 2_000;
/// Or until nothing came for so long.
const LOG_QUIET_MS: i64 = 3_000;
/// After a failure, and where a check point from the log has to wait: when to look again.
const AGAIN_MS: i64 = 1_000;

/// A queue of a topic as one group sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueKey {
    /// The topic in which the messages lie: for messages that come again a retry topic.
    pub topic: Arc<str>,
    /// The group.
    pub group: Arc<str>,
    /// The queue.
    pub queue_id: i32,
}

impl QueueKey {
    /// This queue.
    pub fn new(topic: impl Into<Arc<str>>, group: impl Into<Arc<str>>, queue_id: i32) -> Self {
        QueueKey { topic: topic.into(), group: group.into(), queue_id }
    }
}

/// Names a check point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PopKey {
    /// Where the messages lie, and for whom.
    pub queue: QueueKey,
    /// Where the pop began; at or before the first message.
    pub start: i64,
    /// When it was, in ms since 1970.
    pub pop_time: i64,
    /// The group of brokers that has the messages, where it is another one (`brokerName`): its slave, which stands in for its master, sent
    /// the record here.
    pub broker: Option<Arc<str>>,
}

impl PopKey {
    /// A pop from a queue of this group of brokers.
    pub fn new(queue: QueueKey, start: i64, pop_time: i64) -> Self {
        PopKey { queue, start, pop_time, broker: None }
    }
}

/// Messages of a queue that a group was given at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckPoint {
    /// Its name.
    pub key: PopKey,
    /// How long the messages are invisible, in ms.
    pub invisible_ms: i64,
    /// Their places in the queue, rising.
    pub offsets: Vec<i64>,
    /// Whether they come again without being counted as tried.
    pub suspend: bool,
}

impl CheckPoint {
    /// When the messages become visible again.
    pub fn due(&self) -> Timestamp {
        Timestamp(self.key.pop_time.saturating_add(self.invisible_ms))
    }
}

/// What an acknowledgement met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acked {
    /// These were in flight and are not any more: to be noted in the log.
    Yes(Vec<i64>),
    /// They were not in flight: acknowledged before, or come again since. Nothing is to be done.
    Stale,
    /// Not known here, but perhaps to the log: to be noted there.
    Unknown,
}

/// Names one entry for as long as it exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryId(u64);

/// Messages whose time is over: they are to be copied to the retry topic. To be answered with
/// [`PopState::revived`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Revival {
    /// Names the entry.
    pub(super) id: EntryId,
    /// The check point, with the messages that nobody acknowledged.
    pub(super) check_point: CheckPoint,
}

/// From where a check point is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Popped,
    Log,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    InFlight,
    /// Given out by [`PopState::take_due`].
    Reviving,
    /// All messages have left; kept until the record of the check point is read, so that it is known as done.
    Done,
}

#[derive(Debug)]
struct Entry {
    check_point: CheckPoint,
    source: Source,
    phase: Phase,
    /// As in `times`; of entries in flight.
    look_at: Timestamp,
    /// Where the check point's record was read: revive queue and offset.
    record: Option<(i32, u64)>,
}

/// How far one queue of the revive topic was read.
#[derive(Debug, Default)]
struct ReviveQueue {
    /// Where to read next.
    next: u64,
    /// Records of check points that are not dealt with.
    open: BTreeSet<u64>,
    /// The latest time at which a record that was read was to be delivered.
    delivered_until: Timestamp,
    /// When something was read last.
    read_at: Timestamp,
}

/// What is in flight.
#[derive(Debug)]
pub(super) struct PopState {
    entries: HashMap<EntryId, Entry>,
    by_key: HashMap<PopKey, EntryId>,
    times: BTreeSet<(Timestamp, EntryId)>,
    revive_queues: BTreeMap<i32, ReviveQueue>,
    next_id: u64,
    entries_max: usize,
    /// Pops at this time or later are known here while they are in flight.
    knows_since: Timestamp,
    /// Those before this time perhaps not: there was no room for one.
    knows_not_before: Timestamp,
    /// After a search of the log: those at the first time or later, too, that are due after the second.
    searched: (Timestamp, Timestamp),
    /// What was due by then another broker dealt with: of check points in the log.
    dealt_until: Timestamp,
}

impl PopState {
    /// Nothing is in flight that is known. It holds at most `entries_max` check points; of more only the log knows. Until
    /// [`PopState::know_from`] more may be in flight.
    pub(super) fn new(entries_max: usize) -> Self {
        PopState {
            entries: HashMap::new(),
            by_key: HashMap::new(),
            times: BTreeSet::new(),
            revive_queues: BTreeMap::new(),
            next_id: 0,
            entries_max,
            knows_since: Timestamp(i64::MAX),
            knows_not_before: Timestamp(i64::MIN),
            searched: (Timestamp(i64::MAX), Timestamp(i64::MAX)),
            dealt_until: Timestamp(i64::MIN),
        }
    }

    /// The same for a master that was away: what was due by `until` its slave dealt with, so that records of it say nothing.
    pub(super) fn after_another(entries_max: usize, until: Timestamp) -> Self {
        PopState { dealt_until: until, ..PopState::new(entries_max) }
    }

    /// Whether another broker dealt with a check point from the log.
    pub(super) fn is_dealt_with(&self, check_point: &CheckPoint) -> bool {
        check_point.due() <= self.dealt_until
    }

    /// The latest time, up to `now`, by which all that was due is dealt with, of check points that are known here; `None` where there was
    /// no room for all.
    pub(super) fn dealt_until(&self, now: Timestamp) -> Option<Timestamp> {
        let first = self.first_due().map(|due| due.add_ms(-1));
        (self.knows_not_before.0 == i64::MIN).then(|| first.map_or(now, |first| first.min(now)))
    }

    /// When the first of the check points that are known here, and not dealt with, is due.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        let open = self.entries.values().filter(|entry| entry.phase != Phase::Done);
        open.map(|entry| entry.check_point.due()).min()
    }

    /// The timers of a slave that stands in for its master came to a check point's record, for which there is no revive topic. False where
    /// there is no room.
    pub(super) fn passed(&mut self, check_point: CheckPoint) -> bool {
        if let Some(id) = self.by_key.get(&check_point.key).copied() {
            if self.entries.get(&id).is_some_and(|entry| entry.phase == Phase::Done) {
                self.remove(id);
            }
            return true;
        }
        let due = check_point.due();
        if check_point.offsets.is_empty() || self.would_know(&check_point.key, due) {
            return true;
        }
        if !self.has_room() {
            return false;
        }
        let id = self.insert(check_point, Source::Log, None);
        // Its acknowledgements come with its time.
        self.look_again(id, due.add_ms(LOG_QUIET_MS));
        true
    }

    /// How many check points are known.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says that the log was searched: pops at `since` or later that are due after `due` are known while they are in
    /// flight.
    pub(super) fn set_searched(&mut self, since: Timestamp, due: Timestamp) {
        self.searched = (since, due);
    }

    /// From now on pops are known here while they are in flight. What came so far is of pops before, perhaps by a clock that
    /// was ahead: `latest` is the latest of those that were found.
    pub(super) fn know_from(&mut self, now: Timestamp, latest: Option<i64>) {
        let own = self.by_key.keys().filter(|key| key.broker.is_none());
        let latest = own.map(|key| key.pop_time).max().max(latest);
        let behind = Timestamp(latest.map_or(i64::MIN, |latest| latest.saturating_add(1)));
        self.knows_since = now.max(behind).max(self.knows_not_before);
    }

    /// Whether there is room for what the revive topic has. Where there is none, what is here is dealt with first.
    pub(super) fn has_room(&self) -> bool {
        self.entries.len() < self.entries_max.saturating_mul(2)
    }

    /// Whether there is a check point of this name.
    pub(super) fn contains(&self, key: &PopKey) -> bool {
        self.by_key.contains_key(key)
    }

    /// Messages were popped. False where there is no room: only the log knows of them then.
    pub(super) fn popped(&mut self, check_point: CheckPoint) -> bool {
        if self.entries.len() >= self.entries_max {
            let behind = Timestamp(check_point.key.pop_time.saturating_add(1));
            self.knows_not_before = self.knows_not_before.max(behind);
            self.knows_since = self.knows_since.max(behind);
            return false;
        }
        self.insert(check_point, Source::Popped, None);
        true
    }

    /// A pop did not happen: what it noted could not be written.
    pub(super) fn forget(&mut self, key: &PopKey) {
        if let Some(id) = self.by_key.get(key).copied() {
            self.remove(id);
        }
    }

    /// Messages were consumed. `due` is when they become visible, by the handle that names them.
    pub(super) fn ack(&mut self, key: &PopKey, due: Timestamp, offsets: &[i64], now: Timestamp) -> Acked {
        let Some(id) = self.by_key.get(key).copied() else {
            return if self.would_know(key, due) { Acked::Stale } else { Acked::Unknown };
        };
        let Some(entry) = self.entries.get_mut(&id) else { return Acked::Stale };
        if entry.phase != Phase::InFlight {
            return Acked::Stale;
        }
        let left = &mut entry.check_point.offsets;
        let taken: Vec<i64> = left.extract_if(.., |offset| offsets.contains(offset)).collect();
        if left.is_empty() {
            self.complete(id, now);
        }
        if taken.is_empty() { Acked::Stale } else { Acked::Yes(taken) }
    }

    /// One message gets a new invisible time: `to` is its new check point, of this one message. [`Acked::Yes`] and
    /// [`Acked::Unknown`]: it is in flight as `to` now, and to be noted in the log with the acknowledgement of the old one.
    pub(super) fn change(
        &mut self,
        from: &PopKey,
        from_due: Timestamp,
        to: CheckPoint,
        now: Timestamp,
    ) -> Acked {
        if self.contains(&to.key) {
            return Acked::Stale;
        }
        let acked = self.ack(from, from_due, &to.offsets, now);
        match acked {
            Acked::Stale => return Acked::Stale,
            // It comes again, or has: it is not this consumer's any more.
            Acked::Unknown if from_due <= now => return Acked::Stale,
            Acked::Unknown | Acked::Yes(_) => {}
        }
        self.popped(to);
        acked
    }

    /// Whether a check point of this name would be known here if it were in flight.
    fn would_know(&self, key: &PopKey, due: Timestamp) -> bool {
        if key.broker.is_some() {
            return false;
        }
        let (since, after) = self.searched;
        let is_of_search = key.pop_time >= since.0 && due > after;
        key.pop_time >= self.knows_not_before.0 && (key.pop_time >= self.knows_since.0 || is_of_search)
    }

    /// Begins to read a revive queue at `next`.
    pub(super) fn read_revive_queue_from(&mut self, queue: i32, next: u64, now: Timestamp) {
        let fresh = ReviveQueue { next, read_at: now, ..ReviveQueue::default() };
        self.revive_queues.insert(queue, fresh);
    }

    /// Where to read a revive queue next.
    pub(super) fn revive_queue_next(&self, queue: i32) -> u64 {
        self.revive_queues.get(&queue).map_or(0, |queue| queue.next)
    }

    /// The record at `offset` of a revive queue, which was to be delivered at `deliver_at`, was read; to be called for
    /// every record before [`PopState::revive_check_point`] or [`PopState::revive_acks`] is.
    pub(super) fn revive_record(&mut self, queue: i32, offset: u64, deliver_at: Timestamp, now: Timestamp) {
        let queue = self.revive_queues.entry(queue).or_default();
        queue.next = queue.next.max(offset.saturating_add(1));
        queue.delivered_until = queue.delivered_until.max(deliver_at.min(now));
        queue.read_at = now;
    }

    /// It was that of a check point.
    pub(super) fn revive_check_point(&mut self, queue: i32, offset: u64, check_point: CheckPoint) {
        if check_point.offsets.is_empty() || self.is_dealt_with(&check_point) {
            return;
        }
        let Some(id) = self.by_key.get(&check_point.key).copied() else {
            if self.would_know(&check_point.key, check_point.due()) {
                // All its messages have left it well before its time.
                return;
            }
            let id = self.insert(check_point, Source::Log, Some((queue, offset)));
            self.open(queue, offset, id);
            return;
        };
        let Some(entry) = self.entries.get_mut(&id) else { return };
        if entry.record.is_some() {
            // The timer delivered it twice, as it may after a crash.
            return;
        }
        entry.record = Some((queue, offset));
        match entry.phase {
            Phase::Done => self.remove(id),
            Phase::InFlight | Phase::Reviving => self.open(queue, offset, id),
        }
    }

    /// It was that of acknowledgements.
    pub(super) fn revive_acks(&mut self, key: &PopKey, offsets: &[i64], now: Timestamp) {
        self.ack(key, Timestamp(0), offsets, now);
    }

    /// The record that is read next is at `next`: what was before it is not there.
    pub(super) fn revive_skip_to(&mut self, queue: i32, next: u64) {
        let queue = self.revive_queues.entry(queue).or_default();
        queue.next = queue.next.max(next);
    }

    fn open(&mut self, queue: i32, offset: u64, id: EntryId) {
        debug_assert!(self.entries.contains_key(&id), "an open record belongs to an entry");
        self.revive_queues.entry(queue).or_default().open.insert(offset);
    }

    /// The offset that the revive group may commit for this queue: all check points up to it, inclusive, are dealt
    /// with. `None` where nothing was read.
    pub(super) fn revive_committable(&self, queue: i32) -> Option<u64> {
        let queue = self.revive_queues.get(&queue)?;
        let behind = queue.open.first().copied().unwrap_or(queue.next);
        behind.checked_sub(1)
    }

    /// Gives out check points whose time is over, at most `most`; earliest first.
    pub(super) fn take_due(&mut self, now: Timestamp, most: usize) -> Vec<Revival> {
        let mut due = Vec::new();
        while due.len() < most
            && let Some((at, id)) = self.times.first().copied().filter(|(at, _)| *at <= now)
        {
            self.times.remove(&(at, id));
            let Some(entry) = self.entries.get(&id) else { continue };
            if entry.source == Source::Log && !self.is_log_read_past(entry, now) {
                self.look_again(id, now.add_ms(AGAIN_MS));
                continue;
            }
            let Some(entry) = self.entries.get_mut(&id) else { continue };
            entry.phase = Phase::Reviving;
            due.push(Revival { id, check_point: entry.check_point.clone() });
        }
        due
    }

    /// Whether the acknowledgements of a check point from the log must have been read.
    fn is_log_read_past(&self, entry: &Entry, now: Timestamp) -> bool {
        let queue = entry.record.and_then(|(queue, _)| self.revive_queues.get(&queue));
        queue.is_none_or(|queue| {
            queue.delivered_until >= entry.check_point.due().add_ms(LOG_LAG_MS)
                || now >= queue.read_at.add_ms(LOG_QUIET_MS)
        })
    }

    /// What [`PopState::take_due`] gave out was done: these messages are in the retry topic, or gone for good. What is
    /// left is tried again.
    pub(super) fn revived(&mut self, id: EntryId, offsets: &[i64], now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        entry.check_point.offsets.retain(|offset| !offsets.contains(offset));
        entry.phase = Phase::InFlight;
        if entry.check_point.offsets.is_empty() {
            self.complete(id, now);
        } else {
            self.look_again(id, now.add_ms(AGAIN_MS));
        }
    }

    /// When [`PopState::take_due`] has something next.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.times.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, check_point: CheckPoint, source: Source, record: Option<(i32, u64)>) -> EntryId {
        let id = EntryId(self.next_id);
        self.next_id += 1;
        let look_at = check_point.due();
        self.by_key.insert(check_point.key.clone(), id);
        self.times.insert((look_at, id));
        self.entries.insert(id, Entry { check_point, source, phase: Phase::InFlight, look_at, record });
        id
    }

    fn look_again(&mut self, id: EntryId, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&id) {
            self.times.remove(&(entry.look_at, id));
            entry.look_at = at;
            self.times.insert((at, id));
        }
    }

    /// All messages of a check point have left it.
    fn complete(&mut self, id: EntryId, now: Timestamp) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        // Well before the time is over, what the log has is enough: its record comes with those of the acknowledgements.
        let comes_with_acks = now < entry.check_point.due().add_ms(-RECORD_LEAD_MS);
        if entry.record.is_some() || comes_with_acks || entry.source == Source::Log {
            self.remove(id);
        } else {
            entry.phase = Phase::Done;
            self.times.remove(&(entry.look_at, id));
        }
    }

    fn remove(&mut self, id: EntryId) {
        let Some(entry) = self.entries.remove(&id) else { return };
        self.by_key.remove(&entry.check_point.key);
        self.times.remove(&(entry.look_at, id));
        if let Some((queue, offset)) = entry.record
            && let Some(queue) = self.revive_queues.get_mut(&queue)
        {
            queue.open.remove(&offset);
        }
    }
}

#[cfg(test)]
#[path = "state_test.rs"]
mod tests;
