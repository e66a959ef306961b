//! Whether a message may be sent, and where to: the checks of a send, in Java's order.

use eruca_message::{
    Timestamp,
    names::{RETRY_PREFIX, SELF_TEST_TOPIC, dlq_topic, is_retry_topic, is_send_forbidden, validate_topic},
};
use eruca_protocol::{RemotingCommand, ResponseCode, body::TopicConfig};
use eruca_store::WriteStopped;
use std::{net::SocketAddr, sync::Arc};

use super::{header::SendHeader, send_message::SendMessageHandler};
use crate::{
    config::BrokerConfig,
    reply::HandlerError,
    topics::{has_batch_queues, perm},
};

/// Bit of a topic's sysFlag: unit mode (Java: `TopicSysFlag.FLAG_UNIT`).
const FLAG_UNIT: i32 = 1;
/// Bit of a topic's sysFlag: subscribed in unit mode.
const FLAG_UNIT_SUB: i32 = 2;
/// From this version on (3.4.9) a client's own limit of retries counts.
const VERSION_MAX_RECONSUME_TIMES: i32 = 121;

/// Where an admitted message goes.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) topic: Arc<TopicConfig>,
    pub(super) queue_id: i32,
    /// It was retried too often: this is its dead letter topic.
    pub(super) is_dead_letter: bool,
}

impl Destination {
    /// The queue that the message is stored in. A dead letter topic has one; the client is told, as by Java, the one that it
    /// asked for.
    pub(super) fn stored_in(&self) -> i32 {
        if self.is_dead_letter { 0 } else { self.queue_id }
    }

    /// Queues stand for priorities: the highest one takes all above. As in Java, whatever kind of topic it is.
    pub(super) fn by_priority(&mut self, priority: i32) {
        self.queue_id = priority.min(self.topic.write_queue_nums - 1).max(0);
    }
}

impl SendMessageHandler {
    /// The checks of every send up to its queue.
    pub(super) fn admit(
        &self,
        header: &SendHeader<'_>,
        config: &BrokerConfig,
        producer: SocketAddr,
        now: Timestamp,
    ) -> Result<Destination, HandlerError> {
        let start_at = config.start_accept_send_request_time_stamp;
        if now.0 < start_at {
            return Err(HandlerError::system_error(format!(
                "broker unable to service, until startAcceptSendRequestTimeStamp={start_at}, and it is {now}: wait, or set that key to 0"
            )));
        }
        let existing = self.topics.get(header.topic);
        if !perm::is_writeable(config.broker_permission) && existing.as_ref().is_some_and(|topic| topic.order)
        {
            return Err(HandlerError::no_permission(format!(
                "the broker[{}] sending message is forbidden: its brokerPermission={} is not writeable; set it to 6, or send to another \
                 broker",
                self.store_host.ip(),
                config.broker_permission
            )));
        }
        let topic = match existing {
            // Its name was checked when it was created, but for the system's own.
            Some(topic) if !is_send_forbidden(header.topic) || self.is_self_test(header) => topic,
            _ => self.create_topic(header, producer)?,
        };
        if has_batch_queues(&topic) && !self.store.declare_batch_topic(&topic.topic_name) {
            return Err(HandlerError::system_error(format!(
                "topic[{}] has queue.type=BatchCQ, but ordinary queues with messages: delete the topic and create it anew",
                topic.topic_name
            )));
        }
        let queue_id = self.queue_of(header.queue_id, &topic, producer)?;
        Ok(Destination { topic, queue_id, is_dead_letter: false })
    }

    fn is_self_test(&self, header: &SendHeader<'_>) -> bool {
        header.topic == SELF_TEST_TOPIC && header.producer_group == self.self_test_group
    }

