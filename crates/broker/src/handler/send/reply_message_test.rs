//! Replies against a real store and a client that waits.

use std::{sync::Arc, time::Duration};

use eruca_config::Properties as ConfigProperties;
use eruca_message::{Properties, StoredMessage, Timestamp, names::AUTO_CREATE_TOPIC, properties};
use eruca_protocol::{
    Language, RemotingCommand, RequestCode, ResponseCode,
    body::TopicConfig,
    request::{PushReplyMessageRequest, SendMessageRequestV2},
};
use eruca_remoting::{Caller, Outbox, Reply};

use super::{FlushTimeouts, ReplyMessageHandler, SendMessageHandler};
use crate::{
    clients::ClientInfo,
    control::Control,
    handler::test_parts::{BROKER, TestParts},
};

const TOPIC: &str = "DefaultCluster_REPLY_TOPIC";
/// For what comes from another thread; it takes well below a millisecond.
const PATIENCE: Duration = Duration::from_secs(20);

struct Replier {
    parts: TestParts,
    send: SendMessageHandler,
    handler: ReplyMessageHandler,
    caller: Caller,
    outbox: Outbox,
}

impl Replier {
    fn new() -> Replier {
        let parts = TestParts::new();
        parts.topics.put(TopicConfig::new(TOPIC, 1)).unwrap();
        let send = SendMessageHandler::new(
            parts.store.clone(),
            parts.topics.clone(),
            parts.groups.clone(),
            Arc::default(),
            parts.parking.clone(),
            parts.transactions(),
            parts.settings.clone(),
            parts.stats.clone(),
            parts.clock.clone(),
            Arc::new(parts.durability(Arc::new(FlushTimeouts::new(5_000)))),
            BROKER.parse().unwrap(),
            "self".to_owned(),
        );
        let handler = ReplyMessageHandler::new(parts.producers.clone(), Arc::new(Control::start().unwrap()));
        let (caller, outbox) = parts.connect();
        Replier { parts, send, handler, caller, outbox }
    }

    /// A client that waits for replies.
    fn waiting(&self, client_id: &str) -> Outbox {
        let (caller, outbox) = self.parts.connect();
        let client = ClientInfo { client_id: client_id.into(), language: Language::Java, version: 513 };
        self.parts.producers.heartbeat(&caller, &client, "askers", Timestamp(0)).unwrap();
        outbox
    }

    fn reply(&self, properties: &str) {
        let answer = self.handler.handle(&self.send, &self.caller, &request(properties));
        assert!(matches!(answer, Ok(Reply::Later)));
    }

    fn answer(&self) -> RemotingCommand {
        self.outbox.take_within(1, PATIENCE).remove(0)
    }

    fn stored(&self) -> Vec<StoredMessage> {
        self.parts.read(TOPIC, 0)
    }
}

fn request(properties: &str) -> RemotingCommand {
    let mut request = RemotingCommand::request(&SendMessageRequestV2 {
        producer_group: "repliers".to_owned(),
        topic: TOPIC.to_owned(),
        default_topic: AUTO_CREATE_TOPIC.to_owned(),
        default_topic_queue_nums: 4,
        properties: Some(properties.to_owned()),
        ..SendMessageRequestV2::default()
    })
    .with_body("pong");
    request.code = RequestCode::SEND_REPLY_MESSAGE_V2.0;
    request
}

