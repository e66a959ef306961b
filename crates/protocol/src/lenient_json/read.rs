//! Objects and arrays: a serde deserializer over the scanner.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::newer_name;
use super::scan::{DEPTH_MAX, JsonError, Scanner};
use super::text::Text;

/// Texts up to this many bytes are not limited in their number of objects.
const CONTAINERS_MIN: usize = 1000;
/// Beyond that, an object or array must have this many bytes on the average. The smallest entry of a real table,
/// `"T@g":{0:5}`, has 11; without a limit three bytes of `{},` could cost some hundred bytes of memory.
const BYTES_PER_CONTAINER: usize = 8;

/// Reads one value and nothing after it. Bytes that are no UTF-8 become U+FFFD, as in Java.
pub(crate) fn from_slice<T: DeserializeOwned>(input: &[u8]) -> Result<T, JsonError> {
    let text = String::from_utf8_lossy(input);
    let limit = CONTAINERS_MIN + text.len() / BYTES_PER_CONTAINER;
    let mut reader =
        Reader { scan: Scanner::new(&text), depth: 0, containers_left: limit, limit, len: text.len() };
    let value = T::deserialize(&mut reader).map_err(|error| reader.located(error))?;
    match reader.scan.peek() {
        None => Ok(value),
        Some(_) => Err(reader.scan.unexpected("nothing after the value")),
    }
}

struct Reader<'de> {
    scan: Scanner<'de>,
    depth: usize,
    containers_left: usize,
    limit: usize,
    len: usize,
}

impl<'de> Reader<'de> {
    /// Errors that come from the types do not know where they happened.
    fn located(&self, error: JsonError) -> JsonError {
        match error {
            JsonError::Value { at: 0, reason } => JsonError::Value { at: self.scan.at(), reason },
            other => other,
        }
    }

    fn text(&mut self, expected: &'static str) -> Result<Text<'de>, JsonError> {
        let (text, quoted) = self.scan.scalar(expected)?;
        Ok(Text { text, quoted, at: self.scan.at() })
    }

    fn open(&mut self) -> Result<(), JsonError> {
        if self.depth == DEPTH_MAX {
            return Err(JsonError::TooDeep { at: self.scan.at(), limit: DEPTH_MAX });
        }
        let Some(left) = self.containers_left.checked_sub(1) else {
            return Err(JsonError::TooMany { len: self.len, limit: self.limit });
        };
        self.containers_left = left;
        self.depth += 1;
        Ok(())
    }

    fn object<V: Visitor<'de>>(
        &mut self,
        shape: Option<(&'static str, &'static [&'static str])>,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.scan.need(b'{', "an object")?;
        self.open()?;
        let value = visitor.visit_map(Members { reader: self, shape, seen: 0, ended: false });
        self.depth -= 1;
        value
    }
}

macro_rules! scalars {
    ($($method:ident: $expected:literal,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            self.text($expected)?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = JsonError;

    scalars! {
        deserialize_bool: "true or false",
        deserialize_i8: "a number",
        deserialize_i16: "a number",
        deserialize_i32: "a number",
        deserialize_i64: "a number",
        deserialize_u8: "a number",
        deserialize_u16: "a number",
        deserialize_u32: "a number",
        deserialize_u64: "a number",
        deserialize_f32: "a number",
        deserialize_f64: "a number",
        deserialize_str: "a text",
        deserialize_string: "a text",
        deserialize_identifier: "a key",
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.scan.peek() {
            Some(b'{') => self.object(None, visitor),
            Some(b'[') => self.deserialize_seq(visitor),
            _ => self.text("a value")?.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if self.scan.take_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scan.need(b'[', "an array")?;
        self.open()?;
        let mut elements = Elements { reader: self, ended: false };
        let value = visitor.visit_seq(&mut elements)?;
        let ended = elements.ended;
        self.depth -= 1;
        if !ended {
            self.scan.need(b']', "']' after the last element")?;
        }
        Ok(value)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.object(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.object(Some((name, fields)), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        self.text("a name")?.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.scan.skip_value()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct tuple tuple_struct i128 u128
    }
}

/// Elements of an array. Nulls and surplus commas are passed over.
struct Elements<'a, 'de> {
    reader: &'a mut Reader<'de>,
    ended: bool,
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = JsonError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, JsonError> {
        let scan = &mut self.reader.scan;
        while !self.ended && (scan.take(b',') || scan.take_null()) {}
        if self.ended || scan.take(b']') {
            self.ended = true;
            return Ok(None);
        }
        let value = seed.deserialize(&mut *self.reader)?;
        match self.reader.scan.peek() {
            Some(b',' | b']') => Ok(Some(value)),
            _ => Err(self.reader.scan.unexpected("',' or ']' after an element")),
        }
    }
}

/// Members of an object. Members that are null count as absent, so that defaults hold; surplus commas are passed
/// over; of several members with one name, or an older and a newer name, the first one counts.
struct Members<'a, 'de> {
    reader: &'a mut Reader<'de>,
    shape: Option<(&'static str, &'static [&'static str])>,
    /// Bit n: the n-th field was there.
    seen: u128,
    ended: bool,
}

impl<'de> Members<'_, 'de> {
    /// Takes a key and its colon. Keys that are objects are read by the seed itself, later.
    fn key(&mut self) -> Result<Text<'de>, JsonError> {
        let text = self.reader.text("a key or '}'")?;
        self.reader.scan.need(b':', "':' after a key")?;
        Ok(text)
    }

    /// Whether a field of this name was there before; from now on it was.
    fn repeated(&mut self, name: &str) -> bool {
        let fields = self.shape.map(|(_, fields)| fields).unwrap_or_default();
        let Some(index) = fields.iter().take(128).position(|field| *field == name) else { return false };
        let repeated = self.seen >> index & 1 == 1;
        self.seen |= 1 << index;
        repeated
    }
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = JsonError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, JsonError> {
        loop {
            while !self.ended && self.reader.scan.take(b',') {}
            if self.ended || self.reader.scan.take(b'}') {
                self.ended = true;
                return Ok(None);
            }
            if self.reader.scan.peek() == Some(b'{') {
                let key = if self.shape.is_some() {
                    // An object as the name of a field: no field has it.
                    let raw = self.reader.scan.skip_value()?;
                    let text = Text { text: Cow::Borrowed(raw), quoted: true, at: self.reader.scan.at() };
                    seed.deserialize(text)?
                } else {
                    seed.deserialize(&mut *self.reader)?
                };
                self.reader.scan.need(b':', "':' after a key")?;
                return Ok(Some(key));
            }
            let mut key = self.key()?;
            if self.reader.scan.take_null() {
                continue;
            }
            if let Some((shape, _)) = self.shape {
                if let Some(newer) = newer_name(shape, &key.text) {
                    key.text = Cow::Borrowed(newer);
                }
                if self.repeated(&key.text) {
                    self.reader.scan.skip_value()?;
                    continue;
                }
            }
            return seed.deserialize(key).map(Some);
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, JsonError> {
        let value = seed.deserialize(&mut *self.reader)?;
        match self.reader.scan.peek() {
            Some(b',' | b'}') => Ok(value),
            _ => Err(self.reader.scan.unexpected("',' or '}' after a member")),
        }
    }
}
