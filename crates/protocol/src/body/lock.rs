//! Queues that one member of a group has for itself.

use serde::{Deserialize, Serialize};

use super::MessageQueue;

/// Request of `LOCK_BATCH_MQ` (Java: `LockBatchRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchRequestBody {
    /// The member.
    pub client_id: String,
    /// The group.
    pub consumer_group: String,
    /// The queues.
    pub mq_set: Vec<MessageQueue>,
    /// Whether the broker answers alone, without asking its slaves.
    pub only_this_broker: bool,
}

/// Answer of `LOCK_BATCH_MQ` (Java: `LockBatchResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LockBatchResponseBody {
    /// The queues that the member has now.
    #[serde(rename = "lockOKMQSet")]
    pub lock_ok_mq_set: Vec<MessageQueue>,
}

/// Request of `UNLOCK_BATCH_MQ` (Java: `UnlockBatchRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UnlockBatchRequestBody {
    /// The member.
    pub client_id: String,
    /// The group.
    pub consumer_group: String,
    /// The queues.
    pub mq_set: Vec<MessageQueue>,
    /// Whether the broker answers alone, without asking its slaves.
    pub only_this_broker: bool,
}
