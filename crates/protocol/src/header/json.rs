//! Headers as JSON objects.
//!
//! Java's fastjson writes the members in alphabetical order, without null ones, and without blanks; other peers
//! write them in any order, with numbers among the ext fields, and with members of their own.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

use super::{EXT_FIELDS_MAX, blank};
use crate::frame::FrameError;
use crate::lenient_json::{JsonError, Scanner, escape_into};
use crate::{ExtFields, HeaderEncoding, Language, RemotingCommand};

/// Reads a header. Bytes that are no UTF-8 become U+FFFD, as in Java.
pub(crate) fn decode(header: &[u8]) -> Result<RemotingCommand, FrameError> {
    // The check for what is right is many times faster than the one that can mend.
    let text = match std::str::from_utf8(header) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(header),
    };
    let mut scan = Scanner::new(&text);
    let mut command = blank(HeaderEncoding::Json);
    scan.need(b'{', "the header's object")?;
    while !scan.take(b'}') {
        if scan.take(b',') {
            continue;
        }
        let (key, _) = scan.scalar("a member of the header or '}'")?;
        scan.need(b':', "':' after a key")?;
        if !scan.take_null() {
            member(&mut command, &key, &mut scan, text.len())?;
        }
        if !matches!(scan.peek(), Some(b',' | b'}')) {
            return Err(scan.unexpected("',' or '}' after a member of the header").into());
        }
    }
    match scan.peek() {
        None => Ok(command),
        Some(_) => Err(scan.unexpected("nothing after the header's object").into()),
    }
}

fn member(
    command: &mut RemotingCommand,
    key: &str,
    scan: &mut Scanner<'_>,
    header_len: usize,
) -> Result<(), FrameError> {
    match key {
        "code" => command.code = number(scan, "the code, a number")?,
        "version" => command.version = number(scan, "the version, a number")?,
        "opaque" => command.opaque = number(scan, "the opaque, a number")?,
        "flag" => command.flag = number(scan, "the flag, a number")?,
        "language" => {
            let (name, _) = scan.scalar("the language's name")?;
            command.language = match name.parse() {
                Ok(number) => Language::from_number(number),
                Err(_) => Language::from_name(&name),
            };
        }
        "remark" => command.remark = Some(scan.scalar("the remark, a text")?.0.into_owned()),
        "extFields" => {
            // Names and values are shorter than what is left of the header.
            let text_len = header_len.saturating_sub(scan.at());
            command.ext_fields = ExtFields::with_capacity(16, text_len);
            ext_fields(&mut command.ext_fields, scan)?;
        }
        _ => {
            scan.skip_value()?;
        }
    }
    Ok(())
}

fn number(scan: &mut Scanner<'_>, expected: &'static str) -> Result<i32, FrameError> {
    let at = scan.at();
    let (text, _) = scan.scalar(expected)?;
    text.parse().map_err(|_| {
        let found = text.chars().take(20).collect();
        JsonError::Unexpected { at, expected, found }.into()
    })
}

fn ext_fields(ext: &mut ExtFields, scan: &mut Scanner<'_>) -> Result<(), FrameError> {
    scan.need(b'{', "the object of ext fields")?;
    while !scan.take(b'}') {
        if scan.take(b',') {
            continue;
        }
        if ext.len() == EXT_FIELDS_MAX {
            return Err(FrameError::TooManyFields { limit: EXT_FIELDS_MAX });
        }
        ext_field(ext, scan)?;
        if !matches!(scan.peek(), Some(b',' | b'}')) {
            return Err(scan.unexpected("',' or '}' after an ext field").into());
        }
    }
    Ok(())
}

/// Reads one field. A null is no field; a number, or even an object, is kept as its text.
fn ext_field(ext: &mut ExtFields, scan: &mut Scanner<'_>) -> Result<(), JsonError> {
    if let Some((name, value)) = scan.plain_member() {
        ext.push(name, value);
        return Ok(());
    }
    let mut name_text = String::new();
    let (plain, _) = scan.scalar_into(&mut name_text, "the name of an ext field or '}'")?;
    scan.need(b':', "':' after the name of an ext field")?;
    if scan.take_null() {
        return Ok(());
    }
    ext.try_push_with(plain.unwrap_or(&name_text), |text| match scan.peek() {
        Some(b'{' | b'[') => {
            text.push_str(scan.skip_value()?);
            Ok(())
        }
        _ => {
            let (plain, _) = scan.scalar_into(text, "the value of an ext field")?;
            text.push_str(plain.unwrap_or_default());
            Ok(())
        }
    })
}

/// Appends the header as Java writes it.
pub(crate) fn encode(command: &RemotingCommand, out: &mut BytesMut) {
    let mut number = itoa::Buffer::new();
    out.put_slice(b"{\"code\":");
    out.put_slice(number.format(command.code).as_bytes());
    if !command.ext_fields.is_empty() {
        out.put_slice(b",\"extFields\":");
        let mut separator = b"{\"";
        for (name, value) in command.ext_fields.iter() {
            out.put_slice(separator);
            escape_into(name, out);
            out.put_slice(b"\":\"");
            escape_into(value, out);
            out.put_slice(b"\"");
            separator = b",\"";
        }
        out.put_slice(b"}");
    }
    out.put_slice(b",\"flag\":");
    out.put_slice(number.format(command.flag).as_bytes());
    out.put_slice(b",\"language\":\"");
    out.put_slice(command.language.name().as_bytes());
    out.put_slice(b"\",\"opaque\":");
    out.put_slice(number.format(command.opaque).as_bytes());
    if let Some(remark) = &command.remark {
        out.put_slice(b",\"remark\":\"");
        escape_into(remark, out);
        out.put_slice(b"\"");
    }
    out.put_slice(b",\"serializeTypeCurrentRPC\":\"JSON\",\"version\":");
    out.put_slice(number.format(command.version).as_bytes());
    out.put_slice(b"}");
}
