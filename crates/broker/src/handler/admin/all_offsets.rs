//! `GET_ALL_CONSUMER_OFFSET`, `GET_ALL_DELAY_OFFSET`, `GET_TIMER_CHECK_POINT` and `GET_TIMER_METRICS`: how far all are, as slaves and exports take it.

use std::sync::Arc;

use eruca_message::Clock;
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, ConsumerOffsetSerializeWrapper, DelayOffsetSerializeWrapper},
};
use eruca_remoting::Reply;

use crate::{
    HandlerError, delay::DelaySchedule, offsets::OffsetTable, pop::PopService, timer::TimerSchedule,
    topics::TopicTable,
};

/// Tells all offsets.
#[derive(Debug)]
pub(super) struct AllOffsetsHandler {
    pub(super) offsets: Arc<OffsetTable>,
    pub(super) delay: Arc<DelaySchedule>,
    pub(super) timers: Arc<TimerSchedule>,
    pub(super) pop: Arc<PopService>,
    pub(super) topics: Arc<TopicTable>,
    pub(super) clock: Arc<dyn Clock>,
}

impl AllOffsetsHandler {
    /// How far all groups are.
    pub(super) fn of_consumers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content = ConsumerOffsetSerializeWrapper {
            data_version: Some(self.offsets.data_version()),
            offset_table: self.offsets.snapshot(),
            ..ConsumerOffsetSerializeWrapper::default()
        };
        // A slave must not be further than its master is when it was killed.
        Ok(Reply::AfterSettle(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// How far the delay levels are.
    pub(super) fn of_delay(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let offsets = self.delay.offsets().into_iter().map(|(level, (next, _))| (level, next.to_i64()));
        let content = DelayOffsetSerializeWrapper {
            // Without it a Java broker that comes back as master waits for ever.
            data_version: Some(self.delay.data_version()),
            offset_table: offsets.collect(),
        };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }

    /// How far messages with a time of delivery are: seven big-endian longs, as `timercheck` has them.
    pub(super) fn of_timers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let checkpoint = self.timers.checkpoint(self.pop.stands_in_since()).ok_or_else(|| {
            HandlerError::system_error("there is no timer checkpoint: timerWheelEnable is false")
        })?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(checkpoint)))
    }

    /// How many messages of each topic wait for their time: counted now, where Java keeps count.
    pub(super) fn of_waiting_timers(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let content =
            self.timers.metrics(&self.topics, self.clock.now()).map_err(HandlerError::system_error)?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::{Timestamp, names::TIMER_TOPIC};
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
        let timers = parts.timers();
        let handler = AllOffsetsHandler {
            offsets: Arc::clone(&parts.offsets),
            delay: Arc::new(delay),
            timers: timers.clone(),
            pop: parts.pop_service(&Arc::default(), &Arc::default()),
            topics: parts.topics.clone(),
            clock: parts.clock.clone(),
        };
        let request = RemotingCommand::request_without_header(RequestCode::GET_ALL_CONSUMER_OFFSET);
        let reply = answer(&request, handler.of_consumers(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(r#""offsetTable":{"T@g":{1:5}}"#), "{text}");
        let reply = answer(&request, handler.of_delay(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(
            text.starts_with(r#"{"dataVersion":{"#) && text.ends_with(r#","offsetTable":{2:1}}"#),
            "{text}"
        );
        let reply = answer(&request, handler.of_timers(&request));
        assert_eq!(reply.body.len(), 56);
        assert_ne!(reply.body[..8], [0; 8], "a Java slave would begin at 1970");
        let request = RemotingCommand::request_without_header(RequestCode::GET_TIMER_METRICS);
        let reply = answer(&request, handler.of_waiting_timers(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(r#""timingCount":{}"#), "{text}");
        parts.topic("T", 1);
        for due in [5_000_000, 6_000_000] {
            let parked = format!("TIMER_OUT_MS\u{1}{due}\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}0\u{2}");
            parts.store(TIMER_TOPIC, 0, "x", parked.as_bytes());
        }
        timers.step_by_hand(Timestamp(1_000_000));
        let reply = answer(&request, handler.of_waiting_timers(&request));
        let text = String::from_utf8(reply.body.to_vec()).unwrap();
        assert!(text.contains(r#""timingCount":{"T":{"count":2,"#), "{text}");
        // At the end, for a Java broker that comes after.
        std::fs::create_dir_all(&config).unwrap();
        timers.persist_metrics(&handler.topics, parts.clock.now()).unwrap();
        let file = std::fs::read_to_string(config.join("timermetrics")).unwrap();
        assert!(file.contains(r#""timingCount":{"T":{"count":2,"#), "{file}");
    }

    #[test]
    fn a_slave_that_stands_in_tells_a_java_master_of_newer_timers_but_for_pops_that_are_open() {
        let parts = TestParts::new();
        let (timers, pop) = (parts.timers(), parts.pop_service(&Arc::default(), &Arc::default()));
        let fields = || {
            let check = timers.checkpoint(pop.stands_in_since()).unwrap();
            let fields: Vec<i64> =
                check.as_chunks::<8>().0.iter().map(|bytes| i64::from_be_bytes(*bytes)).collect();
            (fields[0], fields[6])
        };
        let mut masters = timers.checkpoint(None).unwrap();
        masters[48..].copy_from_slice(&7i64.to_be_bytes());
        parts.store.set_replica(true).unwrap();
        pop.set_on_duty(false);
        timers.set_on_duty(false);
        timers.follow(&masters, None).unwrap();
        let (read, counter) = fields();
        assert_eq!((pop.stands_in_since(), counter), (None, 7), "it is as its master is");

        pop.set_on_duty(true);
        assert!(fields().0 == read && fields().1 > 1_000, "the master was further than it had said");
        let popped_at = read - 60_000;
        let check_point =
            format!(r#"{{"bn":"b","c":"g","it":30000,"n":1,"pt":{popped_at},"q":0,"so":0,"t":"T"}}"#);
        pop.passed(b"TAGS\x01ck\x02", check_point.as_bytes()).unwrap();
        assert_eq!(fields().0, read - 31_000, "its record is delivered a second before");
    }
}
