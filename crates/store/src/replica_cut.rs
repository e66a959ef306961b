//! Cutting off the end of a log that no other has: a master that was replaced takes away what it alone wrote, before it copies
//! the new master's log.
//!
//! What was cut must not come back, and nothing may lead to where it lay: other records will lie there. So everything goes in an
//! order in which the directory is, whenever the process dies or the power goes, one that recovery makes whole:
//!
//! | step | why there |
//! |---|---|
//! | log, queues flushed | what stays is on the disk |
//! | index entries cut | an index that lacks messages is made up for |
//! | queue log removed, its entries back in memory | it says how long each queue is; recovery would believe it |
//! | `checkpoint` moved back | from here on recovery reads the log from before the cut |
//! | queues cut, synced | as long as the records are there, recovery makes the entries anew |
//! | log cut, synced | last segment first, and the beginning of the last cut before its rest |

use std::sync::{Arc, PoisonError, atomic::Ordering};

use eruca_message::{LogOffset, QueueOffset};

use crate::{
    checkpoint::Checkpoint,
    commit_log::{Found, Walk, walk_log},
    consume_queue::{BatchQueue, ConsumeQueue, ConsumeQueueEntry, remove_dir},
    disk::DiskError,
    error::CopyError,
    flush::QueueFlush,
    replica::Copying,
    store::MessageStore,
    watermark::LogTip,
    write_state::WriteStopped,
};

/// Entries that one look at the end of a queue brings at most.
const LOOK_MAX: u64 = 4096;

/// What [`MessageStore::cut_replica`] took away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplicaCut {
    /// Where the log ended.
    pub from: LogOffset,
    /// Where it ends now.
    pub end: LogOffset,
    /// The queues that are shorter now.
    pub queues: Vec<QueueCut>,
}

impl ReplicaCut {
    /// Bytes of the log that are gone.
    pub fn bytes(&self) -> u64 {
        self.from.0.saturating_sub(self.end.0)
    }
}

/// A queue that lost its last messages. Offsets behind `max` that consumers committed have no meaning any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueCut {
    /// Topic name.
    pub topic: Arc<str>,
    /// Queue number of the topic.
    pub queue_id: i32,
    /// Where it ended.
    pub was: QueueOffset,
    /// Where it ends now; 0 for a queue that is gone.
    pub max: QueueOffset,
}

/// What is to be cut, found out before anything is changed.
#[derive(Default)]
struct Plan {
    queues: Vec<(Arc<ConsumeQueue>, u64)>,
    tip: LogTip,
}

impl MessageStore {
    /// Takes away everything from log offset `end` on, for good: records, queue entries (of ordinary, light and batch queues),
    /// index entries, and what the checkpoint says of them. `end` is the end of a record (or of a segment), or the log's start;
    /// before the start nothing is left, and the store is as a new one. At or behind the log's end nothing is done. Readers
    /// find what was there or nothing. A copy that was begun goes on at the new end.
    ///
    /// A process that dies in the midst leaves a store whose log ends anywhere between `end` and where it ended: cut it again.
    ///
    /// # Errors
    /// The store takes messages of its own; `end` is within a record; the disk refuses: before anything was changed, or so that
    /// nothing more is written until a restart.
    pub fn cut_replica(&self, end: LogOffset) -> Result<ReplicaCut, CopyError> {
        self.settle()?;
        self.check_copy()?;
        // Most of what has to be flushed, without the locks, and those who wait for it are told.
        self.queue_flush_step()?;
        let _shrinking = self.shrinking.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = {
            let mut copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
            self.cut_end_off(&mut copying, end.0)?
        };
        if cut.bytes() > 0 {
            self.tell_cut(&cut);
        }
        Ok(cut)
    }

