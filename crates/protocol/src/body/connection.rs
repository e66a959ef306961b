//! Who is connected: producers and consumers as the broker knows them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConsumeFromWhere, ConsumeType, MessageModel, SubscriptionData};
use crate::Language;

/// One client (Java: `Connection`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Connection {
    /// Address `ip:port` from which it is connected.
    pub client_addr: String,
    /// The client's id.
    pub client_id: String,
    /// Its language.
    pub language: Language,
    /// Its version, an ordinal in Java's list of versions.
    pub version: i32,
}

/// Answer of `GET_PRODUCER_CONNECTION_LIST` (Java: `ProducerConnection`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerConnection {
    /// The members of the group.
    pub connection_set: Vec<Connection>,
}

/// Answer of `GET_CONSUMER_CONNECTION_LIST` (Java: `ConsumerConnection`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConsumerConnection {
    /// The members of the group.
    pub connection_set: Vec<Connection>,
    /// Where the group starts.
    pub consume_from_where: Option<ConsumeFromWhere>,
    /// How the group consumes.
    pub consume_type: Option<ConsumeType>,
    /// Who of the group gets a message.
    pub message_model: Option<MessageModel>,
    /// Topic to what the group wants of it.
    pub subscription_table: BTreeMap<String, SubscriptionData>,
}

/// Answer of `GET_CONSUMER_LIST_BY_GROUP` (Java: `GetConsumerListByGroupResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetConsumerListByGroupResponseBody {
    /// Client ids of the members.
    pub consumer_id_list: Vec<String>,
}

/// One producer (Java: `ProducerInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerInfo {
    /// The client's id.
    pub client_id: String,
    /// Its language.
    pub language: Language,
    /// Time of its last heartbeat, in milliseconds since 1970.
    pub last_update_timestamp: i64,
    /// Address from which it is connected, `/ip:port`.
    #[serde(rename = "remoteIP")]
    pub remote_ip: String,
    /// Its version, an ordinal in Java's list of versions.
    pub version: i32,
}

/// Answer of `GET_ALL_PRODUCER_INFO` (Java: `ProducerTableInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProducerTableInfo {
    /// Group to its members.
    pub data: BTreeMap<String, Vec<ProducerInfo>>,
}
