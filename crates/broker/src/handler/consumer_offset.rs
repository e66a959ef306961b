//! Offsets: what groups committed, where queues begin and end, and where they were at a time.

use std::sync::Arc;

use eruca_message::{QueueOffset, Timestamp, lite::storage_topic};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    body::{self, QueryCorrectionOffsetBody},
    request::{
        GetEarliestMsgStoretimeRequest, GetEarliestMsgStoretimeResponse, GetMaxOffsetRequest,
        GetMaxOffsetResponse, GetMinOffsetRequest, GetMinOffsetResponse, QueryConsumerOffsetRequest,
        QueryConsumerOffsetResponse, QueryCorrectionOffsetRequest, SearchOffsetByTimestampRequest,
        SearchOffsetByTimestampResponse, UpdateConsumerOffsetRequest,
    },
};
use eruca_remoting::Reply;
use eruca_store::{Boundary, MessageStore};

use crate::{HandlerError, groups::GroupTable, offsets::OffsetTable, settings::Settings, topics::TopicTable};

/// Answers questions on offsets, and takes commits.
#[derive(Debug)]
pub struct ConsumerOffsetHandler {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    groups: Arc<GroupTable>,
    offsets: Arc<OffsetTable>,
    settings: Arc<Settings>,
    /// Of the machine or its cgroup.
    memory_bytes: u64,
}

