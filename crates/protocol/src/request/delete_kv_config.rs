//! `DELETE_KV_CONFIG` (102).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `DeleteKVConfigRequestHeader`).
    pub struct DeleteKvConfigRequest = DELETE_KV_CONFIG {
        namespace: String = "namespace",
        key: String = "key",
    }
}
