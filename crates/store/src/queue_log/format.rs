//! The bytes of the queue log: blocks of records.
//!
//! A block:
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | magic | 4 | `EQL1` |
//! | 4 | payload length | 4 | |
//! | 8 | CRC-32 | 4 | of the CRC of the block before (0 for the first of a file), flags and payload |
//! | 12 | flags | 4 | 1: ends a step, and what was read so far holds |
//! | 16 | payload | n | records, back to back |
//!
//! The CRC goes over that of the block before, so that a block left from an older step is never taken for the next
//! one. A record is a byte for its kind and fields of fixed width:
//!
//! | kind | meaning | fields |
//! |---|---|---|
//! | 1 | a queue as a whole | number 8, queueId 4, topic length 2 and bytes, min 8, filesFrom 8, stored 8, chained 8, chain 8 |
//! | 2 | entries of a queue | number 8, index of the first 8, count 4, position of the chunk before 8, entries 20 each |
//! | 3 | entries are in the queue's own file | number 8, stored 8 |
//! | 4 | a queue was deleted | number 8 |
//! | 5 | an older file of the log | its start 8, log offset before which all its entries lie 8 |
//! | 6 | end of a step | checkpoint 48, `checkpoint` file now 48 and before 48, start and end of the log 8 + 8 |
//!
//! Big-endian.

use crate::{
    checkpoint::{CHECKPOINT_LEN, Checkpoint},
    consume_queue::{ConsumeQueueEntry, ENTRY_LEN_BYTES},
};

const MAGIC: u32 = 0x4551_4C31;
/// Length of what stands before a payload.
pub(super) const BLOCK_HEAD_LEN: usize = 16;
/// A payload that cannot be: more than any step puts into one block.
const PAYLOAD_MAX: u32 = 64 << 20;
/// The block ends a step.
pub(super) const FLAG_COMMIT: u32 = 1;

const KIND_QUEUE: u8 = 1;
const KIND_CHUNK: u8 = 2;
const KIND_STORED: u8 = 3;
const KIND_DELETED: u8 = 4;
const KIND_OLD_FILE: u8 = 5;
const KIND_COMMIT: u8 = 6;

/// Length of a chunk before its entries.
pub(super) const CHUNK_HEAD_LEN: usize = 29;
/// Most entries of a chunk.
pub(super) const CHUNK_ENTRIES_MAX: u32 = 64 << 10;

/// A queue as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct QueueRecord<'a> {
    /// Tells queues apart in this log.
    pub(crate) number: u64,
    /// Topic name.
    pub(crate) topic: &'a str,
    /// Queue number of the topic.
    pub(crate) queue_id: i32,
    /// Lowest index whose record is in the log.
    pub(crate) min: u64,
    /// First index of the first file.
    pub(crate) files_from: u64,
    /// Entries before this are in the queue's own files.
    pub(crate) stored: u64,
    /// Entries from there to here are in this log.
    pub(crate) chained: u64,
    /// Where the last chunk of them starts.
    pub(crate) chain: u64,
}

/// Entries of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) number: u64,
    pub(super) first: u64,
    pub(super) count: u32,
    /// Where the queue's chunk before this one starts; meaningless for the first after its files.
    pub(super) before: u64,
}

