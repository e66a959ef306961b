//! Properties files by the rules of `java.util.Properties`: separators `=`, `:` and blanks, comments with `#` and `!`,
//! escapes, `\uXXXX`, lines continued by a backslash.

use std::collections::HashMap;

/// Why a text is not a properties file. Nearly every text is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A `\u` without four hexadecimal digits.
    #[error("line {line}: '\\u' must be followed by four hexadecimal digits; write a backslash as '\\\\'")]
    MalformedEscape {
        /// Number of the line on which the entry starts, from 1.
        line: usize,
    },
    /// Half of a UTF-16 pair that stands for no character.
    #[error("line {line}: '\\u{unit:04x}' is half a character; both halves must follow each other")]
    LoneSurrogate {
        /// Number of the line on which the entry starts, from 1.
        line: usize,
        /// The half.
        unit: u16,
    },
}

/// Keys and values in the order of the file, with the file's comments, so that it can be written again with some
/// values changed. Of a key that occurs twice the last value wins.
#[derive(Debug, Clone, Default)]
pub struct Properties {
    parts: Vec<Part>,
    /// Where in `parts` the effective entry of a key is.
    index: HashMap<String, usize>,
}

#[derive(Debug, Clone)]
enum Part {
    /// Comments and blank lines, as they were.
    Text(String),
    /// An entry; `raw` as it was, unless it was changed.
    Entry { key: String, value: String, raw: Option<String> },
}

impl Properties {
    /// No entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut properties = Properties::new();
        let mut lines = Lines { rest: text, number: 0 };
        while let Some((number, raw, logical)) = lines.next_logical() {
            match logical {
                None => properties.parts.push(Part::Text(raw.to_owned())),
                Some(logical) => {
                    let (key, value) = split_entry(&logical);
                    let key = unescape(key, number)?;
                    let value = unescape(value, number)?;
                    properties.index.insert(key.clone(), properties.parts.len());
                    properties.parts.push(Part::Entry { key, value, raw: Some(raw.to_owned()) });
                }
            }
        }
        Ok(properties)
    }

    /// Reads a file's bytes: UTF-8 where they are, else Latin-1 as Java reads its files.
    pub fn parse_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::parse(text.trim_start_matches('\u{feff}')),
            Err(_) => Self::parse(&bytes.iter().map(|byte| char::from(*byte)).collect::<String>()),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        match self.parts.get(*self.index.get(key)?)? {
            Part::Entry { value, .. } => Some(value),
            Part::Text(_) => None,
        }
    }

    /// Keys and their effective values in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parts.iter().enumerate().filter_map(|(at, part)| match part {
            Part::Entry { key, value, .. } if self.index.get(key) == Some(&at) => {
                Some((key.as_str(), value.as_str()))
            }
            _ => None,
        })
    }

    /// Sets `key`: its line is rewritten where there is one, else a line is added at the end.
    pub fn set(&mut self, key: &str, new_value: &str) {
        if let Some(Part::Entry { value, raw, .. }) =
            self.index.get(key).and_then(|at| self.parts.get_mut(*at))
        {
            if value != new_value {
                *value = new_value.to_owned();
                *raw = None;
            }
            return;
        }
        self.index.insert(key.to_owned(), self.parts.len());
        self.parts.push(Part::Entry { key: key.to_owned(), value: new_value.to_owned(), raw: None });
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The text: what was not changed is as it was read, the rest is `key=value` with as few escapes as Java needs.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            if !text.is_empty() && !text.ends_with(['\n', '\r']) {
                text.push('\n');
            }
            match part {
                Part::Text(raw) | Part::Entry { raw: Some(raw), .. } => text.push_str(raw),
                Part::Entry { key, value, raw: None } => {
                    escape(key, true, &mut text);
                    text.push('=');
                    escape(value, false, &mut text);
                    text.push('\n');
                }
            }
        }
        text
    }
}

impl<K: AsRef<str>, V: AsRef<str>> FromIterator<(K, V)> for Properties {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut properties = Properties::new();
        for (key, value) in entries {
            properties.set(key.as_ref(), value.as_ref());
        }
        properties
    }
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{c}')
}

