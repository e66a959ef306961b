//! `GET_KV_CONFIG` (101).

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetKVConfigRequestHeader`).
    pub struct GetKvConfigRequest = GET_KV_CONFIG {
        namespace: String = "namespace",
        key: String = "key",
    }
}

header_fields! {
    /// Header of the answer (Java: `GetKVConfigResponseHeader`).
    pub struct GetKvConfigResponse {
        value: Option<String> = "value",
    }
}
