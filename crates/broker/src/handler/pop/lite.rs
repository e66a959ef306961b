//! `POP_LITE_MESSAGE`, and the end of what it gave out: messages of any of the lite topics that a client subscribes to, of each
//! in order.

use std::{collections::HashSet, sync::Arc};

use eruca_message::{
    lite::{lite_queue, validate_lite_topic},
    properties::{INNER_MULTI_DISPATCH, INNER_MULTI_QUEUE_OFFSET, find_str, offset_in_light_queue},
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    pop::{ORDER_REVIVE_QUEUE, ReceiptHandle},
    request::{
        AckMessageRequest, ChangeInvisibleTimeRequest, ChangeInvisibleTimeResponse, PopLiteMessageRequest,
        PopLiteMessageResponse, PopMessageRequest,
    },
};
use eruca_remoting::{Caller, Reply};
use eruca_store::Wait;

use super::{
    ack::parse,
    plan::{MESSAGES_MAX, Plan, refuse_late},
    pop_message::{PopMessageHandler, Served, answer},
    pop_queue::{Gathered, Stopped},
};
use crate::{
    filter::MessageFilter,
    lite::{Found, LiteGroup, lite_queues_of},
    long_poll::ANY_QUEUE,
    pop::{OrderVerdict, QueueKey},
    reply::HandlerError,
    topics::is_lite_parent,
};

impl PopMessageHandler {
    /// Answers one pop of a client, parks it, or lets it wait for the disk elsewhere.
    ///
    /// # Errors
    /// It is refused.
    pub fn pop_lite(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: PopLiteMessageRequest = request.header()?;
        let (config, now) = (self.settings.now(), self.clock.now());
        let client_id = header.client_id;
        let as_pop = PopMessageRequest {
            consumer_group: header.consumer_group,
            topic: header.topic,
            queue_id: ANY_QUEUE,
            max_msg_nums: header.max_msg_num,
            invisible_time: header.invisible_time,
            poll_time: header.poll_time,
            born_time: header.born_time,
            // As in Java: behind the last message, or at the first one where the lite topic is new.
            init_mode: 1,
            order: true,
            attempt_id: header.attempt_id,
            ..PopMessageRequest::default()
        };
        refuse_late(&as_pop, now)?;
        if as_pop.max_msg_nums > MESSAGES_MAX {
            return Err(HandlerError::invalid_parameter(format!(
                "the broker pop message's num is greater than {MESSAGES_MAX}: maxMsgNum is {}",
                as_pop.max_msg_nums
            )));
        }
        let (topic, group) = (&as_pop.topic, &as_pop.consumer_group);
        let topic_config = self.admit(topic, group, ANY_QUEUE, &config, caller.peer_addr())?;
        if !is_lite_parent(&topic_config) {
            return Err(HandlerError::invalid_parameter(format!(
                "the topic [{topic}] message type not match: it has no lite topics, set its attribute message.type=LITE"
            )));
        }
        if self.lite_group(group).is_none_or(|bound| bound.topic != *topic) {
            return Err(HandlerError::invalid_parameter(format!(
                "subscription bind topic not match, {group}: set its attribute lite.bind.topic={topic}"
            )));
        }
        let plan = Plan::of_pop(as_pop, &topic_config, MessageFilter::All, &config, now)?;
        let key = self.lite.key_of(&client_id);
        self.serve_or_park(caller, request, Plan { lite: Some(LiteClient { client_id, key }), ..plan })
    }

    /// What a group's attributes say of lite topics.
    pub(super) fn lite_group(&self, group: &str) -> Option<LiteGroup> {
        LiteGroup::of(&*self.groups.get(group)?, self.settings.now().max_client_event_count)
    }

