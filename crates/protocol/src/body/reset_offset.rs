//! Offsets that consumers are told to go to, or say that they are at.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::QueueMap;

/// Request of `RESET_CONSUMER_CLIENT_OFFSET`, answer of `INVOKE_BROKER_TO_RESET_OFFSET` (Java: `ResetOffsetBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBody {
    /// Queue to queue offset.
    pub offset_table: QueueMap<i64>,
}

/// [`ResetOffsetBody`] for C++ clients (Java: `ResetOffsetBodyForC`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResetOffsetBodyForC {
    /// Queues and queue offsets.
    pub offset_table: Vec<MessageQueueForC>,
}

/// One queue and its offset (Java: `MessageQueueForC`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueueForC {
    /// Name of the broker group.
    pub broker_name: String,
    /// Queue offset.
    pub offset: i64,
    /// Number of the queue.
    pub queue_id: i32,
    /// Topic.
    pub topic: String,
}

/// Answer of `GET_CONSUMER_STATUS_FROM_CLIENT` and `INVOKE_BROKER_TO_GET_CONSUMER_STATUS` (Java: `GetConsumerStatusBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetConsumerStatusBody {
    /// Client id to queue to queue offset.
    pub consumer_table: BTreeMap<String, QueueMap<i64>>,
    /// Queue to queue offset, of one client.
    pub message_queue_table: QueueMap<i64>,
}
