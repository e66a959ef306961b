//! Reading the log's end: finding where it is whole, and giving the queues what they lack.

use std::{collections::HashSet, sync::Arc};

use eruca_message::{LogOffset, Record, Timestamp};

use super::{
    Damage, RecoveryReport, TornTail,
    start::{Start, choose_start},
};
use crate::{
    append::is_directory_name,
    checkpoint::Checkpoint,
    commit_log::{Found, LogEnd, Segments, Walk, walk_log},
    config::StoreConfig,
    consume_queue::{ConsumeQueueEntry, QueueFiles, QueueTable, Rebuild, Rebuilt, TouchedFiles},
    disk::{Disk, DiskError},
    dispatch::{entry_tags_code, has_queue_entry},
    error::OpenError,
    watermark::LogTip,
};

/// Entries in memory at which a long rebuild writes them behind.
const UNWRITTEN_MAX: u64 = 256 << 10;
/// Damaged places that the report names.
const DAMAGES_MAX: usize = 100;

/// The parts of an opened store.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Segments,
    pub(crate) queues: QueueTable,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) tip: LogTip,
    pub(crate) report: RecoveryReport,
}

/// Opens log and queues and brings them in order.
pub(crate) fn recover(
    config: &StoreConfig,
    disk: &Arc<dyn Disk>,
    was_closed: bool,
) -> Result<Recovered, OpenError> {
    let checkpoint = Checkpoint::load(&**disk, &config.checkpoint_path())?;
    let segments =
        Segments::open(Arc::clone(disk), config.commit_log_dir.clone(), config.segment_size_bytes)?;
    let files = QueueFiles::new(
        Arc::clone(disk),
        config.consume_queue_dir(),
        config.queue_file_size_bytes,
        config.queue_files_open_max,
    );
    let batch_topics = QueueTable::batch_topics(&**disk, &config.batch_consume_queue_dir())?;
    let queues = QueueTable::load(files, batch_topics)?;

    let log_start = segments.min();
    // Without any queue everything is read: the directory may have been removed to have it made anew.
    let Start { at: start, has_entry } = match queues.is_empty() {
        true => Start { at: log_start, has_entry: false },
        false => choose_start(&segments, checkpoint.as_ref(), was_closed)?,
    };
    if !was_closed {
        // What is read from here on may be in the kernel alone; no queue entry may get to the disk before it.
        for segment in segments.overlapping(start, u64::MAX) {
            segment.sync()?;
        }
    }
    let mut replay = Replay {
        config,
        segments: &segments,
        queues: &queues,
        touched: TouchedFiles::default(),
        seen: HashSet::new(),
        from_log_start: start == log_start,
        has_entry: has_entry.then_some(LogOffset(start)),
        was_closed,
        checkpoint,
        tip: LogTip {
            end: start,
            last_record: start,
            store_timestamp: checkpoint.unwrap_or_default().log_timestamp,
        },
        report: RecoveryReport { was_closed, scanned_from: LogOffset(start), ..RecoveryReport::default() },
    };
    let mut end = replay.walk(start)?;
    if end.is_none() {
        // A queue lacks entries from before the start: its files were lost. All is read once, then.
        tracing::warn!(from = log_start, "a consume queue lacks entries, all are made anew from the log");
        replay.from_log_start = true;
        replay.has_entry = None;
        replay.seen.clear();
        replay.report =
            RecoveryReport { was_closed, scanned_from: LogOffset(log_start), ..RecoveryReport::default() };
        end = replay.walk(log_start)?;
    }
    // The second walk has no gaps: it begins where the log does.
    let end = end.unwrap_or(LogEnd { at: replay.tip.end, torn: None });
    replay.cut(&end)?;
    let Replay { mut touched, tip, mut report, .. } = replay;

    report.queues = queues.all().len();
    queues.recount_unwritten();
    let made_anew =
        !was_closed || report.entries_rebuilt > 0 || report.entries_cut > 0 || report.torn_tail.is_some();
    // Its absence would mean that nothing is known, see `is_middle`.
    let made_anew = made_anew || checkpoint.is_none();
    let mut checkpoint = checkpoint.unwrap_or_default();
    if made_anew {
        queues.write_behind(u64::MAX, &mut touched)?;
        queues.files().sync(&mut touched)?;
        checkpoint = Checkpoint {
            log_timestamp: tip.store_timestamp,
            queue_timestamp: tip.store_timestamp,
            queue_log_offset: LogOffset(tip.last_record),
            ..checkpoint
        };
        checkpoint.store(&**disk, &config.checkpoint_path())?;
    }
    Ok(Recovered { segments, queues, checkpoint, tip, report })
}

