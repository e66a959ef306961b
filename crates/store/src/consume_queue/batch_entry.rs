//! The 46 bytes that a batch ConsumeQueue keeps of an inner batch: one record that holds several messages.
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | commitLogOffset | 8 | where the record starts |
//! | 8 | size | 4 | of the whole record |
//! | 12 | tagsCode | 8 | hash of the batch's own tag |
//! | 20 | storeTime | 8 | ms |
//! | 28 | msgBaseOffset | 8 | queue offset of the first message |
//! | 36 | batchSize | 2 | messages |
//! | 38 | compactedOffset | 4 | −1 |
//! | 42 | reserved | 4 | 0 |
//!
//! Big-endian. Source: the Java system's `BatchConsumeQueue`, version 5.5. Java counts an entry as written where the
//! first two fields and the last two are not below zero, and size and batchSize are not zero.

use eruca_message::{LogOffset, QueueOffset, Timestamp};

/// Length of an entry on disk.
pub const BATCH_ENTRY_LEN_BYTES: u64 = 46;
const LEN: usize = BATCH_ENTRY_LEN_BYTES as usize;

/// One entry of a batch ConsumeQueue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchQueueEntry {
    /// Where the record starts.
    pub log_offset: LogOffset,
    /// Length of the whole record in bytes.
    pub size_bytes: u32,
    /// Hash of the batch's own tag; those of its messages are not known here.
    pub tags_code: i64,
    /// When it was stored.
    pub store_timestamp: Timestamp,
    /// Queue offset of its first message.
    pub base_offset: QueueOffset,
    /// How many messages it holds; their offsets follow each other.
    pub message_count: u16,
}

impl BatchQueueEntry {
    /// End of the record in the log, exclusive.
    pub fn log_offset_end(&self) -> LogOffset {
        LogOffset(self.log_offset.0.saturating_add(u64::from(self.size_bytes)))
    }

    /// Queue offset behind its last message.
    pub fn end_offset(&self) -> QueueOffset {
        QueueOffset(self.base_offset.0.saturating_add(u64::from(self.message_count)))
    }

    /// The bytes on disk.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let mut rest = bytes.as_mut_slice();
        let mut put = |value: &[u8]| {
            let (place, later) = std::mem::take(&mut rest).split_at_mut(value.len());
            place.copy_from_slice(value);
            rest = later;
        };
        put(&self.log_offset.0.to_be_bytes());
        put(&self.size_bytes.to_be_bytes());
        put(&self.tags_code.to_be_bytes());
        put(&self.store_timestamp.0.to_be_bytes());
        put(&self.base_offset.0.to_be_bytes());
        put(&self.message_count.to_be_bytes());
        put(&(-1i32).to_be_bytes());
        bytes
    }

    /// Reads an entry; `None` where none was written.
    pub fn decode(bytes: &[u8; LEN]) -> Option<BatchQueueEntry> {
        let (log_offset, rest) = bytes.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (tags_code, rest) = rest.split_first_chunk::<8>()?;
        let (stored, rest) = rest.split_first_chunk::<8>()?;
        let (base, rest) = rest.split_first_chunk::<8>()?;
        let (count, _) = rest.split_first_chunk::<2>()?;
        let unsigned = |bytes: &[u8; 8]| u64::try_from(i64::from_be_bytes(*bytes)).ok();
        Some(BatchQueueEntry {
            log_offset: LogOffset(unsigned(log_offset)?),
            size_bytes: u32::try_from(i32::from_be_bytes(*size)).ok().filter(|size| *size > 0)?,
            tags_code: i64::from_be_bytes(*tags_code),
            store_timestamp: Timestamp(i64::from_be_bytes(*stored)),
            base_offset: QueueOffset(unsigned(base)?),
            message_count: u16::try_from(i16::from_be_bytes(*count)).ok().filter(|count| *count > 0)?,
        })
    }

    /// Reads entries that lie back to back, up to the first that was not written.
    pub fn decode_all(bytes: &[u8]) -> impl Iterator<Item = BatchQueueEntry> + '_ {
        bytes.as_chunks::<LEN>().0.iter().map_while(BatchQueueEntry::decode)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_javas() {
        // batchconsumequeue/GBatchCQ/1 of a 5.5.0 broker: one batch of five messages.
        let bytes = *b"\0\0\0\0\0\0\x16\x27\0\0\x03\xc2\0\0\0\0\0\0\0\0\0\0\x01\xa2\x07\x17\xc9\x60\
            \0\0\0\0\0\0\0\0\0\x05\xff\xff\xff\xff\0\0\0\0";
        let entry = BatchQueueEntry::decode(&bytes).unwrap();
        assert_eq!((entry.log_offset, entry.size_bytes), (LogOffset(5671), 962));
        assert_eq!((entry.base_offset, entry.message_count), (QueueOffset(0), 5));
        assert_eq!(entry.store_timestamp, Timestamp(1_795_415_329_120));
        assert_eq!(entry.encode(), bytes);
    }

    #[test]
    fn zeros_and_impossible_values_are_no_entry() {
        assert_eq!(BatchQueueEntry::decode(&[0; 46]), None);
        assert_eq!(BatchQueueEntry::decode(&[0xFF; 46]), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(log_offset in 0..i64::MAX as u64, size in 1..i32::MAX as u32, tags_code: i64,
                                      stored: i64, base in 0..i64::MAX as u64, count in 1..=i16::MAX as u16) {
            let entry = BatchQueueEntry {
                log_offset: LogOffset(log_offset),
                size_bytes: size,
                tags_code,
                store_timestamp: Timestamp(stored),
                base_offset: QueueOffset(base),
                message_count: count,
            };
            prop_assert_eq!(BatchQueueEntry::decode(&entry.encode()), Some(entry));
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(BatchQueueEntry::decode_all(&bytes).count() <= bytes.len() / 46);
        }
    }
}
