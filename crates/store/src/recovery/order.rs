//! From a directory as it was left to log and queues that agree.

use std::{collections::HashSet, sync::Arc};

use eruca_message::LogOffset;

use super::{
    RecoveryReport,
    queues::{QueueSource, load_anew, load_queues},
    replay::Replay,
    start::{Start, choose_start},
};
use crate::{
    checkpoint::Checkpoint,
    commit_log::{LogEnd, Segments},
    config::StoreConfig,
    consume_queue::{BatchTable, QueueStep, QueueTable, Target, TouchedFiles},
    disk::{Disk, DiskError},
    error::OpenError,
    flush::QueueFlush,
    queue_log::Commit,
    watermark::LogTip,
};

/// The parts of an opened store.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) segments: Segments,
    pub(crate) queues: QueueTable,
    pub(crate) batch_queues: BatchTable,
    pub(crate) flush: QueueFlush,
    pub(crate) tip: LogTip,
    /// Entries of everything before are on the disk.
    pub(crate) queued: u64,
    pub(crate) report: RecoveryReport,
}

/// Log and queues that agree.
#[derive(Debug, Default)]
struct InOrder {
    flush: QueueFlush,
    tip: LogTip,
    queued: u64,
    report: RecoveryReport,
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
    let batch_queues = BatchTable::load(
        Arc::clone(disk),
        config.batch_consume_queue_dir(),
        config.batch_queue_file_size_bytes,
        &config.batch_topics,
    )?;
    let mut source = load_queues(config, disk, &segments, checkpoint, was_closed)?;
    let recovery = Recovery { config, disk, was_closed, checkpoint, segments: &segments };
    let mut in_order = recovery.bring_in_order(&source, &batch_queues)?;
    if in_order.is_none() {
        // The queue log contradicts the log of messages, which is the truth.
        source = load_anew(source.queues, was_closed, "it does not fit the log of messages".to_owned())?;
        in_order = recovery.bring_in_order(&source, &batch_queues)?;
    }
    // Without the queue log there is nothing to contradict.
    let InOrder { flush, tip, queued, report } = in_order.unwrap_or_default();
    Ok(Recovered { segments, queues: source.queues, batch_queues, flush, tip, queued, report })
}

/// What does not change while a directory is brought in order.
struct Recovery<'a> {
    config: &'a StoreConfig,
    disk: &'a Arc<dyn Disk>,
    was_closed: bool,
    checkpoint: Option<Checkpoint>,
    segments: &'a Segments,
}

