//! What goes over the wire without a controller. All integers are big-endian and signed.
//!
//! | direction | bytes | fields |
//! |---|---|---|
//! | slave → master | 8 | end of the slave's log |
//! | master → slave | 12 + n | log offset (8), length n (4), n bytes of the log from there on; n = 0 is a sign of life |
//!
//! Nothing is negotiated. Source: the Java system's `DefaultHAConnection` and `DefaultHAClient`, version 5.5.

use eruca_message::LogOffset;

/// Length of a slave's report.
pub const REPORT_LEN_BYTES: usize = 8;
/// Length of what goes before the log's bytes.
pub const HEADER_LEN_BYTES: usize = 12;
/// More in one frame no Java slave reads: its buffer has 4 MiB.
pub const BODY_MAX_BYTES: usize = (4 << 20) - HEADER_LEN_BYTES;

/// Why bytes are not of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A log offset below 0.
    #[error(
        "log offset {0} cannot be: whoever is at the other end does not speak the HA protocol of a broker without controller; \
         look at haMasterAddress and haListenPort, and that enableControllerMode is the same in the group"
    )]
    Offset(i64),
    /// A length that no frame has.
    #[error(
        "a part of {0} bytes cannot be, the limit is {BODY_MAX_BYTES}: whoever is at the other end does not speak the HA protocol \
         of a broker without controller; look at haMasterAddress, and that enableControllerMode is the same in the group"
    )]
    Length(i32),
}

/// What a master sends before the bytes of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Where the bytes belong.
    pub offset: LogOffset,
    /// How many follow.
    pub body_len: usize,
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN_BYTES] {
        let mut bytes = [0; HEADER_LEN_BYTES];
        let (offset, len) = bytes.split_at_mut(8);
        offset.copy_from_slice(&self.offset.0.to_be_bytes());
        len.copy_from_slice(&u32::try_from(self.body_len).unwrap_or(u32::MAX).to_be_bytes());
        bytes
    }

    /// Reads one; `None` where more bytes are needed.
    ///
    /// # Errors
    /// [`FrameError`].
    pub fn decode(bytes: &[u8]) -> Result<Option<Header>, FrameError> {
        let Some((offset, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
        let Some(len) = rest.first_chunk::<4>() else { return Ok(None) };
        let (offset, len) = (i64::from_be_bytes(*offset), i32::from_be_bytes(*len));
        let offset = u64::try_from(offset).map_err(|_| FrameError::Offset(offset))?;
        match usize::try_from(len).ok().filter(|len| *len <= BODY_MAX_BYTES) {
            Some(body_len) => Ok(Some(Header { offset: LogOffset(offset), body_len })),
            None => Err(FrameError::Length(len)),
        }
    }
}

/// A slave's report.
pub fn encode_report(end: LogOffset) -> [u8; REPORT_LEN_BYTES] {
    end.0.to_be_bytes()
}

/// The last whole report in `bytes` (it says what those before it say), and how many bytes were used.
///
/// # Errors
/// [`FrameError`] where any of them is none.
pub fn decode_report(bytes: &[u8]) -> Result<(Option<LogOffset>, usize), FrameError> {
    let (reports, _) = bytes.as_chunks::<REPORT_LEN_BYTES>();
    let mut last = None;
    for report in reports {
        let end = i64::from_be_bytes(*report);
        last = Some(LogOffset(u64::try_from(end).map_err(|_| FrameError::Offset(end))?));
    }
    Ok((last, reports.len() * REPORT_LEN_BYTES))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_are_those_of_the_java_system() {
        let header = Header { offset: LogOffset(0x0102_0304), body_len: 32 << 10 };
        assert_eq!(header.encode(), [0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0x80, 0]);
        assert_eq!(Header::decode(&header.encode()), Ok(Some(header)));
        assert_eq!(Header::decode(&header.encode()[..11]), Ok(None));
        assert_eq!(encode_report(LogOffset(258)), [0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn the_last_report_counts_and_a_piece_of_one_waits() {
        let bytes = [encode_report(LogOffset(1)), encode_report(LogOffset(7))].concat();
        assert_eq!(decode_report(&bytes), Ok((Some(LogOffset(7)), 16)));
        assert_eq!(decode_report(&bytes[..15]), Ok((Some(LogOffset(1)), 8)));
        assert_eq!(decode_report(&bytes[..7]), Ok((None, 0)));
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_to_look_at() {
        let error = decode_report(&[0xFF; 8]).unwrap_err();
        assert!(error.to_string().contains("haListenPort"), "{error}");
        let mut header = Header { offset: LogOffset(5), body_len: 0 }.encode();
        header[8] = 0x7F;
        assert!(matches!(Header::decode(&header), Err(FrameError::Length(_))));
        header[8] = 0xFF;
        assert!(matches!(Header::decode(&header), Err(FrameError::Length(_))));
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some(header)) = Header::decode(&bytes) {
                prop_assert_eq!(&header.encode()[..], &bytes[..HEADER_LEN_BYTES]);
            }
            if let Ok((_, used)) = decode_report(&bytes) {
                prop_assert!(used <= bytes.len() && bytes.len() - used < REPORT_LEN_BYTES);
            }
        }
    }
}
