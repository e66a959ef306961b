//! One value of a key: text to type and back.

/// A type that a key can have.
pub trait ConfigValue: Sized {
    /// What is allowed, for error texts.
    const EXPECTED: &'static str;
    /// Reads the trimmed text.
    fn parse(text: &str) -> Option<Self>;
    /// The text, `None` where nothing is set.
    fn format(&self) -> Option<String>;
}

impl ConfigValue for String {
    const EXPECTED: &'static str = "a text";
    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
    fn format(&self) -> Option<String> {
        Some(self.clone())
    }
}

/// Java's `Boolean.parseBoolean` takes everything but `true` for false; a mistyped `ture` is refused here instead.
impl ConfigValue for bool {
    const EXPECTED: &'static str = "true or false";
    fn parse(text: &str) -> Option<Self> {
        [("true", true), ("false", false)]
            .into_iter()
            .find_map(|(name, value)| text.eq_ignore_ascii_case(name).then_some(value))
    }
    fn format(&self) -> Option<String> {
        Some(self.to_string())
    }
}

macro_rules! number_values {
    ($($type:ty = $expected:literal),*) => {$(
        impl ConfigValue for $type {
            const EXPECTED: &'static str = $expected;
            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
            fn format(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}
number_values!(
    u16 = "an integer from 0 to 65535",
    i32 = "an integer from -2147483648 to 2147483647",
    u32 = "an integer from 0 to 4294967295",
    i64 = "an integer",
    u64 = "an integer from 0 up",
    usize = "an integer from 0 up"
);

impl ConfigValue for f64 {
    const EXPECTED: &'static str = "a number";
    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|number: &f64| number.is_finite())
    }
    fn format(&self) -> Option<String> {
        // Java writes 10.0 where Rust writes 10.
        Some(format!("{self:?}"))
    }
}

/// Empty means not set.
impl<T: ConfigValue> ConfigValue for Option<T> {
    const EXPECTED: &'static str = T::EXPECTED;
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() { Some(None) } else { T::parse(text).map(Some) }
    }
    fn format(&self) -> Option<String> {
        self.as_ref().and_then(T::format)
    }
}

/// Declares an enum that is written by name, as Java writes its enums.
///
/// ```
/// eruca_config::choice! {
///     /// When a message counts as stored.
///     pub enum FlushDiskType = "ASYNC_FLUSH or SYNC_FLUSH" {
///         /// When the kernel has it.
///         Async = "ASYNC_FLUSH",
///         /// When the disk has it.
///         Sync = "SYNC_FLUSH",
///     }
/// }
/// use eruca_config::ConfigValue;
/// assert_eq!(FlushDiskType::parse("SYNC_FLUSH"), Some(FlushDiskType::Sync));
/// assert_eq!(FlushDiskType::parse("SYNC"), None);
/// ```
#[macro_export]
macro_rules! choice {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident = $expected:literal {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name {
            $( $(#[$variant_meta])* $variant, )*
        }

        impl $crate::ConfigValue for $name {
            const EXPECTED: &'static str = $expected;
            fn parse(text: &str) -> Option<Self> {
                [$(($text, $name::$variant)),*]
                    .into_iter()
                    .find_map(|(name, value)| text.eq_ignore_ascii_case(name).then_some(value))
            }
            fn format(&self) -> Option<String> {
                Some(match self { $($name::$variant => $text,)* }.to_owned())
            }
        }
    };
}