    fn cut_end_off(&self, copying: &mut Copying, end: u64) -> Result<ReplicaCut, CopyError> {
        let writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.append_lock();
        self.check_copy()?;
        if !state.staging.is_empty() {
            // Something was appended and not written yet: its sender settles it.
            return Err(CopyError::NotAReplica);
        }
        copying.held = Vec::new();
        let from = self.progress.written();
        copying.next = copying.next.map(|_| end.min(from));
        if end >= from {
            return Ok(ReplicaCut { from: LogOffset(from), end: LogOffset(from), queues: Vec::new() });
        }
        let mut flush = self.queue_flush.lock().unwrap_or_else(PoisonError::into_inner);
        self.flush_queues(&mut flush)?;
        let log_min = self.segments.min();
        let is_reset = end < log_min;
        let end = if is_reset { 0 } else { end };
        copying.next = copying.next.map(|_| end);
        let Plan { queues, tip } = match is_reset {
            true => Plan {
                queues: self.queues.all().into_iter().map(|queue| (queue, 0)).collect(),
                ..Plan::default()
            },
            false => self.plan(end)?,
        };
        let index = self.cut_index(end)?;
        let flushing = self.flushing.lock().unwrap_or_else(PoisonError::into_inner);

        // From here on the files say something else than the memory: an error ends all writing.
        state.drops += 1;
        state.dropped_for = Some(WriteStopped::Replica);
        state.log_end = end;
        state.last_store_timestamp = tip.store_timestamp;
        let failed = |error: DiskError| self.stop(WriteStopped::from_io(&error));
        self.go_back(&mut flush, tip).map_err(failed)?;
        let mut flushing = flushing;
        *flushing = tip;
        self.cuts.fetch_add(1, Ordering::AcqRel);
        let mut cut = ReplicaCut { from: LogOffset(from), end: LogOffset(end), queues: Vec::new() };
        self.cut_queues(queues, &mut flush, &mut cut).map_err(failed)?;
        self.cut_batch_queues(end, is_reset, &mut cut).map_err(failed)?;
        self.cuts.fetch_add(1, Ordering::AcqRel);
        match is_reset {
            true => self.segments.begin_at(0),
            false => self.segments.cut_to(end),
        }
        .map_err(failed)?;
        self.cuts.fetch_add(1, Ordering::AcqRel);
        drop((flushing, index));
        // Entries that were in the queue log only are in memory. An error is the store's state: the cut is done.
        let _ = self.flush_queues(&mut flush);
        drop((flush, state, writing));
        Ok(cut)
    }

    /// Tells those who wait for something that is gone.
    fn tell_cut(&self, cut: &ReplicaCut) {
        let why = WriteStopped::Replica;
        self.forget_arrivals(cut.end.0);
        tracing::warn!(
            from = cut.end.0,
            to = cut.from.0,
            bytes = cut.bytes(),
            queues = cut.queues.len(),
            "the end of the log, which the master does not have, is cut off"
        );
        if let Some(listener) = self.written_listener.get() {
            listener.dropped(cut.end, &why);
        }
        self.flush_waiters.take_after(cut.end.0).into_iter().for_each(|waiter| waiter(Err(why.clone())));
        self.tell_written();
    }

    /// Which queues reach beyond `end`, and the last record before it.
    fn plan(&self, end: u64) -> Result<Plan, CopyError> {
        let mut near = 0;
        let mut queues = Vec::new();
        for queue in self.queues.all() {
            let (max, last) = self.queue_end_before(&queue, end)?;
            near = near.max(last);
            if max < queue.range().1 {
                queues.push((queue, max));
            }
        }
        let tip = self.tip_before(end, near)?;
        Ok(Plan { queues, tip })
    }

    /// Where a queue ends in a log that ends at `log_end`, and where its last record before starts (0: it has none). Blank
    /// entries behind that one go, too: they may stand for records of either side, and come again with the next record.
    fn queue_end_before(&self, queue: &ConsumeQueue, log_end: u64) -> Result<(u64, u64), DiskError> {
        let (min, max) = queue.range();
        let (mut to, mut look) = (max, 1);
        while to > min {
            let from = to.saturating_sub(look).max(min);
            let entries = self.entries_between(queue, from, to)?;
            let stays = |entry: &&(u64, ConsumeQueueEntry)| {
                !entry.1.is_blank() && entry.1.log_offset_end().0 <= log_end
            };
            if let Some((index, entry)) = entries.iter().rev().find(stays) {
                return Ok((index + 1, entry.log_offset.0));
            }
            (to, look) = (from, (look * 8).min(LOOK_MAX));
        }
        Ok((min, 0))
    }

    /// The entries from `from` to `to` that can be read.
    fn entries_between(
        &self,
        queue: &ConsumeQueue,
        from: u64,
        to: u64,
    ) -> Result<Vec<(u64, ConsumeQueueEntry)>, DiskError> {
        let (mut all, mut entries) = (Vec::new(), Vec::new());
        let mut at = from;
        while at < to {
            entries.clear();
            queue.read(self.queues.files(), at, to - at, &mut entries)?;
            if entries.is_empty() {
                // What is not there is as if it were blank.
                entries.push(ConsumeQueueEntry::BLANK);
            }
            all.extend((at..).zip(entries.iter().copied()));
            at += entries.len() as u64;
        }
        Ok(all)
    }