#[test]
fn a_reply_goes_to_the_client_that_waits_and_into_the_store() {
    let replier = Replier::new();
    let (waiting, other) = (replier.waiting("me@1"), replier.waiting("you@1"));
    replier.reply("REPLY_TO_CLIENT\u{1}me@1\u{2}CORRELATION_ID\u{1}c\u{2}");
    let pushed = waiting.take_within(1, PATIENCE).remove(0);
    assert_eq!(
        (pushed.request_code(), &*pushed.body),
        (RequestCode::PUSH_REPLY_MESSAGE_TO_CLIENT, &b"pong"[..])
    );
    let header: PushReplyMessageRequest = pushed.header().unwrap();
    assert_eq!((header.topic.as_str(), header.producer_group.as_str()), (TOPIC, "repliers"));
    assert_eq!((header.born_host.as_str(), header.store_host.as_str()), ("10.0.0.1:4000", BROKER));
    assert_eq!(header.store_timestamp, 1_000_000);
    let properties = Properties::decode(header.properties.unwrap().as_bytes());
    assert_eq!(properties.get(properties::CORRELATION_ID), Some("c"));
    assert_eq!(properties.get(properties::PUSH_REPLY_TIME), Some("1000000"));
    assert!(replier.outbox.take().is_empty(), "answered before the client has it");

    assert!(waiting.answer(pushed.reply(ResponseCode::SUCCESS)));
    let answer = replier.answer();
    assert_eq!((answer.response_code(), answer.remark.as_deref()), (ResponseCode::SUCCESS, None));
    assert_eq!(answer.ext_fields.get("queueOffset"), Some("0"));
    assert_eq!(answer.ext_fields.get("MSG_REGION"), Some("DefaultRegion"));
    let stored = replier.stored();
    assert_eq!((stored.len(), &*stored[0].message.body), (1, &b"pong"[..]));
    assert!(other.take().is_empty());
}

#[test]
fn a_reply_that_nobody_takes_is_stored_and_its_sender_told() {
    let replier = Replier::new();
    let refused = |answer: RemotingCommand| {
        assert_eq!(answer.response_code(), ResponseCode::SYSTEM_ERROR);
        assert!(answer.ext_fields.get("msgId").is_some_and(|id| id.len() == 32));
        answer.remark.unwrap()
    };
    replier.reply("");
    assert_eq!(refused(replier.answer()), "reply message properties[REPLY_TO_CLIENT] is null");
    replier.reply("REPLY_TO_CLIENT\u{1}gone@1\u{2}");
    assert!(refused(replier.answer()).starts_with("push reply message fail, channel of <gone@1> not found"));
    let waiting = replier.waiting("me@1");
    replier.reply("REPLY_TO_CLIENT\u{1}me@1\u{2}");
    let pushed = waiting.take_within(1, PATIENCE).remove(0);
    waiting.answer(pushed.reply_error(ResponseCode::SYSTEM_ERROR, "no"));
    assert!(refused(replier.answer()).starts_with("push reply message to me@1fail."));
    replier.reply("REPLY_TO_CLIENT\u{1}me@1\u{2}");
    waiting.take_within(1, PATIENCE);
    waiting.disconnect();
    assert!(refused(replier.answer()).starts_with("push reply message to me@1fail."));
    assert_eq!(replier.stored().len(), 4);
}

#[test]
fn a_reply_that_is_too_long_is_refused_with_length_and_limit() {
    let replier = Replier::new();
    let refused = |request: RemotingCommand| {
        let error = replier.handler.handle(&replier.send, &replier.caller, &request).unwrap_err();
        assert_eq!(error.code, ResponseCode::MESSAGE_ILLEGAL);
        assert!(error.remark.starts_with("the message is illegal, maybe msg body"), "{}", error.remark);
        error.remark
    };
    let long = refused(request(&format!("big\u{1}{}\u{2}", "p".repeat(32_767))));
    assert!(long.contains("the limit is 32767: send less in properties"), "{long}");
    let large = refused(request("").with_body(vec![0; (4 << 20) + 1]));
    assert!(large.contains("has 4194305 bytes, maxMessageSize is 4194304: send less"), "{large}");
}

#[test]
fn replies_need_not_be_stored() {
    let replier = Replier::new();
    replier
        .parts
        .settings
        .update(&ConfigProperties::parse("storeReplyMessageEnable=false\n").unwrap())
        .unwrap();
    replier.reply("");
    let answer = replier.answer();
    assert_eq!(answer.ext_fields.get("msgId"), Some("0"));
    assert_eq!(answer.ext_fields.get("queueOffset"), Some("0"));
    assert!(replier.stored().is_empty());
}
