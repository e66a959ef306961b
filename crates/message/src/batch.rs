//! The body of a batch send: entries back to back.
//!
//! | field | bytes |
//! |---|---|
//! | totalSize | 4 |
//! | magic | 4, 0 |
//! | bodyCRC | 4, 0 |
//! | flag | 4 |
//! | body | 4 + n |
//! | properties | 2 + n |

use crate::properties::MAX_PROPERTIES_LEN_BYTES;

/// Why a batch body cannot be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The entry at `at` does not fit the body.
    #[error(
        "batch body is broken at byte {at} of {len}: {field} does not fit; an entry has its length, magic, CRC and flag (4 bytes each), the body after 4 bytes with its length, the properties after 2"
    )]
    Broken {
        /// Where the entry starts.
        at: usize,
        /// Length of the whole batch body in bytes.
        len: usize,
        /// The field that does not fit.
        field: &'static str,
    },
    /// Properties longer than an entry can hold.
    #[error(
        "properties have {len} bytes, the limit is {MAX_PROPERTIES_LEN_BYTES}: send less in properties or move it to the body"
    )]
    PropertiesTooLong {
        /// Length in bytes.
        len: usize,
    },
}

/// One message of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchEntry<'a> {
    /// The user's flag.
    pub flag: i32,
    /// Body.
    pub body: &'a [u8],
    /// Encoded properties.
    pub properties: &'a [u8],
}

/// Appends one entry to `out`. Nothing is appended on an error.
pub fn encode_batch_entry(entry: &BatchEntry<'_>, out: &mut Vec<u8>) -> Result<(), BatchError> {
    let too_long = BatchError::PropertiesTooLong { len: entry.properties.len() };
    let properties_len = i16::try_from(entry.properties.len()).map_err(|_| too_long)?;
    let total = 4 * 4 + 4 + entry.body.len() + 2 + entry.properties.len();
    out.extend_from_slice(&(total as u32).to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&entry.flag.to_be_bytes());
    out.extend_from_slice(&(entry.body.len() as u32).to_be_bytes());
    out.extend_from_slice(entry.body);
    out.extend_from_slice(&properties_len.to_be_bytes());
    out.extend_from_slice(entry.properties);
    Ok(())
}

/// Reads all entries of a batch body.
pub fn decode_batch(body: &[u8]) -> Result<Vec<BatchEntry<'_>>, BatchError> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < body.len() {
        let broken = |field| BatchError::Broken { at, len: body.len(), field };
        let total = int_at(body, at).filter(|len| *len >= 22).ok_or(broken("totalSize"))?;
        let entry = body.get(at..).and_then(|rest| rest.get(..total)).ok_or(broken("totalSize"))?;
        let flag = entry.get(12..16).and_then(|b| b.try_into().ok()).map(i32::from_be_bytes);
        let body_len = int_at(entry, 16).ok_or(broken("bodyLength"))?;
        let (message, rest) =
            entry.get(20..).and_then(|rest| rest.split_at_checked(body_len)).ok_or(broken("body"))?;
        let (len, rest) = rest.split_first_chunk::<2>().ok_or(broken("propertiesLength"))?;
        let properties = usize::try_from(i16::from_be_bytes(*len))
            .ok()
            .and_then(|len| rest.get(..len))
            .ok_or(broken("properties"))?;
        entries.push(BatchEntry { flag: flag.ok_or(broken("flag"))?, body: message, properties });
        at += total;
    }
    Ok(entries)
}

fn int_at(bytes: &[u8], at: usize) -> Option<usize> {
    let chunk = bytes.get(at..)?.first_chunk::<4>()?;
    usize::try_from(i32::from_be_bytes(*chunk)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn javas_bytes() {
        let mut out = Vec::new();
        let entry = BatchEntry { flag: 0, body: b"body", properties: &[7; 31] };
        encode_batch_entry(&entry, &mut out).unwrap();
        assert_eq!(out[..26], *b"\0\0\0\x39\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x04body\0\x1f");
        assert_eq!(decode_batch(&out).unwrap(), [entry]);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode_batch(&bytes);
        }

        #[test]
        fn what_is_encoded_is_decoded(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..5)) {
            let mut out = Vec::new();
            for body in &bodies {
                encode_batch_entry(&BatchEntry { flag: 3, body, properties: b"a\x01b\x02" }, &mut out).unwrap();
            }
            let entries = decode_batch(&out).unwrap();
            prop_assert_eq!(entries.iter().map(|e| e.body.to_vec()).collect::<Vec<_>>(), bodies);
        }
    }
}