/// Cuts a text into logical lines.
struct Lines<'t> {
    rest: &'t str,
    number: usize,
}

impl<'t> Lines<'t> {
    /// The next natural line: with its terminator, and without.
    fn next_natural(&mut self) -> Option<(&'t str, &'t str)> {
        if self.rest.is_empty() {
            return None;
        }
        let content_len = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
        let (content, after) = self.rest.split_at(content_len);
        let terminator_len = match after {
            _ if after.starts_with("\r\n") => 2,
            "" => 0,
            _ => 1,
        };
        let (raw, rest) = self.rest.split_at(content_len + terminator_len);
        self.rest = rest;
        self.number += 1;
        Some((raw, content))
    }

    /// The next logical line: number of its first natural line, raw text, and its content unless it is a comment or
    /// blank.
    fn next_logical(&mut self) -> Option<(usize, &'t str, Option<String>)> {
        let start = self.rest;
        let (mut raw, mut content) = self.next_natural()?;
        let number = self.number;
        let mut raw_len = raw.len();
        let mut logical = String::new();
        loop {
            let trimmed = content.trim_start_matches(is_blank);
            // A comment, even after a continued line that had nothing in it.
            if logical.is_empty() && (trimmed.is_empty() || trimmed.starts_with(['#', '!'])) {
                return Some((number, start.get(..raw_len).unwrap_or(raw), None));
            }
            let continued = trimmed.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1;
            logical.push_str(if continued { trimmed.strip_suffix('\\').unwrap_or(trimmed) } else { trimmed });
            if !continued {
                break;
            }
            match self.next_natural() {
                Some(next) => (raw, content) = next,
                None => break,
            }
            raw_len += raw.len();
        }
        Some((number, start.get(..raw_len).unwrap_or(raw), Some(logical)))
    }
}

/// Splits a logical line at the first separator that is not escaped.
fn split_entry(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let key_end = line
        .char_indices()
        .find(|(_, c)| {
            let ends = !escaped && (is_blank(*c) || matches!(c, '=' | ':'));
            escaped = *c == '\\' && !escaped;
            ends
        })
        .map_or(line.len(), |(at, _)| at);
    let (key, rest) = line.split_at(key_end);
    let rest = rest.trim_start_matches(is_blank);
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start_matches(is_blank))
}

fn unescape(text: &str, line: usize) -> Result<String, ParseError> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('t') => out.push('\t'),
            Some('n') => out.push('\n'),
            Some('r') => out.push('\r'),
            Some('f') => out.push('\u{c}'),
            Some('u') => out.push(unicode_escape(&mut chars, line)?),
            Some(other) => out.push(other),
            None => {}
        }
    }
    Ok(out)
}

/// The character after `\u`; characters beyond 16 bits are written as two escapes.
fn unicode_escape(chars: &mut std::str::Chars<'_>, line: usize) -> Result<char, ParseError> {
    let first = hex4(chars, line)?;
    let mut units = vec![first];
    if (0xD800..0xDC00).contains(&first) && chars.as_str().starts_with("\\u") {
        let mut ahead = chars.clone();
        ahead.nth(1);
        units.push(hex4(&mut ahead, line)?);
        *chars = ahead;
    }
    match char::decode_utf16(units).next() {
        Some(Ok(c)) => Ok(c),
        _ => Err(ParseError::LoneSurrogate { line, unit: first }),
    }
}

fn hex4(chars: &mut std::str::Chars<'_>, line: usize) -> Result<u16, ParseError> {
    (0..4).try_fold(0, |unit: u16, _| {
        let digit = chars.next().and_then(|c| c.to_digit(16)).ok_or(ParseError::MalformedEscape { line })?;
        Ok(unit << 4 | digit as u16)
    })
}

/// Writes only the escapes without which Java would read something else.
fn escape(text: &str, is_key: bool, out: &mut String) {
    for (at, c) in text.char_indices() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{c}' => out.push_str("\\f"),
            ' ' | '=' | ':' | '#' | '!' if is_key => out.extend(['\\', c]),
            ' ' if at == 0 => out.push_str("\\ "),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
#[path = "properties_test.rs"]
mod tests;
