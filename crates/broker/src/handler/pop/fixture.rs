//! A broker that pops, with a timer that is turned by hand: for tests.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    sync::{Arc, Weak},
};

use eruca_message::{
    QueueOffset, Record, StoredMessage,
    names::{TIMER_TOPIC, revive_topic},
    properties::{REAL_QUEUE_ID, TIMER_DELIVER_MS, UNIQUE_KEY, find_str},
};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    pop::{QueueOffsets, ReceiptHandle},
    request::{AckMessageRequest, ChangeInvisibleTimeRequest, PopMessageRequest, PopMessageResponse},
};
use eruca_remoting::{Caller, Outbox, Reply};
use eruca_store::{AppendMessage, Arrival, ArrivalListener, EveryMessage, ReadLimits, ReadStatus};

use super::{ParkedPop, PopMessageHandler};
use crate::{
    control::Control,
    handler::test_parts::TestParts,
    lite::LiteRegistry,
    long_poll::{PopHold, PullRunner},
    pop::PopService,
};

/// A broker that pops.
pub(super) struct Popper {
    pub(super) parts: TestParts,
    pub(super) pop: Arc<PopService>,
    pub(super) handler: Arc<PopMessageHandler>,
    pub(super) hold: Arc<PopHold<ParkedPop>>,
    pub(super) lite: Arc<LiteRegistry>,
    pub(super) caller: Caller,
    pub(super) outbox: Outbox,
    /// Records that the timer has delivered, by their places.
    delivered: RefCell<BTreeSet<usize>>,
}

struct Listener(Arc<PopHold<ParkedPop>>, Arc<LiteRegistry>);

impl ArrivalListener for Listener {
    fn arrived(&self, arrivals: &[Arrival]) {
        self.0.arrived(arrivals);
        self.1.arrived(arrivals, &self.0);
    }
}

/// A message as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) body: String,
    pub(super) handle: ReceiptHandle,
    /// The topic in which it lies.
    pub(super) topic: String,
    pub(super) queue_offset: i64,
    pub(super) reconsume_times: i32,
    pub(super) group: String,
}

impl Popper {
    pub(super) fn new() -> Popper {
        Self::over(TestParts::new())
    }

    pub(super) fn over(parts: TestParts) -> Popper {
        if !parts.topics.contains("T") {
            parts.topic("T", 2);
        }
        let config = parts.settings.now();
        parts.topics.ensure(&revive_topic(&config.broker_cluster_name), config.revive_queue_num);
        let hold = Arc::new(PopHold::new());
        let lite: Arc<LiteRegistry> = Arc::default();
        let pop = parts.pop_service(&hold, &lite);
        let handler = PopMessageHandler::new(
            parts.store.clone(),
            parts.topics.clone(),
            parts.groups.clone(),
            parts.offsets.clone(),
            Arc::default(),
            parts.consumers.clone(),
            pop.clone(),
            hold.clone(),
            lite.clone(),
            parts.settings.clone(),
            parts.stats.clone(),
            parts.clock.clone(),
            Arc::new(Control::start().unwrap()),
        );
        let runner: Weak<dyn PullRunner<ParkedPop>> = Arc::<PopMessageHandler>::downgrade(&handler);
        hold.set_runner(runner);
        parts.store.set_arrival_listener(Arc::new(Listener(hold.clone(), lite.clone())));
        let (caller, outbox) = parts.connect();
        Popper { parts, pop, handler, hold, lite, caller, outbox, delivered: Default::default() }
    }

    /// Stops as kill -9 does, and starts again over what the kernel has.
    pub(super) fn kill(self) -> Popper {
        self.kill_with(TestParts::in_directory)
    }

    /// As [`Popper::kill`], where `open` opens the broker again.
    pub(super) fn kill_with(self, open: impl FnOnce(tempfile::TempDir) -> TestParts) -> Popper {
        let delivered = self.delivered.take();
        self.parts.topics.settle();
        self.parts.groups.settle();
        let Popper { parts, .. } = self;
        let now = eruca_message::Clock::now(&*parts.clock);
        let parts = open(parts.stop());
        let ahead = now.ms_since(eruca_message::Clock::now(&*parts.clock));
        parts.clock.advance_ms(ahead);
        let again = Popper::over(parts);
        again.delivered.replace(delivered);
        again
    }

