//! What a user is told about keys that have no effect.

use std::fmt;

use crate::{KeyRow, Properties, java::JavaKeys, unknown_key_hint};

/// A key of the file that has no effect, and why. `Display` is the text for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyNotice {
    /// A knob of the JVM or Netty: worth an info line, not a warning.
    Ignored {
        /// The key.
        key: String,
    },
    /// The Java component acts on it, Eruca does not: worth a warning.
    Unsupported {
        /// The key.
        key: String,
        /// Its value.
        value: String,
    },
    /// Nobody knows it: worth a warning.
    Unknown {
        /// The key.
        key: String,
        /// The key that was probably meant.
        hint: Option<&'static str>,
    },
}

impl KeyNotice {
    /// The key.
    pub fn key(&self) -> &str {
        match self {
            KeyNotice::Ignored { key }
            | KeyNotice::Unsupported { key, .. }
            | KeyNotice::Unknown { key, .. } => key,
        }
    }

    /// Whether the user should look at it; otherwise it is for information only.
    pub fn is_warning(&self) -> bool {
        !matches!(self, KeyNotice::Ignored { .. })
    }
}

impl fmt::Display for KeyNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyNotice::Ignored { key } => {
                write!(f, "the key '{key}' tunes the Java system's own machinery and has no effect here")
            }
            KeyNotice::Unsupported { key, value } => {
                write!(f, "the key '{key}' ('{value}') is known from the Java system but has no effect here")
            }
            KeyNotice::Unknown { key, hint: Some(hint) } => {
                write!(f, "the key '{key}' is unknown and ignored; did you mean '{hint}'?")
            }
            KeyNotice::Unknown { key, hint: None } => write!(f, "the key '{key}' is unknown and ignored"),
        }
    }
}

/// The notices on those keys of `properties` that none of `tables` has, in the order of the file.
pub fn notices(properties: &Properties, tables: &[&'static [KeyRow]], java: &JavaKeys) -> Vec<KeyNotice> {
    let rows = || tables.iter().flat_map(|table| table.iter().map(|row| row.key));
    properties
        .iter()
        .filter(|(key, _)| !rows().any(|known| known == *key))
        .map(|(key, value)| {
            let key = key.to_owned();
            if java.is_meaningful(&key) {
                KeyNotice::Unsupported { key, value: value.chars().take(64).collect() }
            } else if java.is_tuning(&key) {
                KeyNotice::Ignored { key }
            } else {
                let hint = unknown_key_hint(&key, rows()).or_else(|| unknown_key_hint(&key, java.iter()));
                KeyNotice::Unknown { key, hint }
            }
        })
        .collect()
}
