//! Writing entries behind: which go to their queue's own files, which to the log that all queues share, and when
//! that holds.

use std::sync::Arc;

use super::{ConsumeQueue, QueueTable, TouchedFiles, behind::Chunk};
use crate::{checkpoint::Checkpoint, config::QueueLogPolicy, disk::DiskError, queue_log::Commit};

/// Where entries may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// To the queues' own files only.
    OwnFiles,
    /// As the policy says.
    Policy(QueueLogPolicy),
}

/// What was written and does not hold yet, kept from one step to the next.
#[derive(Debug, Default)]
pub(crate) struct QueueStep {
    touched: TouchedFiles,
    /// Queues whose own files got entries that the queue log does not know of.
    stored: Vec<Arc<ConsumeQueue>>,
    /// What this step put into the queue log.
    chunks: Vec<(Arc<ConsumeQueue>, Chunk)>,
    /// Queues that are no more, and that the queue log may know.
    deleted: Vec<u64>,
    /// What the last step that holds said.
    last: Commit,
}

impl QueueStep {
    /// A step after `last`.
    pub(crate) fn after(last: Commit) -> QueueStep {
        QueueStep { last, ..QueueStep::default() }
    }

    /// Forgets what the last step said of queues: they are made anew.
    pub(crate) fn begin_anew(&mut self, checkpoint: Checkpoint) {
        self.last = Commit { checkpoint, visible: checkpoint, ..Commit::default() };
    }

    /// For recovery, which writes to the queues' own files.
    pub(crate) fn touched(&mut self) -> &mut TouchedFiles {
        &mut self.touched
    }

    /// Retires a queue that was taken out of the table, before its files are removed.
    pub(crate) fn deleted(&mut self, table: &QueueTable, queue: &ConsumeQueue) {
        if queue.is_chained() {
            table.chains_changed(-1);
        }
        if queue.is_logged() {
            self.deleted.push(queue.number());
        }
        table.entries_dropped(queue.retire());
    }

    /// Writes those entries whose records end at or before `log_end`. Of an error nothing is lost: the rest is tried
    /// again the next time. How many left the memory so far.
    pub(crate) fn write(
        &mut self,
        table: &QueueTable,
        log_end: u64,
        target: Target,
    ) -> Result<u64, DiskError> {
        let listed = table.take_unwritten();
        let chooses_log = |queue: &ConsumeQueue| match target {
            Target::OwnFiles => false,
            Target::Policy(policy) => {
                listed.len() > policy.touched_min && queue.run_len(log_end) < policy.run_max
            }
        };
        let log = table.files().queue_log();
        let mut result = Ok(());
        if let Target::Policy(policy) = target
            && (listed.len() > policy.touched_min || log.is_active() || table.len() > policy.queues_min)
            && log.wants_new_file(!listed.is_empty())
        {
            result = self.begin_file(table);
        }
        let mut written = 0;
        let mut left = Vec::new();
        for queue in &listed {
            if result.is_err() {
                left.push(Arc::clone(queue));
                continue;
            }
            let outcome = if chooses_log(queue) {
                queue.put_chunk(log, log_end).map(|chunk| match chunk {
                    Some(chunk) => self.chunks.push((Arc::clone(queue), chunk)),
                    // What is not on the disk yet comes with the next step.
                    None => left.push(Arc::clone(queue)),
                })
            } else {
                queue.write_behind(table.files(), log_end, &mut self.touched).map(|done| {
                    written += done.entries;
                    if done.was_chained {
                        table.chains_changed(-1);
                    }
                    if done.has_more {
                        left.push(Arc::clone(queue));
                    }
                    if log.is_active() {
                        self.stored.push(Arc::clone(queue));
                    }
                })
            };
            if let Err(error) = outcome {
                left.push(Arc::clone(queue));
                result = Err(error);
            }
        }
        table.entries_dropped(written);
        table.list_again(left);
        if result.is_err() {
            self.abandon(table);
        }
        result.map(|()| written)
    }

    fn begin_file(&mut self, table: &QueueTable) -> Result<(), DiskError> {
        let log = table.files().queue_log();
        log.begin_file()?;
        for queue in table.all() {
            queue.put_whole(log)?;
        }
        // The whole state says what these would.
        self.stored.clear();
        self.deleted.clear();
        log.end_state()
    }

    /// Brings the queues' own files to the disk.
    pub(crate) fn sync(&mut self, table: &QueueTable) -> Result<(), DiskError> {
        table.files().sync(&mut self.touched)
    }

    /// Lets everything that was put into the queue log hold; log and queues are on the disk up to `checkpoint` then.
    /// What the `checkpoint` file has to say, and how many entries left the memory.
    pub(crate) fn commit(
        &mut self,
        table: &QueueTable,
        checkpoint: Checkpoint,
        (log_min, log_end): (u64, u64),
    ) -> Result<(Checkpoint, u64), DiskError> {
        let log = table.files().queue_log();
        if !log.is_active() {
            self.last = Commit { checkpoint, visible: checkpoint, ..self.last };
            return Ok((checkpoint, 0));
        }
        // A Java broker reads the queues' own files and this file: it must not say more than they have.
        let has_chains = table.chains() > 0 || !self.chunks.is_empty();
        let visible = match has_chains {
            true => Checkpoint { index_timestamp: checkpoint.index_timestamp, ..self.last.visible },
            false => checkpoint,
        };
        let commit = Commit { checkpoint, visible, visible_before: self.last.visible, log_min, log_end };
        let says = |commit: &Commit| (commit.checkpoint, commit.log_min, commit.log_end);
        let has_news = !(self.stored.is_empty() && self.chunks.is_empty() && self.deleted.is_empty());
        if says(&commit) == says(&self.last) && !has_news && !log.is_step_begun() {
            return Ok((visible, 0));
        }
        if let Err(error) = self.put_rest(table).and_then(|()| log.commit(&commit)) {
            self.abandon(table);
            return Err(error);
        }
        self.last = commit;
        self.stored.clear();
        self.deleted.clear();
        let mut written = 0;
        let mut left = Vec::new();
        for (queue, chunk) in self.chunks.drain(..) {
            let (has_more, is_first) = queue.chunk_holds(&chunk);
            written += chunk.count();
            if is_first {
                table.chains_changed(1);
            }
            if has_more {
                left.push(queue);
            }
        }
        table.entries_dropped(written);
        table.list_again(left);
        Ok((visible, written))
    }

    fn put_rest(&mut self, table: &QueueTable) -> Result<(), DiskError> {
        let log = table.files().queue_log();
        for queue in &self.stored {
            queue.put_stored(log)?;
        }
        for number in &self.deleted {
            log.put_deleted(*number)?;
        }
        Ok(())
    }

    /// Takes back what was put into the queue log, which writes its whole state with the next step.
    fn abandon(&mut self, table: &QueueTable) {
        table.files().queue_log().abandon();
        table.list_again(self.chunks.drain(..).map(|(queue, _)| queue).collect());
        // The whole state says what these would.
        self.stored.clear();
        self.deleted.clear();
    }
}
