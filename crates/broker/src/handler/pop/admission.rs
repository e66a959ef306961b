//! Whether a group may pop from a topic: the checks of all requests of POP, in Java's order.

use std::{net::SocketAddr, sync::Arc};

use eruca_protocol::{ResponseCode, body::TopicConfig};

use super::pop_message::PopMessageHandler;
use crate::{
    config::BrokerConfig,
    filter::{MessageFilter, Subscription},
    reply::HandlerError,
    topics::perm,
};

impl PopMessageHandler {
    /// Broker, topic, queue (-1: any), and group. What the topic is.
    pub(super) fn admit(
        &self,
        topic: &str,
        group: &str,
        queue_id: i32,
        config: &BrokerConfig,
        consumer: SocketAddr,
    ) -> Result<Arc<TopicConfig>, HandlerError> {
        if !perm::is_readable(config.broker_permission) {
            return Err(HandlerError::no_permission(format!(
                "the broker pop message is forbidden: its brokerPermission={} is not readable",
                config.broker_permission
            )));
        }
        let topic_config = self.topics.get(topic).ok_or_else(|| HandlerError::topic_not_exist(topic))?;
        if !perm::is_readable(topic_config.perm) {
            return Err(HandlerError::no_permission(format!(
                "the topic[{topic}] peeking message is forbidden: its perm is {}",
                perm::text(topic_config.perm)
            )));
        }
        if queue_id >= topic_config.read_queue_nums {
            return Err(HandlerError::invalid_parameter(format!(
                "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[{consumer}]",
                topic_config.read_queue_nums
            )));
        }
        let group_config =
            self.groups.get_or_create(group).ok_or_else(|| HandlerError::group_not_exist(group))?;
        if !group_config.consume_enable {
            return Err(HandlerError::no_permission(format!(
                "subscription group no permission, {group}: its consumeEnable is false"
            )));
        }
        Ok(topic_config)
    }

    /// Topic, queue and offset of an acknowledgement or a change. Java answers a queue that is not there with
    /// `MESSAGE_ILLEGAL`, and an offset out of range with `NO_MESSAGE`.
    pub(super) fn admit_offset(
        &self,
        topic: &str,
        queue_id: i32,
        offset: i64,
        consumer: SocketAddr,
    ) -> Result<(), HandlerError> {
        let config = self.topics.get(topic).ok_or_else(|| HandlerError::topic_not_exist(topic))?;
        if !(0..config.read_queue_nums).contains(&queue_id) {
            return Err(HandlerError::new(
                ResponseCode::MESSAGE_ILLEGAL,
                format!(
                    "queueId[{queue_id}] is illegal, topic:[{topic}] topicConfig.readQueueNums:[{}] consumer:[{consumer}]",
                    config.read_queue_nums
                ),
            ));
        }
        let range = self.store.queue_range(topic, queue_id);
        let is_there =
            u64::try_from(offset).is_ok_and(|offset| (range.min.0..=range.max.0).contains(&offset));
        match is_there {
            true => Ok(()),
            false => Err(HandlerError::new(
                ResponseCode::NO_MESSAGE,
                format!(
                    "offset is illegal, key:{topic}@{queue_id}, commit:{offset}, store:{}~{}: the message has expired, or the \
                     receipt handle is not of this queue",
                    range.min.0, range.max.0
                ),
            )),
        }
    }

    /// The messages that a pop or notification wants, by its expression.
    pub(super) fn filter_of(
        &self,
        topic: &str,
        expression: Option<&str>,
        expression_type: Option<&str>,
    ) -> Result<MessageFilter, HandlerError> {
        let Some(expression) = expression.filter(|expression| !expression.is_empty()) else {
            return Ok(MessageFilter::All);
        };
        let subscription = Subscription::of_pull(topic, Some(expression), expression_type, &self.filters)?;
        subscription.filter.map_err(|error| {
            HandlerError::new(
                ResponseCode::SUBSCRIPTION_PARSE_FAILED,
                format!("parse the consumer's subscription failed: {error}"),
            )
        })
    }
}