    pub(super) fn call(
        &self,
        request: &RemotingCommand,
        handle: impl FnOnce(&RemotingCommand) -> Result<Reply, crate::HandlerError>,
    ) -> Option<RemotingCommand> {
        let result = handle(request);
        self.parts.topics.settle();
        self.parts.groups.settle();
        let settled = self.pop.settling(|| self.parts.store.settle());
        self.parts.offsets.settle();
        if let Err(why) = settled {
            // A disk that dies is a matter of the test.
            return Some(request.reply_error(ResponseCode::SYSTEM_ERROR, why.to_string()));
        }
        match result {
            Ok(Reply::Now(reply) | Reply::AfterSettle(reply)) => Some(reply),
            Ok(Reply::Later) => None,
            Ok(other) => panic!("{other:?}"),
            Err(error) => Some(error.into_reply(request)),
        }
    }

    pub(super) fn pop_with(&self, header: &PopMessageRequest) -> Option<RemotingCommand> {
        self.call(&RemotingCommand::request(header), |request| self.handler.pop(&self.caller, request))
    }

    /// Pops without waiting.
    pub(super) fn pop(&self, max: i32, invisible_ms: i64) -> Vec<Given> {
        self.given(&self.pop_with(&request(max, invisible_ms)).unwrap())
    }

    /// What an answer has.
    pub(super) fn given(&self, reply: &RemotingCommand) -> Vec<Given> {
        self.given_to("g", reply)
    }

    /// What an answer to a pop of this group has.
    pub(super) fn given_to(&self, group: &str, reply: &RemotingCommand) -> Vec<Given> {
        if reply.response_code() != ResponseCode::SUCCESS {
            assert_eq!(reply.response_code(), ResponseCode::POLLING_TIMEOUT, "{:?}", reply.remark);
            return Vec::new();
        }
        let header: PopMessageResponse = reply.header().unwrap();
        let start = header.start_offset_info.as_deref().unwrap_or_default();
        let offsets =
            QueueOffsets::parse(start, header.msg_offset_info.as_deref().unwrap_or_default()).unwrap();
        let messages = StoredMessage::decode_all(&reply.body).unwrap();
        let told = offsets.iter().flat_map(|queue| queue.offsets.iter().map(move |offset| (queue, *offset)));
        let given: Vec<Given> = told
            .zip(messages)
            .map(|((queue, offset), message)| {
                assert_eq!(message.message.topic, "T");
                assert_eq!((message.queue_id, message.queue_offset.0 as i64), (queue.queue_id, offset));
                let handle = ReceiptHandle {
                    start_offset: queue.start,
                    pop_time: header.pop_time,
                    invisible_time: header.invisible_time,
                    revive_queue_id: header.revive_qid,
                    topic: queue.topic,
                    broker_name: "b".to_owned(),
                    queue_id: queue.queue_id,
                    queue_offset: offset,
                };
                if let Some(of_message) = message.message.properties.get("POP_CK") {
                    assert_eq!(of_message, handle.to_string());
                }
                Given {
                    body: String::from_utf8(message.message.body).unwrap(),
                    topic: queue.topic.real_topic("T", group),
                    handle,
                    queue_offset: offset,
                    reconsume_times: message.reconsume_times,
                    group: group.to_owned(),
                }
            })
            .collect();
        assert!(!given.is_empty(), "found");
        given
    }

    pub(super) fn ack(&self, given: &Given) -> ResponseCode {
        let header = AckMessageRequest {
            consumer_group: given.group.clone(),
            topic: given.topic.clone(),
            queue_id: given.handle.queue_id,
            extra_info: given.handle.to_string(),
            offset: given.queue_offset,
            lite_topic: None,
        };
        let request = RemotingCommand::request(&header);
        self.call(&request, |request| self.handler.ack(&self.caller, request)).unwrap().response_code()
    }

    pub(super) fn change(&self, given: &Given, invisible_ms: i64) -> Result<Given, ResponseCode> {
        let header = ChangeInvisibleTimeRequest {
            consumer_group: given.group.clone(),
            topic: given.topic.clone(),
            queue_id: given.handle.queue_id,
            extra_info: given.handle.to_string(),
            offset: given.queue_offset,
            invisible_time: invisible_ms,
            ..Default::default()
        };
        let request = RemotingCommand::request(&header);
        let reply =
            self.call(&request, |request| self.handler.change_invisible_time(&self.caller, request)).unwrap();
        if reply.response_code() != ResponseCode::SUCCESS {
            return Err(reply.response_code());
        }
        let header: eruca_protocol::request::ChangeInvisibleTimeResponse = reply.header().unwrap();
        let start_offset =
            if given.handle.is_order() { given.handle.start_offset } else { given.queue_offset };
        let handle = ReceiptHandle {
            start_offset,
            pop_time: header.pop_time,
            invisible_time: header.invisible_time,
            ..given.handle.clone()
        };
        Ok(Given { handle, ..given.clone() })
    }

