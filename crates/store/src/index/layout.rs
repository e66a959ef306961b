//! The bytes of an index file (Java: `IndexFile`, `IndexHeader`).
//!
//! | at | what | bytes |
//! |---|---|---|
//! | 0 | header | 40 |
//! | 40 | hash slots: number of the newest entry of the slot, 0 for none | 4 × `maxHashSlotNum` |
//! | behind | entries; number 0 is never used | 20 × `maxIndexNum` |
//!
//! Header:
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | beginTimestamp | 8 | store time of the first message, ms |
//! | 8 | endTimestamp | 8 | of the last one |
//! | 16 | beginPhyOffset | 8 | log offset of the first message |
//! | 24 | endPhyOffset | 8 | of the last one |
//! | 32 | hashSlotCount | 4 | slots in use |
//! | 36 | indexCount | 4 | number that the next entry gets; 1 (or 0) in a new file |
//!
//! Entry:
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | keyHash | 4 | see [`super::key`] |
//! | 4 | phyOffset | 8 | where the record starts |
//! | 12 | timeDiff | 4 | whole seconds since beginTimestamp, 0 to 2³¹-1 |
//! | 16 | prevIndex | 4 | number of the entry before it in the slot, 0 for none |
//!
//! Big-endian. All of an old file's header but the entry count may be behind: Java writes through a mapping.

use eruca_message::{LogOffset, Timestamp};

/// Length of the header.
pub(crate) const HEADER_LEN: usize = 40;
/// Length of an entry.
pub(crate) const ENTRY_LEN: usize = 20;
const SLOT_LEN: u64 = 4;

/// How many slots and entries a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexLayout {
    /// Hash slots (`maxHashSlotNum`).
    pub(crate) slots: u32,
    /// Entries, with number 0, which is never used (`maxIndexNum`).
    pub(crate) entries: u32,
}

impl IndexLayout {
    /// Length of the file.
    pub(crate) fn file_len_bytes(self) -> u64 {
        self.entry_at(self.entries)
    }

    /// The slot of a key.
    pub(crate) fn slot_of(self, key_hash: u32) -> u32 {
        key_hash % self.slots.max(1)
    }

    /// Where a slot lies in the file.
    pub(crate) fn slot_at(self, slot: u32) -> u64 {
        HEADER_LEN as u64 + SLOT_LEN * u64::from(slot)
    }

    /// Where an entry lies in the file.
    pub(crate) fn entry_at(self, number: u32) -> u64 {
        self.slot_at(self.slots) + ENTRY_LEN as u64 * u64::from(number)
    }
}

/// The header of an index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexHeader {
    /// Store time of the first message.
    pub begin_timestamp: Timestamp,
    /// Store time of the last message.
    pub end_timestamp: Timestamp,
    /// Where the first message lies.
    pub begin_log_offset: LogOffset,
    /// Where the last message lies; messages behind it are not indexed yet.
    pub end_log_offset: LogOffset,
    /// Hash slots in use.
    pub slots_used: u32,
    /// Number that the next entry gets, from 1.
    pub next_entry: u32,
}

impl IndexHeader {
    /// Of an empty file that follows a file which ends at `end` (Java hands the end on as a first beginning).
    pub(crate) fn following(end: Option<&IndexHeader>) -> IndexHeader {
        let (timestamp, log_offset) =
            end.map_or((Timestamp(0), LogOffset(0)), |end| (end.end_timestamp, end.end_log_offset));
        IndexHeader {
            begin_timestamp: timestamp,
            end_timestamp: timestamp,
            begin_log_offset: log_offset,
            end_log_offset: log_offset,
            slots_used: 0,
            next_entry: 1,
        }
    }

    /// The bytes at the start of the file.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let log_offset = |offset: LogOffset| offset.to_i64();
        let longs = [
            self.begin_timestamp.0,
            self.end_timestamp.0,
            log_offset(self.begin_log_offset),
            log_offset(self.end_log_offset),
        ];
        let (first, second) = bytes.split_at_mut(32);
        for (place, value) in first.chunks_exact_mut(8).zip(longs) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        for (place, value) in second.chunks_exact_mut(4).zip([self.slots_used, self.next_entry]) {
            place.copy_from_slice(&value.to_be_bytes());
        }
        bytes
    }

    /// Reads a header; `None` where a value cannot be.
    pub fn decode(bytes: &[u8; HEADER_LEN]) -> Option<IndexHeader> {
        let mut longs = [0i64; 4];
        for (value, place) in longs.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *value = i64::from_be_bytes(*place);
        }
        let int = |at: usize| {
            let place = bytes.get(at..)?.first_chunk::<4>()?;
            u32::try_from(i32::from_be_bytes(*place)).ok()
        };
        let [begin_timestamp, end_timestamp, begin, end] = longs;
        Some(IndexHeader {
            begin_timestamp: Timestamp(begin_timestamp),
            end_timestamp: Timestamp(end_timestamp),
            begin_log_offset: LogOffset(u64::try_from(begin).ok()?),
            end_log_offset: LogOffset(u64::try_from(end).ok()?),
            slots_used: int(32)?,
            // A file that was only created has 0 there.
            next_entry: int(36)?.max(1),
        })
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.next_entry <= 1
    }

    /// Takes one more entry into account, for a message at `log_offset` of time `stored`; its `timeDiff`.
    pub(crate) fn push(&mut self, log_offset: LogOffset, stored: Timestamp) -> u32 {
        // The first entry's difference is still one to the end of the file before.
        let seconds = match self.begin_timestamp.0 {
            ..=0 => 0,
            begin => stored.0.saturating_sub(begin) / 1000,
        };
        if self.is_empty() {
            self.begin_log_offset = log_offset;
            self.begin_timestamp = stored;
        }
        self.next_entry += 1;
        self.end_log_offset = log_offset;
        self.end_timestamp = stored;
        seconds.clamp(0, i64::from(i32::MAX)) as u32
    }

    /// When the message of an entry was stored, to the second: `(not before, not after)`.
    pub(crate) fn stored_between(&self, number: u32, entry: &IndexEntry) -> (Timestamp, Timestamp) {
        // See `push`.
        let seconds = if number <= 1 { 0 } else { i64::from(entry.seconds) };
        let from = self.begin_timestamp.add_ms(seconds * 1000);
        // 0 also stands for what was stored before the beginning, by a clock that was set back.
        let earliest = if seconds == 0 { Timestamp(0) } else { from };
        (earliest, from.add_ms(999))
    }
}