impl ConsumerOffsetHandler {
    /// A handler; `memory_bytes` is what the machine or its cgroup has.
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        groups: Arc<GroupTable>,
        offsets: Arc<OffsetTable>,
        settings: Arc<Settings>,
        memory_bytes: u64,
    ) -> Self {
        ConsumerOffsetHandler { store, topics, groups, offsets, settings, memory_bytes }
    }

    /// `QUERY_CONSUMER_OFFSET`: where a group goes on. A group that never committed and whose queue is still whole and
    /// recent starts at 0, whatever it says of `consumeFromWhere`; else it is told that there is nothing, and decides.
    pub fn query(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: QueryConsumerOffsetRequest = request.header()?;
        let committed = self.offsets.committed(&header.consumer_group, &header.topic, header.queue_id);
        let not_found = |remark: &str| Err(HandlerError::new(ResponseCode::QUERY_NOT_FOUND, remark));
        let offset = match committed.filter(|offset| *offset >= 0) {
            Some(offset) => offset,
            None if header.set_zero_if_not_found == Some(false) => {
                return not_found("Not found, do not set to zero, maybe this group boot first");
            }
            None if self.starts_at_zero(&header.topic, header.queue_id) => 0,
            None => return not_found("Not found, V3_0_6_SNAPSHOT maybe this group consumer boot first"),
        };
        // What was shown must not go back when the process is killed.
        Ok(Reply::AfterSettle(request.reply_with(&QueryConsumerOffsetResponse { offset })))
    }

    /// Whether the queue's first message ever is there, and recent enough to be expected in memory.
    fn starts_at_zero(&self, topic: &str, queue_id: i32) -> bool {
        if self.store.queue_range(topic, queue_id).min > QueueOffset(0) {
            return false;
        }
        let entries = self.store.queue_entries(topic, queue_id, QueueOffset(0), 1);
        let Some(first) = entries.first().filter(|entry| !entry.is_blank()) else { return false };
        let percent = u64::from(self.settings.now().access_message_in_memory_max_ratio.unsigned_abs());
        let (_, end) = self.store.log_range();
        end.0.saturating_sub(first.log_offset.0) <= self.memory_bytes / 100 * percent
    }

    /// `UPDATE_CONSUMER_OFFSET`: a group has consumed up to an offset. Whoever waits for the answer is told whether it
    /// is safe; most do not, and theirs go to the kernel with the next settle.
    pub fn update(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: UpdateConsumerOffsetRequest = request.header()?;
        let UpdateConsumerOffsetRequest { consumer_group: group, topic, queue_id, commit_offset } = &header;
        if self.groups.get(group).is_none() {
            return Err(HandlerError::new(
                ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST,
                format!("Group {group} not exist!"),
            ));
        }
        self.check_queue(group, topic, *queue_id)?;
        if *commit_offset < 0 {
            return Err(HandlerError::invalid_parameter(format!(
                "commitOffset is {commit_offset}, it must be 0 or more"
            )));
        }
        if self.offsets.has_reset(group, topic, *queue_id) {
            // The consumer does not know yet that an administrator sent it elsewhere.
            let reply = request.reply(ResponseCode::SUCCESS);
            return Ok(Reply::Now(reply.with_remark("Offset has been previously reset")));
        }
        self.offsets.commit(group, topic, *queue_id, *commit_offset);
        if request.is_oneway() {
            return Ok(Reply::None);
        }
        self.offsets.settle_now()?;
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS)))
    }

    /// Queues that are not there must not fill the table.
    fn check_queue(&self, group: &str, topic: &str, queue_id: i32) -> Result<(), HandlerError> {
        let config = self.topics.get(topic).ok_or_else(|| {
            HandlerError::new(ResponseCode::TOPIC_NOT_EXIST, format!("Topic {topic} not exist!"))
        })?;
        let queue_nums = config.read_queue_nums.max(config.write_queue_nums);
        let is_there = (0..queue_nums).contains(&queue_id)
            || self.offsets.committed(group, topic, queue_id).is_some()
            || self.store.queue_range(topic, queue_id).max > QueueOffset(0);
        match is_there {
            true => Ok(()),
            false => Err(HandlerError::invalid_parameter(format!(
                "queueId is {queue_id}, topic {topic} has the queues 0 to {}",
                queue_nums - 1
            ))),
        }
    }

    /// `GET_MAX_OFFSET`: the end of a queue, exclusive.
    pub fn max(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: GetMaxOffsetRequest = request.header()?;
        let offset = self.store.readable_queue_range(&header.topic, header.queue_id).max.to_i64();
        Ok(Reply::Now(request.reply_with(&GetMaxOffsetResponse { offset })))
    }

    /// `GET_MIN_OFFSET`: the first message of a queue that is still there.
    pub fn min(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: GetMinOffsetRequest = request.header()?;
        let offset = self.store.queue_range(&header.topic, header.queue_id).min.to_i64();
        Ok(Reply::Now(request.reply_with(&GetMinOffsetResponse { offset })))
    }

    /// `SEARCH_OFFSET_BY_TIMESTAMP`.
    pub fn by_time(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: SearchOffsetByTimestampRequest = request.header()?;
        let boundary = if header.is_upper() { Boundary::Upper } else { Boundary::Lower };
        let time = Timestamp(header.timestamp);
        let topic = storage_topic(&header.topic, header.lite_topic.as_deref());
        let offset = self.store.queue_offset_by_time(&topic, header.queue_id, time, boundary);
        Ok(Reply::Now(request.reply_with(&SearchOffsetByTimestampResponse { offset: offset.to_i64() })))
    }

    /// `GET_EARLIEST_MSG_STORETIME`: when the first message of a queue was stored; -1 where there is none.
    pub fn earliest_store_time(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: GetEarliestMsgStoretimeRequest = request.header()?;
        let time = self.store.earliest_store_time(&header.topic, header.queue_id);
        let timestamp = time.map_or(-1, |time| time.0);
        Ok(Reply::Now(request.reply_with(&GetEarliestMsgStoretimeResponse { timestamp })))
    }

    /// `QUERY_CORRECTION_OFFSET`: by queue the lowest offset of all groups of a topic, for those in which
    /// `compareGroup` is not before it.
    pub fn correction(&self, request: &RemotingCommand) -> Result<Reply, HandlerError> {
        let header: QueryCorrectionOffsetRequest = request.header()?;
        let mut lowest = std::collections::BTreeMap::new();
        for group in self.offsets.groups_of(&header.topic) {
            for (queue_id, offset) in self.offsets.of(&group, &header.topic) {
                let low: &mut i64 = lowest.entry(queue_id).or_insert(offset);
                *low = offset.min(*low);
            }
        }
        for (queue_id, offset) in self.offsets.of(&header.compare_group, &header.topic) {
            if let Some(low) = lowest.get_mut(&queue_id).filter(|low| **low > offset) {
                *low = i64::MAX;
            }
        }
        let content = QueryCorrectionOffsetBody { correction_offsets: lowest };
        Ok(Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&content))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::test_parts::{TestParts, answer};

    fn handler(parts: &TestParts, memory_bytes: u64) -> ConsumerOffsetHandler {
        ConsumerOffsetHandler::new(
            Arc::clone(&parts.store),
            Arc::clone(&parts.topics),
            Arc::clone(&parts.groups),
            Arc::clone(&parts.offsets),
            Arc::clone(&parts.settings),
            memory_bytes,
        )
    }

    fn query(parts: &TestParts, memory_bytes: u64, set_zero: Option<bool>) -> Result<i64, ResponseCode> {
        let header = QueryConsumerOffsetRequest {
            consumer_group: "g".into(),
            topic: "T".into(),
            queue_id: 1,
            set_zero_if_not_found: set_zero,
        };
        let request = RemotingCommand::request(&header);
        let result = handler(parts, memory_bytes).query(&request);
        assert!(!matches!(result, Ok(Reply::Now(_))), "a kill could take back what was shown");
        let reply = answer(&request, result);
        match reply.response_code() {
            ResponseCode::SUCCESS => Ok(reply.header::<QueryConsumerOffsetResponse>().unwrap().offset),
            code => Err(code),
        }
    }

    fn update(
        parts: &TestParts,
        group: &str,
        topic: &str,
        queue_id: i32,
        commit_offset: i64,
    ) -> ResponseCode {
        let header = UpdateConsumerOffsetRequest {
            consumer_group: group.into(),
            topic: topic.into(),
            queue_id,
            commit_offset,
        };
        let request = RemotingCommand::request(&header);
        answer(&request, handler(parts, 1 << 30).update(&request)).response_code()
    }

    #[test]
    fn a_new_group_starts_at_zero_only_where_the_queue_is_whole_and_recent() {
        let parts = TestParts::new();
        parts.topic("T", 2);
        assert_eq!(query(&parts, 1 << 30, None), Err(ResponseCode::QUERY_NOT_FOUND), "an empty queue");
        parts.store("T", 1, "x", b"");
        assert_eq!(query(&parts, 1 << 30, None), Ok(0));
        assert_eq!(query(&parts, 1 << 30, Some(true)), Ok(0));
        assert_eq!(query(&parts, 1 << 30, Some(false)), Err(ResponseCode::QUERY_NOT_FOUND));
        assert_eq!(query(&parts, 100, None), Err(ResponseCode::QUERY_NOT_FOUND), "out of memory by now");
        parts.groups.get_or_create("g");
        assert_eq!(update(&parts, "g", "T", 1, 1), ResponseCode::SUCCESS);
        assert_eq!(query(&parts, 100, Some(false)), Ok(1));
    }

    #[test]
    fn commits_of_what_is_not_there_are_refused() {
        let parts = TestParts::new();
        parts.topic("T", 2);
        assert_eq!(update(&parts, "g", "T", 0, 5), ResponseCode::SUBSCRIPTION_GROUP_NOT_EXIST);
        parts.groups.get_or_create("g");
        assert_eq!(update(&parts, "g", "U", 0, 5), ResponseCode::TOPIC_NOT_EXIST);
        assert_eq!(update(&parts, "g", "T", 2, 5), ResponseCode::INVALID_PARAMETER);
        assert_eq!(update(&parts, "g", "T", -1, 5), ResponseCode::INVALID_PARAMETER);
        assert_eq!(update(&parts, "g", "T", 0, -1), ResponseCode::INVALID_PARAMETER);
        assert_eq!(update(&parts, "g", "T", 0, 5), ResponseCode::SUCCESS);
        parts.store("T", 7, "in a queue that the topic lost", b"");
        assert_eq!(update(&parts, "g", "T", 7, 1), ResponseCode::SUCCESS);
        assert_eq!(parts.offsets.of("g", "T").into_iter().collect::<Vec<_>>(), [(0, 5), (7, 1)]);
    }

    #[test]
    fn a_commit_does_not_undo_a_reset_that_the_group_does_not_know_of() {
        let parts = TestParts::new();
        parts.topic("T", 1);
        parts.groups.get_or_create("g");
        update(&parts, "g", "T", 0, 9);
        parts.offsets.assign_reset("g", "T", 0, 3);
        assert_eq!(update(&parts, "g", "T", 0, 10), ResponseCode::SUCCESS);
        assert_eq!(parts.offsets.committed("g", "T", 0), Some(3));
        parts.offsets.take_reset("g", "T", 0);
        update(&parts, "g", "T", 0, 10);
        assert_eq!(parts.offsets.committed("g", "T", 0), Some(10));
    }

    #[test]
    fn ends_and_times_of_queues() {
        let parts = TestParts::new();
        let handler = handler(&parts, 1 << 30);
        for _ in 0..3 {
            parts.store("T", 1, "x", b"");
            parts.clock.advance_ms(100);
        }
        let field = |result: Result<Reply, HandlerError>, name: &str| {
            let request = RemotingCommand::request(&GetMinOffsetRequest::default());
            answer(&request, result).ext_fields.get(name).map(str::to_owned)
        };
        let of = |queue_id| GetMaxOffsetRequest { topic: "T".into(), queue_id, committed: true };
        assert_eq!(field(handler.max(&RemotingCommand::request(&of(1))), "offset").as_deref(), Some("3"));
        assert_eq!(field(handler.max(&RemotingCommand::request(&of(9))), "offset").as_deref(), Some("0"));
        let min = GetMinOffsetRequest { topic: "T".into(), queue_id: 1 };
        assert_eq!(field(handler.min(&RemotingCommand::request(&min)), "offset").as_deref(), Some("0"));
        let at = |timestamp, boundary: &str| {
            let header = SearchOffsetByTimestampRequest {
                topic: "T".into(),
                queue_id: 1,
                timestamp,
                boundary_type: Some(boundary.into()),
                ..Default::default()
            };
            field(handler.by_time(&RemotingCommand::request(&header)), "offset").unwrap()
        };
        assert_eq!((at(1_000_150, "LOWER"), at(1_000_150, "upper")), ("2".into(), "1".into()));
        let earliest = |queue_id| {
            let header = GetEarliestMsgStoretimeRequest { topic: "T".into(), queue_id };
            field(handler.earliest_store_time(&RemotingCommand::request(&header)), "timestamp").unwrap()
        };
        assert_eq!((earliest(1), earliest(2)), ("1000000".into(), "-1".into()));
    }

    #[test]
    fn the_lowest_offsets_of_a_topic() {
        let parts = TestParts::new();
        for (group, queue_id, offset) in [("a", 0, 5), ("b", 0, 3), ("a", 1, 1), ("b", 1, 9)] {
            parts.offsets.commit(group, "T", queue_id, offset);
        }
        let header = QueryCorrectionOffsetRequest { compare_group: "c".into(), topic: "T".into() };
        parts.offsets.commit("c", "T", 0, 4);
        let request = RemotingCommand::request(&header);
        let reply = answer(&request, handler(&parts, 0).correction(&request));
        assert_eq!(&reply.body[..], br#"{"correctionOffsets":{0:3,1:1}}"#);
    }
}