    /// Time passes, a second at a time: the timer delivers records, and the pop thread does its work.
    pub(super) fn pass(&self, ms: i64) {
        let mut left = ms;
        while left > 0 {
            self.parts.clock.advance_ms(left.min(1_000));
            left -= 1_000;
            self.turn_timer();
            self.work();
        }
    }

    /// What the pop thread does.
    pub(super) fn work(&self) {
        let now = eruca_message::Clock::now(&*self.parts.clock);
        self.hold.step(now);
        self.pop.step(now);
    }

    /// Delivers records whose time has come, those that are due first before the others.
    pub(super) fn turn_timer(&self) {
        let now = eruca_message::Clock::now(&*self.parts.clock);
        let waiting = self.all(TIMER_TOPIC, 0);
        let topic = revive_topic(&self.parts.settings.now().broker_cluster_name);
        let mut due: Vec<(i64, usize)> = Vec::new();
        for (index, message) in waiting.iter().enumerate() {
            let at: i64 = message.message.properties.get(TIMER_DELIVER_MS).unwrap().parse().unwrap();
            due.push((at, index));
        }
        due.sort_unstable();
        for (_, index) in due.iter().filter(|(at, _)| *at <= now.0) {
            if !self.delivered.borrow_mut().insert(*index) {
                continue;
            }
            let at = QueueOffset(*index as u64);
            let record = self.parts.store.queue_entries(TIMER_TOPIC, 0, at, 1);
            let Ok(Some(bytes)) = self.parts.store.record_at(record[0].log_offset) else { return };
            let fields = Record::decode(&bytes).unwrap().fields;
            let queue_id = find_str(fields.properties, REAL_QUEUE_ID).unwrap().parse().unwrap();
            let appended = self.parts.store.append(&AppendMessage {
                topic: &topic,
                queue_id,
                flag: 0,
                sys_flag: 0,
                born_timestamp: now,
                born_host: fields.born_host,
                store_host: fields.store_host,
                reconsume_times: 0,
                prepared_transaction_offset: 0,
                body: fields.body,
                properties: fields.properties,
            });
            if appended.is_err() {
                return;
            }
        }
        // On a disk that died the next pop says so.
        let _ = self.parts.store.settle();
    }

    /// All messages of a queue, however many.
    pub(super) fn all(&self, topic: &str, queue_id: i32) -> Vec<StoredMessage> {
        let (mut all, store) = (Vec::new(), &self.parts.store);
        let mut next = store.queue_range(topic, queue_id).min;
        loop {
            let read = store.read(topic, queue_id, next, &ReadLimits::default(), &EveryMessage);
            if read.status != ReadStatus::Found {
                return all;
            }
            all.extend(StoredMessage::decode_all(&read.records).unwrap());
            next = read.next_offset;
        }
    }

    /// Takes note of what the timer of the broker before has delivered: that is in the revive topic.
    pub(super) fn note_delivered(&self) {
        let name = |message: &StoredMessage| {
            let property = |name| message.message.properties.get(name).map(str::to_owned);
            (property(UNIQUE_KEY), property(TIMER_DELIVER_MS), message.message.body.clone())
        };
        let topic = revive_topic(&self.parts.settings.now().broker_cluster_name);
        let queues = 0..self.pop.revive_queue_nums();
        let there: Vec<_> = queues.flat_map(|queue| self.all(&topic, queue)).map(|m| name(&m)).collect();
        let waiting = self.all(TIMER_TOPIC, 0);
        let delivered = waiting.iter().enumerate().filter(|(_, message)| there.contains(&name(message)));
        self.delivered.replace(delivered.map(|(index, _)| index).collect());
    }
}

/// A pop of topic `T` for group `g` that does not wait.
pub(super) fn request(max: i32, invisible_ms: i64) -> PopMessageRequest {
    PopMessageRequest {
        consumer_group: "g".into(),
        topic: "T".into(),
        queue_id: -1,
        max_msg_nums: max,
        invisible_time: invisible_ms,
        poll_time: 0,
        born_time: 0,
        init_mode: 0,
        ..PopMessageRequest::default()
    }
}
