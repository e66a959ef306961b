//! The `extFields` of a header: names and texts, in the order in which they were sent.

use std::fmt::{Display, Write};

/// Names and values of a header's custom fields, in the order of the wire.
///
/// All texts lie in one buffer, so that a request costs two allocations and not two for every field. Lookups scan:
/// headers have about a dozen fields. A name may occur twice on the wire; the last value wins.
#[derive(Debug, Clone, Default)]
pub struct ExtFields {
    text: String,
    spans: Vec<Span>,
}

/// Where one field lies in the text: its name up to `value`, its value up to `end`.
#[derive(Debug, Clone, Copy)]
struct Span {
    name: u32,
    value: u32,
    end: u32,
}

/// Room for the fields of an ordinary answer, so that it does not grow step by step.
const FIRST_FIELDS: usize = 8;
const FIRST_TEXT_LEN: usize = 256;

impl ExtFields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// No fields, with room for `fields` of them with `text_len_bytes` of text in all.
    pub fn with_capacity(fields: usize, text_len_bytes: usize) -> Self {
        ExtFields { text: String::with_capacity(text_len_bytes), spans: Vec::with_capacity(fields) }
    }

    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let text = self.text.as_bytes();
        let is_named =
            |span: &&Span| text.get(span.name as usize..span.value as usize) == Some(name.as_bytes());
        let span = self.spans.iter().rev().find(is_named)?;
        self.text.get(span.value as usize..span.end as usize)
    }

    /// Whether there is a field `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Adds a field at the end. Does not look for an earlier one of the same name.
    pub fn push(&mut self, name: &str, value: &str) {
        self.push_with(name, |text| text.push_str(value));
    }

    /// Adds a field whose value is written by `value`'s `Display`.
    pub fn push_display(&mut self, name: &str, value: impl Display) {
        self.push_with(name, |text| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{value}");
        });
    }

    /// Adds a field whose value `write` appends to the text it is given.
    pub(crate) fn push_with(&mut self, name: &str, write: impl FnOnce(&mut String)) {
        if self.spans.capacity() == 0 {
            self.spans.reserve(FIRST_FIELDS);
            self.text.reserve(FIRST_TEXT_LEN);
        }
        let name_at = self.text.len();
        self.text.push_str(name);
        let value_at = self.text.len();
        write(&mut self.text);
        self.push_span(name_at, value_at);
    }

    /// Adds a field whose value `write` appends to the text it is given, unless it fails.
    pub(crate) fn try_push_with<E>(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut String) -> Result<(), E>,
    ) -> Result<(), E> {
        let name_at = self.text.len();
        self.text.push_str(name);
        let value_at = self.text.len();
        write(&mut self.text)?;
        self.push_span(name_at, value_at);
        Ok(())
    }

    fn push_span(&mut self, name_at: usize, value_at: usize) {
        // A frame has at most 16 MB, so that positions fit 32 bits.
        let (name, value, end) = (name_at as u32, value_at as u32, self.text.len() as u32);
        self.spans.push(Span { name, value, end });
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> + ExactSizeIterator {
        self.spans.iter().map(|span| {
            let part = |from: u32, to: u32| self.text.get(from as usize..to as usize).unwrap_or_default();
            (part(span.name, span.value), part(span.value, span.end))
        })
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Length of all names and values in bytes.
    pub fn text_len_bytes(&self) -> usize {
        self.text.len()
    }
}

impl PartialEq for ExtFields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for ExtFields {}

impl<'a> FromIterator<(&'a str, &'a str)> for ExtFields {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(fields: I) -> Self {
        let mut ext = ExtFields::new();
        for (name, value) in fields {
            ext.push(name, value);
        }
        ext
    }
}