    fn create_topic(
        &self,
        header: &SendHeader<'_>,
        producer: SocketAddr,
    ) -> Result<Arc<TopicConfig>, HandlerError> {
        let topic = header.topic;
        if self.store.is_replica() {
            // A topic of its own would last until the slave is told its master's.
            return Err(WriteStopped::Replica.into());
        }
        validate_topic(topic)?;
        if is_send_forbidden(topic) {
            return Err(HandlerError::no_permission(format!(
                "Sending message to topic[{topic}] is forbidden. It is one of the system's own: send to another topic"
            )));
        }
        let is_retry = is_retry_topic(topic);
        let sys_flag = match (header.unit_mode, is_retry) {
            (false, _) => 0,
            (true, true) => FLAG_UNIT_SUB,
            (true, false) => FLAG_UNIT,
        };
        let created = self.topics.create_by_default(
            topic,
            header.default_topic,
            header.default_topic_queue_nums,
            sys_flag,
        );
        match created {
            Some(topic) => Ok(topic),
            None if is_retry => Ok(self
                .topics
                .create_if_absent(TopicConfig { topic_sys_flag: sys_flag, ..TopicConfig::new(topic, 1) })),
            None => {
                tracing::debug!(topic, %producer, "a message for a topic that does not exist");
                Err(HandlerError::topic_not_exist(topic))
            }
        }
    }

    fn queue_of(
        &self,
        queue_id: i32,
        topic: &TopicConfig,
        producer: SocketAddr,
    ) -> Result<i32, HandlerError> {
        if queue_id >= topic.read_queue_nums.max(topic.write_queue_nums) {
            return Err(HandlerError::invalid_parameter(format!(
                "request queueId[{queue_id}] is illegal, {} Producer: {producer}. The topic has the queues 0 to {}: choose one of \
                 them, or -1 for any",
                java_text(topic),
                topic.read_queue_nums.max(topic.write_queue_nums) - 1
            )));
        }
        if queue_id >= 0 {
            return Ok(queue_id);
        }
        let spread =
            i32::try_from(self.spread.fetch_add(1, std::sync::atomic::Ordering::Relaxed) & 0x7FFF_FFFF);
        spread.unwrap_or(0).checked_rem(topic.write_queue_nums).ok_or_else(|| {
            HandlerError::invalid_parameter(format!(
                "topic[{}] has no write queue, its writeQueueNums is {}: set it higher (eruca admin updateTopic -w)",
                topic.topic_name, topic.write_queue_nums
            ))
        })
    }

    /// What a client sends back to its retry topic: after too many tries it goes to the dead letter topic.
    pub(super) fn redirect_retry(
        &self,
        header: &SendHeader<'_>,
        request: &RemotingCommand,
        destination: &mut Destination,
        now: Timestamp,
    ) -> Result<(), HandlerError> {
        let Some(group) = header.topic.strip_prefix(RETRY_PREFIX) else { return Ok(()) };
        let config = self.groups.get_or_create(group).ok_or_else(|| {
            HandlerError::new(
                ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!(
                    "subscription group not exist, {group}: no consumer of it was ever here, and autoCreateSubscriptionGroup is off or the \
                     name is not allowed; create it with eruca admin updateSubGroup -g {group}"
                ),
            )
        })?;
        let times_max = header
            .max_reconsume_times
            .filter(|_| request.version >= VERSION_MAX_RECONSUME_TIMES)
            .unwrap_or(config.retry_max_times);
        // The client has already counted this try: hence not `>=`. A group that consumes in order tries again by itself,
        // so what it sends here it has given up (Java since 5.4; older clients send their last try uncounted).
        if header.reconsume_times > times_max || self.locks.has_live_lock(group, now) {
            destination.topic = self.topics.ensure(&dlq_topic(group), 1);
            destination.is_dead_letter = true;
        }
        Ok(())
    }
}

/// As Java prints a topic's configuration.
fn java_text(topic: &TopicConfig) -> String {
    let attributes: Vec<String> =
        topic.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!(
        "TopicConfig [topicName={}, readQueueNums={}, writeQueueNums={}, perm={}, topicFilterType={}, topicSysFlag={}, \
         order={}, attributes={{{}}}]",
        topic.topic_name,
        topic.read_queue_nums,
        topic.write_queue_nums,
        perm::text(topic.perm),
        topic.topic_filter_type,
        topic.topic_sys_flag,
        topic.order,
        attributes.join(", ")
    )
}
