//! What a consumer says about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CMResult, QueueMap, SubscriptionData};

/// Answer of `GET_CONSUMER_RUNNING_INFO` (Java: `ConsumerRunningInfo`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerRunningInfo {
    /// Stacks of its threads, if asked for.
    pub jstack: Option<String>,
    /// Queue to what it popped of it.
    pub mq_pop_table: QueueMap<PopProcessQueueInfo>,
    /// Queue to what it holds of it.
    pub mq_table: QueueMap<ProcessQueueInfo>,
    /// Settings and state by name.
    pub properties: BTreeMap<String, String>,
    /// Topic to how fast it consumes.
    pub status_table: BTreeMap<String, ConsumeStatus>,
    /// What it wants.
    pub subscription_set: Vec<SubscriptionData>,
    /// What the application adds.
    pub user_consumer_info: BTreeMap<String, String>,
}

/// What a consumer holds of one queue (Java: `ProcessQueueInfo`). Offsets are queue offsets, times milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProcessQueueInfo {
    /// Messages held.
    pub cached_msg_count: i32,
    /// Offset of the last message held.
    pub cached_msg_max_offset: i64,
    /// Offset of the first message held.
    pub cached_msg_min_offset: i64,
    /// Their size in MiB.
    pub cached_msg_size_in_mi_b: i32,
    /// Offset to be committed.
    pub commit_offset: i64,
    /// Whether the queue went to another consumer (Java's spelling).
    pub droped: bool,
    /// When a message of it was last consumed.
    pub last_consume_timestamp: i64,
    /// When it was last given.
    pub last_lock_timestamp: i64,
    /// When it was last pulled.
    pub last_pull_timestamp: i64,
    /// Whether the broker gave the queue to this consumer alone.
    pub locked: bool,
    /// Messages being consumed in order.
    pub transaction_msg_count: i32,
    /// Offset of the last message being consumed in order.
    pub transaction_msg_max_offset: i64,
    /// Offset of the first message being consumed in order.
    pub transaction_msg_min_offset: i64,
    /// Attempts to give it back.
    pub try_unlock_times: i64,
}

/// What a consumer popped of one queue (Java: `PopProcessQueueInfo`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PopProcessQueueInfo {
    /// Whether the queue went to another consumer (Java's spelling).
    pub droped: bool,
    /// When it was last popped, in milliseconds since 1970.
    pub last_pop_timestamp: i64,
    /// Messages to be acknowledged.
    pub wait_ack_count: i32,
}

/// How fast a topic is consumed (Java: `ConsumeStatus`).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeStatus {
    /// Messages failed in the last hour.
    pub consume_failed_msgs: i64,
    /// Messages failed for each second.
    #[serde(rename = "consumeFailedTPS")]
    pub consume_failed_tps: f64,
    /// Messages consumed for each second.
    #[serde(rename = "consumeOKTPS")]
    pub consume_ok_tps: f64,
    /// Milliseconds to consume.
    #[serde(rename = "consumeRT")]
    pub consume_rt: f64,
    /// Milliseconds for a pull.
    #[serde(rename = "pullRT")]
    pub pull_rt: f64,
    /// Messages pulled for each second.
    #[serde(rename = "pullTPS")]
    pub pull_tps: f64,
}

/// Answer of `CONSUME_MESSAGE_DIRECTLY` (Java: `ConsumeMessageDirectlyResult`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeMessageDirectlyResult {
    /// Whether offsets are committed by themselves.
    pub auto_commit: bool,
    /// What the application said.
    pub consume_result: Option<CMResult>,
    /// Whether it consumes in order.
    pub order: bool,
    /// What went wrong.
    pub remark: Option<String>,
    /// How long it took, in milliseconds.
    pub spent_time_mills: i64,
}

impl Default for ConsumeMessageDirectlyResult {
    /// Java's defaults.
    fn default() -> Self {
        ConsumeMessageDirectlyResult {
            auto_commit: true,
            consume_result: Default::default(),
            order: Default::default(),
            remark: Default::default(),
            spent_time_mills: Default::default(),
        }
    }
}
