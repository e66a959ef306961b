//! Names and texts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names and texts, of the answers of `GET_KVLIST_BY_NAMESPACE`, `GET_BROKER_RUNTIME_INFO` and `REGISTER_BROKER` (Java: `KVTable`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KVTable {
    /// Name to text.
    pub table: BTreeMap<String, String>,
}

/// The file `kvConfig.json` of a name server (Java: `KVConfigSerializeWrapper`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KvConfigSerializeWrapper {
    /// Namespace to name to text.
    pub config_table: BTreeMap<String, BTreeMap<String, String>>,
}