    /// Looks at the queues in which there may be something, and takes what is there.
    pub(super) fn serve_lite(&self, plan: &Plan, client: &LiteClient, wait: Wait) -> Served {
        let now = self.clock.now();
        let mut gathered = Gathered::new(now.0, ORDER_REVIVE_QUEUE, Vec::new());
        let mut looked_at = HashSet::new();
        // Those that were looked at and are noted again meanwhile: for the next pop, and as many at most.
        let mut again = Vec::new();
        let mut stop = None;
        while gathered.messages < plan.max_messages && again.len() <= looked_at.len() {
            match self.lite.take(&client.client_id, &plan.group, now) {
                None => break,
                Some(Found::Queue(queue)) if !looked_at.insert(queue.clone()) => again.push(queue),
                // The group has no place yet in one that was never sent to.
                Some(Found::Queue(queue)) if self.store.readable_queue_range(&queue, 0).max.0 == 0 => {}
                Some(Found::Queue(queue)) => match self.pop_queue(plan, &queue, 0, &mut gathered, wait) {
                    Ok(()) => {}
                    Err(stopped) => {
                        again.push(queue);
                        // What was taken is given out.
                        if gathered.messages == 0 {
                            stop = Some(stopped);
                        }
                        break;
                    }
                },
                Some(Found::Queues(queues)) => {
                    let found = self.those_with_messages(plan, queues);
                    self.lite.found(&client.client_id, found);
                }
                Some(Found::AllOf(parent)) => {
                    let all = lite_queues_of(&self.store, &parent).map(Arc::from);
                    let found = self.those_with_messages(plan, all);
                    self.lite.found(&client.client_id, found);
                }
            }
        }
        again.iter().for_each(|queue| self.lite.put_back(&client.client_id, queue));
        match stop {
            Some(Stopped::WouldWait) => return Served::WouldWait,
            Some(Stopped::Refused(error)) => return Served::Refused(error),
            None if gathered.messages == 0 => return Served::Nothing,
            None => {}
        }
        self.lite.given(&client.client_id, now);
        if self.lite.has_ready(&client.client_id) {
            // There is more than this pop took: another that waits may have it.
            self.hold.notify(&client.key, &plan.group, ANY_QUEUE);
        }
        let header = PopLiteMessageResponse {
            pop_time: gathered.pop_time,
            invisible_time: plan.invisible_ms,
            revive_qid: ORDER_REVIVE_QUEUE,
            order_count_info: Some(gathered.order_count_info),
            ..PopLiteMessageResponse::default()
        };
        let reply = answer(ResponseCode::SUCCESS, &header, "FOUND").with_body(gathered.records.freeze());
        Served::Found(reply, None)
    }

    /// Those of which the group lacks messages that nobody has in flight.
    fn those_with_messages(&self, plan: &Plan, queues: impl IntoIterator<Item = Arc<str>>) -> Vec<Arc<str>> {
        let has_messages = |queue: &Arc<str>| {
            let key = QueueKey::new(queue.clone(), plan.group.clone(), 0);
            let max = self.store.readable_queue_range(queue, 0).max.to_i64();
            let is_behind = self.pop.look(&key).is_none_or(|next| next < max);
            max > 0 && is_behind && !self.pop.is_blocked(&key, plan.attempt_id.as_deref())
        };
        queues.into_iter().filter(has_messages).collect()
    }