impl Recovery<'_> {
    /// `None` where the queue log, from which the queues come, turns out to be wrong.
    fn bring_in_order(
        &self,
        source: &QueueSource,
        batch_queues: &BatchTable,
    ) -> Result<Option<InOrder>, OpenError> {
        let QueueSource { queues, known } = source;
        let Recovery { config, was_closed, mut checkpoint, segments, .. } = *self;
        let log_start = segments.min();
        let from_log_start = Start { at: log_start, has_entry: false };
        let Start { at: start, has_entry } = match known {
            Some(commit) => Start { at: commit.log_end, has_entry: false },
            // Without any queue everything is read: the directory may have been removed to have it made anew.
            None if queues.is_empty() && batch_queues.all().is_empty() => from_log_start,
            None => choose_start(segments, checkpoint.as_ref(), was_closed)?,
        };
        if !was_closed {
            // What is read from here on may be in the kernel alone; no queue entry may get to the disk before it.
            for segment in segments.overlapping(start, u64::MAX) {
                segment.sync()?;
            }
            segments.sync_names()?;
        }
        let last = match known {
            Some(commit) => *commit,
            None => Commit {
                checkpoint: checkpoint.unwrap_or_default(),
                visible: checkpoint.unwrap_or_default(),
                ..Commit::default()
            },
        };
        let mut step = QueueStep::after(last);
        if known.is_none() && start == log_start && !has_entry {
            checkpoint = self.take_back(checkpoint, &mut step)?;
        }
        if !was_closed {
            *step.touched() = TouchedFiles::with_found_names();
        }
        let mut replay = Replay {
            config,
            segments,
            queues,
            batch_queues,
            step,
            is_full: false,
            seen: HashSet::new(),
            known: *known,
            from_log_start: known.is_none() && start == log_start,
            has_entry: has_entry.then_some(LogOffset(start)),
            was_closed,
            checkpoint: known.map(|commit| commit.checkpoint).or(checkpoint),
            tip: LogTip {
                end: start,
                // Where none is found none is known: a place that is empty now would pass for a record whose entry is
                // on the disk when there is one.
                last_record: known.map_or(0, |commit| commit.checkpoint.queue_log_offset.0),
                store_timestamp: last.checkpoint.log_timestamp,
            },
            report: RecoveryReport {
                was_closed,
                scanned_from: LogOffset(start),
                ..RecoveryReport::default()
            },
        };
        replay.distrust_batch_entries(start, has_entry)?;
        let mut end = replay.walk(start)?;
        if known.is_some() && end.is_none() {
            return Ok(None);
        }
        if end.is_none() {
            // A queue lacks entries from before the start: its files were lost. All is read once, then.
            tracing::warn!(from = log_start, "a consume queue lacks entries, all are made anew from the log");
            checkpoint = self.take_back(checkpoint, &mut replay.step)?;
            replay.from_log_start = true;
            replay.has_entry = None;
            replay.seen.clear();
            replay.report = RecoveryReport {
                was_closed,
                scanned_from: LogOffset(log_start),
                ..RecoveryReport::default()
            };
            replay.distrust_batch_entries(log_start, false)?;
            end = replay.walk(log_start)?;
        }
        // The second walk has no gaps: it begins where the log does.
        let end = end.unwrap_or(LogEnd { at: replay.tip.end, torn: None });
        replay.cut(&end)?;
        let has_expired = replay.log_begins_elsewhere();
        let Replay { step, tip, mut report, .. } = replay;

        report.queues = queues.len() + batch_queues.all().len();
        queues.recount_unwritten();
        let made_anew =
            !was_closed || report.entries_rebuilt > 0 || report.entries_cut > 0 || report.torn_tail.is_some();
        let mut flush = QueueFlush { step, checkpoint: checkpoint.unwrap_or_default() };
        let mut queued = tip.end;
        // Its absence would mean that nothing is known, see `is_middle`.
        if (made_anew || checkpoint.is_none()) && !self.save(queues, batch_queues, &mut flush, tip)? {
            queued = report.scanned_from.0;
        }
        // Behind the writing: which file has to stay, because it says where the queue ends, depends on what is in the files.
        if has_expired {
            queues.all().iter().try_for_each(|queue| queue.remove_expired(queues.files()))?;
        }
        queues.set_trimmed_to(segments.min());
        batch_queues.all().iter().try_for_each(|queue| queue.expire(segments.min()))?;
        Ok(Some(InOrder { flush, tip, queued, report }))
    }

    /// What the checkpoint says of the queues does not hold while all are made anew: a recovery that comes after an
    /// interrupted one must not believe it.
    fn take_back(
        &self,
        checkpoint: Option<Checkpoint>,
        step: &mut QueueStep,
    ) -> Result<Option<Checkpoint>, DiskError> {
        let Some(said) = checkpoint.filter(|said| *said != said.without_queues()) else {
            return Ok(checkpoint);
        };
        let left = said.without_queues();
        left.store(&**self.disk, &self.config.checkpoint_path())?;
        step.begin_anew(left);
        Ok(Some(left))
    }

    /// Writes what the queues lacked to their files, and that to the checkpoint. `false` where the disk is full: what is
    /// there can be served all the same, and the entries stay in memory until there is room.
    fn save(
        &self,
        queues: &QueueTable,
        batch_queues: &BatchTable,
        flush: &mut QueueFlush,
        tip: LogTip,
    ) -> Result<bool, DiskError> {
        let QueueFlush { step, checkpoint } = flush;
        let written = step.write(queues, u64::MAX, Target::Policy(self.config.queue_log));
        if !unless_full(written.and_then(|_| batch_queues.write_behind(u64::MAX)))? {
            return Ok(false);
        }
        // Room lacking so late is a failure as any other: what the kernel held may be gone.
        step.sync(queues)?;
        let now = Checkpoint {
            log_timestamp: tip.store_timestamp,
            queue_timestamp: tip.store_timestamp,
            queue_log_offset: LogOffset(tip.last_record),
            ..*checkpoint
        };
        let path = self.config.checkpoint_path();
        unless_full(step.commit(queues, now, (self.segments.min(), tip.end)).and_then(|(visible, _)| {
            visible.store(&**self.disk, &path)?;
            *checkpoint = visible;
            Ok(())
        }))
    }
}

/// `false` where the disk is full.
fn unless_full<T>(result: Result<T, DiskError>) -> Result<bool, DiskError> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.is_full() => {
            tracing::warn!(%error, "the queues are in order in memory only, they are written when there is room");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
