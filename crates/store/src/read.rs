//! Reading a queue: from entries to the records' bytes, which are checked and never changed on the way.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use eruca_message::{LogOffset, QueueOffset, RecordHeader};

use crate::{
    cold::Wait,
    consume_queue::{ConsumeQueue, ConsumeQueueEntry},
    damage::{DamagedAt, Unreadable, check_record},
    disk::DiskError,
    look::Look,
    store::MessageStore,
};

/// Entries fetched from a queue at a time.
const ENTRIES_AT_ONCE: u64 = 64;
/// A reader so far behind the end of its queue may find the entries on the disk only.
const RECENT_ENTRIES: u64 = 4096;
/// Where a record says its own place.
const LOG_OFFSET_AT: usize = 28;
/// Length of a record's beginning up to there: enough for [`is_head_at`].
pub(crate) const PLACE_LEN: usize = LOG_OFFSET_AT + 8;

/// Bounds of one read. At least one message is returned where there is one, however large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Most messages.
    pub max_messages: usize,
    /// Most bytes of records (but for the first).
    pub max_bytes: usize,
    /// Most queue entries looked at, whether they match or not.
    pub max_entries_scanned: usize,
}

impl Default for ReadLimits {
    /// Java's limits for a pull from memory: 32 messages, 256 KiB, 16,000 bytes of entries.
    fn default() -> Self {
        ReadLimits { max_messages: 32, max_bytes: 256 << 10, max_entries_scanned: 800 }
    }
}

/// Chooses messages of a queue.
pub trait EntryFilter {
    /// Whether a message may match, by the `tagsCode` of its entry.
    fn matches_entry(&self, tags_code: i64) -> bool;

    /// Whether it does match, by its encoded properties; asked only where [`EntryFilter::needs_properties`].
    fn matches_properties(&self, _properties: &[u8]) -> bool {
        true
    }

    /// Whether the properties have to be looked at.
    fn needs_properties(&self) -> bool {
        false
    }

    /// Whether it has done so much in this read that the rest is left to the next one.
    fn is_spent(&self) -> bool {
        false
    }
}

/// Takes every message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EveryMessage;

impl EntryFilter for EveryMessage {
    fn matches_entry(&self, _tags_code: i64) -> bool {
        true
    }
}

/// How a read went (Java: `GetMessageStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadStatus {
    /// There are messages.
    Found,
    /// None of those looked at matches: go on at the next offset.
    NoMatchedMessage,
    /// The queue never had a message.
    NoMessageInQueue,
    /// There is no such queue.
    NoMatchedQueue,
    /// Before the first message.
    OffsetTooSmall,
    /// Exactly at the end: the next message will be there.
    OffsetOverflowOne,
    /// Behind the end.
    OffsetOverflowBadly,
    /// The messages there are being deleted: go on at the next offset.
    MessageWasRemoving,
    /// The queue has no entry there.
    OffsetFoundNull,
}

/// What a read brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOutcome {
    /// How it went.
    pub status: ReadStatus,
    /// The records, back to back.
    pub records: Bytes,
    /// How many.
    pub message_count: usize,
    /// Where to read next.
    pub next_offset: QueueOffset,
    /// Lowest offset of the queue.
    pub min_offset: QueueOffset,
    /// End of the queue, exclusive.
    pub max_offset: QueueOffset,
    /// Start of the last record looked at.
    pub last_log_offset: LogOffset,
    /// Bytes of the log from there to its end; 0 where none was looked at.
    pub lag_bytes: u64,
}

/// Records that were chosen and not read yet: one range of the log.
#[derive(Debug, Clone, Copy)]
struct Run {
    at: u64,
    len: usize,
}

/// One of the records of a run.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    size_bytes: u32,
    queue_offset: u64,
}

/// What a read has gathered.
#[derive(Default)]
struct Gathered {
    runs: Vec<Run>,
    chosen: Vec<Chosen>,
    bytes: usize,
}

impl Gathered {
    /// Adjacent records are read at once, but never over the end of a segment.
    fn push(&mut self, entry: &ConsumeQueueEntry, queue_offset: u64, segment_size: u64) {
        let (at, len) = (entry.log_offset.0, entry.size_bytes as usize);
        match self.runs.last_mut() {
            Some(run) if run.at + run.len as u64 == at && at % segment_size != 0 => run.len += len,
            _ => self.runs.push(Run { at, len }),
        }
        self.chosen.push(Chosen { size_bytes: entry.size_bytes, queue_offset });
        self.bytes += len;
    }
}

impl MessageStore {
    /// Reads messages of a queue from `from` on.
    ///
    /// | status | next offset |
    /// |---|---|
    /// | Found, NoMatchedMessage | behind the last one looked at |
    /// | MessageWasRemoving | the same |
    /// | NoMatchedQueue, NoMessageInQueue | 0 |
    /// | OffsetTooSmall | the queue's lowest |
    /// | OffsetOverflowOne | `from` |
    /// | OffsetOverflowBadly | the queue's end |
    /// | OffsetFoundNull | start of the next file of the queue |
    pub fn read(
        &self,
        topic: &str,
        queue_id: i32,
        from: QueueOffset,
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
    ) -> ReadOutcome {
        let read = self.read_waiting(topic, queue_id, from, limits, filter, Wait::Allowed);
        // None is for those who may not wait.
        read.unwrap_or_else(|| outcome(ReadStatus::OffsetFoundNull, from.0, (0, 0)))
    }

