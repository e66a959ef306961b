//! What clients say that they produce and consume.

use serde::{Deserialize, Serialize};

use super::{ConsumeFromWhere, ConsumeType, MessageModel};

/// Request of `HEART_BEAT` (Java: `HeartbeatData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HeartbeatData {
    /// The client's id.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// Groups in which it consumes.
    pub consumer_data_set: Vec<ConsumerData>,
    /// Hash of the heartbeat; 0 when the client does not use it.
    pub heartbeat_fingerprint: i32,
    /// Groups in which it produces.
    pub producer_data_set: Vec<ProducerData>,
    /// Whether the subscriptions are left out because they are as before.
    #[serde(rename = "withoutSub")]
    pub is_without_sub: bool,
}

/// A group in which a client produces (Java: `ProducerData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerData {
    /// Name of the group.
    pub group_name: String,
}

/// A group in which a client consumes (Java: `ConsumerData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerData {
    /// Where the group starts.
    pub consume_from_where: ConsumeFromWhere,
    /// How it consumes.
    pub consume_type: ConsumeType,
    /// Name of the group.
    pub group_name: String,
    /// Who of the group gets a message.
    pub message_model: MessageModel,
    /// What it wants.
    pub subscription_data_set: Vec<SubscriptionData>,
    /// Whether the client is in unit mode.
    pub unit_mode: bool,
}

/// Which messages of a topic a group wants (Java: `SubscriptionData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SubscriptionData {
    /// Whether a class filters; out of use.
    pub class_filter_mode: bool,
    /// Hashes of the tags; empty for all.
    pub code_set: Vec<i32>,
    /// `TAG`, or `SQL92`.
    pub expression_type: Option<String>,
    /// The expression, `*` for all.
    pub sub_string: String,
    /// When the subscription was made, in milliseconds since 1970.
    pub sub_version: i64,
    /// Tags of the expression, in Java's order; empty for all.
    pub tags_set: Vec<String>,
    /// The topic.
    pub topic: String,
}

impl Default for SubscriptionData {
    /// Java's defaults.
    fn default() -> Self {
        SubscriptionData {
            class_filter_mode: Default::default(),
            code_set: Default::default(),
            expression_type: Some("TAG".to_owned()),
            sub_string: "*".to_owned(),
            sub_version: Default::default(),
            tags_set: Default::default(),
            topic: Default::default(),
        }
    }
}

impl SubscriptionData {
    /// Whether the expression is about tags.
    pub fn is_tag_type(&self) -> bool {
        self.expression_type.as_deref().is_none_or(|kind| kind.is_empty() || kind == "TAG")
    }
}

/// Request of `CHECK_CLIENT_CONFIG` (Java: `CheckClientRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CheckClientRequestBody {
    /// The client's id.
    pub client_id: String,
    /// Its group.
    pub group: String,
    /// The client's namespace.
    pub namespace: Option<String>,
    /// The subscription to check.
    pub subscription_data: SubscriptionData,
}

/// Answer of `QUERY_SUBSCRIPTION_BY_CONSUMER` (Java: `QuerySubscriptionResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QuerySubscriptionResponseBody {
    /// The group.
    pub group: String,
    /// What the group wants of the topic.
    pub subscription_data: Option<SubscriptionData>,
    /// The topic.
    pub topic: String,
}
