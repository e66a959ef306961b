//! Headers in binary form (`ROCKETMQ`). Integers are big-endian.
//!
//! | field | bytes |
//! |---|---|
//! | code | 2: Java cuts codes over 16 bits, so that 200050 goes out as 3442 |
//! | language | 1 |
//! | version | 2 |
//! | opaque | 4 |
//! | flag | 4 |
//! | length of remark, remark | 4 + n; length 0: none |
//! | length of ext fields | 4 |
//! | each ext field: length and name, length and value | 2 + n, 4 + n |

use bytes::{Buf, BufMut, BytesMut};

use super::{EXT_FIELDS_MAX, blank};
use crate::frame::FrameError;
use crate::{ExtFields, HeaderEncoding, Language, RemotingCommand};

/// Reads a header. Bytes that are no UTF-8 become U+FFFD, as in Java.
pub(crate) fn decode(header: &[u8]) -> Result<RemotingCommand, FrameError> {
    let mut input = Input { rest: header };
    let mut command = blank(HeaderEncoding::Binary);
    let mut fixed = input.take(13, "code, language, version, opaque and flag")?;
    command.code = i32::from(fixed.get_i16());
    command.language = Language::from_number(fixed.get_u8());
    command.version = i32::from(fixed.get_i16());
    command.opaque = fixed.get_i32();
    command.flag = fixed.get_i32();
    let remark = input.take_with_i32_len("the remark")?;
    if !remark.is_empty() {
        command.remark = Some(String::from_utf8_lossy(remark).into_owned());
    }
    let fields = input.take_with_i32_len("the ext fields")?;
    command.ext_fields = ext_fields(fields)?;
    Ok(command)
}

fn ext_fields(bytes: &[u8]) -> Result<ExtFields, FrameError> {
    let mut ext = ExtFields::new();
    if bytes.is_empty() {
        return Ok(ext);
    }
    ext = ExtFields::with_capacity(16, bytes.len());
    let mut input = Input { rest: bytes };
    while !input.rest.is_empty() {
        if ext.len() == EXT_FIELDS_MAX {
            return Err(FrameError::TooManyFields { limit: EXT_FIELDS_MAX });
        }
        let mut name_len = input.take(2, "the length of an ext field's name")?;
        let name = input.take(usize::from(name_len.get_u16()), "an ext field's name")?;
        let value = input.take_with_i32_len("an ext field's value")?;
        ext.push(&String::from_utf8_lossy(name), &String::from_utf8_lossy(value));
    }
    Ok(ext)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize, what: &'static str) -> Result<&'a [u8], FrameError> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(FrameError::HeaderEnds { what, needed: len as i64, had: self.rest.len() }),
        }
    }

    fn take_with_i32_len(&mut self, what: &'static str) -> Result<&'a [u8], FrameError> {
        let len = self.take(4, what)?.get_i32();
        match usize::try_from(len) {
            Ok(len) => self.take(len, what),
            Err(_) => Err(FrameError::HeaderEnds { what, needed: i64::from(len), had: self.rest.len() }),
        }
    }
}

/// Appends the header as Java writes it.
pub(crate) fn encode(command: &RemotingCommand, out: &mut BytesMut) -> Result<(), FrameError> {
    out.put_i16(command.code as i16);
    out.put_u8(command.language.number());
    out.put_i16(command.version as i16);
    out.put_i32(command.opaque);
    out.put_i32(command.flag);
    put_with_i32_len(command.remark.as_deref().unwrap_or_default(), out);
    let fields = &command.ext_fields;
    out.put_i32((fields.text_len_bytes() + 6 * fields.len()) as i32);
    for (name, value) in fields.iter() {
        let name_len = i16::try_from(name.len()).map_err(|_| FrameError::NameTooLong { len: name.len() })?;
        out.put_i16(name_len);
        out.put_slice(name.as_bytes());
        put_with_i32_len(value, out);
    }
    Ok(())
}

/// Lengths that do not fit are found when the header's own length does not fit.
fn put_with_i32_len(text: &str, out: &mut BytesMut) {
    out.put_i32(text.len() as i32);
    out.put_slice(text.as_bytes());
}
