//! The `extFields` of a header: names and texts, in the order in which they were sent.

use std::fmt::{Display, Write};

/// Names and values of a header's custom fields, in the order of the wire.
///
/// All texts lie in one buffer, so that a request costs two allocations and not two for every field. Lookups scan:
/// headers have about a dozen fields. A name may occur twice on the wire; the last value wins.
#[derive(Debug, Clone, Default)]
pub struct ExtFields {
    text: String,
    /// (start of name, start of value, end of value) in `text`.
    spans: Vec<(u32, u32, u32)>,
}

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
        self.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value)
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
        self.spans.push((name_at as u32, value_at as u32, self.text.len() as u32));
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> + ExactSizeIterator {
        self.spans.iter().map(|(name, value, end)| {
            let part = |from: u32, to: u32| self.text.get(from as usize..to as usize).unwrap_or_default();
            (part(*name, *value), part(*value, *end))
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
