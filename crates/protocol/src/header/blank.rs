//! What both forms begin with, and their common limit.

use crate::{ExtFields, HeaderEncoding, Language, RemotingCommand};

/// How many ext fields a header may have. Real ones have about a dozen; lookups scan them.
pub(crate) const EXT_FIELDS_MAX: usize = 1024;

/// What stands in a command whose header does not say otherwise (Java's defaults).
pub(crate) fn blank(encoding: HeaderEncoding) -> RemotingCommand {
    RemotingCommand {
        code: 0,
        language: Language::Java,
        version: 0,
        opaque: 0,
        flag: 0,
        remark: None,
        ext_fields: ExtFields::new(),
        encoding,
        body: bytes::Bytes::new(),
    }
}
