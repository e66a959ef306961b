//! `GET_CONSUME_STATS`, `GET_BROKER_CONSUME_STATS` and `QUERY_CONSUME_TIME_SPAN`: how far groups are.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{Clock, MessageQueue, QueueOffset, Timestamp};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{
        self, ConsumeStats, ConsumeStatsList, OffsetWrapper, QueryConsumeTimeSpanBody, QueueTimeSpan,
        TopicConfig,
    },
    request::{GetBrokerConsumeStatsRequest, GetConsumeStatsRequest, QueryConsumeTimeSpanRequest},
};
use eruca_remoting::{Caller, Reply};
use eruca_store::MessageStore;

use crate::{
    HandlerError, clients::ConsumerTable, control::Control, groups::GroupTable, offsets::OffsetTable,
    settings::Settings, stats::BrokerStats, topics::TopicTable,
};

/// What Java writes for the store time of a message that is not there.
const NO_TIME: i64 = -1;

/// Tells how far groups are. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct ConsumeStatsHandler {
    /// The queues and how far groups are in them.
    progress: Progress,
    groups: Arc<GroupTable>,
    /// What clients are told, `host:port`.
    broker_addr: Arc<str>,
    /// Where the answer for all groups is made: it looks at every queue of every group.
    control: Arc<Control>,
    clock: Arc<dyn Clock>,
}

/// The tables that a group's progress is read from.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The messages.
    pub(super) store: Arc<MessageStore>,
    /// The topics.
    pub(super) topics: Arc<TopicTable>,
    /// What groups committed.
    pub(super) offsets: Arc<OffsetTable>,
    /// What groups subscribe to.
    pub(super) consumers: Arc<ConsumerTable>,
    /// How fast groups pull.
    pub(super) stats: Arc<BrokerStats>,
    /// The broker's name.
    pub(super) settings: Arc<Settings>,
}

impl ConsumeStatsHandler {
    /// A handler over these tables.
    pub(super) fn new(
        progress: Progress,
        groups: Arc<GroupTable>,
        broker_addr: String,
        control: Arc<Control>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        ConsumeStatsHandler { progress, groups, broker_addr: broker_addr.into(), control, clock }
    }

