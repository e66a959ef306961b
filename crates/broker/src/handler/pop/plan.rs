//! What a pop asks for, read once.

use std::sync::Arc;

use eruca_message::{
    Timestamp,
    names::{pop_retry_topic_v1, pop_retry_topic_v2},
};
use eruca_protocol::{
    ResponseCode,
    body::TopicConfig,
    request::{NotificationRequest, PopMessageRequest},
};

use super::lite::LiteClient;
use crate::{
    config::BrokerConfig,
    filter::MessageFilter,
    long_poll::{ANY_QUEUE, Lane, PopInterest},
    reply::HandlerError,
};

/// Most messages of one pop (Java).
pub(super) const MESSAGES_MAX: i32 = 32;
/// A pop so much older than its waiting time is not served: its client does not wait any more (Java).
const TIMEOUT_SLACK_MS: i64 = 500;
/// No pop waits longer, whatever its client asks for.
const WAIT_MAX_MS: i64 = 10 * 60 * 1000;
/// `initMode` of a group that begins at the first message.
const INIT_MIN: i32 = 0;

/// An admitted pop or notification.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) topic: Arc<str>,
    pub(super) group: Arc<str>,
    /// A queue, or [`ANY_QUEUE`].
    pub(super) queue_id: i32,
    pub(super) queue_nums: i32,
    pub(super) max_messages: usize,
    pub(super) invisible_ms: i64,
    pub(super) from_min: bool,
    pub(super) filter: MessageFilter,
    pub(super) is_order: bool,
    pub(super) attempt_id: Option<String>,
    /// Until when it may wait; none where it does not want to.
    pub(super) deadline: Option<Timestamp>,
    pub(super) lane: Lane,
    pub(super) priority: Option<ByPriority>,
    /// Where it is a pop of lite topics: whose.
    pub(super) lite: Option<LiteClient>,
}

/// How queues are looked at that stand for priorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ByPriority {
    /// At how many of 100 pops (`priority.factor` of the group).
    pub(super) factor: u64,
    /// From the highest queue down, or from the lowest one up (`priorityOrderAsc`).
    pub(super) highest_first: bool,
}

impl Plan {
    /// Reads a pop.
    pub(super) fn of_pop(
        header: PopMessageRequest,
        topic: &TopicConfig,
        filter: MessageFilter,
        config: &BrokerConfig,
        now: Timestamp,
    ) -> Result<Plan, HandlerError> {
        let refuse = |field: &str, value: i64, allowed: String| {
            HandlerError::invalid_parameter(format!("the pop's {field} is {value}, {allowed}"))
        };
        let longest_ms = config.timer_max_delay_sec.saturating_mul(1_000);
        if !(0..=longest_ms).contains(&header.invisible_time) {
            let allowed = format!("it must be 0 to {longest_ms} ms (timerMaxDelaySec)");
            return Err(refuse("invisibleTime", header.invisible_time, allowed));
        }
        if header.max_msg_nums < 1 {
            return Err(refuse(
                "maxMsgNums",
                i64::from(header.max_msg_nums),
                format!("it must be 1 to {MESSAGES_MAX}"),
            ));
        }
        Ok(Plan {
            deadline: deadline(header.born_time, header.poll_time, now),
            topic: header.topic.into(),
            group: header.consumer_group.into(),
            queue_id: header.queue_id.max(ANY_QUEUE),
            queue_nums: topic.read_queue_nums,
            max_messages: usize::try_from(header.max_msg_nums).unwrap_or(1),
            invisible_ms: header.invisible_time,
            from_min: header.init_mode == INIT_MIN,
            filter,
            is_order: header.order,
            attempt_id: header.attempt_id,
            lane: Lane::Pop,
            priority: None,
            lite: None,
        })
    }

    /// Reads a notification.
    pub(super) fn of_notification(
        header: NotificationRequest,
        topic: &TopicConfig,
        filter: MessageFilter,
        now: Timestamp,
    ) -> Plan {
        Plan {
            deadline: deadline(header.born_time, header.poll_time, now),
            topic: header.topic.into(),
            group: header.consumer_group.into(),
            queue_id: header.queue_id.max(ANY_QUEUE),
            queue_nums: topic.read_queue_nums,
            max_messages: 0,
            invisible_ms: 0,
            from_min: true,
            filter,
            is_order: header.order,
            attempt_id: header.attempt_id,
            lane: Lane::Notification,
            priority: None,
            lite: None,
        }
    }

    /// Whether the pop of this `turn` goes by priority: of 100 in a row as many as the factor says, evenly spread (61 and 100
    /// have no common factor).
    pub(super) fn priority_at(&self, turn: u64) -> Option<ByPriority> {
        self.priority.filter(|priority| turn.wrapping_mul(61) % 100 < priority.factor)
    }

    /// The queues that are looked at, in an order that differs from pop to pop (`turn`).
    pub(super) fn queues(&self, turn: u64) -> Vec<i32> {
        match self.queue_id {
            ANY_QUEUE => {
                let count = self.queue_nums.max(0);
                match self.priority_at(turn) {
                    Some(ByPriority { highest_first: true, .. }) => return (0..count).rev().collect(),
                    Some(_) => return (0..count).collect(),
                    None => {}
                }
                let first = i32::try_from(turn % u64::from(count.max(1).unsigned_abs())).unwrap_or(0);
                (first..count).chain(0..first).collect()
            }
            one => vec![one],
        }
    }

    /// The group's retry topics, the one that is written first.
    pub(super) fn retry_topics(&self, config: &BrokerConfig) -> Vec<String> {
        let v1 = || pop_retry_topic_v1(&self.topic, &self.group);
        match (config.enable_retry_topic_v2, config.retrieve_message_from_pop_retry_topic_v1) {
            (false, _) => vec![v1()],
            (true, false) => vec![pop_retry_topic_v2(&self.topic, &self.group)],
            (true, true) => vec![pop_retry_topic_v2(&self.topic, &self.group), v1()],
        }
    }

    /// What it waits for; `None` where it does not wait, or not any more.
    pub(super) fn interest(&self, now: Timestamp) -> Option<PopInterest> {
        let deadline = self.deadline.filter(|deadline| *deadline > now)?;
        Some(PopInterest {
            topic: self.lite.as_ref().map_or(&self.topic, |client| &client.key).clone(),
            group: self.group.clone(),
            queue_id: self.queue_id,
            lane: self.lane,
            filter: self.filter.clone(),
            deadline,
        })
    }
}

/// Until when a request that was made at `born` by its client's clock may wait.
fn deadline(born: i64, poll_ms: i64, now: Timestamp) -> Option<Timestamp> {
    if poll_ms <= 0 {
        return None;
    }
    // A client's clock that is ahead does not make it wait longer.
    let born = if born > 0 { Timestamp(born).min(now) } else { now };
    Some(born.add_ms(poll_ms.min(WAIT_MAX_MS)))
}

/// Refuses a pop whose client does not wait any more.
pub(super) fn refuse_late(header: &PopMessageRequest, now: Timestamp) -> Result<(), HandlerError> {
    let born = if header.born_time > 0 { Timestamp(header.born_time) } else { now };
    let late_ms = now.ms_since(born).saturating_sub(header.poll_time.max(0));
    if late_ms > TIMEOUT_SLACK_MS {
        return Err(HandlerError::new(
            ResponseCode::POLLING_TIMEOUT,
            format!(
                "the broker pop message is timeout too much: the request is {} ms old and its client waits {} ms; if the \
                 clocks of client and broker differ, set them",
                now.ms_since(born),
                header.poll_time
            ),
        ));
    }
    Ok(())
}
