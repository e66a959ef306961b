//! Static topics: logical queues mapped to queues of brokers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One stretch of a logical queue (Java: `LogicQueueMappingItem`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogicQueueMappingItem {
    /// Name of the broker group.
    pub bname: Option<String>,
    /// Queue offset behind the last one; -1 while open.
    pub end_offset: i64,
    /// Number of the stretch.
    #[serde(rename = "gen")]
    pub generation: i32,
    /// Logical offset of the stretch's first message.
    pub logic_offset: i64,
    /// Queue on the broker.
    pub queue_id: i32,
    /// Its queue offset on the broker.
    pub start_offset: i64,
    /// Store time of the last message in milliseconds since 1970; -1 when unknown.
    pub time_of_end: i64,
    /// Store time of the first message in milliseconds since 1970; -1 when unknown.
    pub time_of_start: i64,
}

impl Default for LogicQueueMappingItem {
    /// Java's defaults.
    fn default() -> Self {
        LogicQueueMappingItem {
            bname: Default::default(),
            end_offset: -1,
            generation: Default::default(),
            logic_offset: Default::default(),
            queue_id: Default::default(),
            start_offset: Default::default(),
            time_of_end: -1,
            time_of_start: -1,
        }
    }
}

/// A broker's part of a static topic, in full (Java: `TopicQueueMappingDetail`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicQueueMappingDetail {
    /// Name of the broker group.
    pub bname: Option<String>,
    /// Logical queue to the broker's queue.
    pub curr_id_map: Option<BTreeMap<i32, i32>>,
    /// Whether the mapping is out of date.
    pub dirty: bool,
    /// Which mapping is newer.
    pub epoch: i64,
    /// Logical queue to its stretches.
    pub hosted_queues: BTreeMap<i32, Vec<LogicQueueMappingItem>>,
    /// Name of the scope.
    pub scope: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// Logical queues in all.
    pub total_queues: i32,
}

/// A broker's part of a static topic, for clients (Java: `TopicQueueMappingInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicQueueMappingInfo {
    /// Name of the broker group.
    pub bname: Option<String>,
    /// Logical queue to the broker's queue.
    pub curr_id_map: Option<BTreeMap<i32, i32>>,
    /// Whether the mapping is out of date.
    pub dirty: bool,
    /// Which mapping is newer.
    pub epoch: i64,
    /// Name of the scope.
    pub scope: Option<String>,
    /// The topic.
    pub topic: Option<String>,
    /// Logical queues in all.
    pub total_queues: i32,
}
