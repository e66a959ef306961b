//! In which language a peer is written, as headers say it.

macro_rules! languages {
    ($($variant:ident = $number:literal, $name:literal;)*) => {
        /// Language of a peer (stable: number in binary headers, name in JSON headers).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Language {
            $(#[doc = $name] $variant,)*
        }

        impl Language {
            /// Name in JSON headers.
            pub fn name(self) -> &'static str {
                match self { $(Language::$variant => $name,)* }
            }

            /// Number in binary headers.
            pub fn number(self) -> u8 {
                match self { $(Language::$variant => $number,)* }
            }

            /// The language called `name`; [`Language::Other`] for an unknown one.
            pub fn from_name(name: &str) -> Language {
                match name { $($name => Language::$variant,)* _ => Language::Other }
            }

            /// The language with `number`; [`Language::Other`] for an unknown one.
            pub fn from_number(number: u8) -> Language {
                match number { $($number => Language::$variant,)* _ => Language::Other }
            }
        }
    };
}

languages! {
    Java = 0, "JAVA";
    Cpp = 1, "CPP";
    Dotnet = 2, "DOTNET";
    Python = 3, "PYTHON";
    Delphi = 4, "DELPHI";
    Erlang = 5, "ERLANG";
    Ruby = 6, "RUBY";
    Other = 7, "OTHER";
    Http = 8, "HTTP";
    Go = 9, "GO";
    Php = 10, "PHP";
    Oms = 11, "OMS";
    Rust = 12, "RUST";
    NodeJs = 13, "NODE_JS";
}

impl Default for Language {
    /// [`Language::Other`]: nothing was said.
    fn default() -> Self {
        Language::Other
    }
}

impl serde::Serialize for Language {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> serde::Deserialize<'de> for Language {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|name| Language::from_name(&name))
    }
}
