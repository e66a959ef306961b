//! `GET_KVLIST_BY_NAMESPACE` (219).
//!
//! Response body: KVTable JSON.

use crate::header_fields;

header_fields! {
    /// Header of the request (Java: `GetKVListByNamespaceRequestHeader`).
    pub struct GetKvlistByNamespaceRequest = GET_KVLIST_BY_NAMESPACE {
        namespace: String = "namespace",
    }
}
