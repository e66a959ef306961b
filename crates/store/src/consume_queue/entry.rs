//! The 20 bytes that a ConsumeQueue keeps of a message.
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | commitLogOffset | 8 | where the record starts |
//! | 8 | size | 4 | of the whole record |
//! | 12 | tagsCode | 8 | hash of the tag; in the schedule topic the time of delivery in ms; or an address, [`is_ext_address`] |
//!
//! Big-endian. An entry of zeros is one that was not written yet; [`ConsumeQueueEntry::BLANK`] stands for
//! a message that is not there (Java: pre-blank).

use eruca_message::LogOffset;

/// Length of an entry on disk.
pub const ENTRY_LEN_BYTES: u64 = 20;
const LEN: usize = ENTRY_LEN_BYTES as usize;

/// One entry of a ConsumeQueue (Java: `CqUnit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeQueueEntry {
    /// Where the record starts.
    pub log_offset: LogOffset,
    /// Length of the whole record in bytes.
    pub size_bytes: u32,
    /// Hash of the tag, or the time of delivery (ms) in the schedule topic.
    pub tags_code: i64,
}

/// Whether a `tagsCode` is an address in a queue's extension: it is below every 32-bit hash.
pub fn is_ext_address(tags_code: i64) -> bool {
    tags_code < i64::from(i32::MIN)
}

impl ConsumeQueueEntry {
    /// Stands where a queue has no message: before its first one in the first file, or for a damaged record.
    pub const BLANK: ConsumeQueueEntry =
        ConsumeQueueEntry { log_offset: LogOffset(0), size_bytes: 0x7FFF_FFFF, tags_code: 0 };

    /// Whether no message stands here.
    pub fn is_blank(&self) -> bool {
        *self == ConsumeQueueEntry::BLANK
    }

    /// Whether `tags_code` is no code but an address in the queue's extension (Java: `ConsumeQueueExt.isExtAddr`, written
    /// with `enableConsumeQueueExt`). What stands there can be told from the record as well.
    pub fn is_extended(&self) -> bool {
        is_ext_address(self.tags_code)
    }

    /// End of the record in the log, exclusive.
    pub fn log_offset_end(&self) -> LogOffset {
        LogOffset(self.log_offset.0.saturating_add(u64::from(self.size_bytes)))
    }

    /// The bytes on disk.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        let (log_offset, rest) = bytes.split_at_mut(8);
        let (size, tags_code) = rest.split_at_mut(4);
        log_offset.copy_from_slice(&self.log_offset.0.to_be_bytes());
        size.copy_from_slice(&self.size_bytes.to_be_bytes());
        tags_code.copy_from_slice(&self.tags_code.to_be_bytes());
        bytes
    }

    /// Reads an entry; `None` where none was written (no size, or an offset that cannot be).
    pub fn decode(bytes: &[u8; LEN]) -> Option<ConsumeQueueEntry> {
        let (log_offset, rest) = bytes.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let (tags_code, _) = rest.split_first_chunk::<8>()?;
        let log_offset = u64::try_from(i64::from_be_bytes(*log_offset)).ok()?;
        let size_bytes = u32::try_from(i32::from_be_bytes(*size)).ok().filter(|size| *size > 0)?;
        let tags_code = i64::from_be_bytes(*tags_code);
        Some(ConsumeQueueEntry { log_offset: LogOffset(log_offset), size_bytes, tags_code })
    }

    /// Reads entries that lie back to back, up to the first that was not written.
    pub fn decode_all(bytes: &[u8]) -> impl Iterator<Item = ConsumeQueueEntry> + '_ {
        bytes.as_chunks::<LEN>().0.iter().map_while(ConsumeQueueEntry::decode)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_bytes_are_javas() {
        let entry =
            ConsumeQueueEntry { log_offset: LogOffset(0x0102), size_bytes: 106, tags_code: 3_552_231 };
        let bytes = [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 106, 0, 0, 0, 0, 0, 0x36, 0x33, 0xE7];
        assert_eq!(entry.encode(), bytes);
        assert_eq!(ConsumeQueueEntry::decode(&bytes), Some(entry));
        assert_eq!(ConsumeQueueEntry::BLANK.encode()[8..12], [0x7F, 0xFF, 0xFF, 0xFF]);
    }

    #[test]
    fn zeros_and_impossible_values_are_no_entry() {
        assert_eq!(ConsumeQueueEntry::decode(&[0; 20]), None);
        assert_eq!(ConsumeQueueEntry::decode(&[0xFF; 20]), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(log_offset in 0..i64::MAX as u64, size in 1..i32::MAX as u32, tags_code: i64) {
            let entry = ConsumeQueueEntry { log_offset: LogOffset(log_offset), size_bytes: size, tags_code };
            prop_assert_eq!(ConsumeQueueEntry::decode(&entry.encode()), Some(entry));
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let count = ConsumeQueueEntry::decode_all(&bytes).count();
            prop_assert!(count <= bytes.len() / 20);
        }
    }
}
