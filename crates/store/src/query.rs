//! Looking into queues and the log: ranges, times, single records, names; and deleting a topic.

use std::sync::Arc;

use bytes::Bytes;
use eruca_message::{LogOffset, QueueOffset, Record, RecordHeader, Timestamp};

use crate::{
    consume_queue::{ConsumeQueue, ConsumeQueueEntry, remove_dir},
    disk::DiskError,
    error::ReadError,
    read::is_record_at,
    recovery::store_time_at,
    store::MessageStore,
    write_state::WriteStopped,
};

/// Most entries that one [`MessageStore::queue_entries`] returns.
const QUEUE_ENTRIES_MAX: u64 = 100_000;

/// The offsets of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueRange {
    /// Lowest offset that can be read.
    pub min: QueueOffset,
    /// End, exclusive: the offset of the next message.
    pub max: QueueOffset,
}

/// Most damaged messages in a row that a search by time looks behind.
const UNREADABLE_MAX: u64 = 10_000;

/// Which message a search by time means where none has exactly that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Boundary {
    /// The first one stored at that time or later.
    #[default]
    Lower,
    /// The last one stored at that time or before.
    Upper,
}

impl MessageStore {
    /// The whole record that starts at `at`; `None` where none does. Its CRC is checked.
    ///
    /// # Errors
    /// [`ReadError`] for a damaged record and for a file that cannot be read.
    pub fn record_at(&self, at: LogOffset) -> Result<Option<Bytes>, ReadError> {
        if at.0 >= self.progress.written() {
            return Ok(None);
        }
        let Some(segment) = self.segments.find(at.0) else { return Ok(None) };
        let room = segment.end().min(self.progress.written()).saturating_sub(at.0);
        let mut bytes = Vec::new();
        segment.read_append(&mut bytes, room.min(8) as usize, at.0)?;
        let len = RecordHeader::peek(&bytes)
            .filter(|header| header.is_record())
            .and_then(|header| u64::try_from(header.total_len).ok());
        let Some(len) = len.filter(|len| *len <= room) else { return Ok(None) };
        bytes.clear();
        segment.read_append(&mut bytes, len as usize, at.0)?;
        if !is_record_at(&bytes, at.0) {
            return Ok(None);
        }
        match Record::decode(&bytes).and_then(|record| record.verify_crc()) {
            Ok(()) => Ok(Some(Bytes::from(bytes))),
            Err(source) => Err(ReadError::Damaged { at, source }),
        }
    }

    /// The offsets of a queue; 0..0 for one that is not there. Whether readers see them all is another matter:
    /// [`MessageStore::readable_queue_range`].
    pub fn queue_range(&self, topic: &str, queue_id: i32) -> QueueRange {
        let (min, max) = match self.queues.find(topic, queue_id) {
            Some(queue) => queue.range(),
            None => self.batch_queues.find(topic, queue_id).map_or((0, 0), |queue| queue.range()),
        };
        QueueRange { min: QueueOffset(min), max: QueueOffset(max) }
    }

    /// The offset of a queue at a time, by Java's rules (`getOffsetInQueueByTime`):
    ///
    /// | messages | [`Boundary::Lower`] | [`Boundary::Upper`] |
    /// |---|---|---|
    /// | some at exactly that time | the first of them | the last of them |
    /// | some before, some after | the first after | the last before |
    /// | all before | the end of the queue | the last |
    /// | all after | the first | 0 |
    /// | none | 0 | 0 |
    pub fn queue_offset_by_time(
        &self,
        topic: &str,
        queue_id: i32,
        time: Timestamp,
        boundary: Boundary,
    ) -> QueueOffset {
        let Some(queue) = self.queues.find(topic, queue_id) else {
            return self.batch_offset_by_time(topic, queue_id, time, boundary);
        };
        let (min, max) = self.readable_range(&queue);
        if min == max {
            return QueueOffset(if boundary == Boundary::Lower { max } else { 0 });
        }
        // The first message that is past the boundary; store times never go back along the log. A message that cannot be
        // read (damaged, just expired) is as old as the next one that can.
        let (mut low, mut high) = (min, max);
        while low < high {
            let middle = low + (high - low) / 2;
            let unreadable_end = high.min(middle + UNREADABLE_MAX);
            let readable =
                (middle..unreadable_end).find_map(|at| Some((at, self.store_time_of(&queue, at)?)));
            match readable {
                Some((at, stored)) if stored < time || (stored == time && boundary == Boundary::Upper) => {
                    low = at + 1;
                }
                // Where nothing can be read, rather some messages again than some not at all.
                Some(_) | None => high = middle,
            }
        }
        QueueOffset(match boundary {
            Boundary::Lower => low,
            Boundary::Upper if low == min => 0,
            Boundary::Upper => low - 1,
        })
    }

