//! What was appended and not yet handed to the operating system. Pure: no file, no lock.

use std::{ops::Range, sync::Arc};

use eruca_message::{BLANK_MAGIC, LogOffset, QueueOffset, Timestamp, patch_offsets};

use crate::consume_queue::{BatchQueue, BatchQueueEntry, ConsumeQueue, ConsumeQueueEntry};

/// Length of the filler that closes a segment: its length and the magic; the rest stays zero.
const FILLER_LEN: u64 = 8;
/// What the buffer keeps after a large message has passed.
const KEPT_CAPACITY_BYTES: usize = 2 << 20;

/// A record that waits to become visible.
#[derive(Debug)]
pub(crate) struct Pending {
    /// Where it gets its entry; `None` for a kind of record that has none.
    pub(crate) queue: Option<Arc<ConsumeQueue>>,
    /// Its index there.
    pub(crate) queue_offset: u64,
    /// The entry.
    pub(crate) entry: ConsumeQueueEntry,
    /// When it was stored.
    pub(crate) store_timestamp: Timestamp,
    /// Its entries elsewhere; few records have any.
    pub(crate) extra: Option<Box<Extra>>,
}

/// The entries of a record in queues that are not an ordinary one of its own.
#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// Other queues that have its entry, too, with its index there.
    pub(crate) queues: Vec<(Arc<ConsumeQueue>, u64)>,
    /// Its batch queue, with the entry that it gets there.
    pub(crate) batch: Option<(Arc<BatchQueue>, BatchQueueEntry)>,
}

impl Extra {
    /// Takes back what the record was given in these queues. Under the append lock only.
    pub(crate) fn take_back(&self) {
        self.queues.iter().for_each(|(queue, index)| queue.take_back(*index));
        if let Some((queue, entry)) = &self.batch {
            queue.take_back(entry.base_offset.0);
        }
    }
}

/// Bytes for one segment that lie one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Staged {
    /// Log offset of the first.
    pub(crate) at: u64,
    /// Where they are in the buffer.
    pub(crate) bytes: Range<usize>,
    /// Where the log ends when they are written: behind the last record, or at the end of a closed segment.
    pub(crate) end: u64,
    /// Whether a filler closes the segment here.
    closes_segment: bool,
}

/// Records in the order of the log, in as few writes as there are segments.
#[derive(Debug, Default)]
pub(crate) struct Staging {
    bytes: Vec<u8>,
    parts: Vec<Staged>,
    pending: Vec<Pending>,
}

impl Staging {
    pub(crate) fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    pub(crate) fn parts(&self) -> &[Staged] {
        &self.parts
    }

    pub(crate) fn bytes_of(&self, part: &Staged) -> &[u8] {
        self.bytes.get(part.bytes.clone()).unwrap_or_default()
    }

    /// Records in the order of the log.
    pub(crate) fn pending(&self) -> &[Pending] {
        &self.pending
    }

    /// Where a record of `len` bytes (or several that must not be parted) goes when the log ends at `log_end`:
    /// there, or at the start of the next segment, after this one was closed by a filler.
    ///
    /// The caller has checked that `len + 8` fits a segment.
    pub(crate) fn make_room(&mut self, log_end: u64, len: u64, segment_size: u64) -> u64 {
        let room = segment_size - log_end % segment_size;
        if len + FILLER_LEN <= room {
            return log_end;
        }
        let mut filler = [0; FILLER_LEN as usize];
        let (length, magic) = filler.split_at_mut(4);
        // Segments are smaller than 2 GiB (checked with the configuration).
        length.copy_from_slice(&(room as u32).to_be_bytes());
        magic.copy_from_slice(&BLANK_MAGIC.to_be_bytes());
        self.push_bytes(log_end, &filler);
        let next_segment = log_end + room;
        if let Some(part) = self.parts.last_mut() {
            part.end = next_segment;
            part.closes_segment = true;
        }
        next_segment
    }

    /// Adds an encoded record at `at` with what is known only now.
    pub(crate) fn push_record(
        &mut self,
        record: &[u8],
        at: u64,
        queue_offset: u64,
        store_timestamp: Timestamp,
        pending: Pending,
    ) {
        let start = self.bytes.len();
        self.push_bytes(at, record);
        if let Some(place) = self.bytes.get_mut(start..) {
            patch_offsets(place, QueueOffset(queue_offset), LogOffset(at), store_timestamp);
        }
        self.pending.push(pending);
    }

    fn push_bytes(&mut self, at: u64, bytes: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let end = at + bytes.len() as u64;
        match self.parts.last_mut() {
            Some(part) if part.end == at && !part.closes_segment => {
                part.bytes.end = self.bytes.len();
                part.end = end;
            }
            _ => self.parts.push(Staged { at, bytes: start..self.bytes.len(), end, closes_segment: false }),
        }
    }

    /// Empties it; the memory stays for the next round, unless it is much.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_CAPACITY_BYTES);
        self.parts.clear();
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(staging: &mut Staging, log_end: u64, len: usize, segment: u64) -> u64 {
        let at = staging.make_room(log_end, len as u64, segment);
        let entry = ConsumeQueueEntry { log_offset: LogOffset(at), size_bytes: len as u32, tags_code: 0 };
        let pending =
            Pending { queue: None, queue_offset: 0, entry, store_timestamp: Timestamp(1), extra: None };
        staging.push_record(&vec![7; len], at, 0, Timestamp(1), pending);
        at + len as u64
    }

    #[test]
    fn records_of_one_segment_are_one_write_and_a_roll_starts_another() {
        let mut staging = Staging::default();
        let mut end = push(&mut staging, 1000, 300, 2000);
        end = push(&mut staging, end, 300, 2000);
        assert_eq!((end, staging.parts().len()), (1600, 1));
        // 400 are left: 393 and the filler do not fit.
        end = push(&mut staging, end, 393, 2000);
        assert_eq!(end, 2393);
        let parts = staging.parts();
        assert_eq!((parts[0].at, parts[0].end, parts[0].bytes.len()), (1000, 2000, 608));
        assert_eq!((parts[1].at, parts[1].end), (2000, 2393));
        assert_eq!(staging.bytes_of(&parts[0])[600..], [0, 0, 1, 0x90, 0xCB, 0xD4, 0x31, 0x94]);
    }

    #[test]
    fn a_record_may_leave_just_the_room_of_a_filler_that_is_then_used() {
        let mut staging = Staging::default();
        let end = push(&mut staging, 1600, 392, 2000);
        assert_eq!((end, staging.parts().len()), (1992, 1));
        let end = push(&mut staging, end, 100, 2000);
        assert_eq!(end, 2100);
        assert_eq!(staging.parts()[0], Staged { at: 1600, bytes: 0..400, end: 2000, closes_segment: true });
        // The filler reaches exactly to the end, and still nothing is joined across segments.
        assert_eq!(staging.parts()[1].at, 2000);
    }
}
