//! From bytes to bodies and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::lenient_json::{self, JsonError, Style};

/// Why bytes are not the body that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body of {len} bytes is no {body}: {source}")]
pub struct BodyError {
    /// Name of the type.
    pub body: &'static str,
    /// Length of the body in bytes.
    pub len: usize,
    /// What is wrong with it.
    pub source: JsonError,
}

/// Reads a body in fastjson's dialect.
pub fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, BodyError> {
    lenient_json::from_slice(bytes).map_err(|source| BodyError {
        body: short_name::<T>(),
        len: bytes.len(),
        source,
    })
}

/// Writes a body as Java does on the wire: sorted members, no null members, integer keys without quotes.
///
/// Fields that older clients know by another name are there under both names.
pub fn to_json<T: Serialize + ?Sized>(body: &T) -> Vec<u8> {
    lenient_json::to_vec(body, Style { older_names: true, ..Style::default() })
}

/// As [`to_json`] with integer keys in quotes, which every JSON reader takes.
///
/// Clients since 4.9.4 get their routes in this form.
pub fn to_standard_json<T: Serialize + ?Sized>(body: &T) -> Vec<u8> {
    lenient_json::to_vec(body, Style { older_names: true, quote_integer_keys: true, ..Style::default() })
}

/// Writes a body as Java does in files and in the output of `mqadmin`: one member per line, indented by TABs.
pub fn to_json_pretty<T: Serialize + ?Sized>(body: &T) -> Vec<u8> {
    lenient_json::to_vec(body, Style { pretty: true, ..Style::default() })
}

fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    let path = name.split('<').next().unwrap_or(name);
    path.rsplit("::").next().unwrap_or(path)
}
