//! `QUERY_CONSUME_QUEUE`: entries of a consume queue, for people.

use serde::{Deserialize, Serialize};

use super::SubscriptionData;

/// One entry of a consume queue (Java: `ConsumeQueueData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumeQueueData {
    /// Bits of the filters that the message passed.
    pub bit_map: Option<String>,
    /// Whether the group's filter lets the message pass.
    pub eval: bool,
    /// Extension of the entry, as JSON.
    pub extend_data_json: Option<String>,
    /// Why it could not be said.
    pub msg: Option<String>,
    /// Where the message starts in the commit log, in bytes.
    pub physic_offset: i64,
    /// Length of the message's record in bytes.
    pub physic_size: i32,
    /// Hash of the message's tag.
    pub tags_code: i64,
}

/// Answer of `QUERY_CONSUME_QUEUE` (Java: `QueryConsumeQueueResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueryConsumeQueueResponseBody {
    /// The group's compiled filter, or why there is none.
    pub filter_data: Option<String>,
    /// Queue offset behind the last entry.
    pub max_queue_index: i64,
    /// Queue offset of the first entry.
    pub min_queue_index: i64,
    /// The entries.
    pub queue_data: Option<Vec<ConsumeQueueData>>,
    /// What the group wants of the topic.
    pub subscription_data: Option<SubscriptionData>,
}
