//! The table of consumer offsets.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::{Clock, LogOffset, Timestamp, names::is_lmq};
use eruca_protocol::body::{self, ConsumerOffsetSerializeWrapper, DataVersion};

use super::{
    change::Change,
    own::{OwnOffset, OwnOffsets},
    pulled::{LastPull, Pulls, TopicPulls},
    resets::Resets,
};
use crate::persist::{PersistError, TableFile};

/// Committed offsets by queue.
pub type QueueOffsets = BTreeMap<i32, i64>;

/// Offsets by group, topic and queue.
type Offsets = HashMap<String, HashMap<String, QueueOffsets>>;

/// How far each group has come in each queue (Java: `ConsumerOffsetManager`).
///
/// A commit is one hash lookup under a lock and a small record for the journal, which reaches the kernel with
/// [`OffsetTable::settle`]: an acknowledged commit survives kill -9, although `consumerOffset.json` is written every few
/// seconds only.
#[derive(Debug)]
pub struct OffsetTable {
    committed: RwLock<Offsets>,
    pulls: Pulls,
    resets: Resets,
    own: OwnOffsets,
    file: TableFile,
    data_version: DataVersion,
    /// `enableLmq`: the file is `lmqConsumerOffset.json`, in which groups of light message queues have a place of their
    /// own.
    lmq: bool,
}

impl OffsetTable {
    /// Opens `consumerOffset.json` in `directory`, the store's `config`.
    pub fn open(directory: &Path, clock: &dyn Clock) -> Result<Self, PersistError> {
        Self::open_for(directory, clock, false, LogOffset(u64::MAX))
    }

    /// As [`OffsetTable::open`], for a log that ends at `log_end`: what stands on more of it does not count. With `lmq` the file is `lmqConsumerOffset.json`, as Java has it with `enableLmq`. Where
    /// that is not there yet, it takes over what `consumerOffset.json` has.
    pub fn open_for(
        directory: &Path,
        clock: &dyn Clock,
        lmq: bool,
        log_end: LogOffset,
    ) -> Result<Self, PersistError> {
        let lmq_file = directory.join("lmqConsumerOffset.json");
        let is_there = lmq_file.exists() || lmq_file.with_extension("json.bak").exists();
        if !lmq || is_there {
            if !lmq && is_there {
                tracing::warn!(
                    file = %lmq_file.display(),
                    "offsets in this file are not used, because enableLmq is false: set it where this broker had it"
                );
            }
            return Self::open_file(directory, clock, lmq, log_end);
        }
        let ordinary = Self::open_file(directory, clock, false, log_end)?.snapshot();
        let table = Self::open_file(directory, clock, lmq, log_end)?;
        for (key, offsets) in ordinary {
            let Some((topic, group)) = key.split_once('@') else { continue };
            // What this broker's journal has is newer.
            let missing = offsets.into_iter().filter(|(id, _)| table.committed(group, topic, *id).is_none());
            missing.for_each(|(queue_id, offset)| table.commit(group, topic, queue_id, offset));
        }
        Ok(table)
    }

    fn open_file(
        directory: &Path,
        clock: &dyn Clock,
        lmq: bool,
        log_end: LogOffset,
    ) -> Result<Self, PersistError> {
        let name = if lmq { "lmqConsumerOffset" } else { "consumerOffset" };
        let (file, loaded) = TableFile::open(directory, name, |bytes| {
            body::from_json::<ConsumerOffsetSerializeWrapper>(bytes).map_err(|error| error.to_string())
        })?;
        let content = loaded.table.unwrap_or_default();
        let of_lmq = content.lmq_offset_table.unwrap_or_default().into_iter();
        let of_lmq = of_lmq.map(|(key, offset)| (key, QueueOffsets::from([(0, offset)])));
        let mut committed = Offsets::new();
        for (key, offsets) in content.offset_table.into_iter().chain(of_lmq) {
            // A topic has no '@'; a group may have one (`g@broadcast`).
            match key.split_once('@') {
                Some((topic, group)) => {
                    committed.entry(group.to_owned()).or_default().insert(topic.to_owned(), offsets);
                }
                None => tracing::warn!(key, "{name}.json: key without '@' left out"),
            }
        }
        let mut left_out = 0;
        for change in &loaded.changes {
            match Change::decode(change) {
                // A power cut took the end of the log, and not this.
                Some(Change::Commit { group, topic, queue_id, after, .. }) if after > log_end.0 => {
                    tracing::warn!(group, topic, queue_id, after, %log_end, "an offset stands on what the log lost: it is left where it was");
                    left_out += 1;
                }
                Some(change) => apply(&mut committed, change),
                None => tracing::warn!("change of an offset not understood, left out"),
            }
        }
        let table = OffsetTable {
            committed: RwLock::new(committed),
            pulls: Pulls::default(),
            resets: Resets::default(),
            own: OwnOffsets::default(),
            file,
            data_version: content.data_version.unwrap_or_else(|| DataVersion::new(clock.now())),
            lmq,
        };
        if left_out > 0
            && let Err(error) = table.persist_step()
        {
            // The log will reach that far again, with other messages: until then it is tried every few seconds.
            tracing::error!(%error, left_out, "offsets that were left out are still in the journal");
        }
        Ok(table)
    }

