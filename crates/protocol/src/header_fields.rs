//! From ext fields to typed headers and back.

use crate::{ExtFields, RequestCode};

/// Why the ext fields are not the header that the code asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// A field that must be there is not.
    #[error("the request header lacks the field '{field}'")]
    Missing {
        /// Its name on the wire.
        field: &'static str,
    },
    /// A field's value cannot be read.
    #[error("the request header's field '{field}' is '{value}', it must be {expected}")]
    Invalid {
        /// Its name on the wire.
        field: &'static str,
        /// Its value, cut where it is very long.
        value: String,
        /// What is allowed.
        expected: &'static str,
    },
}

/// A value of one ext field.
pub trait HeaderField: Sized {
    /// What stands in for an absent field; `None` where it must not be absent.
    const ABSENT: Option<fn() -> Self> = None;
    /// What is allowed, for error texts.
    const EXPECTED: &'static str;
    /// Reads the text.
    fn parse(text: &str) -> Option<Self>;
    /// Adds the field to `ext`, if it has a value.
    fn push_to(&self, name: &str, ext: &mut ExtFields);
}

impl HeaderField for String {
    const EXPECTED: &'static str = "a text";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn push_to(&self, name: &str, ext: &mut ExtFields) {
        ext.push(name, self);
    }
}

macro_rules! integer_fields {
    ($($type:ty),*) => {$(
        impl HeaderField for $type {
            const EXPECTED: &'static str = concat!("an integer of type ", stringify!($type));
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn push_to(&self, name: &str, ext: &mut ExtFields) {
                let mut buffer = itoa::Buffer::new();
                ext.push(name, buffer.format(*self));
            }
        }
    )*};
}
integer_fields!(i32, i64, u32);

/// As Java's `Boolean.parseBoolean`: everything but `true` is false.
impl HeaderField for bool {
    const EXPECTED: &'static str = "true or false";
    fn parse(text: &str) -> Option<Self> {
        Some(text.eq_ignore_ascii_case("true"))
    }
    fn push_to(&self, name: &str, ext: &mut ExtFields) {
        ext.push(name, if *self { "true" } else { "false" });
    }
}

impl<T: HeaderField> HeaderField for Option<T> {
    const ABSENT: Option<fn() -> Self> = Some(|| None);
    const EXPECTED: &'static str = T::EXPECTED;
    fn parse(text: &str) -> Option<Self> {
        // Java writes the text "null" here and there for an absent number.
        if text == "null" { Some(None) } else { T::parse(text).map(Some) }
    }
    fn push_to(&self, name: &str, ext: &mut ExtFields) {
        if let Some(value) = self {
            value.push_to(name, ext);
        }
    }
}

/// A header that is carried in ext fields.
pub trait HeaderFields: Sized {
    /// Reads the header; unknown fields are ignored.
    fn decode_from(ext: &ExtFields) -> Result<Self, HeaderError>;
    /// Adds the header's fields to `ext`.
    fn encode_to(&self, ext: &mut ExtFields);
}

/// A header of a request: it belongs to one code.
pub trait RequestHeader: HeaderFields {
    /// The code of the request.
    const CODE: RequestCode;
}

/// Reads one field; used by [`crate::header_fields!`].
pub fn decode_field<T: HeaderField>(ext: &ExtFields, field: &'static str) -> Result<T, HeaderError> {
    match (ext.get(field), T::ABSENT) {
        (Some(text), _) => T::parse(text).ok_or_else(|| HeaderError::Invalid {
            field,
            value: text.chars().take(64).collect(),
            expected: T::EXPECTED,
        }),
        (None, Some(absent)) => Ok(absent()),
        (None, None) => Err(HeaderError::Missing { field }),
    }
}

/// Declares a header struct: its fields, their types and their names on the wire. With a code (`= SEND_MESSAGE`) it
/// is a request header.
///
/// A field of type `Option<T>` may be absent; `#[or(value)]` gives an absent field a value.
#[macro_export]
macro_rules! header_fields {
    (
        $(#[$meta:meta])*
        pub struct $name:ident $(= $code:ident)? {
            $( $(#[or($default:expr)])? $field:ident : $type:ty = $wire:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct $name {
            $(
                #[doc = concat!("Field `", $wire, "` on the wire.")]
                pub $field: $type,
            )*
        }

        impl $crate::HeaderFields for $name {
            fn decode_from(_ext: &$crate::ExtFields) -> Result<Self, $crate::HeaderError> {
                Ok($name {
                    $($field: $crate::header_fields!(@decode _ext, $wire, $type $(, $default)?),)*
                })
            }

            fn encode_to(&self, _ext: &mut $crate::ExtFields) {
                $($crate::HeaderField::push_to(&self.$field, $wire, _ext);)*
            }
        }

        $(
            impl $crate::RequestHeader for $name {
                const CODE: $crate::RequestCode = $crate::RequestCode::$code;
            }
        )?
    };
    (@decode $ext:ident, $wire:literal, $type:ty, $default:expr) => {
        $crate::decode_field::<Option<$type>>($ext, $wire)?.unwrap_or($default)
    };
    (@decode $ext:ident, $wire:literal, $type:ty) => {
        $crate::decode_field::<$type>($ext, $wire)?
    };
}

#[cfg(test)]
mod tests {
    use crate::request::{GetMaxOffsetRequest, InvokeBrokerToResetOffsetRequest, QueryConsumerOffsetRequest};
    use crate::{ExtFields, HeaderError, HeaderFields};

    fn read<H: HeaderFields>(fields: &[(&str, &str)]) -> Result<H, HeaderError> {
        H::decode_from(&fields.iter().copied().collect::<ExtFields>())
    }

    #[test]
    fn absent_fields_get_their_values_or_are_missing() {
        let header: GetMaxOffsetRequest = read(&[("topic", "T"), ("queueId", "3")]).expect("a header");
        assert!(header.committed);
        let header: InvokeBrokerToResetOffsetRequest =
            read(&[("topic", "T"), ("group", "g"), ("timestamp", "1"), ("isForce", "true")])
                .expect("a header");
        assert_eq!((header.queue_id, header.offset, header.is_force), (-1, None, true));
        let missing = read::<GetMaxOffsetRequest>(&[("topic", "T")]).expect_err("no queue");
        assert_eq!(missing.to_string(), "the request header lacks the field 'queueId'");
    }

    #[test]
    fn a_field_that_is_no_number_is_named_with_its_value() {
        let invalid =
            read::<GetMaxOffsetRequest>(&[("topic", "T"), ("queueId", "x")]).expect_err("no number");
        let expected = "the request header's field 'queueId' is 'x', it must be an integer of type i32";
        assert_eq!(invalid.to_string(), expected);
    }

    #[test]
    fn the_text_null_is_no_value_and_everything_but_true_is_false() {
        let fields =
            [("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("setZeroIfNotFound", "null")];
        let header: QueryConsumerOffsetRequest = read(&fields).expect("a header");
        assert_eq!(header.set_zero_if_not_found, None);
        let header: QueryConsumerOffsetRequest =
            read(&[("consumerGroup", "g"), ("topic", "T"), ("queueId", "0"), ("setZeroIfNotFound", "yes")])
                .expect("a header");
        assert_eq!(header.set_zero_if_not_found, Some(false));
    }

    #[test]
    fn of_repeated_fields_the_last_counts() {
        let fields = [("topic", "A"), ("queueId", "0"), ("topic", "B")];
        assert_eq!(read::<GetMaxOffsetRequest>(&fields).expect("a header").topic, "B");
    }
}
