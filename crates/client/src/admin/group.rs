//! What brokers are asked about consumer groups: settings and progress.

use std::collections::BTreeMap;

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::{
    RequestCode, ResponseCode,
    body::{
        ConsumeStats, ConsumeStatsList, ConsumerOffsetSerializeWrapper, ResetOffsetBody,
        SetMessageRequestModeRequestBody, SubscriptionData, SubscriptionGroupConfig,
        SubscriptionGroupWrapper,
    },
    request::{
        DeleteSubscriptiongroupRequest, GetBrokerConsumeStatsRequest, GetConsumeStatsRequest,
        GetSubscriptiongroupConfigRequest, InvokeBrokerToResetOffsetRequest, QueryConsumerOffsetRequest,
        QueryConsumerOffsetResponse, QuerySubscriptionByConsumerRequest, UpdateConsumerOffsetRequest,
    },
};

use super::Admin;
use crate::CallError;

impl Admin {
    /// Creates or changes a group on the broker at `addr`.
    pub async fn create_and_update_subscription_group_config(
        &self,
        addr: &str,
        config: &SubscriptionGroupConfig,
    ) -> Result<(), CallError> {
        self.tell(addr, RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, config).await.map(drop)
    }

    /// Sets whether the members of a group pull or pop a topic on the broker at `addr`, where brokers share the queues.
    pub async fn set_message_request_mode(
        &self,
        addr: &str,
        mode: &SetMessageRequestModeRequestBody,
    ) -> Result<(), CallError> {
        self.tell(addr, RequestCode::SET_MESSAGE_REQUEST_MODE, mode).await.map(drop)
    }

    /// The settings of `group` on the broker at `addr`.
    pub async fn examine_subscription_group_config(
        &self,
        addr: &str,
        group: &str,
    ) -> Result<SubscriptionGroupConfig, CallError> {
        self.ask_body(addr, &GetSubscriptiongroupConfigRequest { group: group.to_owned() }).await
    }

    /// The settings of all groups of the broker at `addr`.
    pub async fn all_subscription_group(&self, addr: &str) -> Result<SubscriptionGroupWrapper, CallError> {
        self.ask_plain(addr, RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG).await
    }

    /// Deletes `group` on the broker at `addr`, with its offsets where `clean_offset` says so.
    pub async fn delete_subscription_group(
        &self,
        addr: &str,
        group: &str,
        clean_offset: bool,
    ) -> Result<(), CallError> {
        let header = DeleteSubscriptiongroupRequest { group_name: group.to_owned(), clean_offset };
        self.ask(addr, &header).await.map(drop)
    }

    /// Progress of `group` on the broker at `addr`, of all its topics or of `topic`.
    pub async fn examine_consume_stats(
        &self,
        addr: &str,
        group: &str,
        topic: Option<&str>,
    ) -> Result<ConsumeStats, CallError> {
        let header =
            GetConsumeStatsRequest { consumer_group: group.to_owned(), topic: topic.map(str::to_owned) };
        self.ask_body(addr, &header).await
    }

    /// Progress of all groups on the broker at `addr`; of ordered ones only with `is_order`.
    pub async fn fetch_consume_stats_in_broker(
        &self,
        addr: &str,
        is_order: bool,
    ) -> Result<ConsumeStatsList, CallError> {
        self.ask_body(addr, &GetBrokerConsumeStatsRequest { is_order }).await
    }

    /// What `group` subscribes of `topic`, as the broker at `addr` knows it; `None` where it does not.
    pub async fn query_subscription(
        &self,
        addr: &str,
        group: &str,
        topic: &str,
    ) -> Result<Option<SubscriptionData>, CallError> {
        let header =
            QuerySubscriptionByConsumerRequest { group: group.to_owned(), topic: Some(topic.to_owned()) };
        let body: eruca_protocol::body::QuerySubscriptionResponseBody = self.ask_body(addr, &header).await?;
        Ok(body.subscription_data)
    }

    /// The committed offset of `group` in `queue` on the broker at `addr`; `None` where there is none.
    pub async fn consumer_offset(
        &self,
        addr: &str,
        group: &str,
        queue: &MessageQueue,
    ) -> Result<Option<i64>, CallError> {
        let header = QueryConsumerOffsetRequest {
            consumer_group: group.to_owned(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            set_zero_if_not_found: Some(false),
        };
        match self.ask_header::<_, QueryConsumerOffsetResponse>(addr, &header).await {
            Ok(answer) => Ok(Some(answer.offset)),
            Err(CallError::Refused { code: ResponseCode::QUERY_NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sets the committed offset of `group` in `queue` on the broker at `addr`.
    pub async fn update_consume_offset(
        &self,
        addr: &str,
        group: &str,
        queue: &MessageQueue,
        offset: i64,
    ) -> Result<(), CallError> {
        let header = UpdateConsumerOffsetRequest {
            consumer_group: group.to_owned(),
            topic: queue.topic.clone(),
            queue_id: queue.queue_id,
            commit_offset: offset,
        };
        self.ask(addr, &header).await.map(drop)
    }

    /// All committed offsets of the broker at `addr`.
    pub async fn all_consumer_offset(&self, addr: &str) -> Result<ConsumerOffsetSerializeWrapper, CallError> {
        self.ask_plain(addr, RequestCode::GET_ALL_CONSUMER_OFFSET).await
    }

    /// Moves `group` in `topic` on the broker at `addr` to where messages of `timestamp` begin; only backwards unless
    /// `is_force`. The new offsets by queue.
    pub async fn reset_offset_by_timestamp(
        &self,
        addr: &str,
        topic: &str,
        group: &str,
        timestamp: Timestamp,
        is_force: bool,
    ) -> Result<BTreeMap<MessageQueue, i64>, CallError> {
        let header = InvokeBrokerToResetOffsetRequest {
            group: group.to_owned(),
            topic: topic.to_owned(),
            queue_id: -1,
            offset: None,
            timestamp: timestamp.0,
            is_force,
        };
        self.reset(addr, &header).await
    }

    /// Moves `group` in queue `queue_id` of `topic` on the broker at `addr` to `offset`.
    pub async fn reset_offset_by_queue_id(
        &self,
        addr: &str,
        group: &str,
        topic: &str,
        queue_id: i32,
        offset: i64,
    ) -> Result<BTreeMap<MessageQueue, i64>, CallError> {
        let header = InvokeBrokerToResetOffsetRequest {
            group: group.to_owned(),
            topic: topic.to_owned(),
            queue_id,
            offset: Some(offset),
            timestamp: 0,
            is_force: true,
        };
        self.reset(addr, &header).await
    }

    async fn reset(
        &self,
        addr: &str,
        header: &InvokeBrokerToResetOffsetRequest,
    ) -> Result<BTreeMap<MessageQueue, i64>, CallError> {
        let answer = self.ask(addr, header).await?;
        if answer.reply.body.is_empty() {
            return Ok(BTreeMap::new());
        }
        let body: ResetOffsetBody = answer.body()?;
        Ok(body.offset_table.into_iter().collect())
    }
}
