//! Scalars: a text that becomes whatever the type asks for.

use std::borrow::Cow;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{self, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::scan::{DEPTH_MAX, JsonError, Scanner};

/// A word, a number, a text in quotes, or a key. Peers write numbers as texts and the other way round.
pub(super) struct Text<'de> {
    pub(super) text: Cow<'de, str>,
    /// Whether it stood in quotes, and so is a text where the type does not say what it wants.
    pub(super) quoted: bool,
    /// Where it ends, for errors.
    pub(super) at: usize,
}

impl<'de> Text<'de> {
    fn integer(&self) -> Result<i128, JsonError> {
        let text = self.text.trim();
        if let Ok(number) = text.parse() {
            return Ok(number);
        }
        // `1.0` where a whole number is wanted.
        match text.parse::<f64>() {
            Ok(float) if float.fract() == 0.0 && float.abs() < 9e15 => Ok(float as i128),
            _ => Err(self.mistake("a whole number")),
        }
    }

    fn mistake(&self, expected: &str) -> JsonError {
        let text: String = self.text.chars().take(40).collect();
        JsonError::Value { at: self.at, reason: format!("'{text}' is not {expected}") }
    }

    /// A key that is an object, written as a text: `"{\"topic\":\"T\"}"`.
    fn members(&self) -> Result<Vec<(Text<'static>, Text<'static>)>, JsonError> {
        let mut scan = Scanner::new(&self.text);
        let mut members = Vec::new();
        let owned = |(text, quoted): (Cow<'_, str>, bool)| Text {
            text: Cow::Owned(text.into_owned()),
            quoted,
            at: self.at,
        };
        scan.need(b'{', "an object")?;
        while !scan.take(b'}') {
            if scan.take(b',') {
                continue;
            }
            if members.len() == DEPTH_MAX {
                return Err(self.mistake("a key with so many members"));
            }
            let key = owned(scan.scalar("a key")?);
            scan.need(b':', "':' after a key")?;
            members.push((key, owned(scan.scalar("a text or a number")?)));
        }
        Ok(members)
    }
}

impl<'de> IntoDeserializer<'de, JsonError> for Text<'de> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! integers {
    ($($method:ident => $visit:ident: $type:ty,)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
            let number = self.integer()?;
            match <$type>::try_from(number) {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(self.mistake(concat!("in the range of ", stringify!($type)))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = JsonError;

    integers! {
        deserialize_i8 => visit_i8: i8,
        deserialize_i16 => visit_i16: i16,
        deserialize_i32 => visit_i32: i32,
        deserialize_i64 => visit_i64: i64,
        deserialize_u8 => visit_u8: u8,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        if !self.quoted {
            match (&*self.text, self.integer().map(i64::try_from)) {
                ("true", _) => return visitor.visit_bool(true),
                ("false", _) => return visitor.visit_bool(false),
                ("null", _) => return visitor.visit_unit(),
                (_, Ok(Ok(number))) => return visitor.visit_i64(number),
                (text, _) => {
                    if let Ok(number) = text.parse() {
                        return visitor.visit_f64(number);
                    }
                }
            }
        }
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match &*self.text {
            "true" | "1" | "TRUE" | "True" => visitor.visit_bool(true),
            "false" | "0" | "FALSE" | "False" | "" => visitor.visit_bool(false),
            _ => Err(self.mistake("true or false")),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.text.trim().parse() {
            Ok(number) => visitor.visit_f64(number),
            Err(_) => Err(self.mistake("a number")),
        }
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        match self.text {
            Cow::Borrowed(text) => BorrowedStrDeserializer::new(text).deserialize_any(visitor),
            Cow::Owned(text) => StringDeserializer::new(text).deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, JsonError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        let members = self.members()?;
        visitor.visit_map(de::value::MapDeserializer::new(members.into_iter()))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, JsonError> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit unit_struct seq tuple tuple_struct map ignored_any i128 u128
    }
}

impl de::Error for JsonError {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        JsonError::Value { at: 0, reason: reason.to_string() }
    }
}
