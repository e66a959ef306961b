//! Offsets that groups committed: `config/consumerOffset.json`, `config/delayOffset.json` and the answers made of them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DataVersion;

/// Committed offsets of all groups (Java: `ConsumerOffsetSerializeWrapper`, and the file `consumerOffset.json`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerOffsetSerializeWrapper {
    /// How new the table is; since 5.
    pub data_version: Option<DataVersion>,
    /// Group to the topics in which it has offsets; since 5.5.
    pub group_topic_map: Option<BTreeMap<String, Vec<String>>>,
    /// `topic@group` to queue id to committed queue offset.
    pub offset_table: BTreeMap<String, BTreeMap<i32, i64>>,
    /// `topic@group` to committed queue offset, for groups of light message queues, which have one queue each; in
    /// `lmqConsumerOffset.json` only.
    pub lmq_offset_table: Option<BTreeMap<String, i64>>,
    /// `topic@group` to queue id to the queue offset pulled up to; since 5.
    pub pull_offset_table: Option<BTreeMap<String, BTreeMap<i32, i64>>>,
}

/// Offsets of the delay levels (Java: `DelayOffsetSerializeWrapper`, and the file `delayOffset.json`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DelayOffsetSerializeWrapper {
    /// How new the table is; since 5.
    pub data_version: Option<DataVersion>,
    /// Delay level to the queue offset delivered up to.
    pub offset_table: BTreeMap<i32, i64>,
}

/// Messages that wait in the timers, by topic (Java: `TimerMetricsSerializeWrapper`, and the file `timermetrics`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimerMetricsSerializeWrapper {
    /// How new the counts are.
    pub data_version: Option<DataVersion>,
    /// Topic to its count.
    pub timing_count: BTreeMap<String, TimerMetric>,
}

/// Half messages that are open, by topic (Java: `TransactionMetricsSerializeWrapper`, the file `transactionMetrics`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TransactionMetricsSerializeWrapper {
    /// How new the counts are.
    pub data_version: Option<DataVersion>,
    /// Topic to its count; in files of older brokers under another name.
    #[serde(alias = "timingCount")]
    pub transaction_count: BTreeMap<String, TimerMetric>,
}

/// Messages of a topic that wait (Java: `TimerMetrics.Metric`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimerMetric {
    /// How many, less recalls.
    pub count: i64,
    /// When it was counted.
    pub time_stamp: i64,
}

/// Answer of `QUERY_CORRECTION_OFFSET` (Java: `QueryCorrectionOffsetBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryCorrectionOffsetBody {
    /// Queue id to queue offset.
    pub correction_offsets: BTreeMap<i32, i64>,
}
