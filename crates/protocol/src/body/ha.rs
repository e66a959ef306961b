//! The state of a broker's replication (Java: `HARuntimeInfo`).

use serde::{Deserialize, Serialize};

/// Answer of `GET_BROKER_HA_STATUS`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaRuntimeInfo {
    /// Whether it is a master: then the slaves are told of, else the copying.
    pub master: bool,
    /// End of the master's log.
    pub master_commit_log_max_offset: i64,
    /// How many slaves are in sync.
    pub in_sync_slave_nums: i32,
    /// The slaves that are connected.
    pub ha_connection_info: Vec<HaConnectionRuntimeInfo>,
    /// The copying.
    pub ha_client_runtime_info: HaClientRuntimeInfo,
}

/// A slave, as its master sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaConnectionRuntimeInfo {
    /// Where it comes from: `/ip:port`.
    pub addr: String,
    /// What it has; -1 where it did not say so yet.
    pub slave_ack_offset: i64,
    /// What it lacks, in bytes.
    pub diff: i64,
    /// Whether that is little.
    pub in_sync: bool,
    /// Bytes of the log sent in the last second.
    pub transferred_byte_in_second: i64,
    /// What is sent next.
    pub transfer_from_where: i64,
}

/// A slave's copying.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HaClientRuntimeInfo {
    /// `host:port` of the master's HA service.
    pub master_addr: Option<String>,
    /// Bytes of the log that came in the last second.
    pub transferred_byte_in_second: i64,
    /// End of the slave's log.
    pub max_offset: i64,
    /// When the master last sent something, ms.
    pub last_read_timestamp: i64,
    /// When it was last told what is here, ms.
    pub last_write_timestamp: i64,
    /// What the master's disk had when the slave became one.
    pub master_flush_offset: i64,
    /// Whether the connection is up.
    pub activated: bool,
}
