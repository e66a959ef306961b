//! Frames: what lies on the wire between two lengths.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | length of what follows: 4 + n + m |
//! | 4 | 1 | encoding of the header: 0 JSON, 1 binary |
//! | 5 | 3 | length n of the header |
//! | 8 | n | header |
//! | 8 + n | m | body |
//!
//! Integers are big-endian.

use bytes::{BufMut, Bytes, BytesMut};

use crate::header::{binary, json};
use crate::lenient_json::JsonError;
use crate::{HeaderEncoding, RemotingCommand};

/// Bytes before the header.
const PREFIX_LEN: usize = 8;
/// The longest header whose length can be written.
const HEADER_LEN_MAX: usize = 0xFF_FFFF;

/// Why bytes are no frame, or a command fits no frame. After such an error the stream has no next frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The frame is longer than allowed. Other protocols look like this, too.
    #[error(
        "a frame of {len} bytes is announced, the limit is {max}; does the peer speak another protocol or TLS?"
    )]
    TooLong {
        /// Length that the frame announces, in bytes.
        len: u32,
        /// Longest frame allowed, in bytes.
        max: usize,
    },
    /// The frame has no room for the length of its header.
    #[error("a frame of {len} bytes is announced, the shortest has 4")]
    TooShort {
        /// Length that the frame announces, in bytes.
        len: u32,
    },
    /// The header is longer than its frame.
    #[error("a header of {header_len} bytes is announced in a frame that has {had} bytes for it")]
    HeaderTooLong {
        /// Length that the header announces, in bytes.
        header_len: usize,
        /// Bytes of the frame after the lengths.
        had: usize,
    },
    /// The header is in no encoding that there is.
    #[error("the header's encoding is {number}, it must be 0 (JSON) or 1 (ROCKETMQ)")]
    UnknownEncoding {
        /// Number of the encoding.
        number: u8,
    },
    /// A JSON header is not what it should be.
    #[error("header: {0}")]
    Json(#[from] JsonError),
    /// A binary header ends too early.
    #[error("header: {what} needs {needed} bytes, {had} are left")]
    HeaderEnds {
        /// The part under way.
        what: &'static str,
        /// Bytes that it needs; negative where its length is.
        needed: i64,
        /// Bytes that are left.
        had: usize,
    },
    /// A header has more ext fields than are read.
    #[error("header: more than {limit} ext fields")]
    TooManyFields {
        /// How many are read.
        limit: usize,
    },
    /// The name of an ext field is too long to be written in a binary header.
    #[error("the name of an ext field has {len} bytes, a binary header takes 32767")]
    NameTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A command is too long to be written.
    #[error("the {part} of a frame to send has {len} bytes, the limit is {max}")]
    Unwritable {
        /// Header or whole.
        part: &'static str,
        /// Its length in bytes.
        len: usize,
        /// What fits its length field, in bytes.
        max: usize,
    },
}

/// Cuts a stream of bytes into commands.
#[derive(Debug, Clone)]
pub struct FrameDecoder {
    max_frame_bytes: usize,
}

impl FrameDecoder {
    /// The limit that Java has unless told otherwise.
    pub const MAX_FRAME_BYTES: usize = 16 * 1024 * 1024;

    /// A decoder that refuses frames of more than `max_frame_bytes`, their length field not counted.
    pub fn new(max_frame_bytes: usize) -> Self {
        FrameDecoder { max_frame_bytes }
    }

    /// How many bytes the first frame of `input` has, with its length field; `None` while that is not known.
    ///
    /// Fails as soon as it is clear that there is no frame, so that no memory is reserved for one.
    pub fn frame_len(&self, input: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(len) = input.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        if len as usize > self.max_frame_bytes {
            return Err(FrameError::TooLong { len, max: self.max_frame_bytes });
        }
        if len < 4 {
            return Err(FrameError::TooShort { len });
        }
        if let Some([_, _, _, _, prefix @ ..]) = input.first_chunk::<PREFIX_LEN>() {
            header_prefix(*prefix, len as usize - 4)?;
        }
        Ok(Some(4 + len as usize))
    }

    /// Takes the first frame off `input`; `None` while it is not whole. The body shares the memory of `input`.
    pub fn decode(&self, input: &mut BytesMut) -> Result<Option<RemotingCommand>, FrameError> {
        match self.frame_len(input)? {
            Some(len) if input.len() >= len => decode_frame(input.split_to(len).freeze()).map(Some),
            _ => Ok(None),
        }
    }
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self::new(Self::MAX_FRAME_BYTES)
    }
}

/// Encoding and length of the header, in a frame that has `had` bytes for header and body.
fn header_prefix(prefix: [u8; 4], had: usize) -> Result<(HeaderEncoding, usize), FrameError> {
    let [number, high, middle, low] = prefix;
    let encoding = match number {
        0 => HeaderEncoding::Json,
        1 => HeaderEncoding::Binary,
        _ => return Err(FrameError::UnknownEncoding { number }),
    };
    let header_len = u32::from_be_bytes([0, high, middle, low]) as usize;
    if header_len > had {
        return Err(FrameError::HeaderTooLong { header_len, had });
    }
    Ok((encoding, header_len))
}

/// Reads a whole frame, whose length is right.
fn decode_frame(frame: Bytes) -> Result<RemotingCommand, FrameError> {
    let Some([_, _, _, _, prefix @ ..]) = frame.first_chunk::<PREFIX_LEN>() else {
        return Err(FrameError::TooShort { len: frame.len() as u32 });
    };
    let (encoding, header_len) = header_prefix(*prefix, frame.len() - PREFIX_LEN)?;
    let header = frame.get(PREFIX_LEN..PREFIX_LEN + header_len).unwrap_or_default();
    let mut command = match encoding {
        HeaderEncoding::Json => json::decode(header)?,
        HeaderEncoding::Binary => binary::decode(header)?,
    };
    command.body = frame.slice(PREFIX_LEN + header_len..);
    Ok(command)
}

impl RemotingCommand {
    /// Appends this command as a whole frame to `out`. When it fails, `out` is as before.
    pub fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        let frame_at = out.len();
        let result = self.encode_at(frame_at, out);
        if result.is_err() {
            out.truncate(frame_at);
        }
        result
    }

    fn encode_at(&self, frame_at: usize, out: &mut BytesMut) -> Result<(), FrameError> {
        let remark_len = self.remark.as_ref().map_or(0, String::len);
        // A JSON header has about 110 bytes and 6 more for each field; what escapes need comes on top.
        let header_len_about =
            112 + self.ext_fields.text_len_bytes() + 6 * self.ext_fields.len() + remark_len;
        out.reserve(PREFIX_LEN + header_len_about + self.body.len());
        out.put_bytes(0, PREFIX_LEN);
        let number = match self.encoding {
            HeaderEncoding::Json => {
                json::encode(self, out);
                0
            }
            HeaderEncoding::Binary => {
                binary::encode(self, out)?;
                1
            }
        };
        let header_len = out.len() - frame_at - PREFIX_LEN;
        if header_len > HEADER_LEN_MAX {
            return Err(FrameError::Unwritable { part: "header", len: header_len, max: HEADER_LEN_MAX });
        }
        let len = 4 + header_len + self.body.len();
        let Ok(len_field) = i32::try_from(len) else {
            return Err(FrameError::Unwritable { part: "whole", len, max: i32::MAX as usize });
        };
        out.put_slice(&self.body);
        if let Some(mut prefix) = out.get_mut(frame_at..frame_at + PREFIX_LEN) {
            prefix.put_i32(len_field);
            prefix.put_u32(number << 24 | header_len as u32);
        }
        Ok(())
    }
}
