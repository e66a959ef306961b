//! `GET_ALL_CONSUMER_OFFSET` and `GET_ALL_DELAY_OFFSET`: the whole tables, as slaves and exports take them.

use std::sync::Arc;

use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper},
};
use eruca_remoting::Reply;

use crate::{HandlerError, delay::DelaySchedule, handler::consumer_offset::signed, offsets::OffsetTable};

/// Tells all offsets.
#[derive(Debug)]
pub(super) struct AllOffsetsHandler {
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) delay: Arc<DelaySchedule>,
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
        let offsets = self.delay.offsets().into_iter().map(|(level, (next, _))| (level, signed(next)));
        let content = DelayOffsetSerializeWrapper { data_version: None, offset_table: offsets.collect() };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
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
        let handler = AllOffsetsHandler { offsets: Arc::clone(&parts.offsets), delay: Arc::new(delay) };
        let request = RemotingCommand::request_without_header(RequestCode::GET_ALL_CONSUMER_OFFSET);
        let reply = answer(&request, handler.of_consumers(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(r#""offsetTable":{"T@g":{1:5}}"#), "{text}");
        let reply = answer(&request, handler.of_delay(&request));
        assert_eq!(&reply.body[..], br#"{"offsetTable":{2:1}}"#);
    }
}
