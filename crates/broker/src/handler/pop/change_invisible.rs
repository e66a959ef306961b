//! `CHANGE_MESSAGE_INVISIBLETIME`: a consumer needs longer, or wants a message to come again at another time.

use eruca_protocol::{
    HeaderFields, RemotingCommand, ResponseCode,
    request::{ChangeInvisibleTimeRequest, ChangeInvisibleTimeResponse},
};
use eruca_remoting::{Caller, Reply};

use super::{ack::parse, lite::named, pop_message::PopMessageHandler};
use crate::{
    pop::{AckHandle, PopKey, QueueKey},
    reply::HandlerError,
};

impl PopMessageHandler {
    /// The message becomes visible after the new time, counted from now. The answer has what the handle is then.
    ///
    /// Where it is refused nothing was changed; with `NO_MESSAGE`, because the handle is stale: the message was acknowledged or
    /// comes again. A refusal has the fields of the answer, too: Java's client reads them before it looks at the code.
    ///
    /// # Errors
    /// None.
    pub fn change_invisible_time(
        &self,
        caller: &Caller,
        request: &RemotingCommand,
    ) -> Result<Reply, HandlerError> {
        Ok(self.try_change(caller, request).unwrap_or_else(|HandlerError { code, remark }| {
            let mut reply = request.reply(code);
            ChangeInvisibleTimeResponse::default().encode_to(&mut reply.ext_fields);
            Reply::Now(reply.with_remark(remark))
        }))
    }

    fn try_change(&self, caller: &Caller, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: ChangeInvisibleTimeRequest = request.header()?;
        let ChangeInvisibleTimeRequest { consumer_group: group, topic, queue_id, offset, .. } = &header;
        let longest_ms = self.settings.now().timer_max_delay_sec.saturating_mul(1_000);
        if !(0..=longest_ms).contains(&header.invisible_time) {
            return Err(HandlerError::invalid_parameter(format!(
                "invisibleTime is {}, it must be 0 to {longest_ms} ms (timerMaxDelaySec)",
                header.invisible_time
            )));
        }
        if let Some(lite_topic) = named(header.lite_topic.as_deref()) {
            return self.change_lite(request, &header, lite_topic);
        }
        self.admit_offset(topic, *queue_id, *offset, caller.peer_addr())?;
        let handle = parse(&header.extra_info)?;
        let queue = QueueKey::new(topic.as_str(), group.as_str(), *queue_id);
        let changed = if handle.is_order() {
            let visible_at = self.clock.now().add_ms(header.invisible_time);
            let is_changed = self.pop.change_in_order(&queue, *offset, handle.pop_time, visible_at, false);
            let invisible_ms = visible_at.0.saturating_sub(handle.pop_time);
            is_changed.then_some((handle.pop_time, invisible_ms))
        } else {
            let of_log = AckHandle::of(&handle, self.pop.revive_queue_nums())?;
            let key = PopKey::new(queue, handle.start_offset, handle.pop_time);
            let pop_time = self.pop.change_invisible_time(
                &key,
                &of_log,
                *offset,
                header.invisible_time,
                header.suspend,
            )?;
            pop_time.map(|pop_time| (pop_time, header.invisible_time))
        };
        let Some((pop_time, invisible_time)) = changed else {
            return Err(HandlerError::new(
                ResponseCode::NO_MESSAGE,
                format!(
                    "the receipt handle of offset {offset} of {topic}@{queue_id} is stale: the message was acknowledged or comes \
                     again; its invisible time was not changed"
                ),
            ));
        };
        let response =
            ChangeInvisibleTimeResponse { pop_time, invisible_time, revive_qid: handle.revive_queue_id };
        Ok(Reply::AfterSettle(request.reply_with(&response)))
    }
}
