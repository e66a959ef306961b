use eruca_message::{StoredMessage, Timestamp};
use eruca_protocol::{
    Language,
    body::{ConsumerData, SubscriptionGroupConfig, TopicConfig},
};
use eruca_remoting::Outbox;

use super::*;
use crate::{
    clients::{ClientInfo, Heartbeat},
    handler::test_parts::{BROKER, TestParts, answer},
};

/// For what comes from another thread; it takes well below a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

fn handler(parts: &TestParts) -> RelayHandler {
    RelayHandler::new(
        parts.consumers.clone(),
        parts.topics.clone(),
        parts.groups.clone(),
        parts.store.clone(),
        parts.settings.clone(),
        Arc::new(Control::start().unwrap()),
    )
}

fn join(parts: &TestParts, client_id: &str, version: i32) -> Outbox {
    let (caller, outbox) = parts.connect();
    let client = ClientInfo { client_id: client_id.into(), language: Language::Java, version };
    let consumer = ConsumerData { group_name: "g".into(), ..ConsumerData::default() };
    let heartbeat = Heartbeat { consumer: &consumer, fingerprint: 0, is_without_sub: false };
    parts.consumers.heartbeat(&caller, &client, &heartbeat, Timestamp(0)).unwrap();
    outbox
}

fn running_info(client_id: &str) -> RemotingCommand {
    RemotingCommand::request(&GetConsumerRunningInfoRequest {
        consumer_group: "g".into(),
        client_id: client_id.into(),
        jstack_enable: true,
    })
}

fn received(outbox: &Outbox) -> RemotingCommand {
    let mut received = outbox.take_within(1, PATIENCE);
    assert_eq!(received.len(), 1);
    received.remove(0)
}

