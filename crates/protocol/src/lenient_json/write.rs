//! Writing: the bytes that fastjson writes for the same object.

use bytes::BufMut;
use serde::ser::{
    self, Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
    SerializeTupleStruct, Serializer,
};

use super::float::float_into;
use super::older_name;

/// How fastjson was asked to write.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Style {
    /// Integer keys in quotes.
    pub(crate) quote_integer_keys: bool,
    /// One member per line, indented by TABs.
    pub(crate) pretty: bool,
    /// Older names beside today's.
    pub(crate) older_names: bool,
}

/// Writes `value`.
pub(crate) fn to_vec<T: Serialize + ?Sized>(value: &T, style: Style) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(256), indent: 0, style, wrote_none: false };
    value.serialize(&mut writer).expect("bodies have no parts that cannot be written as JSON");
    writer.out
}

/// Appends `text` with fastjson's escapes, without quotes.
pub(crate) fn escape_into(text: &str, out: &mut impl BufMut) {
    let bytes = text.as_bytes();
    // Without a branch for each byte the compiler looks at many bytes at once.
    if !bytes.iter().fold(false, |any, byte| any | needs_escape(*byte)) {
        out.put_slice(bytes);
        return;
    }
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !needs_escape(*byte) {
            continue;
        }
        out.put_slice(bytes.get(from..at).unwrap_or_default());
        from = at + 1;
        match byte {
            b'"' => out.put_slice(b"\\\""),
            b'\\' => out.put_slice(b"\\\\"),
            b'\n' => out.put_slice(b"\\n"),
            b'\r' => out.put_slice(b"\\r"),
            b'\t' => out.put_slice(b"\\t"),
            0x08 => out.put_slice(b"\\b"),
            0x0c => out.put_slice(b"\\f"),
            _ => {
                out.put_slice(if *byte < 0x10 { b"\\u000" } else { b"\\u001" });
                let low = byte & 0xf;
                out.put_u8(if low < 10 { b'0' + low } else { b'a' + low - 10 });
            }
        }
    }
    out.put_slice(bytes.get(from..).unwrap_or_default());
}

fn needs_escape(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

/// A value that has no form in JSON.
#[derive(Debug, thiserror::Error)]
#[error("not writable as JSON: {0}")]
pub(crate) struct WriteError(String);

impl ser::Error for WriteError {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        WriteError(reason.to_string())
    }
}

struct Writer {
    out: Vec<u8>,
    indent: usize,
    style: Style,
    /// Whether the last value was an absent one.
    wrote_none: bool,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        escape_into(text, &mut self.out);
        self.out.push(b'"');
    }

    fn line(&mut self) {
        if self.style.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + self.indent, b'\t');
        }
    }

    fn open(&mut self, bracket: u8) {
        self.out.push(bracket);
        self.indent += 1;
    }

    fn close(&mut self, bracket: u8, is_empty: bool) {
        self.indent -= 1;
        if !is_empty {
            self.line();
        }
        self.out.push(bracket);
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty,)*) => {$(
        fn $method(self, value: $type) -> Result<(), WriteError> {
            self.out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
            Ok(())
        }
    )*};
}

macro_rules! unsupported {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$ok, WriteError> {
            Err(WriteError(stringify!($method).to_owned()))
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = WriteError;
    type SerializeSeq = Sequence<'a>;
    type SerializeTuple = Sequence<'a>;
    type SerializeTupleStruct = Sequence<'a>;
    type SerializeTupleVariant = Impossible<(), WriteError>;
    type SerializeMap = Members<'a>;
    type SerializeStruct = Members<'a>;
    type SerializeStructVariant = Impossible<(), WriteError>;

    integers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
    }

    fn serialize_bool(self, value: bool) -> Result<(), WriteError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), WriteError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), WriteError> {
        float_into(value, &mut self.out);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), WriteError> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), WriteError> {
        self.text(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), WriteError> {
        self.out.extend_from_slice(b"null");
        self.wrote_none = true;
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WriteError> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), WriteError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _index: u32,
        _variant: &'static str,
        _value: &T,
    ) -> Result<(), WriteError> {
        Err(WriteError(name.to_owned()))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Sequence<'a>, WriteError> {
        self.open(b'[');
        Ok(Sequence { writer: self, is_empty: true, one_line: false })
    }

    /// Java's arrays of numbers, unlike its lists, stay in one line.
    fn serialize_tuple(self, _len: usize) -> Result<Sequence<'a>, WriteError> {
        self.open(b'[');
        Ok(Sequence { writer: self, is_empty: true, one_line: true })
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Sequence<'a>, WriteError> {
        self.serialize_seq(Some(len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Members<'a>, WriteError> {
        self.open(b'{');
        Ok(Members::new(self, ""))
    }

    fn serialize_struct(self, name: &'static str, _len: usize) -> Result<Members<'a>, WriteError> {
        self.open(b'{');
        Ok(Members::new(self, name))
    }

    unsupported! {
        serialize_bytes(&[u8]) -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}

/// An array under way.
struct Sequence<'a> {
    writer: &'a mut Writer,
    is_empty: bool,
    one_line: bool,
}

impl Sequence<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        if !self.is_empty {
            self.writer.out.push(b',');
        }
        self.is_empty = false;
        if !self.one_line {
            self.writer.line();
        }
        value.serialize(&mut *self.writer)
    }

    fn finish(self) {
        self.writer.close(b']', self.is_empty || self.one_line);
    }
}