/// The end of a step: what holds from here on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Commit {
    /// Up to where log and queues are on the disk.
    pub(crate) checkpoint: Checkpoint,
    /// What the `checkpoint` file says after this step: up to where the queues' own files are whole.
    pub(crate) visible: Checkpoint,
    /// What it said before.
    pub(crate) visible_before: Checkpoint,
    /// Where the log started.
    pub(crate) log_min: u64,
    /// Where it ended; all of it was on the disk.
    pub(crate) log_end: u64,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum QueueLogRecord<'a> {
    Queue(QueueRecord<'a>),
    /// With the entries' bytes.
    Chunk(ChunkHead, &'a [u8]),
    Stored {
        number: u64,
        stored: u64,
    },
    Deleted {
        number: u64,
    },
    OldFile {
        start: u64,
        live_until: u64,
    },
    Commit(Commit),
}

pub(super) fn put_queue(into: &mut Vec<u8>, queue: &QueueRecord<'_>) {
    // Topic names are names of directories, far below 64 KiB.
    let topic = queue.topic.as_bytes();
    let topic = topic.get(..usize::from(u16::MAX)).unwrap_or(topic);
    into.push(KIND_QUEUE);
    into.extend_from_slice(&queue.number.to_be_bytes());
    into.extend_from_slice(&queue.queue_id.to_be_bytes());
    into.extend_from_slice(&(topic.len() as u16).to_be_bytes());
    into.extend_from_slice(topic);
    for field in [queue.min, queue.files_from, queue.stored, queue.chained, queue.chain] {
        into.extend_from_slice(&field.to_be_bytes());
    }
}

pub(super) fn put_chunk(
    into: &mut Vec<u8>,
    number: u64,
    first: u64,
    before: u64,
    entries: &[ConsumeQueueEntry],
) {
    into.push(KIND_CHUNK);
    into.extend_from_slice(&number.to_be_bytes());
    into.extend_from_slice(&first.to_be_bytes());
    into.extend_from_slice(&(entries.len() as u32).to_be_bytes());
    into.extend_from_slice(&before.to_be_bytes());
    entries.iter().for_each(|entry| into.extend_from_slice(&entry.encode()));
}

pub(super) fn put_stored(into: &mut Vec<u8>, number: u64, stored: u64) {
    into.push(KIND_STORED);
    into.extend_from_slice(&number.to_be_bytes());
    into.extend_from_slice(&stored.to_be_bytes());
}

pub(super) fn put_deleted(into: &mut Vec<u8>, number: u64) {
    into.push(KIND_DELETED);
    into.extend_from_slice(&number.to_be_bytes());
}

pub(super) fn put_old_file(into: &mut Vec<u8>, start: u64, live_until: u64) {
    into.push(KIND_OLD_FILE);
    into.extend_from_slice(&start.to_be_bytes());
    into.extend_from_slice(&live_until.to_be_bytes());
}

pub(super) fn put_commit(into: &mut Vec<u8>, commit: &Commit) {
    into.push(KIND_COMMIT);
    for checkpoint in [commit.checkpoint, commit.visible, commit.visible_before] {
        into.extend_from_slice(&checkpoint.encode());
    }
    into.extend_from_slice(&commit.log_min.to_be_bytes());
    into.extend_from_slice(&commit.log_end.to_be_bytes());
}

/// Reads fields of fixed width from the front.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    fn bytes(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(field)
    }

    fn record(&mut self) -> Option<QueueLogRecord<'a>> {
        let [kind] = self.array::<1>()?;
        Some(match kind {
            KIND_QUEUE => {
                let number = self.u64()?;
                let queue_id = i32::from_be_bytes(self.array()?);
                let topic_len = usize::from(u16::from_be_bytes(self.array()?));
                let topic = std::str::from_utf8(self.bytes(topic_len)?).ok()?;
                let (min, files_from, stored) = (self.u64()?, self.u64()?, self.u64()?);
                let (chained, chain) = (self.u64()?, self.u64()?);
                if files_from > stored || min > chained || stored > chained {
                    return None;
                }
                let queue = QueueRecord { number, topic, queue_id, min, files_from, stored, chained, chain };
                QueueLogRecord::Queue(queue)
            }
            KIND_CHUNK => {
                let (number, first) = (self.u64()?, self.u64()?);
                let count = u32::from_be_bytes(self.array()?);
                let before = self.u64()?;
                if count == 0 || count > CHUNK_ENTRIES_MAX || first.checked_add(u64::from(count)).is_none() {
                    return None;
                }
                let entries = self.bytes(count as usize * ENTRY_LEN_BYTES as usize)?;
                QueueLogRecord::Chunk(ChunkHead { number, first, count, before }, entries)
            }
            KIND_STORED => QueueLogRecord::Stored { number: self.u64()?, stored: self.u64()? },
            KIND_DELETED => QueueLogRecord::Deleted { number: self.u64()? },
            KIND_OLD_FILE => QueueLogRecord::OldFile { start: self.u64()?, live_until: self.u64()? },
            KIND_COMMIT => {
                let mut checkpoint = || Checkpoint::decode(self.bytes(CHECKPOINT_LEN)?);
                let (now, visible, visible_before) = (checkpoint()?, checkpoint()?, checkpoint()?);
                let (log_min, log_end) = (self.u64()?, self.u64()?);
                QueueLogRecord::Commit(Commit { checkpoint: now, visible, visible_before, log_min, log_end })
            }
            _ => return None,
        })
    }
}

/// The records of a payload; the last one is `Err` with where it starts where it is none.
pub(super) fn records(payload: &[u8]) -> impl Iterator<Item = (usize, Option<QueueLogRecord<'_>>)> {
    let mut fields = Fields(payload);
    let len = payload.len();
    let mut failed = false;
    std::iter::from_fn(move || {
        if failed || fields.0.is_empty() {
            return None;
        }
        let at = len - fields.0.len();
        let record = fields.record();
        failed = record.is_none();
        Some((at, record))
    })
}

/// The head of the chunk at the start of `bytes`; `None` where there is none.
pub(super) fn chunk_head(bytes: &[u8]) -> Option<ChunkHead> {
    let mut fields = Fields(bytes);
    let [kind] = fields.array::<1>()?;
    let (number, first) = (fields.u64()?, fields.u64()?);
    let count = u32::from_be_bytes(fields.array()?);
    let before = fields.u64()?;
    let whole = kind == KIND_CHUNK && count > 0 && count <= CHUNK_ENTRIES_MAX;
    (whole && first.checked_add(u64::from(count)).is_some()).then_some(ChunkHead {
        number,
        first,
        count,
        before,
    })
}