#[test]
fn a_question_goes_to_the_member_and_its_answer_back() {
    let parts = TestParts::new();
    let handler = handler(&parts);
    let (member, other) = (join(&parts, "a", 513), join(&parts, "b", 513));
    let (tool, to_tool) = parts.connect();
    let mut request = running_info("a");
    request.opaque = 77;
    assert!(matches!(handler.running_info(&tool, &request), Ok(Reply::Later)));
    let question = received(&member);
    assert_eq!(question.request_code(), RequestCode::GET_CONSUMER_RUNNING_INFO);
    assert_eq!(question.ext_fields, request.ext_fields);
    assert!(member.answer(question.reply(ResponseCode::SUCCESS).with_body(r#"{"jstack":"x"}"#)));
    let reply = received(&to_tool);
    assert_eq!((reply.opaque, reply.response_code()), (77, ResponseCode::SUCCESS));
    assert_eq!(reply.body, r#"{"jstack":"x"}"#);
    assert!(other.take().is_empty());

    assert!(matches!(handler.running_info(&tool, &request), Ok(Reply::Later)));
    let question = received(&member);
    member.answer(question.reply_error(ResponseCode::SYSTEM_ERROR, "cannot"));
    let reply = received(&to_tool);
    assert_eq!(
        (reply.response_code(), reply.remark.as_deref()),
        (ResponseCode::SYSTEM_ERROR, Some("cannot"))
    );
}

#[test]
fn who_is_offline_too_old_or_leaves_cannot_be_asked() {
    let parts = TestParts::new();
    let handler = handler(&parts);
    let (tool, to_tool) = parts.connect();
    let _old = join(&parts, "old", 61);
    let refused = |client_id: &str| {
        let request = running_info(client_id);
        answer(&request, handler.running_info(&tool, &request)).remark.unwrap()
    };
    assert_eq!(refused("nobody"), "The Consumer <g> <nobody> not online");
    assert!(refused("old").contains("too low"));
    let leaving = join(&parts, "leaving", 513);
    assert!(matches!(handler.running_info(&tool, &running_info("leaving")), Ok(Reply::Later)));
    received(&leaving);
    leaving.disconnect();
    let reply = received(&to_tool);
    assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
    assert!(reply.remark.unwrap().starts_with("invoke consumer <g> <leaving> Exception: "));
}

#[test]
fn a_silent_member_is_told_of_as_such() {
    let request = running_info("a");
    let error = InvokeError::Timeout { addr: "10.0.0.1:4000".into(), after: CALL_TIMEOUT };
    let reply = failed(request.reply(ResponseCode::SUCCESS), "<g> <a>", &error);
    assert_eq!(reply.response_code(), ResponseCode::CONSUME_MSG_TIMEOUT);
    assert!(reply.remark.unwrap().starts_with("consumer <g> <a> Timeout: "));
}

#[test]
fn a_message_to_consume_directly_goes_along() {
    let parts = TestParts::new();
    parts.topics.put(TopicConfig { topic_sys_flag: 2, ..TopicConfig::new("T", 1) }).unwrap();
    parts
        .groups
        .put(SubscriptionGroupConfig { group_sys_flag: 1, ..SubscriptionGroupConfig::new("g") })
        .unwrap();
    let stored = parts.store("T", 0, "hello", b"");
    let handler = handler(&parts);
    let member = join(&parts, "a", 513);
    let (tool, to_tool) = parts.connect();
    let request = |log_offset| {
        let id = OffsetMessageId { store_host: BROKER.parse().unwrap(), log_offset };
        RemotingCommand::request(&ConsumeMessageDirectlyRequest {
            consumer_group: "g".into(),
            client_id: Some("a".into()),
            msg_id: Some(id.to_string()),
            broker_name: Some("tool's guess".into()),
            topic: Some("T".into()),
            topic_sys_flag: None,
            group_sys_flag: None,
        })
    };
    let direct = request(stored.log_offset);
    assert!(matches!(handler.consume_directly(&tool, &direct), Ok(Reply::Later)));
    let question = received(&member);
    let header: ConsumeMessageDirectlyRequest = question.header().unwrap();
    assert_eq!(header.broker_name.as_deref(), Some("b"));
    assert_eq!((header.topic_sys_flag, header.group_sys_flag), (Some(2), Some(1)));
    let [message] = &StoredMessage::decode_all(&question.body).unwrap()[..] else { panic!("one message") };
    assert_eq!(&*message.message.body, b"hello");
    member.answer(question.reply(ResponseCode::SUCCESS).with_body("{}"));
    assert_eq!(received(&to_tool).body, "{}");

    let missing = request(stored.log_offset_end);
    let reply = answer(&missing, handler.consume_directly(&tool, &missing));
    assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
    let mut no_id = request(stored.log_offset);
    no_id.ext_fields.push("msgId", "7F00000100002A9F");
    let reply = answer(&no_id, handler.consume_directly(&tool, &no_id));
    assert_eq!(reply.response_code(), ResponseCode::SYSTEM_ERROR);
}

#[test]
fn statuses_are_gathered_from_all_members_that_answer() {
    let parts = TestParts::new();
    let handler = handler(&parts);
    let (tool, to_tool) = parts.connect();
    let status = |client_id: Option<&str>| {
        RemotingCommand::request(&StatusRequest {
            topic: "T".into(),
            group: "g".into(),
            client_addr: client_id.map(str::to_owned),
        })
    };
    let offline = status(Some(""));
    let reply = answer(&offline, handler.consumer_status(&tool, &offline));
    assert_eq!(reply.remark.as_deref(), Some("No Any Consumer online in the consumer group: [g]"));

    let (a, b, c) = (join(&parts, "a", 513), join(&parts, "b", 513), join(&parts, "c", 513));
    assert!(matches!(handler.consumer_status(&tool, &status(Some(""))), Ok(Reply::Later)));
    for (member, offset) in [(&a, 3), (&b, 4)] {
        let question = received(member);
        assert_eq!(question.request_code(), RequestCode::GET_CONSUMER_STATUS_FROM_CLIENT);
        let table = format!(
            r#"{{"consumerTable":{{}},"messageQueueTable":{{{{"brokerName":"b","queueId":0,"topic":"T"}}:{offset}}}}}"#
        );
        member.answer(question.reply(ResponseCode::SUCCESS).with_body(table));
    }
    let question = received(&c);
    assert!(to_tool.take().is_empty(), "not before the last one");
    c.answer(question.reply_error(ResponseCode::SYSTEM_ERROR, "cannot"));
    let reply = received(&to_tool);
    assert_eq!(
        str::from_utf8(&reply.body).unwrap(),
        concat!(
            r#"{"consumerTable":{"a":{{"brokerName":"b","queueId":0,"topic":"T"}:3},"#,
            r#""b":{{"brokerName":"b","queueId":0,"topic":"T"}:4}},"messageQueueTable":{}}"#
        )
    );

    assert!(matches!(handler.consumer_status(&tool, &status(Some("b"))), Ok(Reply::Later)));
    let question = received(&b);
    assert!(a.take().is_empty() && c.take().is_empty());
    b.answer(question.reply(ResponseCode::SUCCESS).with_body("no json"));
    assert_eq!(received(&to_tool).body, r#"{"consumerTable":{},"messageQueueTable":{}}"#);
    assert!(matches!(handler.consumer_status(&tool, &status(Some("nobody"))), Ok(Reply::Later)));
    assert_eq!(received(&to_tool).body, r#"{"consumerTable":{},"messageQueueTable":{}}"#);
    let _old = join(&parts, "old", 27);
    let request = status(None);
    let reply = answer(&request, handler.consumer_status(&tool, &request));
    assert!(reply.remark.unwrap().contains("does not support"));
}
