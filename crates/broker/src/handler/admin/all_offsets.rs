//! `GET_ALL_CONSUMER_OFFSET`, `GET_ALL_DELAY_OFFSET` and `GET_TIMER_CHECK_POINT`: how far all are, as slaves and exports take it.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper},
};
use eruca_remoting::Reply;

use crate::{HandlerError, delay::DelaySchedule, offsets::OffsetTable, timer::TimerSchedule};

/// Tells all offsets.
#[derive(Debug)]
pub(super) struct AllOffsetsHandler {
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) delay: Arc<DelaySchedule>,
    pub(super) timers: Arc<TimerSchedule>,
}

impl AllOffsetsHandler {
    /// How far all groups are.
    pub(super) fn of_consumers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content = ConsumerOffsetSerializeWrapper {
            data_version: Some(self.offsets.data_version()),
            offset_table: self.offsets.snapshot(),
            ..ConsumerOffsetSerializeWrapper::default()
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// How far the delay levels are.
    pub(super) fn of_delay(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let offsets = self.delay.offsets().into_iter().map(|(level, (next, _))| (level, next.to_i64()));
        let content = DelayOffsetSerializeWrapper { data_version: None, offset_table: offsets.collect() };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// How far messages with a time of delivery are: seven big-endian longs, as `timercheck` has them.
    pub(super) fn of_timers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let checkpoint = self.timers.checkpoint().ok_or_else(|| {
            HandlerError::system_error("there is no timer checkpoint: timerWheelEnable is false")
        })?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(checkpoint)))
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::Timestamp;
    use eruca_protocol::RequestCode;

    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    #[test]
    fn both_tables_have_javas_shape() {
        let parts = TestParts::new();
        let config = parts.directory.path().join("config");
        let delay = DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap();
        parts.store("SCHEDULE_TOPIC_XXXX", 1, "x", b"REAL_TOPIC\x01T\x02REAL_QID\x010\x02DELAY\x012\x02");
        delay.deliver_step(Timestamp(9_000_000));
        parts.offsets.commit("g", "T", 1, 5);
        let handler = AllOffsetsHandler {
            offsets: Arc::clone(&parts.offsets),
            delay: Arc::new(delay),
            timers: parts.timers(),
        };
        let request = RemotingCommand::request_without_header(RequestCode::GET_ALL_CONSUMER_OFFSET);
        let reply = answer(&request, handler.of_consumers(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(r#""offsetTable":{"T@g":{1:5}}"#), "{text}");
        let reply = answer(&request, handler.of_delay(&request));
        assert_eq!(&reply.body[..], br#"{"offsetTable":{2:1}}"#);
        let reply = answer(&request, handler.of_timers(&request));
        assert_eq!(reply.body.len(), 56);
    }
}