    /// Whether a look at the entry at `from` need not wait for the disk.
    pub fn is_queue_cached(&self, topic: &str, queue_id: i32, from: QueueOffset) -> bool {
        let Some(queue) = self.queues.find(topic, queue_id) else { return true };
        // An error is told by the look itself.
        self.are_entries_cached(&queue, from.0, 1).unwrap_or(true)
    }

    fn are_entries_cached(&self, queue: &ConsumeQueue, from: u64, count: u64) -> Result<bool, DiskError> {
        let is_recent = queue.range().1.saturating_sub(from) <= RECENT_ENTRIES;
        Ok(is_recent || queue.is_cached(self.queues.files(), from, count)?)
    }

    /// As [`MessageStore::read`], also for a thread that may not wait: `None` where the disk would have to be waited for. Then it is
    /// to be called where that is no matter.
    pub fn read_waiting(
        &self,
        topic: &str,
        queue_id: i32,
        from: QueueOffset,
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
        wait: Wait,
    ) -> Option<ReadOutcome> {
        loop {
            let cuts = self.cuts.load(Ordering::Acquire);
            let outcome = self.read_once(topic, queue_id, from, limits, filter, wait);
            // Where the end of the log was cut off meanwhile, other records may lie where the entries said.
            if cuts == self.cuts.load(Ordering::Acquire) {
                return outcome;
            }
        }
    }

    fn read_once(
        &self,
        topic: &str,
        queue_id: i32,
        from: QueueOffset,
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
        wait: Wait,
    ) -> Option<ReadOutcome> {
        let Some(queue) = self.queues.find(topic, queue_id) else {
            return match self.batch_queues.find(topic, queue_id) {
                Some(queue) => self.read_batches(&queue, from, limits, filter, wait),
                None => Some(outcome(ReadStatus::NoMatchedQueue, 0, (0, 0))),
            };
        };
        let (min, max) = self.readable_range(&queue);
        if let Some((status, next)) = outside(from.0, (min, max), queue.range().1) {
            return Some(outcome(status, next, (min, max)));
        }
        match self.read_from(&queue, from.0, (min, max), limits, filter, wait) {
            Ok(outcome) => Some(outcome),
            Err(error) if error.would_block() => None,
            Err(error) => {
                tracing::error!(topic, queue_id, from = from.0, %error, "a queue cannot be read");
                Some(outcome(ReadStatus::OffsetFoundNull, from.0, (min, max)))
            }
        }
    }

