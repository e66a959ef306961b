//! Reads of old messages, as administrators are told of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};

/// Answer of `GET_COLD_DATA_FLOW_CTR_INFO`, which has no class in Java: its members come in the order of a map there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ColdDataFlowCtrInfo {
    /// What groups read lately.
    pub runtime_table: BTreeMap<String, ColdReads>,
    /// Groups with a threshold of their own, in bytes.
    pub config_table: BTreeMap<String, i64>,
    /// The threshold of the others.
    pub cg_cold_read_threshold: i64,
    /// That of all groups together.
    pub global_cold_read_threshold: i64,
    /// What all groups read lately.
    pub global_acc: i64,
}

impl Serialize for ColdDataFlowCtrInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(5))?;
        map.serialize_entry("runtimeTable", &self.runtime_table)?;
        map.serialize_entry("configTable", &self.config_table)?;
        map.serialize_entry("cgColdReadThreshold", &self.cg_cold_read_threshold)?;
        map.serialize_entry("globalColdReadThreshold", &self.global_cold_read_threshold)?;
        map.serialize_entry("globalAcc", &self.global_acc)?;
        map.end()
    }
}

/// What a group read lately (Java: `AccAndTimeStamp`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ColdReads {
    /// Bytes.
    pub cold_acc: i64,
    /// When it began.
    pub create_time_mills: i64,
    /// When it read last.
    pub last_cold_read_time_mills: i64,
}