    /// The offset that `group` consumes next in the queue; `None` if it never committed one.
    pub fn committed(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        let queue_id = self.stored_under(group, queue_id);
        self.read().get(group)?.get(topic)?.get(&queue_id).copied()
    }

    /// With `enableLmq`, a group named `%LMQ%...` has one offset in a topic, whichever queue it names, as in Java.
    fn stored_under(&self, group: &str, queue_id: i32) -> i32 {
        if self.lmq && is_lmq(group) { 0 } else { queue_id }
    }

    /// Commits an offset. It may be smaller than the one before (clients reset theirs); that is logged.
    pub fn commit(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.commit_after(group, topic, queue_id, offset, LogOffset(0));
    }

    /// As [`OffsetTable::commit`], of what comes again by records in the log before `after`: where a power cut takes those, it takes
    /// the commit.
    pub fn commit_after(&self, group: &str, topic: &str, queue_id: i32, offset: i64, after: LogOffset) {
        let before = self.set(group, topic, queue_id, offset, after);
        if let Some(before) = before.filter(|before| offset < *before) {
            tracing::warn!(group, topic, queue_id, before, offset, "a consumer offset was set back");
        }
    }

    /// The offset before.
    fn set(&self, group: &str, topic: &str, queue_id: i32, offset: i64, after: LogOffset) -> Option<i64> {
        let queue_id = self.stored_under(group, queue_id);
        let mut inner = self.write();
        let known = inner.get_mut(group).and_then(|topics| topics.get_mut(topic));
        let before = match known {
            Some(queues) => queues.insert(queue_id, offset),
            None => {
                let topics = inner.entry(group.to_owned()).or_default();
                topics.entry(topic.to_owned()).or_default().insert(queue_id, offset)
            }
        };
        if before != Some(offset) {
            self.note(Change::Commit { group, topic, queue_id, offset, after: after.0 });
            self.own.note(group, topic, queue_id, offset);
        }
        before
    }

    /// How far `group` has pulled in the queue: behind the last message that it was given; `None` if it was given none
    /// since the broker started.
    pub fn pulled(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.pulls.last(group, topic, queue_id).map(|pull| pull.next)
    }

    /// The last pull of a queue since the broker started.
    pub fn last_pull(&self, group: &str, topic: &str, queue_id: i32) -> Option<LastPull> {
        self.pulls.last(group, topic, queue_id)
    }

    /// Notes that a pull of `by` was told to go on at `next`.
    pub fn note_pulled(
        &self,
        group: &str,
        topic: &str,
        queue_id: i32,
        next: u64,
        by: SocketAddr,
        now: Timestamp,
    ) {
        let next = i64::try_from(next).unwrap_or(i64::MAX);
        self.pulls.note(group, topic, queue_id, LastPull { next, at: now, by });
    }

    /// Notes that `group` pops `topic`: that nobody pulls its queues means nothing any more.
    pub fn note_popped(&self, group: &str, topic: &str) {
        self.pulls.apply(Change::ForgetGroupTopic { group, topic });
    }

    /// The last pulls of `group` since the broker started, by topic.
    pub fn pulls_of(&self, group: &str) -> Vec<(String, TopicPulls)> {
        self.pulls.of_group(group)
    }

    /// Resets where `group` consumes, by the server (Java: `useServerSideResetOffset`): the offset is committed, and the
    /// group's next pull is told to go there.
    pub fn assign_reset(&self, group: &str, topic: &str, queue_id: i32, offset: i64) {
        self.resets.assign(group, topic, queue_id, offset);
        self.commit(group, topic, queue_id, offset);
    }

