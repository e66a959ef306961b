//! The walk over the log's end: every record gives its queues what they lack.

use std::{collections::HashSet, sync::Arc};

use eruca_message::{LogOffset, QueueOffset, Record, RecordFields, Timestamp};

use super::{Damage, RecoveryReport, TornTail};
use crate::{
    append::is_directory_name,
    checkpoint::Checkpoint,
    commit_log::{Found, LogEnd, Segments, Walk, walk_log},
    config::StoreConfig,
    consume_queue::{
        BatchQueueEntry, BatchTable, ConsumeQueue, ConsumeQueueEntry, ENTRY_LEN_BYTES, QueueStep, QueueTable,
        Rebuild, Rebuilt, Target,
    },
    disk::DiskError,
    dispatch::{
        entry_tags_code, has_queue_entry, inner_batch_base, inner_batch_count, is_inner_batch,
        multi_dispatched,
    },
    error::OpenError,
    queue_log::Commit,
    watermark::LogTip,
};

/// Entries in memory at which a long rebuild writes them behind.
const UNWRITTEN_MAX: u64 = 256 << 10;
/// More messages of a queue than this are never missing in the middle: the offset is wrong, then.
const HOLE_MAX: u64 = 1 << 24;
/// Highest index that a file can be named for.
const INDEX_MAX: u64 = i64::MAX as u64 / ENTRY_LEN_BYTES - (1 << 32);
/// Damaged places that the report names.
const DAMAGES_MAX: usize = 100;

/// A walk through the end of the log.
pub(super) struct Replay<'a> {
    pub(super) config: &'a StoreConfig,
    pub(super) segments: &'a Segments,
    pub(super) queues: &'a QueueTable,
    pub(super) batch_queues: &'a BatchTable,
    pub(super) step: QueueStep,
    /// The disk has no room: all entries stay in memory.
    pub(super) is_full: bool,
    /// Queues of which a record was found.
    pub(super) seen: HashSet<u64>,
    /// The queues come from the queue log.
    pub(super) known: Option<Commit>,
    pub(super) from_log_start: bool,
    /// The record of which the entry was on the disk.
    pub(super) has_entry: Option<LogOffset>,
    pub(super) was_closed: bool,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) tip: LogTip,
    pub(super) report: RecoveryReport,
}

/// Whether damage at `at`, with a good record behind it that was stored at `next_stored`, is damage in the middle:
/// then what follows was on the disk. Else a power cut left it, which loses parts of what was not synced in any
/// order: the log ends at the first of them, so that no queue has holes.
pub(crate) fn is_middle(
    was_closed: bool,
    checkpoint: Option<Checkpoint>,
    at: u64,
    next_stored: Timestamp,
) -> bool {
    // Without a checkpoint nothing is known, and most must not be lost for a little.
    was_closed
        || checkpoint
            .is_none_or(|known| at < known.queue_log_offset.0 || next_stored <= known.safe_log_timestamp())
}

