//! Lite topics: who subscribes to which, and what there is of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{LiteSubscriptionAction, OffsetOptionType, OffsetWrapper, TopicOffset};

/// Request of `LITE_SUBSCRIPTION_CTL` (Java: `LiteSubscriptionCtlRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiteSubscriptionCtlRequestBody {
    /// The changes.
    pub subscription_set: Vec<LiteSubscriptionDto>,
}

/// A change of what a client subscribes to (Java: `LiteSubscriptionDTO`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiteSubscriptionDto {
    /// What is to be done.
    pub action: Option<LiteSubscriptionAction>,
    /// The client.
    pub client_id: Option<String>,
    /// Its group.
    pub group: Option<String>,
    /// The parent topic.
    pub topic: Option<String>,
    /// The lite topics.
    pub lite_topic_set: Option<BTreeSet<String>>,
    /// Where the group goes on in them; where it is, if nothing is said.
    pub offset_option: Option<OffsetOption>,
    /// Version of the client's set.
    pub version: i64,
}

/// Where a group goes on (Java: `OffsetOption`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OffsetOption {
    /// What the value means.
    #[serde(rename = "type")]
    pub kind: OffsetOptionType,
    /// With `POLICY` 0 where it is, 1 at the first message, 2 behind the last; with `OFFSET` an offset; with `TAIL_N` how far
    /// back.
    #[serde(default)]
    pub value: i64,
}

/// Answer of `GET_BROKER_LITE_INFO` (Java: `GetBrokerLiteInfoResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetBrokerLiteInfoResponseBody {
    /// `storeType`.
    pub store_type: String,
    /// Most light message queues, if there is a limit.
    pub max_lmq_num: i32,
    /// Light message queues.
    pub current_lmq_num: i32,
    /// Subscriptions: of so many clients to so many lite topics.
    pub lite_subscription_count: i32,
    /// Queues and groups with messages in flight.
    pub order_info_count: i32,
    /// Topics with queues.
    pub cq_table_size: i32,
    /// Topics and groups with offsets.
    pub offset_table_size: i32,
    /// Clients of which is known what there is for them.
    pub event_map_size: i32,
    /// Parent topics, and after how many minutes without a message their lite topics are deleted.
    pub topic_meta: Option<BTreeMap<String, i32>>,
    /// Parent topics, and the groups that are bound to them.
    pub group_meta: Option<BTreeMap<String, BTreeSet<String>>>,
}

/// Answer of `GET_PARENT_TOPIC_INFO` (Java: `GetParentTopicInfoResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetParentTopicInfoResponseBody {
    /// The topic.
    pub topic: String,
    /// After how many minutes without a message its lite topics are deleted; -1: never.
    pub ttl: i32,
    /// The groups that are bound to it; `None` where there is none.
    pub groups: Option<BTreeSet<String>>,
    /// Light message queues of the broker.
    pub lmq_num: i32,
    /// Lite topics.
    pub lite_topic_count: i32,
}

/// A client and its group (Java: `ClientGroup`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientGroup {
    /// The client; `*` for all of a group that subscribes to everything.
    pub client_id: String,
    /// The group.
    pub group: String,
}

/// Answer of `GET_LITE_TOPIC_INFO` (Java: `GetLiteTopicInfoResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetLiteTopicInfoResponseBody {
    /// The parent topic.
    pub parent_topic: String,
    /// The lite topic.
    pub lite_topic: String,
    /// Who subscribes to it.
    pub subscriber: Option<BTreeSet<ClientGroup>>,
    /// What is in it.
    pub topic_offset: TopicOffset,
    /// Whether this broker is the one that keeps it.
    pub sharding_to_broker: bool,
}

/// Answer of `GET_LITE_CLIENT_INFO` (Java: `GetLiteClientInfoResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetLiteClientInfoResponseBody {
    /// The parent topic.
    pub parent_topic: String,
    /// The group.
    pub group: String,
    /// The client.
    pub client_id: String,
    /// When it asked for messages last, in ms since 1970; -1: never.
    pub last_access_time: i64,
    /// When it was given any, in ms since 1970; 0 where it is not known.
    pub last_consume_time: i64,
    /// To how many lite topics it subscribes; -1 where it is not known.
    pub lite_topic_count: i32,
    /// Names of their queues, as many as were asked for.
    pub lite_topic_set: Option<BTreeSet<String>>,
}

/// What a group has not consumed of a lite topic (Java: `LiteLagInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LiteLagInfo {
    /// The lite topic.
    pub lite_topic: String,
    /// How many messages.
    pub lag_count: i64,
    /// When the first of them was stored, in ms since 1970; -1 where it is not known.
    pub earliest_unconsumed_timestamp: i64,
}

/// Answer of `GET_LITE_GROUP_INFO` (Java: `GetLiteGroupInfoResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetLiteGroupInfoResponseBody {
    /// The group.
    pub group: String,
    /// The topic that it is bound to.
    pub parent_topic: String,
    /// The lite topic that was asked for.
    pub lite_topic: Option<String>,
    /// When the first message was stored that it has not consumed, in ms since 1970; -1 where there is none.
    pub earliest_unconsumed_timestamp: i64,
    /// How many messages it has not consumed.
    pub total_lag_count: i64,
    /// How far it is in the lite topic that was asked for.
    pub lite_topic_offset_wrapper: Option<OffsetWrapper>,
    /// The lite topics of which it has consumed least.
    pub lag_count_top_k: Option<Vec<LiteLagInfo>>,
    /// Those in which it is behind most.
    pub lag_timestamp_top_k: Option<Vec<LiteLagInfo>>,
}