/// The head of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockHead {
    pub(super) payload_len: u32,
    pub(super) crc: u32,
    pub(super) flags: u32,
}

impl BlockHead {
    pub(super) fn of(payload: &[u8], flags: u32, crc_before: u32) -> BlockHead {
        BlockHead { payload_len: payload.len() as u32, crc: crc_of(payload, flags, crc_before), flags }
    }

    pub(super) fn encode(self) -> [u8; BLOCK_HEAD_LEN] {
        let mut bytes = [0; BLOCK_HEAD_LEN];
        for (place, field) in bytes.chunks_exact_mut(4).zip([MAGIC, self.payload_len, self.crc, self.flags]) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        bytes
    }

    /// Reads a head; `None` where no block starts.
    pub(super) fn decode(bytes: &[u8]) -> Option<BlockHead> {
        let mut fields = Fields(bytes);
        let magic = u32::from_be_bytes(fields.array()?);
        let payload_len = u32::from_be_bytes(fields.array()?);
        let crc = u32::from_be_bytes(fields.array()?);
        let flags = u32::from_be_bytes(fields.array()?);
        (magic == MAGIC && payload_len <= PAYLOAD_MAX).then_some(BlockHead { payload_len, crc, flags })
    }

    /// Whether `payload` is what the head says, behind a block with `crc_before`.
    pub(super) fn fits(self, payload: &[u8], crc_before: u32) -> bool {
        self == BlockHead::of(payload, self.flags, crc_before)
    }
}

fn crc_of(payload: &[u8], flags: u32, crc_before: u32) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&crc_before.to_be_bytes());
    crc.update(&flags.to_be_bytes());
    crc.update(payload);
    crc.finalize()
}

#[cfg(test)]
mod tests {
    use eruca_message::{LogOffset, Timestamp};
    use proptest::prelude::*;

    use super::*;

    fn entries() -> Vec<ConsumeQueueEntry> {
        (1..4)
            .map(|i| ConsumeQueueEntry { log_offset: LogOffset(i * 100), size_bytes: 100, tags_code: -3 })
            .collect()
    }

    #[test]
    fn what_is_put_is_read_in_order() {
        let queue = QueueRecord {
            number: 7,
            topic: "T",
            queue_id: 3,
            min: 2,
            files_from: 0,
            stored: 4,
            chained: 9,
            chain: 77,
        };
        let checkpoint = Checkpoint { log_timestamp: Timestamp(5), ..Checkpoint::default() };
        let commit = Commit { checkpoint, log_min: 4096, log_end: 8000, ..Commit::default() };
        let mut bytes = Vec::new();
        put_queue(&mut bytes, &queue);
        let chunk_at = bytes.len();
        put_chunk(&mut bytes, 7, 9, 77, &entries());
        put_stored(&mut bytes, 7, 12);
        put_deleted(&mut bytes, 7);
        put_old_file(&mut bytes, 1, 2);
        put_commit(&mut bytes, &commit);
        let read: Vec<_> = records(&bytes).map(|(at, record)| (at, record.unwrap())).collect();
        assert_eq!(read[0], (0, QueueLogRecord::Queue(queue)));
        let head = ChunkHead { number: 7, first: 9, count: 3, before: 77 };
        assert_eq!(chunk_head(&bytes[chunk_at..]), Some(head));
        let (QueueLogRecord::Chunk(read_head, read_entries), true) = (&read[1].1, read[1].0 == chunk_at)
        else {
            panic!("{:?}", read[1])
        };
        assert_eq!((*read_head, ConsumeQueueEntry::decode_all(read_entries).collect()), (head, entries()));
        assert_eq!(read[2].1, QueueLogRecord::Stored { number: 7, stored: 12 });
        assert_eq!(read[3].1, QueueLogRecord::Deleted { number: 7 });
        assert_eq!(read[4].1, QueueLogRecord::OldFile { start: 1, live_until: 2 });
        assert_eq!(read[5].1, QueueLogRecord::Commit(commit));
        assert_eq!(read.len(), 6);
    }

    #[test]
    fn a_block_belongs_behind_one_block_only() {
        let head = BlockHead::of(b"payload", FLAG_COMMIT, 99);
        assert_eq!(BlockHead::decode(&head.encode()), Some(head));
        assert!(head.fits(b"payload", 99));
        assert!(!head.fits(b"payload", 98));
        assert!(!head.fits(b"Payload", 99));
        assert!(!BlockHead { flags: 0, ..head }.fits(b"payload", 99));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = BlockHead::decode(&bytes);
            let _ = chunk_head(&bytes);
            prop_assert!(records(&bytes).count() <= bytes.len());
        }

        #[test]
        fn any_cut_of_good_bytes_never_panics(cut in 0usize..200, at in 0usize..200, value: u8) {
            let mut bytes = Vec::new();
            put_chunk(&mut bytes, 7, 9, 77, &entries());
            put_commit(&mut bytes, &Commit::default());
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            let _ = records(bytes.get(..cut).unwrap_or(&bytes)).count();
        }
    }
}
