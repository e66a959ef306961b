//! Java .properties and .conf files: reader, typed keys, hints for unknown keys
