//! Where topics and brokers are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::TopicQueueMappingInfo;

/// Where a topic is (Java: `TopicRouteData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicRouteData {
    /// The broker groups.
    pub broker_datas: Vec<BrokerData>,
    /// Broker address to addresses of filter servers; out of use, but always there.
    pub filter_server_table: BTreeMap<String, Vec<String>>,
    /// Queues of an ordered topic, `broker:queues;…`.
    pub order_topic_conf: Option<String>,
    /// The topic's queues on each broker group.
    pub queue_datas: Vec<QueueData>,
    /// Broker name to its part of a static topic.
    pub topic_queue_mapping_by_broker: Option<BTreeMap<String, TopicQueueMappingInfo>>,
}

/// A topic's queues on one broker group (Java: `QueueData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueData {
    /// Name of the broker group.
    pub broker_name: String,
    /// Permission bits: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Queues to read from.
    pub read_queue_nums: i32,
    /// Bits of the topic: 1 unit, 2 unit subscription. Older versions call it `topicSynFlag`.
    pub topic_sys_flag: i32,
    /// Queues to write to.
    pub write_queue_nums: i32,
}

/// One broker group (Java: `BrokerData`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerData {
    /// Broker id to address `ip:port`; 0 is the master.
    pub broker_addrs: BTreeMap<i64, String>,
    /// Its name.
    pub broker_name: String,
    /// Name of its cluster.
    pub cluster: String,
    /// Whether a slave stands in for a lost master.
    pub enable_acting_master: bool,
    /// Its zone.
    pub zone_name: Option<String>,
}

/// Answer of `GET_BROKER_CLUSTER_INFO` (Java: `ClusterInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterInfo {
    /// Broker name to its group.
    pub broker_addr_table: BTreeMap<String, BrokerData>,
    /// Cluster to broker names.
    pub cluster_addr_table: BTreeMap<String, Vec<String>>,
}

/// The live members of a broker group (Java: `BrokerMemberGroup`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerMemberGroup {
    /// Broker id to address `ip:port`.
    pub broker_addrs: BTreeMap<i64, String>,
    /// Name of the group.
    pub broker_name: String,
    /// Name of the cluster.
    pub cluster: String,
}

/// Answer of `GET_BROKER_MEMBER_GROUP` (Java: `GetBrokerMemberGroupResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GetBrokerMemberGroupResponseBody {
    /// The group, if it is known.
    pub broker_member_group: Option<BrokerMemberGroup>,
}
