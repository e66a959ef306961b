//! Topics and their settings.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DataVersion, QueueMap, TopicFilterType, TopicQueueMappingDetail, TopicQueueMappingInfo};

/// Settings of a topic (Java: `TopicConfig`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfig {
    /// Further settings by name.
    pub attributes: BTreeMap<String, String>,
    /// Whether its messages are ordered over all brokers.
    pub order: bool,
    /// Permission bits: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Queues to read from.
    pub read_queue_nums: i32,
    /// How many tags its messages have.
    pub topic_filter_type: TopicFilterType,
    /// Name of the topic.
    pub topic_name: String,
    /// Bits of the topic: 1 unit, 2 unit subscription.
    pub topic_sys_flag: i32,
    /// Queues to write to.
    pub write_queue_nums: i32,
}

impl Default for TopicConfig {
    /// Java's defaults.
    fn default() -> Self {
        TopicConfig {
            attributes: Default::default(),
            order: Default::default(),
            perm: 6,
            read_queue_nums: 16,
            topic_filter_type: Default::default(),
            topic_name: Default::default(),
            topic_sys_flag: Default::default(),
            write_queue_nums: 16,
        }
    }
}

impl TopicConfig {
    /// A topic with this many queues and everything else as usual.
    pub fn new(topic_name: impl Into<String>, queue_nums: i32) -> Self {
        TopicConfig {
            topic_name: topic_name.into(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            ..Self::default()
        }
    }
}

/// All topics of a broker, and the file `topics.json` (Java: `TopicConfigSerializeWrapper`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigSerializeWrapper {
    /// How new the table is.
    pub data_version: DataVersion,
    /// Name to settings.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
}

/// All topics of a broker with their static mappings (Java: `TopicConfigAndMappingSerializeWrapper`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigAndMappingSerializeWrapper {
    /// How new that table is.
    pub data_version: DataVersion,
    /// How new the mappings are.
    pub mapping_data_version: DataVersion,
    /// Name to settings.
    pub topic_config_table: BTreeMap<String, TopicConfig>,
    /// Static topic to this broker's part, in full.
    pub topic_queue_mapping_detail_map: BTreeMap<String, TopicQueueMappingDetail>,
    /// Static topic to this broker's part, for clients.
    pub topic_queue_mapping_info_map: BTreeMap<String, TopicQueueMappingInfo>,
}

/// Request of `REGISTER_BROKER` (Java: `RegisterBrokerBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RegisterBrokerBody {
    /// Addresses of its filter servers; out of use.
    pub filter_server_list: Vec<String>,
    /// The broker's topics.
    pub topic_config_serialize_wrapper: TopicConfigAndMappingSerializeWrapper,
}

/// Answer of `GET_TOPIC_CONFIG` (Java: `TopicConfigAndQueueMapping`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicConfigAndQueueMapping {
    /// Further settings by name.
    pub attributes: BTreeMap<String, String>,
    /// The mapping of a static topic.
    pub mapping_detail: Option<TopicQueueMappingDetail>,
    /// Whether its messages are ordered over all brokers.
    pub order: bool,
    /// Permission bits: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Queues to read from.
    pub read_queue_nums: i32,
    /// How many tags its messages have.
    pub topic_filter_type: TopicFilterType,
    /// Name of the topic.
    pub topic_name: String,
    /// Bits of the topic: 1 unit, 2 unit subscription.
    pub topic_sys_flag: i32,
    /// Queues to write to.
    pub write_queue_nums: i32,
}

impl Default for TopicConfigAndQueueMapping {
    /// Java's defaults.
    fn default() -> Self {
        TopicConfigAndQueueMapping {
            attributes: Default::default(),
            mapping_detail: Default::default(),
            order: Default::default(),
            perm: 6,
            read_queue_nums: 16,
            topic_filter_type: Default::default(),
            topic_name: Default::default(),
            topic_sys_flag: Default::default(),
            write_queue_nums: 16,
        }
    }
}

/// Request of `UPDATE_AND_CREATE_TOPIC_LIST` (Java: `CreateTopicListRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CreateTopicListRequestBody {
    /// The topics.
    pub topic_config_list: Vec<TopicConfig>,
}

/// Names of topics (Java: `TopicList`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicList {
    /// Address `ip:port` of the broker, where one was asked.
    pub broker_addr: Option<String>,
    /// The names.
    pub topic_list: Vec<String>,
}

/// What one queue holds (Java: `TopicOffset`). Offsets are queue offsets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicOffset {
    /// Store time of the last message, in milliseconds since 1970; 0 without one.
    pub last_update_timestamp: i64,
    /// Offset behind the last message.
    pub max_offset: i64,
    /// Offset of the first message.
    pub min_offset: i64,
}

/// Answer of `GET_TOPIC_STATS_INFO` (Java: `TopicStatsTable`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TopicStatsTable {
    /// Queue to what it holds.
    pub offset_table: QueueMap<TopicOffset>,
    /// Messages put for each second.
    pub topic_put_tps: f64,
}
