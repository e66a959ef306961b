//! The tokens of fastjson's dialect of JSON.

use std::borrow::Cow;

/// How deep objects and arrays may be nested. Bodies of the Java system nest eight deep.
pub(crate) const DEPTH_MAX: usize = 64;

/// Why a text is not the JSON that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else stands here.
    #[error("JSON needs {expected} at byte {at}, it has '{found}'")]
    Unexpected {
        /// Where, in bytes from the start.
        at: usize,
        /// What could stand here.
        expected: &'static str,
        /// What stands here, cut where it is long.
        found: String,
    },
    /// The text ends too early.
    #[error("JSON ends after {len} bytes, where it needs {expected}")]
    Ended {
        /// Length of the text in bytes.
        len: usize,
        /// What is missing.
        expected: &'static str,
    },
    /// Objects or arrays are nested too deep.
    #[error("JSON is nested deeper than {limit} levels at byte {at}")]
    TooDeep {
        /// Where, in bytes from the start.
        at: usize,
        /// The deepest nesting that is read.
        limit: usize,
    },
    /// So many objects and arrays would take far more memory than the text.
    #[error("JSON of {len} bytes has more than {limit} objects and arrays")]
    TooMany {
        /// Length of the text in bytes.
        len: usize,
        /// How many are read in a text of this length.
        limit: usize,
    },
    /// A value is not what the type needs.
    #[error("JSON before byte {at}: {reason}")]
    Value {
        /// Where reading stopped, in bytes from the start.
        at: usize,
        /// What is wrong.
        reason: String,
    },
}

