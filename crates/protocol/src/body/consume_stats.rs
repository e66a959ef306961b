//! How far consumers are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{MessageQueue, QueueMap};

/// How far a group is in one queue (Java: `OffsetWrapper`). Offsets are queue offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OffsetWrapper {
    /// Offset behind the last message.
    pub broker_offset: i64,
    /// Offset that the group committed.
    pub consumer_offset: i64,
    /// Store time of the last message consumed, in milliseconds since 1970; 0 when unknown.
    pub last_timestamp: i64,
    /// Offset up to which the group pulled.
    pub pull_offset: i64,
}

/// Answer of `GET_CONSUME_STATS` (Java: `ConsumeStats`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStats {
    /// Messages consumed for each second.
    pub consume_tps: f64,
    /// Queue to how far the group is in it.
    pub offset_table: QueueMap<OffsetWrapper>,
}

/// Answer of `GET_BROKER_CONSUME_STATS` (Java: `ConsumeStatsList`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatsList {
    /// Address `ip:port` of the broker.
    pub broker_addr: Option<String>,
    /// For each group, its numbers for each of its topics.
    pub consume_stats_list: Vec<BTreeMap<String, Vec<ConsumeStats>>>,
    /// Messages not consumed, over all groups.
    pub total_diff: i64,
    /// Messages pulled and not consumed, over all groups.
    pub total_inflight_diff: i64,
}

/// What one queue holds in time (Java: `QueueTimeSpan`). Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueTimeSpan {
    /// Store time of the last message that the group consumed.
    pub consume_time_stamp: i64,
    /// How long the group is behind, in milliseconds.
    pub delay_time: i64,
    /// Store time of its last message.
    pub max_time_stamp: i64,
    /// The queue.
    pub message_queue: Option<MessageQueue>,
    /// Store time of its first message.
    pub min_time_stamp: i64,
}

/// Answer of `QUERY_CONSUME_TIME_SPAN` (Java: `QueryConsumeTimeSpanBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeTimeSpanBody {
    /// The topic's queues.
    pub consume_time_span_set: Vec<QueueTimeSpan>,
}