/// One entry of an index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Hash of the key, below 2³¹.
    pub key_hash: u32,
    /// Where the message's record starts.
    pub log_offset: LogOffset,
    /// When it was stored: whole seconds since the beginning of the file.
    pub seconds: u32,
    /// Number of the entry before it in its slot, 0 for none.
    pub previous: u32,
}

impl IndexEntry {
    /// The bytes on disk.
    pub fn encode(&self) -> [u8; ENTRY_LEN] {
        let mut bytes = [0; ENTRY_LEN];
        let (hash, rest) = bytes.split_at_mut(4);
        let (log_offset, rest) = rest.split_at_mut(8);
        let (seconds, previous) = rest.split_at_mut(4);
        hash.copy_from_slice(&self.key_hash.to_be_bytes());
        log_offset.copy_from_slice(&self.log_offset.to_i64().to_be_bytes());
        seconds.copy_from_slice(&self.seconds.to_be_bytes());
        previous.copy_from_slice(&self.previous.to_be_bytes());
        bytes
    }

    /// Reads an entry; `None` where a value cannot be.
    pub fn decode(bytes: &[u8; ENTRY_LEN]) -> Option<IndexEntry> {
        let (key_hash, rest) = bytes.split_first_chunk::<4>()?;
        let (log_offset, rest) = rest.split_first_chunk::<8>()?;
        let (seconds, rest) = rest.split_first_chunk::<4>()?;
        let (previous, _) = rest.split_first_chunk::<4>()?;
        let int = |bytes: &[u8; 4]| u32::try_from(i32::from_be_bytes(*bytes)).ok();
        Some(IndexEntry {
            key_hash: int(key_hash)?,
            log_offset: LogOffset(u64::try_from(i64::from_be_bytes(*log_offset)).ok()?),
            seconds: int(seconds)?,
            previous: int(previous)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn javas_bytes_both_ways() {
        // Header and first entry of the index file in store-clean of a 5.5.0 broker.
        let mut java = [0; HEADER_LEN];
        java[..16].copy_from_slice(b"\x00\x00\x01\xa2\x07\x17\xb6\x67\x00\x00\x01\xa2\x07\x2a\x9c\x76");
        java[24..].copy_from_slice(b"\x00\x00\x00\x00\x00\x2a\x69\x5d\x00\x00\x10\x50\x00\x00\x2d\xf7");
        let header = IndexHeader::decode(&java).unwrap();
        assert_eq!(header.begin_timestamp, Timestamp(1_795_415_324_263));
        assert_eq!(header.end_timestamp, Timestamp(1_795_416_562_806));
        assert_eq!((header.begin_log_offset, header.end_log_offset), (LogOffset(0), LogOffset(2_779_485)));
        assert_eq!((header.slots_used, header.next_entry), (4176, 11_767));
        assert_eq!(header.encode(), java);
        let layout = IndexLayout { slots: 5_000_000, entries: 20_000_000 };
        assert_eq!(layout.file_len_bytes(), 420_000_040);
    }

    #[test]
    fn times_are_seconds_since_the_first_message_but_for_that_one_itself() {
        let mut header = IndexHeader::following(None);
        assert_eq!(header.push(LogOffset(10), Timestamp(5_000)), 0);
        assert_eq!(header.push(LogOffset(20), Timestamp(7_999)), 2);
        assert_eq!(header.push(LogOffset(30), Timestamp(4_000)), 0, "a clock that was set back");
        assert_eq!((header.begin_log_offset, header.end_log_offset), (LogOffset(10), LogOffset(30)));
        assert_eq!((header.begin_timestamp, header.end_timestamp), (Timestamp(5_000), Timestamp(4_000)));
        let mut next = IndexHeader::following(Some(&header));
        assert_eq!((next.begin_log_offset, next.next_entry), (LogOffset(30), 1));
        assert_eq!(next.push(LogOffset(40), Timestamp(64_000)), 60);
        assert_eq!(next.begin_timestamp, Timestamp(64_000));
        let entry = IndexEntry { key_hash: 1, log_offset: LogOffset(40), seconds: 60, previous: 0 };
        assert_eq!(next.stored_between(1, &entry).1, Timestamp(64_999));
        assert_eq!(next.stored_between(2, &entry), (Timestamp(124_000), Timestamp(124_999)));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(header: [u8; HEADER_LEN], entry: [u8; ENTRY_LEN], number: u32) {
            let header = IndexHeader::decode(&header);
            if let (Some(header), Some(entry)) = (header, IndexEntry::decode(&entry)) {
                let _ = header.stored_between(number, &entry);
                prop_assert_eq!(IndexEntry::decode(&entry.encode()), Some(entry));
                prop_assert_eq!(IndexHeader::decode(&header.encode()), Some(header));
            }
        }
    }
}
