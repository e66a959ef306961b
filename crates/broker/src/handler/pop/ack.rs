//! `ACK_MESSAGE` and `BATCH_ACK_MESSAGE`: messages were consumed.

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, BatchAck, BatchAckMessageRequestBody},
    pop::{ORDER_REVIVE_QUEUE, PopTopic, ReceiptHandle},
    request::AckMessageRequest,
};
use eruca_remoting::{Caller, Reply};

use super::{lite::named, pop_message::PopMessageHandler};
use crate::{
    pop::{AckHandle, OrderVerdict, PopKey, QueueKey},
    reply::HandlerError,
};

/// Most pops in one request.
const ACKS_MAX: usize = 4096;

impl PopMessageHandler {
    /// One message was consumed. A handle that is stale changes nothing, and is answered as any other, as in Java: the
    /// consumer cannot do anything about it.
    ///
    /// # Errors
    /// It is refused.
    pub fn ack(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: AckMessageRequest = request.header()?;
        let AckMessageRequest { consumer_group: group, topic, queue_id, offset, .. } = &header;
        if let Some(lite_topic) = named(header.lite_topic.as_deref()) {
            return self.ack_lite(request, &header, lite_topic);
        }
        self.admit_offset(topic, *queue_id, *offset, caller.peer_addr())?;
        let handle = parse(&header.extra_info)?;
        let queue = QueueKey::new(topic.as_str(), group.as_str(), *queue_id);
        if handle.is_order() {
            self.ack_in_order(&queue, *offset, handle.pop_time)?;
        } else {
            let of_log = AckHandle::of(&handle, self.pop.revive_queue_nums())?;
            let key = PopKey::new(queue, handle.start_offset, handle.pop_time);
            self.pop.ack(&key, &of_log, &[*offset])?;
        }
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    /// Messages of several pops were consumed.
    ///
    /// # Errors
    /// It is refused: then none of the pops that come behind the one with the fault was looked at.
    pub fn batch_ack(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let asked: BatchAckMessageRequestBody = body::from_json(&request.body)?;
        if asked.acks.is_empty() {
            return Err(HandlerError::new(
                ResponseCode::NO_MESSAGE,
                "the request acknowledges nothing: put at least one of 'acks' into its body",
            ));
        }
        if asked.acks.len() > ACKS_MAX {
            return Err(HandlerError::invalid_parameter(format!(
                "the request has {} acks, the limit is {ACKS_MAX}: send several requests",
                asked.acks.len()
            )));
        }
        for ack in &asked.acks {
            self.ack_pop(ack)?;
        }
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS)))
    }

    fn ack_pop(&self, ack: &BatchAck) -> Result<(), HandlerError> {
        let flag = PopTopic::from_text(&ack.retry).ok_or_else(|| {
            let shown: String = ack.retry.chars().take(40).collect();
            HandlerError::invalid_parameter(format!("an ack's retry is '{shown}', it must be 0, 1 or 2"))
        })?;
        let topic = flag.real_topic(&ack.topic, &ack.consumer_group);
        let range = self.store.queue_range(&topic, ack.queue_id);
        let there = range.min.0..=range.max.0;
        let offsets: Vec<i64> = ack
            .bits
            .iter()
            .filter_map(|bit| ack.start_offset.checked_add(i64::try_from(bit).ok()?))
            .filter(|offset| u64::try_from(*offset).is_ok_and(|offset| there.contains(&offset)))
            .collect();
        if self.topics.get(&topic).is_none() || offsets.is_empty() {
            // As in Java, what is not there any more needs no acknowledgement.
            return Ok(());
        }
        let queue = QueueKey::new(topic, ack.consumer_group.as_str(), ack.queue_id);
        if ack.revive_queue_id == ORDER_REVIVE_QUEUE {
            return offsets.iter().try_for_each(|offset| self.ack_in_order(&queue, *offset, ack.pop_time));
        }
        let of_log = AckHandle::new(
            ack.pop_time,
            ack.invisible_time,
            ack.revive_queue_id,
            self.pop.revive_queue_nums(),
        )?;
        let key = PopKey::new(queue, ack.start_offset, ack.pop_time);
        self.pop.ack(&key, &of_log, &offsets)
    }

    fn ack_in_order(&self, queue: &QueueKey, offset: i64, pop_time: i64) -> Result<(), HandlerError> {
        match self.pop.ack_in_order(queue, offset, pop_time) {
            OrderVerdict::Done => Ok(()),
            OrderVerdict::NotGiven => Err(HandlerError::new(
                ResponseCode::MESSAGE_ILLEGAL,
                format!(
                    "offset is illegal, key:{}@{}@{}, commit:{offset}: the pop that the receipt handle names did not have it",
                    queue.topic, queue.group, queue.queue_id
                ),
            )),
        }
    }
}

/// Reads a receipt handle.
pub(super) fn parse(text: &str) -> Result<ReceiptHandle, HandlerError> {
    ReceiptHandle::parse(text).map_err(|error| HandlerError::invalid_parameter(error.to_string()))
}