    /// A message of a lite topic was consumed.
    pub(super) fn ack_lite(
        &self,
        request: &RemotingCommand,
        header: &AckMessageRequest,
        lite_topic: &str,
    ) -> Result<Reply, HandlerError> {
        let AckMessageRequest { consumer_group: group, topic, queue_id, offset, .. } = header;
        if self.lite_group(group).is_none_or(|bound| bound.topic != *topic) {
            return Err(HandlerError::invalid_parameter(format!(
                "group type or bind topic not match: the attribute lite.bind.topic of {group} is not {topic}"
            )));
        }
        let queue = self.admit_lite_offset(topic, group, lite_topic, *offset)?;
        let handle = parse(&header.extra_info)?;
        refuse_other_queue(*queue_id, &handle)?;
        match self.pop.ack_in_order(&queue, *offset, handle.pop_time) {
            OrderVerdict::Done => Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS))),
            OrderVerdict::NotGiven => Err(HandlerError::new(
                ResponseCode::MESSAGE_ILLEGAL,
                format!(
                    "ack offset illegal: the pop that the receipt handle names had no message {offset} of {}",
                    queue.topic
                ),
            )),
        }
    }

    /// A message of a lite topic becomes visible at another time.
    pub(super) fn change_lite(
        &self,
        request: &RemotingCommand,
        header: &ChangeInvisibleTimeRequest,
        lite_topic: &str,
    ) -> Result<Reply, HandlerError> {
        let ChangeInvisibleTimeRequest { consumer_group: group, topic, queue_id, offset, .. } = header;
        let queue = self.admit_lite_offset(topic, group, lite_topic, *offset)?;
        let handle = parse(&header.extra_info)?;
        refuse_other_queue(*queue_id, &handle)?;
        let visible_at = self.clock.now().add_ms(header.invisible_time);
        if !self.pop.change_in_order(&queue, *offset, handle.pop_time, visible_at, header.suspend) {
            return Err(HandlerError::new(
                ResponseCode::NO_MESSAGE,
                format!(
                    "the receipt handle of offset {offset} of {} is stale: the message was acknowledged or comes again; its \
                     invisible time was not changed",
                    queue.topic
                ),
            ));
        }
        let response = ChangeInvisibleTimeResponse {
            pop_time: handle.pop_time,
            invisible_time: visible_at.0.saturating_sub(handle.pop_time),
            revive_qid: handle.revive_queue_id,
        };
        Ok(Reply::AfterSettle(request.reply_with(&response)))
    }

    fn admit_lite_offset(
        &self,
        topic: &str,
        group: &str,
        lite_topic: &str,
        offset: i64,
    ) -> Result<QueueKey, HandlerError> {
        validate_lite_topic(lite_topic)?;
        let queue = lite_queue(topic, lite_topic);
        let max = self.store.queue_range(&queue, 0).max.to_i64();
        match (0..=max).contains(&offset) {
            true => Ok(QueueKey::new(queue, group, 0)),
            false => Err(HandlerError::new(
                ResponseCode::NO_MESSAGE,
                format!("ack offset illegal: {offset} of {queue}, which has 0 to {max}"),
            )),
        }
    }
}

/// A pop of lite topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LiteClient {
    /// Who pops.
    pub(super) client_id: String,
    /// Under which name it waits.
    pub(super) key: Arc<str>,
}

/// The lite topic that a request names, if any.
pub(super) fn named(lite_topic: Option<&str>) -> Option<&str> {
    lite_topic.filter(|topic| !topic.trim().is_empty())
}

fn refuse_other_queue(queue_id: i32, handle: &ReceiptHandle) -> Result<(), HandlerError> {
    if queue_id != 0 || !handle.is_order() {
        return Err(HandlerError::invalid_parameter(format!(
            "ack queue illegal: queueId is {queue_id} and the handle's queue of the revive topic {}, it must be 0 and \
             {ORDER_REVIVE_QUEUE}",
            handle.revive_queue_id
        )));
    }
    Ok(())
}

/// The header of an answer without messages.
pub(super) fn nothing(plan: &Plan) -> PopLiteMessageResponse {
    PopLiteMessageResponse {
        invisible_time: plan.invisible_ms,
        revive_qid: ORDER_REVIVE_QUEUE,
        order_count_info: Some(String::new()),
        ..PopLiteMessageResponse::default()
    }
}

/// For each message how often it was given out before, as one number each.
pub(super) fn push_counts(text: &mut String, offsets: &[i64], counts: &[(i64, i32)]) {
    for offset in offsets {
        if !text.is_empty() {
            text.push(';');
        }
        let count = counts.iter().find(|(of, _)| of == offset).map_or(0, |(_, count)| *count);
        text.push_str(&count.to_string());
    }
}

/// The offset of a message in a light message queue: its record tells that of its topic's queue, and this one by the way.
pub(super) fn offset_in(queue: &str, properties: &[u8]) -> Option<i64> {
    let told = |name| find_str(properties, name);
    offset_in_light_queue(queue, told(INNER_MULTI_DISPATCH)?, told(INNER_MULTI_QUEUE_OFFSET)?)
}