    fn read_from(
        &self,
        queue: &ConsumeQueue,
        from: u64,
        range: (u64, u64),
        limits: &ReadLimits,
        filter: &dyn EntryFilter,
        wait: Wait,
    ) -> Result<ReadOutcome, DiskError> {
        let files = self.queues.files();
        let log_min = self.segments.min();
        let mut result = outcome(ReadStatus::NoMatchedMessage, from, range);
        let mut gathered = Gathered::default();
        let mut records = Vec::new();
        let mut look = Look::default();
        let mut entries = Vec::new();
        let mut next = from;
        let scan_end = range.1.min(from.saturating_add(limits.max_entries_scanned.max(1) as u64));
        'scan: while next < scan_end {
            entries.clear();
            let wanted = ENTRIES_AT_ONCE.min(limits.max_messages.max(8) as u64).min(scan_end - next);
            if wait == Wait::Never && !self.are_entries_cached(queue, next, wanted)? {
                return Err(DiskError::would_have_to_wait(files.dir()));
            }
            queue.read(files, next, wanted, &mut entries)?;
            if entries.is_empty() {
                if next == from {
                    result.status = ReadStatus::OffsetFoundNull;
                    next = (files.file_of(next) + files.entries_per_file()).min(range.1);
                }
                break;
            }
            for (index, entry) in entries.iter().enumerate() {
                let size = entry.size_bytes as usize;
                let count = gathered.chosen.len();
                let is_full = count >= limits.max_messages.max(1)
                    || gathered.bytes.saturating_add(size) > limits.max_bytes;
                if count > 0 && is_full && !entry.is_blank() {
                    break 'scan;
                }
                if next > from && filter.is_spent() {
                    break 'scan;
                }
                next += 1;
                if entry.is_blank() || entry.log_offset.0 < log_min {
                    if count == 0 {
                        result.status = ReadStatus::MessageWasRemoving;
                    }
                    continue;
                }
                result.last_log_offset = entry.log_offset;
                if !filter.matches_entry(entry.tags_code) {
                    continue;
                }
                if filter.needs_properties() {
                    let ahead = entries.get(index..).unwrap_or_default();
                    if !self.properties_match(queue, next - 1, ahead, filter, wait, &mut look)? {
                        continue;
                    }
                }
                gathered.push(entry, next - 1, self.config.segment_size_bytes);
            }
        }
        result.next_offset = QueueOffset(next);
        if result.last_log_offset != LogOffset(0) || !gathered.chosen.is_empty() {
            result.lag_bytes = self.progress.written().saturating_sub(result.last_log_offset.0);
        }
        if !gathered.chosen.is_empty() {
            result.message_count = self.read_runs(queue, &gathered, wait, &mut records)?;
            let all_gone = result.message_count == 0;
            result.status = if all_gone { ReadStatus::MessageWasRemoving } else { ReadStatus::Found };
            result.records = Bytes::from(records);
        }
        Ok(result)
    }

    /// Reads what was gathered into `records`, and leaves out what is damaged or not there as its entry says. How many
    /// records there are.
    fn read_runs(
        &self,
        queue: &ConsumeQueue,
        gathered: &Gathered,
        wait: Wait,
        records: &mut Vec<u8>,
    ) -> Result<usize, DiskError> {
        records.reserve_exact(gathered.bytes);
        if let (Some(first), Some(last)) = (gathered.runs.first(), gathered.runs.last()) {
            self.prepare_read(first.at..first.at.max(last.at + last.len as u64), gathered.bytes, wait);
        }
        let mut chosen = gathered.chosen.iter();
        let mut count = 0;
        for run in &gathered.runs {
            let mut from = records.len();
            let there = self.read_log(records, run.len, run.at, wait)?;
            let run_end = run.at + run.len as u64;
            let mut at = run.at;
            while at < run_end {
                let Some(next) = chosen.next().copied() else { break };
                let place = at;
                at += u64::from(next.size_bytes);
                if !there {
                    continue;
                }
                let to = from + next.size_bytes as usize;
                if self.is_sound(queue, next, place, records.get(from..to).unwrap_or_default()) {
                    from = to;
                    count += 1;
                } else {
                    records.drain(from..to);
                }
            }
        }
        Ok(count)
    }

    /// Whether a record may be given to a consumer; what is wrong with it is told otherwise.
    fn is_sound(&self, queue: &ConsumeQueue, chosen: Chosen, at: u64, record: &[u8]) -> bool {
        let Err(why) = check_record(record, at) else { return true };
        self.pass_over_in(queue, chosen.queue_offset, at, u64::from(chosen.size_bytes), &why);
        false
    }

    /// Says of a record of a queue that it is passed over.
    pub(crate) fn pass_over_in(
        &self,
        queue: &ConsumeQueue,
        queue_offset: u64,
        at: u64,
        len_bytes: u64,
        why: &Unreadable,
    ) {
        let place = DamagedAt {
            topic: queue.topic(),
            queue_id: queue.queue_id(),
            queue_offset: QueueOffset(queue_offset),
            log_offset: LogOffset(at),
            len_bytes,
        };
        self.pass_over(&place, why);
    }
}

/// Whether `record` is a whole record that lies at log offset `at`, as far as its frame says.
pub(crate) fn is_record_at(record: &[u8], at: u64) -> bool {
    is_head_at(record, record.len(), at)
}

/// Whether a record of `len_bytes` at log offset `at` begins with `head`, as far as its frame says.
pub(crate) fn is_head_at(head: &[u8], len_bytes: usize, at: u64) -> bool {
    let place = head.get(LOG_OFFSET_AT..).and_then(|rest| rest.first_chunk::<8>());
    RecordHeader::peek(head)
        .is_some_and(|header| header.is_record() && usize::try_from(header.total_len) == Ok(len_bytes))
        && place.map(|place| u64::from_be_bytes(*place)) == Some(at)
}

/// How a read of a queue goes that begins where it has no message for readers, and where to read next; `None` where it has one. The
/// queue ends at `written_max`: what lies between is still to come.
pub(crate) fn outside(from: u64, (min, max): (u64, u64), written_max: u64) -> Option<(ReadStatus, u64)> {
    if from >= min && from > max && from <= written_max {
        Some((ReadStatus::OffsetOverflowOne, from))
    } else if max == 0 {
        Some((ReadStatus::NoMessageInQueue, 0))
    } else if from < min {
        Some((ReadStatus::OffsetTooSmall, min))
    } else if from == max {
        Some((ReadStatus::OffsetOverflowOne, max))
    } else if from > max {
        Some((ReadStatus::OffsetOverflowBadly, max))
    } else {
        None
    }
}

pub(crate) fn outcome(status: ReadStatus, next: u64, (min, max): (u64, u64)) -> ReadOutcome {
    ReadOutcome {
        status,
        records: Bytes::new(),
        message_count: 0,
        next_offset: QueueOffset(next),
        min_offset: QueueOffset(min),
        max_offset: QueueOffset(max),
        last_log_offset: LogOffset(0),
        lag_bytes: 0,
    }
}