    /// Takes the reset of which the group was not told yet.
    pub fn take_reset(&self, group: &str, topic: &str, queue_id: i32) -> Option<i64> {
        self.resets.take(group, topic, queue_id)
    }

    /// Whether there is a reset of which the group was not told yet: commits of where it was before do not count.
    pub fn has_reset(&self, group: &str, topic: &str, queue_id: i32) -> bool {
        self.resets.contains(group, topic, queue_id)
    }

    /// The offsets of `group` in `topic` by queue.
    pub fn of(&self, group: &str, topic: &str) -> QueueOffsets {
        self.read().get(group).and_then(|topics| topics.get(topic)).cloned().unwrap_or_default()
    }

    /// Topics in which `group` has offsets.
    pub fn topics_of(&self, group: &str) -> Vec<String> {
        self.read().get(group).map(|topics| topics.keys().cloned().collect()).unwrap_or_default()
    }

    /// Groups that have offsets in `topic`.
    pub fn groups_of(&self, topic: &str) -> Vec<String> {
        let inner = self.read();
        inner.iter().filter(|(_, topics)| topics.contains_key(topic)).map(|(g, _)| g.clone()).collect()
    }

    /// Forgets all offsets in `topic`.
    pub fn delete_topic(&self, topic: &str) {
        self.change(Change::ForgetTopic { topic });
    }

    /// Forgets all offsets of `group`.
    pub fn delete_group(&self, group: &str) {
        self.change(Change::ForgetGroup { group });
    }

    /// Forgets the offsets of `group` in `topic`.
    pub fn delete_group_topic(&self, group: &str, topic: &str) {
        self.change(Change::ForgetGroupTopic { group, topic });
    }

    /// Whether the offsets that are committed from now on are noted as a slave's own: consumers bring them while there is no
    /// master.
    pub(crate) fn set_following(&self, is_slave: bool) {
        self.own.set_noting(is_slave);
    }

    /// Takes over the offsets of a slave's master, in both directions: an administrator may have set a group back. Those that
    /// consumers brought here stay where they are further; they are returned, for the master to be told.
    pub(crate) fn follow(&self, master: BTreeMap<String, QueueOffsets>) -> Vec<OwnOffset> {
        let mut ahead = Vec::new();
        for (key, offsets) in master {
            let Some((topic, group)) = key.split_once('@') else { continue };
            for (queue_id, offset) in offsets {
                let queue_id = self.stored_under(group, queue_id);
                if let Some(own) = self.own.ahead_of(group, topic, queue_id, offset) {
                    ahead.push(own);
                    continue;
                }
                let mut inner = self.write();
                let queues = inner.entry(group.to_owned()).or_default().entry(topic.to_owned()).or_default();
                if queues.insert(queue_id, offset) != Some(offset) {
                    self.note(Change::Commit { group, topic, queue_id, offset, after: 0 });
                }
            }
        }
        // Of queues in which the master has no offset at all.
        ahead.extend(self.own.unknown_to_master());
        ahead
    }

    /// Takes over offsets of another broker of the group where they are further, as it let consumers go on while this one was away; but
    /// none beyond the `end` of its queue, and none of a queue that has no end, as its topic is not here. How many.
    pub(crate) fn catch_up(
        &self,
        other: BTreeMap<String, QueueOffsets>,
        end: impl Fn(&str, i32) -> Option<u64>,
    ) -> usize {
        let mut taken = 0;
        for (key, offsets) in other {
            let Some((topic, group)) = key.split_once('@') else { continue };
            for (queue_id, offset) in offsets {
                let Some(end) = end(topic, queue_id) else { continue };
                let offset = offset.min(i64::try_from(end).unwrap_or(i64::MAX));
                if self.committed(group, topic, queue_id).is_none_or(|committed| offset > committed) {
                    self.commit(group, topic, queue_id, offset);
                    taken += 1;
                }
            }
        }
        taken
    }

    /// The master does not take an offset that a consumer brought here: it is not kept against the master's any more.
    pub(crate) fn give_up_own(&self, own: &OwnOffset) {
        self.own.forget(own);
    }