/// Reads tokens from the front of a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let at = if text.starts_with('\u{feff}') { 3 } else { 0 };
        Scanner { text, at }
    }

    fn input(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    fn rest(&self) -> &'a [u8] {
        self.input().get(self.at..).unwrap_or_default()
    }

    /// Text between two positions, both beside an ASCII character.
    fn between(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// Position in bytes.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// The next byte that is not blank; it is not taken.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.input().get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes `byte`, if it is next.
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes `byte` or fails.
    pub(crate) fn need(&mut self, byte: u8, expected: &'static str) -> Result<(), JsonError> {
        if self.take(byte) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// What to say when the next token is not `expected`.
    pub(crate) fn unexpected(&mut self, expected: &'static str) -> JsonError {
        if self.peek().is_none() {
            return JsonError::Ended { len: self.text.len(), expected };
        }
        let rest = self.rest();
        let found = String::from_utf8_lossy(rest.get(..20).unwrap_or(rest)).into_owned();
        JsonError::Unexpected { at: self.at, expected, found }
    }

    /// Whether the next token is the word `null`; it is taken then.
    pub(crate) fn take_null(&mut self) -> bool {
        let is_null = self.peek() == Some(b'n')
            && self.rest().starts_with(b"null")
            && !self.input().get(self.at + 4).is_some_and(|byte| is_bare(*byte));
        if is_null {
            self.at += 4;
        }
        is_null
    }

    /// A text in quotes, or a word or number without; the flag says whether there were quotes.
    pub(crate) fn scalar(&mut self, expected: &'static str) -> Result<(Cow<'a, str>, bool), JsonError> {
        let mut text = String::new();
        match self.scalar_into(&mut text, expected)? {
            (Some(plain), quoted) => Ok((Cow::Borrowed(plain), quoted)),
            (None, quoted) => Ok((Cow::Owned(text), quoted)),
        }
    }

    /// As [`Scanner::scalar`]. A text without escapes is returned as it stands; else it is appended to `out`.
    pub(crate) fn scalar_into(
        &mut self,
        out: &mut String,
        expected: &'static str,
    ) -> Result<(Option<&'a str>, bool), JsonError> {
        match self.peek() {
            Some(quote @ (b'"' | b'\'')) => {
                self.at += 1;
                Ok((self.quoted_into(quote, out)?, true))
            }
            Some(byte) if is_bare(byte) => {
                let from = self.at;
                self.at += self.rest().iter().take_while(|byte| is_bare(**byte)).count();
                Ok((Some(self.between(from, self.at)), false))
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    /// A member as fastjson writes it, `"name":"value"` without blanks and escapes; `None`, and nothing is taken, where it
    /// looks otherwise. For headers, which hold little else.
    pub(crate) fn plain_member(&mut self) -> Option<(&'a str, &'a str)> {
        let name = self.rest().strip_prefix(b"\"")?;
        let name_len = quote_or_backslash(name, b'"')?;
        let value = name.get(name_len..)?.strip_prefix(b"\":\"")?;
        let value_len = quote_or_backslash(value, b'"')?;
        if value.get(value_len) != Some(&b'"') {
            return None;
        }
        let name_at = self.at + 1;
        let value_at = name_at + name_len + 3;
        self.at = value_at + value_len + 1;
        Some((self.between(name_at, name_at + name_len), self.between(value_at, value_at + value_len)))
    }

    /// The rest of a text whose opening quote was taken.
    fn quoted_into(&mut self, quote: u8, out: &mut String) -> Result<Option<&'a str>, JsonError> {
        let mut escapes = false;
        loop {
            let Some(len) = quote_or_backslash(self.rest(), quote) else {
                return Err(JsonError::Ended {
                    len: self.text.len(),
                    expected: "the closing quote of a text",
                });
            };
            let end = self.at + len;
            let plain = self.between(self.at, end);
            self.at = end + 1;
            let ended = self.input().get(end) == Some(&quote);
            if ended && !escapes {
                return Ok(Some(plain));
            }
            out.push_str(plain);
            if ended {
                return Ok(None);
            }
            escapes = true;
            out.push(self.escaped()?);
        }
    }

    /// The character after a backslash.
    fn escaped(&mut self) -> Result<char, JsonError> {
        let Some(byte) = self.input().get(self.at).copied() else {
            return Err(JsonError::Ended { len: self.text.len(), expected: "the rest of an escape" });
        };
        let character = match byte {
            b'"' | b'\'' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'v' => '\u{b}',
            b'0'..=b'7' => char::from(byte - b'0'),
            b'u' => {
                self.at += 1;
                return self.utf16_escape();
            }
            b'x' => {
                self.at += 1;
                return Ok(char::from(self.hex(2)? as u8));
            }
            _ => return Err(self.unexpected("a character that can follow a backslash")),
        };
        self.at += 1;
        Ok(character)
    }

    /// The digits of `\uXXXX`, and a second one where the first is half of a pair. A lone half becomes U+FFFD.
    fn utf16_escape(&mut self) -> Result<char, JsonError> {
        let high = self.hex(4)?;
        if !(0xD800..0xDC00).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let after_high = self.at;
        if self.rest().starts_with(b"\\u") {
            self.at += 2;
            let low = self.hex(4)?;
            if (0xDC00..0xE000).contains(&low) {
                let scalar = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = after_high;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex(&mut self, digits: usize) -> Result<u32, JsonError> {
        let text = self.rest().get(..digits).unwrap_or_default();
        let value = text.iter().try_fold(0, |value, byte| Some(value * 16 + hex_digit(*byte)?));
        match value {
            Some(value) if text.len() == digits => {
                self.at += digits;
                Ok(value)
            }
            _ => Err(self.unexpected("hexadecimal digits")),
        }
    }

    fn skip_scalar(&mut self) -> Result<(), JsonError> {
        self.scalar("a value").map(|_| ())
    }

    /// Passes over one value of any kind and returns its text. Uses no recursion.
    pub(crate) fn skip_value(&mut self) -> Result<&'a str, JsonError> {
        let _ = self.peek();
        let from = self.at;
        // One bit for each open bracket, the innermost lowest: 1 for an object.
        let mut open: u64 = 0;
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(b'{' | b'[') if depth == DEPTH_MAX => {
                    return Err(JsonError::TooDeep { at: self.at, limit: DEPTH_MAX });
                }
                Some(byte @ (b'{' | b'[')) => {
                    open = open << 1 | u64::from(byte == b'{');
                    depth += 1;
                    self.at += 1;
                }
                Some(byte @ (b'}' | b']')) if depth > 0 && (open & 1 == 1) == (byte == b'}') => {
                    open >>= 1;
                    depth -= 1;
                    self.at += 1;
                }
                Some(b',' | b':') if depth > 0 => {
                    self.at += 1;
                    continue;
                }
                _ => self.skip_scalar()?,
            }
            if depth == 0 {
                return Ok(self.between(from, self.at));
            }
        }
    }
}

/// Where the text in front of `quote`, or of a backslash, ends. Names and values are short: a search that must set itself
/// up first would be slower than this one, which looks at eight bytes at a time.
fn quote_or_backslash(bytes: &[u8], quote: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    // The lowest set bit marks the first byte that is zero; higher ones may be wrong.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (ONES * u64::from(quote))) | zeros(word ^ (ONES * u64::from(b'\\')));
        if found != 0 {
            return Some(index * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let found = rest.iter().position(|byte| *byte == quote || *byte == b'\\')?;
    Some(words.len() * 8 + found)
}

fn hex_digit(byte: u8) -> Option<u32> {
    match byte {
        b'0'..=b'9' => Some(u32::from(byte - b'0')),
        b'a'..=b'f' => Some(u32::from(byte - b'a' + 10)),
        b'A'..=b'F' => Some(u32::from(byte - b'A' + 10)),
        _ => None,
    }
}

/// Characters of words and numbers that stand without quotes.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'+' | b'-' | b'.') || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_found_wherever_it_is() {
        // What differs from a quote or a backslash by one bit, or comes after a zero, must not pass for it.
        for other in [b'x', 0, 1, b'"' ^ 1, b'"' | 0x80, b'\\' ^ 1, b'\\' | 0x80, 0xFF] {
            for len in 0..40 {
                for quote in *b"\"'" {
                    let mut bytes = vec![other; len];
                    assert_eq!(quote_or_backslash(&bytes, quote), None);
                    for end in [quote, b'\\'] {
                        bytes.truncate(len);
                        bytes.push(end);
                        bytes.extend([quote, other, b'\\', other]);
                        assert_eq!(quote_or_backslash(&bytes, quote), Some(len), "{other} {len}");
                    }
                }
            }
        }
    }
}
