//! What brokers are asked about topics.

use eruca_message::names::AUTO_CREATE_TOPIC;
use eruca_protocol::{
    RequestCode,
    body::{
        CreateTopicListRequestBody, GroupList, TopicConfig, TopicConfigSerializeWrapper, TopicFilterType,
        TopicList, TopicStatsTable,
    },
    request::{
        DeleteTopicInBrokerRequest, GetTopicConfigRequest, GetTopicStatsInfoRequest,
        QueryTopicConsumeByWhoRequest, QueryTopicsByConsumerRequest, UpdateAndCreateTopicRequest,
    },
};

use super::Admin;
use crate::CallError;

impl Admin {
    /// Creates or changes a topic on the broker at `addr`. Attributes are given as requests want them: `+name` sets,
    /// `-name` removes.
    pub async fn create_and_update_topic_config(
        &self,
        addr: &str,
        config: &TopicConfig,
    ) -> Result<(), CallError> {
        let attributes = config
            .attributes
            .iter()
            .map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}={value}") })
            .collect::<Vec<_>>()
            .join(",");
        let header = UpdateAndCreateTopicRequest {
            topic: config.topic_name.clone(),
            default_topic: AUTO_CREATE_TOPIC.to_owned(),
            read_queue_nums: config.read_queue_nums,
            write_queue_nums: config.write_queue_nums,
            perm: config.perm,
            topic_filter_type: match config.topic_filter_type {
                TopicFilterType::SingleTag => "SINGLE_TAG".to_owned(),
                TopicFilterType::MultiTag => "MULTI_TAG".to_owned(),
            },
            topic_sys_flag: Some(config.topic_sys_flag),
            order: config.order,
            attributes: (!attributes.is_empty()).then_some(attributes),
            force: None,
        };
        self.ask(addr, &header).await.map(drop)
    }

    /// Creates or changes topics on the broker at `addr` with one request. Attributes are given as for
    /// [`Admin::create_and_update_topic_config`]. Brokers before 5.3 do not know the request.
    pub async fn create_and_update_topic_config_list(
        &self,
        addr: &str,
        configs: &[TopicConfig],
    ) -> Result<(), CallError> {
        let body = CreateTopicListRequestBody { topic_config_list: configs.to_vec() };
        self.tell(addr, RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, &body).await.map(drop)
    }

    /// The settings of `topic` on the broker at `addr`.
    pub async fn examine_topic_config(&self, addr: &str, topic: &str) -> Result<TopicConfig, CallError> {
        self.ask_body(addr, &GetTopicConfigRequest { topic: topic.to_owned() }).await
    }

    /// The settings of all topics of the broker at `addr`.
    pub async fn all_topic_config(&self, addr: &str) -> Result<TopicConfigSerializeWrapper, CallError> {
        self.ask_plain(addr, RequestCode::GET_ALL_TOPIC_CONFIG).await
    }

    /// Deletes `topic` with its offsets on the brokers at `addrs`. Stops at the first that fails.
    pub async fn delete_topic_in_broker(&self, addrs: &[String], topic: &str) -> Result<(), CallError> {
        let header = DeleteTopicInBrokerRequest { topic: topic.to_owned() };
        for addr in addrs {
            self.ask(addr, &header).await?;
        }
        Ok(())
    }

    /// Lowest and highest offset and last write of every queue of `topic` on the broker at `addr`.
    pub async fn examine_topic_stats(&self, addr: &str, topic: &str) -> Result<TopicStatsTable, CallError> {
        self.ask_body(addr, &GetTopicStatsInfoRequest { topic: topic.to_owned() }).await
    }

    /// The groups that have offsets of `topic` on the broker at `addr`.
    pub async fn query_topic_consume_by_who(&self, addr: &str, topic: &str) -> Result<GroupList, CallError> {
        self.ask_body(addr, &QueryTopicConsumeByWhoRequest { topic: topic.to_owned() }).await
    }

    /// The topics of which `group` has offsets on the broker at `addr`.
    pub async fn query_topics_by_consumer(&self, addr: &str, group: &str) -> Result<TopicList, CallError> {
        self.ask_body(addr, &QueryTopicsByConsumerRequest { group: group.to_owned() }).await
    }

    /// The system topics of the broker at `addr`.
    pub async fn system_topic_list_of_broker(&self, addr: &str) -> Result<TopicList, CallError> {
        self.ask_plain(addr, RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_BROKER).await
    }
}