impl Replay<'_> {
    /// Walks to the end of the log; `None` where a queue lacks entries from before the start of the walk.
    pub(super) fn walk(&mut self, from: u64) -> Result<Option<LogEnd>, OpenError> {
        let segments = self.segments;
        let (was_closed, checkpoint) = (self.was_closed, self.checkpoint);
        let is_middle = |at, next_stored| is_middle(was_closed, checkpoint, at, next_stored);
        let mut gap = false;
        let end = walk_log(segments, from, is_middle, |found| -> Result<Walk, OpenError> {
            let walk = match found {
                Found::Record(record) => self.record(&record, false)?,
                Found::Damaged { at, len_bytes, record, error } => {
                    let message = record
                        .map(|r| (r.fields.topic.to_owned(), r.fields.queue_id, r.fields.queue_offset.0));
                    self.damage(at, at + len_bytes, message, error.to_string());
                    match record {
                        Some(record) => self.record(&record, true)?,
                        None => Walk::On,
                    }
                }
                Found::Unreadable { at, end } => {
                    self.damage(at, end, None, "no record starts here".to_owned());
                    Walk::On
                }
            };
            gap = walk == Walk::Stop;
            Ok(walk)
        })?;
        self.tip.end = end.at;
        self.report.log_end = LogOffset(end.at);
        Ok((!gap).then_some(end))
    }

    /// Gives the record's queue its entry, a blank one for a damaged record. [`Walk::Stop`] on a gap.
    fn record(&mut self, record: &Record<'_>, damaged: bool) -> Result<Walk, OpenError> {
        let fields = &record.fields;
        self.report.records += 1;
        self.tip.last_record = fields.log_offset.0;
        self.tip.store_timestamp = self.tip.store_timestamp.max(fields.store_timestamp);
        let indexed =
            has_queue_entry(fields.sys_flag) && is_directory_name(fields.topic) && fields.queue_id >= 0;
        if !indexed {
            return Ok(Walk::On);
        }
        let tags_code = entry_tags_code(
            fields.topic,
            fields.properties,
            fields.store_timestamp,
            &self.config.delay_levels,
        );
        let size_bytes = record.total_len as u32;
        if is_inner_batch(fields.sys_flag) || self.batch_queues.is_batch_topic(fields.topic) {
            return match damaged {
                // A batch queue has no blank entries: consumers go on at the next one.
                true => Ok(Walk::On),
                false => self.batch_entry(record, tags_code),
            };
        }
        let entry = match damaged {
            false => ConsumeQueueEntry { log_offset: fields.log_offset, size_bytes, tags_code },
            true => ConsumeQueueEntry::BLANK,
        };
        let mut walk = self.entry(fields, (fields.topic, fields.queue_id), fields.queue_offset.0, entry)?;
        for (queue, offset) in multi_dispatched(self.config, fields.topic, fields.queue_id, fields.properties)
        {
            if walk == Walk::On {
                walk = self.entry(fields, (queue.name, queue.queue_id), offset, entry)?;
            }
        }
        Ok(walk)
    }

    /// Gives one queue an entry. [`Walk::Stop`] on a gap.
    fn entry(
        &mut self,
        fields: &RecordFields<'_>,
        (topic, queue_id): (&str, i32),
        index: u64,
        entry: ConsumeQueueEntry,
    ) -> Result<Walk, OpenError> {
        // Its entry was on the disk and its queue is not: the topic was deleted since.
        let entry_was_there = self.has_entry == Some(fields.log_offset);
        if entry_was_there && self.queues.find(topic, queue_id).is_none() {
            return Ok(Walk::On);
        }
        if self.batch_queues.is_batch_topic(topic) {
            return Ok(Walk::On);
        }
        let mut queue = self.queues.find_or_create(topic, queue_id);
        if self.known.is_some() && index == 0 && queue.range().1 > 0 {
            self.drop_queue(&queue)?;
            queue = self.queues.find_or_create(topic, queue_id);
        }
        let (min, max) = queue.range();
        // Only the property of a record that no broker wrote can say so.
        let is_impossible =
            index > INDEX_MAX || (self.from_log_start && min < max && index > max.saturating_add(HOLE_MAX));
        if is_impossible {
            tracing::warn!(topic, queue_id, index, max, log_offset = %fields.log_offset,
                "a record has an impossible offset in this queue, it gets no entry");
            return Ok(Walk::On);
        }
        let first_of_walk = !self.seen.contains(&queue.number());
        let how = Rebuild {
            ends_are_known: self.known.is_some(),
            first_of_walk,
            from_log_start: self.from_log_start,
            files_are_whole: self.was_closed,
            entry_was_there,
        };
        match queue.rebuild(self.queues.files(), index, entry, how, self.step.touched())? {
            Rebuilt::Added(list) => {
                self.queues.entry_added(&queue, list);
                self.report.entries_rebuilt += 1;
                self.seen.insert(queue.number());
            }
            Rebuilt::Kept => {
                self.seen.insert(queue.number());
            }
            Rebuilt::Skipped => {}
            Rebuilt::Gap { expected } => {
                tracing::warn!(topic, queue_id, expected, found = index, "consume queue entries are missing");
                return Ok(Walk::Stop);
            }
        }
        if self.queues.unwritten_entries() > UNWRITTEN_MAX && !self.is_full {
            match self.step.write(self.queues, u64::MAX, Target::OwnFiles) {
                Err(error) if error.is_full() => self.is_full = true,
                written => drop(written?),
            }
            self.queues.recount_unwritten();
        }
        Ok(Walk::On)
    }

    /// Takes away a queue that the queue log still knows: its topic was deleted, and this one made anew. If the process dies before that says so, the next recovery does it
    /// again, whatever is in files of that name then.
    fn drop_queue(&mut self, queue: &Arc<ConsumeQueue>) -> Result<(), DiskError> {
        tracing::warn!(topic = %queue.topic(), queue_id = queue.queue_id(), range = ?queue.range(),
            "the topic was deleted and made anew, this queue begins again");
        self.queues.remove_one(queue);
        self.step.deleted(self.queues, queue);
        let files = self.queues.files();
        // Else it would learn of the new queue before it learns that the old one is gone.
        files.queue_log().set_outdated();
        queue.remove_files(files)
    }

    /// Gives the record's batch queue an entry. [`Walk::Stop`] where the queue has lost those before it.
    fn batch_entry(&mut self, record: &Record<'_>, tags_code: i64) -> Result<Walk, OpenError> {
        let fields = &record.fields;
        let (base, count) = match is_inner_batch(fields.sys_flag) {
            true => (inner_batch_base(fields.properties), inner_batch_count(fields.properties)),
            false => (Some(fields.queue_offset.0), Some(1)),
        };
        let (Some(base), Some(count)) = (base, count) else {
            tracing::warn!(topic = fields.topic, queue_id = fields.queue_id, log_offset = %fields.log_offset,
                "an inner batch does not say which messages it holds, it gets no entry");
            return Ok(Walk::On);
        };
        let known = self.batch_queues.find(fields.topic, fields.queue_id);
        if self.has_entry == Some(fields.log_offset) && known.is_none() {
            return Ok(Walk::On);
        }
        let queue = match known {
            Some(queue) => queue,
            None => self.batch_queues.find_or_create(fields.topic, fields.queue_id)?,
        };
        if queue.last_log_offset().is_some_and(|last| last >= fields.log_offset.0) {
            return Ok(Walk::On);
        }
        let (_, max) = queue.range();
        if base < max {
            // A topic of this name was deleted and made anew.
            queue.cut_from(0)?;
        } else if queue.last_log_offset().is_none() && base > 0 && !self.from_log_start {
            tracing::warn!(
                topic = fields.topic,
                queue_id = fields.queue_id,
                "batch queue entries are missing"
            );
            return Ok(Walk::Stop);
        }
        let entry = BatchQueueEntry {
            log_offset: fields.log_offset,
            size_bytes: record.total_len as u32,
            tags_code,
            store_timestamp: fields.store_timestamp,
            base_offset: QueueOffset(base),
            message_count: count,
        };
        queue.restore(entry);
        self.report.entries_rebuilt += 1;
        Ok(Walk::On)
    }

    /// Cuts the batch entries of the records that are read next: of those, any may be half written. After an orderly
    /// stop all are whole.
    pub(super) fn distrust_batch_entries(&self, from: u64, has_entry: bool) -> Result<(), DiskError> {
        if self.was_closed && !self.from_log_start {
            return Ok(());
        }
        let first = from + u64::from(has_entry);
        self.batch_queues.all().iter().try_for_each(|queue| queue.cut_from(first).map(drop))
    }

    fn damage(&mut self, from: u64, to: u64, message: Option<(String, i32, u64)>, why: String) {
        let path = self.segments.find(from).map(|segment| segment.path.clone()).unwrap_or_default();
        tracing::error!(file = %path.display(), from, to, why, "the log is damaged, consumers pass over this part");
        if self.report.damages.len() < DAMAGES_MAX {
            let (from, to) = (LogOffset(from), LogOffset(to));
            self.report.damages.push(Damage { path, from, to, message, why });
        }
    }

    /// Whether the queues may have entries of records before the log's start.
    pub(super) fn log_begins_elsewhere(&self) -> bool {
        self.known.is_none_or(|known| known.log_min != self.segments.min())
    }

    /// Clears what stands behind the end of the log, and cuts the queue entries that point there.
    pub(super) fn cut(&mut self, end: &LogEnd) -> Result<(), DiskError> {
        let torn = end.torn.is_some();
        if torn || !self.was_closed {
            while self.segments.all().last().is_some_and(|last| last.start > end.at) {
                // The walk found no record in it: it was prepared ahead, or its records never got to the disk.
                self.segments.remove_last()?;
            }
            if let Some(segment) = self.segments.find(end.at) {
                if !planted!(TailNotCleared) {
                    segment.zero_from(end.at)?;
                }
                segment.sync()?;
                if let Some(why) = &end.torn {
                    tracing::warn!(file = %segment.path.display(), from = end.at, why,
                        "the end of the log was not written completely and is cut off");
                    let (path, from) = (segment.path.clone(), LogOffset(end.at));
                    self.report.torn_tail = Some(TornTail { path, from, why: why.clone() });
                }
            }
        }
        let files = self.queues.files();
        if self.known.is_none() {
            for queue in self.queues.all() {
                let clear = !self.was_closed && !self.seen.contains(&queue.number());
                self.report.entries_cut += queue.cut_beyond(files, end.at, clear, self.step.touched())?;
            }
        }
        // From the queue log no queue has entries beyond what was on the disk.
        if self.log_begins_elsewhere() {
            files.queue_log().set_outdated();
            self.queues
                .all()
                .iter()
                .try_for_each(|queue| queue.expire_entries(files, self.segments.min()))?;
        }
        for queue in self.batch_queues.all() {
            self.report.entries_cut += queue.cut_beyond(end.at, !self.was_closed)?;
        }
        Ok(())
    }
}