    /// Sets offsets that lie behind the end of their queue to that end, as the former master's may where its last messages did
    /// not come here: consumers would pass over what comes to lie there.
    pub(crate) fn cut(&self, end: impl Fn(&str, i32) -> u64) {
        let beyond: Vec<(String, String, i32, i64)> = {
            let inner = self.read();
            let all = inner.iter().flat_map(|(group, topics)| {
                topics.iter().flat_map(move |(topic, queues)| {
                    queues.iter().map(move |(queue, offset)| (group, topic, *queue, *offset))
                })
            });
            let beyond = all.filter_map(|(group, topic, queue_id, offset)| {
                let end = i64::try_from(end(topic, queue_id)).unwrap_or(i64::MAX);
                (offset > end).then(|| (group.clone(), topic.clone(), queue_id, end))
            });
            beyond.collect()
        };
        for (group, topic, queue_id, end) in beyond {
            let before = self.set(&group, &topic, queue_id, end, LogOffset(0));
            tracing::warn!(
                group,
                topic,
                queue_id,
                before,
                end,
                "a consumer offset ends with its queue now: the messages behind it are lost"
            );
        }
    }

    /// The whole table; keys are `topic@group`, as in Java's file.
    pub fn snapshot(&self) -> BTreeMap<String, QueueOffsets> {
        flatten(&self.read())
    }

    /// The version of the table.
    pub fn data_version(&self) -> DataVersion {
        self.data_version
    }

    /// Hands all changes so far to the kernel, so that kill -9 does not lose them. Cheap when there are none.
    pub fn settle(&self) {
        self.file.settle();
    }

    /// As [`OffsetTable::settle`]; tells whether the kernel has them.
    ///
    /// # Errors
    /// The disk refused the journal. The changes stay in memory, and are tried again every few seconds.
    pub fn settle_now(&self) -> Result<(), PersistError> {
        self.file.settle_now()
    }

    /// Whether [`OffsetTable::persist_step`] should not wait for its period.
    pub fn is_persist_urgent(&self) -> bool {
        self.file.is_journal_long()
    }

    /// Writes `consumerOffset.json` if it is out of date. For the schedule.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let copy = {
            let inner = self.read();
            self.file.begin()?;
            inner.clone()
        };
        let mut offset_table = flatten(&copy);
        let lmq_offset_table = self.lmq.then(|| take_lmq(&mut offset_table));
        let content = ConsumerOffsetSerializeWrapper {
            data_version: Some(self.data_version),
            offset_table,
            lmq_offset_table,
            ..ConsumerOffsetSerializeWrapper::default()
        };
        self.file.write_json(&body::to_json_pretty(&content))
    }

    fn change(&self, change: Change<'_>) {
        self.pulls.apply(change);
        let mut inner = self.write();
        apply(&mut inner, change);
        self.note(change);
    }

    /// To be called with the table locked.
    fn note(&self, change: Change<'_>) {
        let mut payload = Vec::with_capacity(96);
        change.encode(&mut payload);
        self.file.note(&payload);
    }

    fn read(&self) -> RwLockReadGuard<'_, Offsets> {
        // Every change leaves the table whole before anything can panic.
        self.committed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Offsets> {
        self.committed.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn apply(table: &mut Offsets, change: Change<'_>) {
    match change {
        Change::Commit { group, topic, queue_id, offset, .. } => {
            let topics = table.entry(group.to_owned()).or_default();
            topics.entry(topic.to_owned()).or_default().insert(queue_id, offset);
        }
        Change::ForgetGroup { group } => drop(table.remove(group)),
        Change::ForgetTopic { topic } => table.values_mut().for_each(|topics| drop(topics.remove(topic))),
        Change::ForgetGroupTopic { group, topic } => {
            if let Some(topics) = table.get_mut(group) {
                topics.remove(topic);
            }
        }
    }
}

/// Takes the groups of light message queues out of the table.
fn take_lmq(table: &mut BTreeMap<String, QueueOffsets>) -> BTreeMap<String, i64> {
    let is_of_lmq = |key: &String| key.split_once('@').is_some_and(|(_, group)| is_lmq(group));
    let taken = table.extract_if(.., |key, _| is_of_lmq(key));
    taken.filter_map(|(key, offsets)| Some((key, *offsets.values().next()?))).collect()
}

fn flatten(table: &Offsets) -> BTreeMap<String, QueueOffsets> {
    let of_group = |(group, topics): (&String, &HashMap<String, QueueOffsets>)| {
        let group = Arc::<str>::from(group.as_str());
        let keyed = topics.iter().map(move |(topic, queues)| (format!("{topic}@{group}"), queues.clone()));
        keyed.collect::<Vec<_>>()
    };
    table.iter().flat_map(of_group).collect()
}

#[cfg(test)]
#[path = "table_test.rs"]
mod tests;