    /// When the message at an offset was stored; `None` where there is none.
    pub fn store_time_at(&self, topic: &str, queue_id: i32, at: QueueOffset) -> Option<Timestamp> {
        let Some(queue) = self.queues.find(topic, queue_id) else {
            return self.batch_entry_at(topic, queue_id, at).map(|entry| entry.store_timestamp);
        };
        let (min, max) = queue.range();
        (min..max).contains(&at.0).then(|| self.store_time_of(&queue, at.0)).flatten()
    }

    /// When the first message of a queue was stored; `None` where there is none.
    pub fn earliest_store_time(&self, topic: &str, queue_id: i32) -> Option<Timestamp> {
        self.store_time_at(topic, queue_id, self.queue_range(topic, queue_id).min)
    }

    fn store_time_of(&self, queue: &ConsumeQueue, index: u64) -> Option<Timestamp> {
        let found = queue.entry(self.queues.files(), index).and_then(|entry| match entry {
            Some(entry) if !entry.is_blank() => store_time_at(&self.segments, entry.log_offset.0),
            Some(_) | None => Ok(None),
        });
        found.unwrap_or_else(|error| {
            tracing::error!(topic = %queue.topic(), queue_id = queue.queue_id(), index, %error, "a store time cannot be read");
            None
        })
    }

    /// Up to `count` entries of a queue from `from` on (at most 100,000); of a batch queue, that of its batch for each
    /// message.
    pub fn queue_entries(
        &self,
        topic: &str,
        queue_id: i32,
        from: QueueOffset,
        count: usize,
    ) -> Vec<ConsumeQueueEntry> {
        let mut entries = Vec::new();
        let count = (count as u64).min(QUEUE_ENTRIES_MAX);
        let Some(queue) = self.queues.find(topic, queue_id) else {
            return self.batch_queue_entries(topic, queue_id, from, count);
        };
        let (min, max) = queue.range();
        let mut next = from.0.max(min);
        let end = max.min(next.saturating_add(count));
        while next < end {
            let before = entries.len();
            if let Err(error) = queue.read(self.queues.files(), next, end - next, &mut entries) {
                tracing::error!(topic, queue_id, next, %error, "a queue cannot be read");
                break;
            }
            if entries.len() == before {
                break;
            }
            next += (entries.len() - before) as u64;
        }
        entries
    }

    /// Every topic that has queues here, with their numbers; sorted.
    pub fn topics_with_queues(&self) -> Vec<(String, Vec<i32>)> {
        let mut names = self.queues.names();
        names.extend(self.batch_queues.names().into_iter().filter(|(_, ids)| !ids.is_empty()));
        names.sort();
        names
    }

    /// Removes the queues of a topic and their files. Its records stay in the log until that expires. Whether
    /// there was anything. The caller sees to it that nobody sends to the topic meanwhile.
    ///
    /// # Errors
    /// Writing is stopped, as by a full disk: nothing is done. A file that cannot be removed: the topic is gone for
    /// readers all the same, and writing stops until a restart.
    pub fn delete_topic(&self, topic: &str) -> Result<bool, DiskError> {
        // What is staged for the topic would come into queues that are no more; an error is no matter here.
        let _ = self.settle_early();
        let mut flush = self.queue_flush.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Moves the checkpoint past the topic's records: recovery will not bring it back, and will not take queues of
        // which a half is gone for ones that have to be made anew.
        if !planted!(StaleCheckpoint) {
            self.flush_queues(&mut flush).map_err(|why| self.cannot_delete(topic, &why))?;
        }
        let queues = self.queues.remove(topic);
        for queue in &queues {
            flush.step.deleted(&self.queues, queue);
        }
        // Before the files go, so that a power cut in between leaves files without a queue and not the reverse. Where that
        // fails, the files stay: until a queue of that name is made anew, or a stop in order.
        let is_logged = self.queues.files().queue_log().is_active() && !queues.is_empty();
        if is_logged && let Err(why) = self.flush_queues(&mut flush) {
            return Err(self.cannot_delete(topic, &why));
        }
        self.delete_files(topic, &queues).inspect_err(|error| {
            // A queue of that name made anew would find files that are not its own.
            self.stop(WriteStopped::from_io(error));
        })
    }

    pub(crate) fn cannot_delete(&self, topic: &str, why: &WriteStopped) -> DiskError {
        let dir = self.queues.files().dir().join(topic);
        DiskError::at("delete the topic", &dir)(std::io::Error::other(why.to_string()))
    }

    /// Removes the files of queues that are no longer in the table, and the topic's batch queues; whether there were any.
    fn delete_files(&self, topic: &str, queues: &[Arc<ConsumeQueue>]) -> Result<bool, DiskError> {
        let files = self.queues.files();
        for queue in queues {
            queue.remove_files(files)?;
            remove_dir(files.disk(), &files.queue_dir(topic, queue.queue_id()))?;
        }
        if !queues.is_empty() {
            remove_dir(files.disk(), &files.dir().join(topic))?;
        }
        let had_batches = self.batch_queues.delete(topic)?;
        Ok(had_batches || !queues.is_empty())
    }
}