    /// The last record before `end`, where a record ends, or the log begins. `near`: where one of the last records starts.
    fn tip_before(&self, end: u64, near: u64) -> Result<LogTip, CopyError> {
        let mut tip = LogTip { end, ..LogTip::default() };
        if end == self.segments.min() {
            return Ok(tip);
        }
        let size = self.segments.segment_size();
        let mut reached = near.max((end - 1) / size * size);
        walk_log(
            &self.segments,
            reached,
            |_, _| true,
            |found| -> Result<Walk, CopyError> {
                let (at, behind) = match &found {
                    Found::Record(record) => {
                        let at = record.fields.log_offset.0;
                        (at, at + record.total_len as u64)
                    }
                    Found::Damaged { at, len_bytes, .. } => (*at, at + len_bytes),
                    Found::Unreadable { at, end } => (*at, *end),
                };
                if at >= end {
                    return Ok(Walk::Stop);
                }
                if let Found::Record(record) = &found {
                    tip.last_record = at;
                    tip.store_timestamp = tip.store_timestamp.max(record.fields.store_timestamp);
                }
                if behind > end {
                    return Err(CopyError::WithinRecord { at: LogOffset(end), before: LogOffset(at) });
                }
                reached = behind;
                Ok(Walk::On)
            },
        )?;
        match reached == end || end.is_multiple_of(size) {
            true => Ok(tip),
            // In the filler, or behind what is damaged.
            false => Err(CopyError::WithinRecord { at: LogOffset(end), before: LogOffset(reached) }),
        }
    }

    /// What is kept of the log's end goes back to `tip`: the queue log, the checkpoint, the watermarks.
    fn go_back(&self, flush: &mut QueueFlush, tip: LogTip) -> Result<(), DiskError> {
        let log = self.queues.files().queue_log();
        if log.is_active() {
            self.queues.unchain()?;
            log.remove()?;
        }
        let said = flush.checkpoint;
        let mut now = Checkpoint {
            index_timestamp: self.index.sealed(),
            master_flushed_offset: said.master_flushed_offset.min(LogOffset(tip.end).to_i64()),
            confirm_offset: said.confirm_offset.min(LogOffset(tip.end).to_i64()),
            ..said
        };
        // Where the queues' own files lacked what the queue log had, the checkpoint says less already.
        now.log_timestamp = said.log_timestamp.min(tip.store_timestamp);
        now.queue_timestamp = said.queue_timestamp.min(tip.store_timestamp);
        now.queue_log_offset = said.queue_log_offset.min(LogOffset(tip.last_record));
        self.progress.take_back_queued(now.queue_log_offset.0);
        now.store(&*self.disk, &self.config.checkpoint_path())?;
        flush.checkpoint = now;
        flush.step.begin_anew(now);
        self.progress.cut_to(tip);
        Ok(())
    }

    fn cut_queues(
        &self,
        queues: Vec<(Arc<ConsumeQueue>, u64)>,
        flush: &mut QueueFlush,
        cut: &mut ReplicaCut,
    ) -> Result<(), DiskError> {
        let files = self.queues.files();
        for (queue, max) in queues {
            let was = queue.range().1;
            if max > 0 {
                queue.truncate(files, max, flush.step.touched())?;
            } else {
                self.queues.remove_one(&queue);
                flush.step.deleted(&self.queues, &queue);
                queue.remove_files(files)?;
                remove_dir(files.disk(), &files.queue_dir(queue.topic(), queue.queue_id()))?;
                if !self.queues.contains(queue.topic()) {
                    remove_dir(files.disk(), &files.dir().join(&**queue.topic()))?;
                }
            }
            cut.queues.push(queue_cut((queue.topic(), queue.queue_id()), was, max));
        }
        self.queues.recount_unwritten();
        flush.step.sync(&self.queues)
    }

    fn cut_batch_queues(&self, end: u64, is_reset: bool, cut: &mut ReplicaCut) -> Result<(), DiskError> {
        for queue in self.batch_queues.all() {
            let was = queue.range().1;
            if is_reset {
                self.begin_batch_queue_anew(&queue)?;
            } else if queue.cut_beyond(end, false)? == 0 {
                continue;
            }
            let max = if is_reset { 0 } else { queue.range().1 };
            cut.queues.push(queue_cut((queue.topic(), queue.queue_id()), was, max));
        }
        Ok(())
    }

    /// The queue begins at 0 again; its directory says that the topic has such queues.
    fn begin_batch_queue_anew(&self, queue: &BatchQueue) -> Result<(), DiskError> {
        self.batch_queues.remove_one(queue);
        queue.delete()?;
        self.batch_queues.find_or_create(queue.topic(), queue.queue_id()).map(drop)
    }
}

fn queue_cut((topic, queue_id): (&Arc<str>, i32), was: u64, max: u64) -> QueueCut {
    QueueCut { topic: Arc::clone(topic), queue_id, was: QueueOffset(was), max: QueueOffset(max) }
}