macro_rules! sequences {
    ($($shape:ident: $method:ident,)*) => {$(
        impl $shape for Sequence<'_> {
            type Ok = ();
            type Error = WriteError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
                self.element(value)
            }
            fn end(self) -> Result<(), WriteError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}
sequences! { SerializeSeq: serialize_element, SerializeTuple: serialize_element, SerializeTupleStruct: serialize_field, }

/// An object under way. A member whose value is absent is taken back; members of a struct end up sorted by name, as
/// fastjson sorts them, however the struct declares them.
struct Members<'a> {
    writer: &'a mut Writer,
    shape: &'static str,
    /// Name, start and end of each member of a struct.
    written: Vec<(&'static str, usize, usize)>,
    is_empty: bool,
    /// Length of the output before the member under way.
    member_at: usize,
}

impl<'a> Members<'a> {
    fn new(writer: &'a mut Writer, shape: &'static str) -> Self {
        Members { writer, shape, written: Vec::new(), is_empty: true, member_at: 0 }
    }

    fn begin(&mut self) {
        self.member_at = self.writer.out.len();
        if !self.is_empty {
            self.writer.out.push(b',');
        }
        self.writer.line();
    }

    /// Writes the value of the member under way; false if there is none.
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<bool, WriteError> {
        self.writer.out.push(b':');
        self.writer.wrote_none = false;
        value.serialize(&mut *self.writer)?;
        if std::mem::take(&mut self.writer.wrote_none) {
            self.writer.out.truncate(self.member_at);
            return Ok(false);
        }
        self.is_empty = false;
        Ok(true)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), WriteError> {
        self.begin();
        let start = self.writer.out.len();
        self.writer.text(name);
        if self.value(value)? {
            self.written.push((name, start, self.writer.out.len()));
        }
        Ok(())
    }

    fn sort(&mut self) {
        if self.written.is_sorted() {
            return;
        }
        let Some(first_at) = self.written.first().map(|member| member.1) else { return };
        let unsorted = self.writer.out.split_off(first_at);
        self.written.sort_unstable();
        for (index, (_, start, end)) in self.written.iter().enumerate() {
            if index > 0 {
                self.writer.out.push(b',');
                self.writer.line();
            }
            let member = unsorted.get(start - first_at..end - first_at).unwrap_or_default();
            self.writer.out.extend_from_slice(member);
        }
    }
}

impl SerializeStruct for Members<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), WriteError> {
        if self.writer.style.older_names
            && let Some(older) = older_name(self.shape, name)
        {
            self.field(older, value)?;
        }
        self.field(name, value)
    }

    fn end(mut self) -> Result<(), WriteError> {
        self.sort();
        self.writer.close(b'}', self.is_empty);
        Ok(())
    }
}

impl SerializeMap for Members<'_> {
    type Ok = ();
    type Error = WriteError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), WriteError> {
        self.begin();
        let start = self.writer.out.len();
        key.serialize(&mut *self.writer)?;
        let is_number = self.writer.out.get(start).is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-');
        if is_number && self.writer.style.quote_integer_keys {
            self.writer.out.insert(start, b'"');
            self.writer.out.push(b'"');
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), WriteError> {
        self.value(value).map(|_| ())
    }

    fn end(self) -> Result<(), WriteError> {
        self.writer.close(b'}', self.is_empty);
        Ok(())
    }
}