    /// How far a group is: in the topics of `topicList`, else in `topic`, else in all of which it has offsets.
    pub(super) fn of_group(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: GetConsumeStatsRequest = request.header()?;
        let group = &header.consumer_group;
        // Sent by some clients only, and never together with `topic`.
        let list = request.ext_fields.get("topicList").unwrap_or_default();
        let mut topics: Vec<String> =
            list.split(';').filter(|topic| !topic.is_empty()).map(str::to_owned).collect();
        if topics.is_empty() {
            topics = match header.topic.filter(|topic| !topic.trim().is_empty()) {
                Some(topic) => vec![topic],
                None => self.progress.offsets.topics_of(group),
            };
            self.progress.retain_subscribed(group, &mut topics);
        }
        let mut content = ConsumeStats::default();
        for topic in topics.iter().filter_map(|topic| self.progress.topics.get(topic)) {
            let of_topic = self.progress.of_topic(group, &topic, topic.read_queue_nums);
            content.consume_tps += of_topic.consume_tps;
            content.offset_table.extend(of_topic.offset_table);
        }
        // What was shown must not go back when the process is killed.
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// How far all groups are.
    pub(super) fn of_broker(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let GetBrokerConsumeStatsRequest { is_order } = request.header()?;
        let responder = caller.responder(request);
        let reply = request.reply(ResponseCode::SUCCESS);
        let this = self.clone();
        self.control.spawn("broker consume stats", async move {
            responder.send(reply.with_body(body::to_json(&this.all_groups(is_order))));
        });
        Ok(Reply::Later)
    }

    fn all_groups(&self, is_order: bool) -> ConsumeStatsList {
        let mut groups: Vec<String> =
            self.groups.all().iter().map(|group| group.group_name.clone()).collect();
        groups.sort_unstable();
        let mut content = ConsumeStatsList {
            broker_addr: Some(self.broker_addr.to_string()),
            ..ConsumeStatsList::default()
        };
        for group in groups {
            let mut topics = self.progress.offsets.topics_of(&group);
            topics.sort_unstable();
            self.progress.retain_subscribed(&group, &mut topics);
            let topics = topics.iter().filter_map(|topic| self.progress.topics.get(topic));
            let stats: Vec<ConsumeStats> = topics
                .filter(|topic| topic.order || !is_order)
                .map(|topic| self.progress.of_topic(&group, &topic, topic.write_queue_nums))
                .collect();
            for offsets in stats.iter().flat_map(|stats| stats.offset_table.values()) {
                // A client may have committed any number.
                let lag = offsets.broker_offset.saturating_sub(offsets.consumer_offset);
                content.total_diff = content.total_diff.saturating_add(lag);
                let in_flight = offsets.pull_offset.saturating_sub(offsets.consumer_offset);
                content.total_inflight_diff = content.total_inflight_diff.saturating_add(in_flight);
            }
            content.consume_stats_list.push(BTreeMap::from([(group, stats)]));
        }
        content
    }

    /// From when to when the messages of a topic's queues are, and at which time the group is.
    pub(super) fn time_span(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let QueryConsumeTimeSpanRequest { topic, group } = request.header()?;
        let config = self.progress.topics.get(&topic).ok_or_else(|| HandlerError::topic_not_exist(&topic))?;
        let now = self.clock.now();
        let queues = 0..config.write_queue_nums;
        let content = QueryConsumeTimeSpanBody {
            consume_time_span_set: queues
                .map(|queue_id| self.progress.time_span(&group, &topic, queue_id, now))
                .collect(),
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

impl Progress {
    /// Leaves out topics to which the group does not subscribe any more. One that is offline keeps all.
    fn retain_subscribed(&self, group: &str, topics: &mut Vec<String>) {
        let Some(view) = self.consumers.group(group).filter(|view| !view.subscriptions.is_empty()) else {
            return;
        };
        topics.retain(|topic| view.subscriptions.contains_key(topic));
    }

    fn of_topic(&self, group: &str, topic: &TopicConfig, queue_nums: i32) -> ConsumeStats {
        let settings = self.settings.now();
        let topic = &*topic.topic_name;
        let queue = |queue_id: i32| {
            let queue = MessageQueue::new(topic, &*settings.broker_name, queue_id);
            (queue, self.of_queue(group, topic, queue_id))
        };
        ConsumeStats {
            consume_tps: self.stats.group_get_tps(group, topic),
            offset_table: (0..queue_nums).map(queue).collect(),
        }
    }

    fn of_queue(&self, group: &str, topic: &str, queue_id: i32) -> OffsetWrapper {
        let consumer_offset = self.offsets.committed(group, topic, queue_id).unwrap_or(0).max(0);
        let pulled = self.offsets.pulled(group, topic, queue_id).unwrap_or(0);
        let last = self.stored_at(topic, queue_id, consumer_offset - 1);
        OffsetWrapper {
            broker_offset: self.store.queue_range(topic, queue_id).max.to_i64(),
            consumer_offset,
            last_timestamp: last.map_or(0, |time| time.0),
            pull_offset: pulled.max(consumer_offset),
        }
    }

    fn time_span(&self, group: &str, topic: &str, queue_id: i32, now: Timestamp) -> QueueTimeSpan {
        let range = self.store.queue_range(topic, queue_id);
        let (min, max) = (range.min.to_i64(), range.max.to_i64());
        let ms = |time: Option<Timestamp>| time.map_or(NO_TIME, |time| time.0);
        let min_time_stamp = ms(self.store.earliest_store_time(topic, queue_id));
        let consumer_offset = self.offsets.committed(group, topic, queue_id).unwrap_or(0);
        // What expired unread is not what the group waits for.
        let next = consumer_offset.max(min);
        let waits_since = if next < max { self.stored_at(topic, queue_id, next) } else { None };
        QueueTimeSpan {
            consume_time_stamp: match consumer_offset {
                1.. => ms(self.stored_at(topic, queue_id, consumer_offset - 1)),
                _ => min_time_stamp,
            },
            delay_time: waits_since.map_or(0, |since| now.ms_since(since)),
            max_time_stamp: ms(self.stored_at(topic, queue_id, max - 1)),
            message_queue: Some(MessageQueue::new(topic, &*self.settings.now().broker_name, queue_id)),
            min_time_stamp,
        }
    }

    /// When the message at `offset` was stored; `None` where there is none.
    fn stored_at(&self, topic: &str, queue_id: i32, offset: i64) -> Option<Timestamp> {
        self.store.store_time_at(topic, queue_id, QueueOffset(u64::try_from(offset).ok()?))
    }
}

#[cfg(test)]
#[path = "consume_stats_test.rs"]
mod tests;
