use eruca_message::properties::UNIQUE_KEY;

use super::*;
use crate::{
    Compression,
    testing::{FakeCluster, until},
};

const PATIENCE: Duration = Duration::from_secs(20);

async fn producer(cluster: &FakeCluster) -> Producer {
    Producer::builder().name_servers(cluster.name_servers()).group("askers").build().await.unwrap()
}

fn pushed(correlation_id: &str, sys_flag: i32) -> PushReplyMessageRequest {
    PushReplyMessageRequest {
        topic: "DefaultCluster_REPLY_TOPIC".into(),
        sys_flag,
        properties: Some(format!("CORRELATION_ID\u{1}{correlation_id}\u{2}UNIQ_KEY\u{1}U\u{2}")),
        born_host: "/127.0.0.1:4711".into(),
        store_host: "127.0.0.1:10911".into(),
        ..PushReplyMessageRequest::default()
    }
}

#[tokio::test]
async fn a_request_waits_for_its_own_reply() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("questions", 1);
    let producer = producer(&cluster).await;
    let replies = producer.sender().unwrap().replies.clone();
    let answer = async {
        until("the question is stored", || cluster.all_bodies("questions") == ["why?"]).await;
        // The broker knows whom to pass the reply on to before it has the question.
        assert_eq!(cluster.last_heartbeat().unwrap().producer_data_set[0].group_name, "askers");
        let id = lock(&replies.waiting).keys().next().unwrap().clone();
        replies.deliver(pushed("somebody else's", 0), b"no").unwrap();
        let packed = Compression::Zlib.compress(b"because", 5).unwrap();
        replies.deliver(pushed(&id, Compression::Zlib.sys_flag()), &packed).unwrap();
    };
    let (reply, ()) = tokio::join!(producer.request(Message::new("questions", "why?"), PATIENCE), answer);
    let reply = reply.unwrap();
    assert_eq!(reply.message.body, b"because");
    assert_eq!(reply.message.properties.get(UNIQUE_KEY), Some("U"));
    assert_eq!(reply.born_host.port(), 4711);
    assert!(lock(&replies.waiting).is_empty());
    producer.shutdown().await;
}

#[tokio::test]
async fn who_waits_no_longer_leaves_nothing_behind() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("questions", 1);
    let producer = producer(&cluster).await;
    let asked = producer.request(Message::new("questions", "why?"), Duration::from_millis(300)).await;
    assert!(matches!(asked, Err(RequestError::NoReply { .. })), "{asked:?}");
    assert!(lock(&producer.sender().unwrap().replies.waiting).is_empty());
    producer.shutdown().await;
    let after = producer.request(Message::new("questions", "why?"), PATIENCE).await;
    assert!(matches!(after, Err(RequestError::Send(SendError::Route(_)))), "{after:?}");
}

#[test]
fn useless_replies_are_refused() {
    let replies = PendingReplies::default();
    let without_id = PushReplyMessageRequest { properties: None, ..pushed("x", 0) };
    assert!(matches!(replies.deliver(without_id, b"x"), Err(UselessReply::NoCorrelationId)));
    let bad_host = PushReplyMessageRequest { born_host: "nowhere".into(), ..pushed("x", 0) };
    assert!(matches!(replies.deliver(bad_host, b"x"), Err(UselessReply::BadAddress { .. })));
    let damaged = replies.deliver(pushed("x", Compression::Zlib.sys_flag()), b"not zlib");
    assert!(matches!(damaged, Err(UselessReply::Compression(_))));
}

#[test]
fn a_reply_has_what_the_request_had() {
    let request = Message::new("questions", "why?")
        .with_property(CLUSTER, "C")
        .with_property(CORRELATION_ID, "17")
        .with_property(REPLY_TO_CLIENT, "asker")
        .with_property(REQUEST_TTL, "3000");
    let bytes = crate::decode::tests::record("questions", 0, 0, b"why?", &request.properties.to_bytes());
    let (request, _) = StoredMessage::decode(&bytes).unwrap();
    let reply = reply_message(&request, b"because".to_vec()).unwrap();
    assert_eq!(reply.topic, "C_REPLY_TOPIC");
    let has = |name, value| assert_eq!(reply.properties.get(name), Some(value));
    has(MESSAGE_TYPE, "reply");
    has(CORRELATION_ID, "17");
    has(REPLY_TO_CLIENT, "asker");
    has(REQUEST_TTL, "3000");

    let bytes = crate::decode::tests::record("questions", 0, 0, b"why?", b"CLUSTER\x01C\x02");
    let (plain, _) = StoredMessage::decode(&bytes).unwrap();
    let error = reply_message(&plain, b"because".to_vec()).unwrap_err();
    assert!(error.to_string().contains("CORRELATION_ID"), "{error}");
}
