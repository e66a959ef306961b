use std::sync::Mutex;

use eruca_message::Timestamp;
use eruca_protocol::body::ConsumeMessageDirectlyResult;

use super::*;
use crate::{decode::tests::record, lock::lock};

#[derive(Default)]
struct FakeConsumer {
    changes: Mutex<usize>,
    resets: Mutex<BTreeMap<MessageQueue, i64>>,
}

impl BrokerRequests for FakeConsumer {
    fn consumer_ids_changed(&self) {
        *lock(&self.changes) += 1;
    }
    fn reset_offsets(&self, offsets: &BTreeMap<MessageQueue, i64>) {
        lock(&self.resets).extend(offsets.clone());
    }
    fn offsets_of(&self, topic: &str) -> BTreeMap<MessageQueue, i64> {
        BTreeMap::from([(MessageQueue::new(topic, "b", 0), 7)])
    }
    fn running_info(&self) -> ConsumerRunningInfo {
        ConsumerRunningInfo::default()
    }
    fn consume_directly(self: Arc<Self>, _: StoredMessage, request: RemotingCommand, responder: Responder) {
        let report = body::to_json(&ConsumeMessageDirectlyResult::default());
        responder.send(request.reply(ResponseCode::SUCCESS).with_body(report));
    }
}

fn call(inbound: &Inbound, request: RemotingCommand) -> Reply {
    let addr = "127.0.0.1:1".parse().unwrap();
    let (caller, _outbox) = Caller::detached(addr, addr);
    inbound.call(&caller, request)
}

fn served() -> (Inbound, Arc<FakeConsumer>) {
    let (inbound, consumer) = (Inbound::default(), Arc::new(FakeConsumer::default()));
    let weak: Weak<FakeConsumer> = Arc::downgrade(&consumer);
    inbound.serve(weak);
    (inbound, consumer)
}

fn code(reply: Reply) -> ResponseCode {
    match reply {
        Reply::Now(reply) => reply.response_code(),
        other => panic!("{other:?} is no answer"),
    }
}

#[test]
fn a_client_without_a_consumer_refuses_politely() {
    let request = RemotingCommand::request_without_header(RequestCode::CHECK_TRANSACTION_STATE);
    assert_eq!(code(call(&Inbound::default(), request)), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
}

#[test]
fn offsets_of_other_topics_are_not_reset() {
    let (inbound, consumer) = served();
    let table = [("t", 3), ("other", 4)].map(|(topic, offset)| (MessageQueue::new(topic, "b", 0), offset));
    let header = ResetConsumerClientOffsetRequest {
        group: "g".into(),
        topic: "t".into(),
        timestamp: Timestamp(0).0,
        ..ResetConsumerClientOffsetRequest::default()
    };
    let body = ResetOffsetBody { offset_table: table.into_iter().collect() };
    let request = RemotingCommand::request(&header).with_body(body::to_json(&body));
    assert_eq!(code(call(&inbound, request)), ResponseCode::SUCCESS);
    assert_eq!(*lock(&consumer.resets), BTreeMap::from([(MessageQueue::new("t", "b", 0), 3)]));
}

#[test]
fn broken_requests_are_answered_with_an_error() {
    let (inbound, consumer) = served();
    let broken = RemotingCommand::request_without_header(RequestCode::RESET_CONSUMER_CLIENT_OFFSET);
    assert_eq!(code(call(&inbound, broken)), ResponseCode::SYSTEM_ERROR);
    let header = ConsumeMessageDirectlyRequest { consumer_group: "g".into(), ..Default::default() };
    let empty = RemotingCommand::request(&header);
    assert_eq!(code(call(&inbound, empty)), ResponseCode::SYSTEM_ERROR);
    let whole = RemotingCommand::request(&header).with_body(record("t", 0, 0, b"x", b""));
    assert!(matches!(call(&inbound, whole), Reply::Later));
    let notice = RemotingCommand::request_without_header(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
    assert_eq!(code(call(&inbound, notice)), ResponseCode::SUCCESS);
    assert_eq!(*lock(&consumer.changes), 1);
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl LiteNotices for Heard {
    fn taken_over(&self, lite_topic: &str) {
        lock(&self.0).push(lite_topic.to_owned());
    }
}

#[test]
fn a_consumer_of_lite_topics_hears_that_one_was_taken() {
    let header = NotifyUnsubscribeLiteRequest {
        lite_topic: "a".into(),
        consumer_group: "g".into(),
        client_id: "c".into(),
    };
    let (inbound, heard) = (Inbound::default(), Arc::new(Heard::default()));
    let request = RemotingCommand::request(&header);
    assert_eq!(code(call(&inbound, request.clone())), ResponseCode::REQUEST_CODE_NOT_SUPPORTED);
    let weak: Weak<Heard> = Arc::downgrade(&heard);
    inbound.take_lite_notices(weak);
    assert_eq!(code(call(&inbound, request)), ResponseCode::SUCCESS);
    assert_eq!(*lock(&heard.0), ["a"]);
}
