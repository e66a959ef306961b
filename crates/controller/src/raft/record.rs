//! One record of our files: length 4, CRC-32 of the length 4, CRC-32 of the payload 4 (all big-endian), payload (JSON).
//!
//! The length has a checksum of its own: a wrong one must not pass for a record that a crash cut short.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

/// Bytes before a payload.
pub(super) const HEAD_LEN: usize = 12;
/// A record that says it is longer is damaged.
const PAYLOAD_MAX_BYTES: usize = 64 << 20;

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// Nothing is left.
    End,
    /// A whole record: its payload and what follows it.
    Record(&'a [u8], &'a [u8]),
    /// The last record, cut short or half written: what a crash leaves.
    Torn,
    /// A record that is wrong although more follows it.
    Damaged,
}

/// Appends the record of a value.
pub(super) fn encode<T: Serialize>(out: &mut Vec<u8>, value: &T) -> serde_json::Result<()> {
    let payload = serde_json::to_vec(value)?;
    // Longer than 4 GiB a payload cannot be: no command is longer than a frame.
    let len = (payload.len() as u32).to_be_bytes();
    out.extend_from_slice(&len);
    out.extend_from_slice(&crc32fast::hash(&len).to_be_bytes());
    out.extend_from_slice(&crc32fast::hash(&payload).to_be_bytes());
    out.extend_from_slice(&payload);
    Ok(())
}

/// Looks at the first record. Never panics.
pub(super) fn next(bytes: &[u8]) -> Found<'_> {
    if bytes.is_empty() {
        return Found::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_LEN>() else { return Found::Torn };
    let [len @ .., c0, c1, c2, c3, p0, p1, p2, p3] = *head;
    let len_crc = u32::from_be_bytes([c0, c1, c2, c3]);
    let crc = u32::from_be_bytes([p0, p1, p2, p3]);
    let is_whole = crc32fast::hash(&len) == len_crc;
    let len = u32::from_be_bytes(len) as usize;
    if !is_whole || len == 0 || len > PAYLOAD_MAX_BYTES {
        // Blocks that were given to the file and never written are zeros.
        return if rest.iter().all(|byte| *byte == 0) { Found::Torn } else { Found::Damaged };
    }
    match rest.split_at_checked(len) {
        None => Found::Torn,
        Some((payload, rest)) if crc32fast::hash(payload) == crc => Found::Record(payload, rest),
        Some((_, rest)) if rest.iter().all(|byte| *byte == 0) => Found::Torn,
        Some(_) => Found::Damaged,
    }
}

/// The value of a payload.
pub(super) fn decode<T: DeserializeOwned + Debug>(payload: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn two() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, &"one").expect("JSON");
        encode(&mut bytes, &"two").expect("JSON");
        bytes
    }

    #[test]
    fn records_follow_each_other() {
        let bytes = two();
        let Found::Record(first, rest) = next(&bytes) else { panic!("no record") };
        assert_eq!(decode::<String>(first).expect("text"), "one");
        let Found::Record(second, rest) = next(rest) else { panic!("no record") };
        assert_eq!(decode::<String>(second).expect("text"), "two");
        assert_eq!(next(rest), Found::End);
    }

    #[test]
    fn a_crash_tears_the_end_and_damage_is_what_more_follows() {
        let mut bytes = two();
        for len in 1..bytes.len() / 2 {
            assert_eq!(next(&bytes[..len]), Found::Torn, "{len} bytes");
        }
        bytes[HEAD_LEN] ^= 1;
        assert_eq!(next(&bytes), Found::Damaged);
        let first = bytes.len() / 2;
        assert_eq!(next(&bytes[..first]), Found::Torn);
        bytes.truncate(first);
        bytes.resize(4096, 0);
        assert_eq!(next(&bytes), Found::Torn);
        assert_eq!(next(&[0; 100]), Found::Torn);
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut rest = bytes.as_slice();
            while let Found::Record(_, after) = next(rest) {
                rest = after;
            }
        }
    }
}
