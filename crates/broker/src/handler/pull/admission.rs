//! Whether a group may pull from a queue: the checks of a pull, in Java's order.

use std::sync::Arc;

use eruca_protocol::{
    RequestCode, ResponseCode,
    body::{MessageModel, SubscriptionGroupConfig, TopicConfig},
    request::PullMessageRequest,
};
use eruca_remoting::Caller;

use super::pull_message::PullMessageHandler;
use crate::{
    clients::Wishes,
    config::BrokerConfig,
    filter::{MessageFilter, Subscription, check_expression_type},
    groups::FORBIDDEN_READ,
    reply::HandlerError,
    topics::perm,
};

/// Bits of a pull's sysFlag (Java: `PullSysFlag`).
pub(super) mod flag {
    pub(crate) const COMMIT_OFFSET: i32 = 1;
    pub(crate) const SUSPEND: i32 = 2;
    pub(crate) const SUBSCRIPTION: i32 = 4;
}

/// A pull that may be served.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) topic: Arc<TopicConfig>,
    pub(super) group: Arc<SubscriptionGroupConfig>,
    pub(super) filter: MessageFilter,
    /// What others of the group want and the puller does not.
    pub(super) others: Vec<Wishes>,
}

impl PullMessageHandler {
    pub(super) fn admit(
        &self,
        code: RequestCode,
        header: &PullMessageRequest,
        config: &BrokerConfig,
        caller: &Caller,
    ) -> Result<Admitted, HandlerError> {
        let (group, topic) = (header.consumer_group.as_str(), header.topic.as_str());
        if !perm::is_readable(config.broker_permission) {
            return Err(HandlerError::no_permission(format!(
                "the broker pulling message is forbidden: its brokerPermission={} is not readable",
                config.broker_permission
            )));
        }
        if code == RequestCode::LITE_PULL_MESSAGE && !config.lite_pull_message_enable {
            return Err(HandlerError::no_permission(
                "the broker for lite pull consumer is forbidden: litePullMessageEnable=false",
            ));
        }
        let group_config =
            self.groups.get_or_create(group).ok_or_else(|| HandlerError::group_not_exist(group))?;
        if !group_config.consume_enable {
            return Err(HandlerError::no_permission(format!(
                "subscription group no permission, {group}: its consumeEnable is false"
            )));
        }
        let topic_config = self.topics.get(topic).ok_or_else(|| HandlerError::topic_not_exist(topic))?;
        if !perm::is_readable(topic_config.perm) {
            return Err(HandlerError::no_permission(format!(
                "the topic[{topic}] pulling message is forbidden"
            )));
        }
        if !(0..topic_config.read_queue_nums).contains(&header.queue_id) {
            return Err(HandlerError::invalid_parameter(format!(
                "queueId[{}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[{}]",
                header.queue_id,
                topic_config.read_queue_nums,
                caller.peer_addr()
            )));
        }
        let subscription = if header.sys_flag & flag::SUBSCRIPTION != 0 {
            let kind = header.expression_type.as_deref();
            check_expression_type(kind, config.enable_property_filter)?;
            Arc::new(Subscription::of_pull(topic, header.subscription.as_deref(), kind, &self.filters)?)
        } else {
            self.registered_subscription(header, &group_config, caller, config)?
        };
        let filter = subscription.filter.clone().map_err(|error| {
            HandlerError::new(
                ResponseCode::FILTER_DATA_NOT_EXIST,
                format!(
                    "The broker's consumer filter data is not exist!Your expression may be wrong! {error}"
                ),
            )
        })?;
        let is_member = header.sys_flag & flag::SUBSCRIPTION == 0 && group_config.retry_queue_nums > 0;
        let left_by = || self.consumers.left_by(group, topic, caller.id());
        let others = is_member.then(left_by).unwrap_or_default();
        Ok(Admitted { topic: topic_config, group: group_config, filter, others })
    }

    /// The subscription that the caller's heartbeat told; of one that sends none, as its group's.
    fn registered_subscription(
        &self,
        header: &PullMessageRequest,
        group_config: &SubscriptionGroupConfig,
        caller: &Caller,
        config: &BrokerConfig,
    ) -> Result<Arc<Subscription>, HandlerError> {
        let (group, topic) = (header.consumer_group.as_str(), header.topic.as_str());
        let not_exist = |remark: &str| {
            HandlerError::new(
                ResponseCode::SUBSCRIPTION_NOT_EXIST,
                format!("{remark}: group {group}, topic {topic}; its next heartbeat will tell it"),
            )
        };
        let model = self
            .consumers
            .message_model(group)
            .ok_or_else(|| not_exist("the consumer's group info not exist"))?;
        if !group_config.consume_broadcast_enable && model == MessageModel::Broadcasting {
            return Err(HandlerError::no_permission(format!(
                "the consumer group[{group}] can not consume by broadcast way"
            )));
        }
        if self.groups.forbidden(group, topic) & FORBIDDEN_READ != 0 {
            return Err(HandlerError::no_permission(format!(
                "the consumer group[{group}] is forbidden for topic[{topic}]"
            )));
        }
        let subscription = self
            .consumers
            .subscription_of(group, topic, caller.id())
            .ok_or_else(|| not_exist("the consumer's subscription not exist"))?;
        if subscription.data.sub_version < header.sub_version {
            return Err(HandlerError::new(
                ResponseCode::SUBSCRIPTION_NOT_LATEST,
                format!(
                    "the consumer's subscription not latest: version {} is known, the pull says {}",
                    subscription.data.sub_version, header.sub_version
                ),
            ));
        }
        check_expression_type(subscription.data.expression_type.as_deref(), config.enable_property_filter)?;
        Ok(subscription)
    }
}