/// A walk through the end of the log.
struct Replay<'a> {
    config: &'a StoreConfig,
    segments: &'a Segments,
    queues: &'a QueueTable,
    touched: TouchedFiles,
    /// Queues of which a record was found.
    seen: HashSet<u64>,
    from_log_start: bool,
    /// The record of which the entry was on the disk.
    has_entry: Option<LogOffset>,
    was_closed: bool,
    checkpoint: Option<Checkpoint>,
    tip: LogTip,
    report: RecoveryReport,
}

/// Whether damage at `at`, with a good record behind it that was stored at `next_stored`, is damage in the middle:
/// then what follows was on the disk. Else a power cut left it, which loses parts of what was not synced in any
/// order: the log ends at the first of them, so that no queue has holes.
fn is_middle(was_closed: bool, checkpoint: Option<Checkpoint>, at: u64, next_stored: Timestamp) -> bool {
    // Without a checkpoint nothing is known, and most must not be lost for a little.
    was_closed
        || checkpoint
            .is_none_or(|known| at < known.queue_log_offset.0 || next_stored <= known.safe_timestamp())
}

impl Replay<'_> {
    /// Walks to the end of the log; `None` where a queue lacks entries from before the start of the walk.
    fn walk(&mut self, from: u64) -> Result<Option<LogEnd>, OpenError> {
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
        let indexed = has_queue_entry(fields.sys_flag)
            && !self.queues.is_batch_topic(fields.topic)
            && is_directory_name(fields.topic)
            && fields.queue_id >= 0;
        if !indexed {
            return Ok(Walk::On);
        }
        // Its entry was on the disk and its queue is not: the topic was deleted since.
        if self.has_entry == Some(fields.log_offset)
            && self.queues.find(fields.topic, fields.queue_id).is_none()
        {
            return Ok(Walk::On);
        }
        let queue = self.queues.find_or_create(fields.topic, fields.queue_id);
        let tags_code = entry_tags_code(
            fields.topic,
            fields.properties,
            fields.store_timestamp,
            &self.config.delay_levels,
        );
        let size_bytes = record.total_len as u32;
        let entry = match damaged {
            false => ConsumeQueueEntry { log_offset: fields.log_offset, size_bytes, tags_code },
            true => ConsumeQueueEntry::BLANK,
        };
        let first_of_walk = !self.seen.contains(&queue.number());
        let how =
            Rebuild { first_of_walk, from_log_start: self.from_log_start, files_are_whole: self.was_closed };
        match queue.rebuild(self.queues.files(), fields.queue_offset.0, entry, how, &mut self.touched)? {
            Rebuilt::Added(list) => {
                self.queues.entry_added(&queue, list);
                self.report.entries_rebuilt += 1;
                self.seen.insert(queue.number());
            }
            Rebuilt::Skipped => {}
            Rebuilt::Gap { expected } => {
                tracing::warn!(
                    topic = fields.topic,
                    queue_id = fields.queue_id,
                    expected,
                    found = fields.queue_offset.0,
                    "consume queue entries are missing"
                );
                return Ok(Walk::Stop);
            }
        }
        if self.queues.unwritten_entries() > UNWRITTEN_MAX {
            self.queues.write_behind(u64::MAX, &mut self.touched)?;
            self.queues.recount_unwritten();
        }
        Ok(Walk::On)
    }

    fn damage(&mut self, from: u64, to: u64, message: Option<(String, i32, u64)>, why: String) {
        let path = self.segments.find(from).map(|segment| segment.path.clone()).unwrap_or_default();
        tracing::error!(file = %path.display(), from, to, why, "the log is damaged, consumers pass over this part");
        if self.report.damages.len() < DAMAGES_MAX {
            let (from, to) = (LogOffset(from), LogOffset(to));
            self.report.damages.push(Damage { path, from, to, message, why });
        }
    }

    /// Clears what stands behind the end of the log, and cuts the queue entries that point there.
    fn cut(&mut self, end: &LogEnd) -> Result<(), DiskError> {
        let torn = end.torn.is_some();
        if torn || !self.was_closed {
            while self.segments.all().last().is_some_and(|last| last.start > end.at) {
                // The walk found no record in it: it was prepared ahead, or its records never got to the disk.
                self.segments.remove_last()?;
            }
            if let Some(segment) = self.segments.find(end.at) {
                segment.zero_from(end.at)?;
                segment.sync()?;
                if let Some(why) = &end.torn {
                    tracing::warn!(file = %segment.path.display(), from = end.at, why,
                        "the end of the log was not written completely and is cut off");
                    let (path, from) = (segment.path.clone(), LogOffset(end.at));
                    self.report.torn_tail = Some(TornTail { path, from, why: why.clone() });
                }
            }
        }
        let log_start = self.segments.min();
        let files = self.queues.files();
        for queue in self.queues.all() {
            let clear = !self.was_closed && !self.seen.contains(&queue.number());
            self.report.entries_cut += queue.cut_beyond(files, end.at, clear, &mut self.touched)?;
            queue.expire(files, log_start)?;
        }
        Ok(())
    }
}
