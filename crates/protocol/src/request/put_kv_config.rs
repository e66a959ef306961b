//! `PUT_KV_CONFIG` (100).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `PutKVConfigRequestHeader`).
    pub struct PutKvConfigRequest = PUT_KV_CONFIG {
        namespace: String = "namespace",
        key: String = "key",
        value: String = "value",
    }
}
