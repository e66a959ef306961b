//! `INVOKE_BROKER_TO_RESET_OFFSET` and `CLONE_GROUP_OFFSET`: an administrator says where a group goes on.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{MessageQueue, Timestamp};
use eruca_protocol::{
    Language, RemotingCommand, ResponseCode,
    body::{self, MessageQueueForC, ResetOffsetBody, ResetOffsetBodyForC, TopicConfig},
    request::{
        CloneGroupOffsetRequest, InvokeBrokerToResetOffsetRequest as ResetRequest,
        ResetConsumerClientOffsetRequest,
    },
};
use eruca_remoting::{Caller, Reply};
use eruca_store::{Boundary, MessageStore};

use crate::{
    HandlerError, clients::ConsumerTable, groups::GroupTable, offsets::OffsetTable, settings::Settings,
    topics::TopicTable,
};

/// Resets and copies offsets.
#[derive(Debug)]
pub(super) struct ResetOffsetHandler {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    groups: Arc<GroupTable>,
    offsets: Arc<OffsetTable>,
    consumers: Arc<ConsumerTable>,
    settings: Arc<Settings>,
}

/// New offsets by queue.
type Targets = BTreeMap<i32, i64>;

impl ResetOffsetHandler {
    /// A handler over these tables.
    pub(super) fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        offsets: Arc<OffsetTable>,
        consumers: Arc<ConsumerTable>,
        settings: Arc<Settings>,
    ) -> Self {
        ResetOffsetHandler { store, topics, groups, offsets, consumers, settings }
    }

    /// Sets a group to a time (below 0: to the end) or to an offset; the answer says what that is for each queue.
    ///
    /// Mostly the broker does it: the offsets are committed, and the next pulls are told to go there. With
    /// `useServerSideResetOffset=false` the members that are online are told, and commit it themselves.
    pub(super) fn reset(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: ResetRequest = request.header()?;
        let topic =
            self.topics.get(&header.topic).ok_or_else(|| HandlerError::topic_not_exist(&header.topic))?;
        let targets = match self.settings.now().use_server_side_reset_offset {
            true => self.reset_here(&header, &topic)?,
            false => self.tell_members(&header, &topic)?,
        };
        let ResetRequest { group, topic, timestamp, .. } = &header;
        tracing::info!(group, topic, timestamp, ?targets, peer = %caller.peer_addr(), "offsets of a group reset");
        let content = body::to_json(&self.content(topic, &targets));
        self.offsets.settle_now()?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(content)))
    }

    fn reset_here(&self, header: &ResetRequest, topic: &TopicConfig) -> Result<Targets, HandlerError> {
        let ResetRequest { group, queue_id, offset, timestamp, .. } = header;
        if self.groups.get(group).is_none() {
            return Err(HandlerError::new(
                ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("Group {group} does not exist"),
            ));
        }
        let queues = 0..topic.read_queue_nums;
        let targets: Targets = match (queue_id, offset) {
            (0.., _) if !queues.contains(queue_id) => {
                return Err(HandlerError::invalid_parameter(format!(
                    "queueId {queue_id} of topic {} is not in 0..{}",
                    header.topic, topic.read_queue_nums
                )));
            }
            (0.., Some(offset)) if *offset != -1 => {
                [(*queue_id, self.checked(&header.topic, *queue_id, *offset)?)].into()
            }
            (0.., _) => [(*queue_id, self.offset_at(&header.topic, *queue_id, *timestamp))].into(),
            _ => queues
                .map(|queue_id| (queue_id, self.offset_at(&header.topic, queue_id, *timestamp)))
                .collect(),
        };
        if targets.is_empty() {
            return Err(HandlerError::system_error("No queues to reset."));
        }
        for (queue_id, target) in &targets {
            self.offsets.assign_reset(group, &header.topic, *queue_id, *target);
        }
        Ok(targets)
    }

    fn checked(&self, topic: &str, queue_id: i32, offset: i64) -> Result<i64, HandlerError> {
        let range = self.store.queue_range(topic, queue_id);
        let (min, max) = (range.min.to_i64(), range.max.to_i64());
        if !(min..=max).contains(&offset) {
            return Err(HandlerError::system_error(format!(
                "Target offset {offset} not in consume queue range [{min}-{max}]"
            )));
        }
        Ok(offset)
    }

    /// The first message stored at `time_ms` or later; below 0: the end.
    fn offset_at(&self, topic: &str, queue_id: i32, time_ms: i64) -> i64 {
        let offset = match time_ms {
            0.. => self.store.queue_offset_by_time(topic, queue_id, Timestamp(time_ms), Boundary::Lower),
            _ => self.store.queue_range(topic, queue_id).max,
        };
        offset.to_i64()
    }

    /// Sends `RESET_CONSUMER_CLIENT_OFFSET` to all members. Without `isForce` no queue goes forward.
    fn tell_members(&self, header: &ResetRequest, topic: &TopicConfig) -> Result<Targets, HandlerError> {
        let ResetRequest { group, timestamp, is_force, .. } = header;
        let mut targets = Targets::new();
        for queue_id in 0..topic.write_queue_nums {
            let Some(committed) = self.offsets.committed(group, &header.topic, queue_id) else {
                return Err(HandlerError::system_error(format!("THe consumer group <{group}> not exist")));
            };
            let target = self.offset_at(&header.topic, queue_id, *timestamp);
            targets.insert(queue_id, if *is_force { target } else { target.min(committed) });
        }
        let members = self.consumers.group(group).map(|view| view.members).unwrap_or_default();
        if members.is_empty() {
            return Err(HandlerError::new(
                ResponseCode::CONSUMER_NOT_ONLINE,
                format!(
                    "Consumer not online, so can not reset offset, Group: {group} Topic: {} Timestamp: {timestamp}",
                    header.topic
                ),
            ));
        }
        let notice = RemotingCommand::request(&ResetConsumerClientOffsetRequest {
            group: group.clone(),
            topic: header.topic.clone(),
            queue_id: -1,
            offset: None,
            timestamp: *timestamp,
            is_force: false,
        });
        let content = body::to_json(&self.content(&header.topic, &targets));
        let content_for_c = body::to_json(&self.content_for_c(&header.topic, &targets));
        for member in members {
            let content = if member.client.language == Language::Cpp { &content_for_c } else { &content };
            if let Err(error) = member.caller.notify(notice.clone().with_body(content.clone())) {
                tracing::warn!(group, client = %member.client.client_id, %error, "reset of offsets not told");
            }
        }
        Ok(targets)
    }

    fn content(&self, topic: &str, targets: &Targets) -> ResetOffsetBody {
        let settings = self.settings.now();
        let queue = |(queue_id, target): (&i32, &i64)| {
            (MessageQueue::new(topic, &*settings.broker_name, *queue_id), *target)
        };
        ResetOffsetBody { offset_table: targets.iter().map(queue).collect() }
    }

    fn content_for_c(&self, topic: &str, targets: &Targets) -> ResetOffsetBodyForC {
        let settings = self.settings.now();
        let queue = |(queue_id, target): (&i32, &i64)| MessageQueueForC {
            broker_name: settings.broker_name.clone(),
            offset: *target,
            queue_id: *queue_id,
            topic: topic.to_owned(),
        };
        ResetOffsetBodyForC { offset_table: targets.iter().map(queue).collect() }
    }

    /// Gives a group the offsets of another one, in a topic or in all in which that has offsets. Unless `offline`,
    /// topics are left out to which the other one does not subscribe any more.
    pub(super) fn clone_offsets(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        let CloneGroupOffsetRequest { src_group, dest_group, topic, offline } = request.header()?;
        let mut topics = match topic.filter(|topic| !topic.trim().is_empty()) {
            Some(topic) => vec![topic],
            None => self.offsets.topics_of(&src_group),
        };
        topics.retain(|topic| self.topics.contains(topic));
        if !offline
            && let Some(view) = self.consumers.group(&src_group).filter(|view| !view.subscriptions.is_empty())
        {
            topics.retain(|topic| view.subscriptions.contains_key(topic));
        }
        for topic in &topics {
            let offsets = self.offsets.of(&src_group, topic);
            if !offsets.is_empty() {
                // A place that the clone has and the group has not is none of the clone's.
                self.offsets.delete_group_topic(&dest_group, topic);
            }
            for (queue_id, offset) in offsets {
                self.offsets.commit(&dest_group, topic, queue_id, offset);
            }
        }
        self.offsets.settle_now()?;
        tracing::info!(src_group, dest_group, ?topics, peer = %caller.peer_addr(), "offsets of a group cloned");
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }
}

#[cfg(test)]
#[path = "reset_offset_test.rs"]
mod tests;
