//! Traces of producers and consumers, in a small cluster in this process.

use eruca_message::{
    Message, RecallHandle, Timestamp,
    trace::{TraceKind, TraceOutcome},
};
use eruca_protocol::{RequestCode, ResponseCode};
use proptest::prelude::*;

use super::*;
use crate::{
    ConsumeFrom, ConsumeStatus, LitePullConsumer, PushConsumer, StoredMessage, TransactionListener,
    TransactionProducer, TransactionState,
    testing::{FakeCluster, until},
    trace::DEFAULT_TRACE_TOPIC,
};

fn cluster() -> FakeCluster {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 1);
    cluster.topic(DEFAULT_TRACE_TOPIC, 1);
    cluster.topic("TBW102", 1);
    cluster
}

fn traces(cluster: &FakeCluster, topic: &str) -> Vec<TraceRecord> {
    let mut records = Vec::new();
    for message in cluster.all_messages(topic) {
        // Long bodies are compressed, as any producer's.
        let plain = crate::compression::decompress(&message.message.body, message.sys_flag).unwrap();
        let body = String::from_utf8(plain.unwrap_or_else(|| message.message.body.clone())).unwrap();
        for record in TraceRecord::decode_all(&body) {
            let record = record.unwrap();
            let keys: Vec<&str> = message.message.keys().unwrap().split(' ').collect();
            assert!(record.index_keys().all(|key| keys.contains(&key)), "{record:?} is found by {keys:?}");
            records.push(record);
        }
    }
    records
}

fn message(body: &str) -> Message {
    Message::new("t", body).with_tag("tag").with_keys("k1 k2")
}

#[tokio::test]
async fn sends_are_traced_and_traces_are_not() {
    let cluster = cluster();
    let builder = Producer::builder().name_servers(cluster.name_servers()).group("p").trace(true);
    let producer = builder.build().await.unwrap();
    let sent = producer.send(message("body")).await.unwrap();
    producer.send(message("later").with_property("DELAY", "1")).await.unwrap();
    producer.send_oneway(message("untold")).await.unwrap();
    let batch = producer.send_batch(vec![message("one"), message("three")]).await.unwrap();
    producer.send(Message::new(DEFAULT_TRACE_TOPIC, "no trace of a trace").with_keys("-")).await.unwrap();
    cluster.answer("a", RequestCode::SEND_MESSAGE_V2, &[ResponseCode::MESSAGE_ILLEGAL]);
    producer.send(message("refused")).await.unwrap_err();
    producer.shutdown().await;
    assert_eq!(producer.traces_lost(), 0);
    let told: Vec<(String, i32, TraceKind)> = traces_of_sends(&cluster)
        .into_iter()
        .map(|record| match record {
            TraceRecord::Pub {
                message_id,
                body_len_bytes,
                kind,
                group,
                topic,
                tags,
                keys,
                is_success,
                ..
            } => {
                assert_eq!((group.as_str(), topic.as_str(), is_success), ("p", "t", true));
                assert_eq!((tags.as_deref(), keys.as_deref()), (Some("tag"), Some("k1 k2")));
                (message_id, body_len_bytes, kind)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], (sent.message_id, 4, TraceKind::Normal));
    assert_eq!((told[1].1, told[1].2), (5, TraceKind::Delayed));
    let ids: Vec<&str> = batch.message_id.split(',').collect();
    assert_eq!((told[2].0.as_str(), told[2].1), (ids[0], 3), "each message of a batch is found by its id");
    assert_eq!((told[3].0.as_str(), told[3].1), (ids[1], 5));
}

/// Those that were sent as traces.
fn traces_of_sends(cluster: &FakeCluster) -> Vec<TraceRecord> {
    let messages = cluster.all_messages(DEFAULT_TRACE_TOPIC);
    let bodies = messages.into_iter().filter(|message| message.message.keys() != Some("-"));
    let bodies = bodies.map(|message| String::from_utf8(message.message.body).unwrap());
    bodies.flat_map(|body| TraceRecord::decode_all(&body).collect::<Result<Vec<_>, _>>().unwrap()).collect()
}

struct Commits;

impl TransactionListener for Commits {
    async fn execute(&self, _: &Message) -> TransactionState {
        TransactionState::Commit
    }
    async fn check(&self, _: &StoredMessage) -> TransactionState {
        TransactionState::Unknown
    }
}

#[tokio::test]
async fn transactions_and_recalls_are_traced() {
    let cluster = cluster();
    let builder =
        TransactionProducer::builder().name_servers(cluster.name_servers()).group("p").trace_topic("mine");
    let producer = builder.build_transactional(Commits).await.unwrap();
    let sent = producer.send(message("half")).await.unwrap();
    let handle = RecallHandle {
        topic: "t".into(),
        broker_name: "a".into(),
        deliver_at: Timestamp(1),
        unique_key: "RECALLED".into(),
    };
    producer.plain().recall("t", &handle.encode()).await.unwrap();
    producer.shutdown().await;
    let records = traces(&cluster, "mine");
    assert!(cluster.all_messages(DEFAULT_TRACE_TOPIC).is_empty());
    let id = sent.half.message_id;
    assert!(
        matches!(&records[0], TraceRecord::Pub { kind: TraceKind::Half, message_id, .. } if *message_id == id)
    );
    let TraceRecord::EndTransaction { message_id, kind, state, from_check, keys, .. } = &records[1] else {
        panic!("{records:?}")
    };
    assert_eq!((message_id, *kind, *from_check), (&id, TraceKind::TransactionEnd, false));
    assert_eq!(
        (*state, keys.as_deref()),
        (eruca_message::trace::TraceTransactionState::Commit, Some("k1 k2"))
    );
    assert!(
        matches!(&records[2], TraceRecord::Recall { message_id, is_success: true, .. } if message_id == "RECALLED")
    );
    assert_eq!(records.len(), 3);
}

#[tokio::test]
async fn calls_of_listeners_are_traced() {
    let cluster = cluster();
    let producer = Producer::builder().name_servers(cluster.name_servers()).group("p").build().await.unwrap();
    for body in ["good", "bad", "panic"] {
        producer.send(message(body)).await.unwrap();
    }
    producer.send(message("off").with_property("TRACE_ON", "false")).await.unwrap();
    let consumer = PushConsumer::builder()
        .name_servers(cluster.name_servers())
        .group("g")
        .subscribe("t", "*")
        .consume_from(ConsumeFrom::First)
        .trace(true)
        .on_messages(|messages| async move {
            match messages[0].message.body.as_slice() {
                b"bad" => ConsumeStatus::RetryLater,
                b"panic" => panic!("the listener fails"),
                _ => ConsumeStatus::Success,
            }
        })
        .start()
        .await
        .unwrap();
    until("all are consumed", || cluster.sent_back().len() >= 2).await;
    until("the traces come", || traces(&cluster, DEFAULT_TRACE_TOPIC).len() >= 6).await;
    consumer.shutdown().await;
    let records = traces(&cluster, DEFAULT_TRACE_TOPIC);
    let ids: Vec<String> = cluster.all_messages("t").iter().map(StoredMessage::message_id).collect();
    for (id, wanted) in ids.iter().zip([TraceOutcome::Success, TraceOutcome::Failed, TraceOutcome::Exception])
    {
        let of: Vec<&TraceRecord> = records.iter().filter(|record| record.message_id() == id).collect();
        let [
            TraceRecord::SubBefore { request_id, group, .. },
            TraceRecord::SubAfter { request_id: after, outcome, is_success, by, .. },
            // What failed comes again.
            ..,
        ] = of[..]
        else {
            panic!("{of:?}")
        };
        assert_eq!((request_id, *outcome, *is_success), (after, wanted, wanted == TraceOutcome::Success));
        assert_eq!((group.as_str(), by.as_ref().map(|by| by.1.as_str())), ("g", Some("g")));
    }
    assert!(records.iter().all(|record| record.message_id() != ids[3]), "its broker does not want it traced");
}

#[tokio::test]
async fn polls_are_traced() {
    let cluster = cluster();
    let producer = Producer::builder().name_servers(cluster.name_servers()).group("p").build().await.unwrap();
    let sent = producer.send(message("x")).await.unwrap();
    let consumer = LitePullConsumer::builder()
        .name_servers(cluster.name_servers())
        .group("g")
        .subscribe("t", "*")
        .consume_from(ConsumeFrom::First)
        .trace(true)
        .start()
        .await
        .unwrap();
    assert_eq!(consumer.poll(Duration::from_secs(20)).await.unwrap().len(), 1);
    consumer.shutdown().await;
    let records = traces(&cluster, DEFAULT_TRACE_TOPIC);
    assert_eq!(records.len(), 2, "{records:?}");
    assert!(records.iter().all(|record| record.message_id() == sent.message_id));
}

#[tokio::test]
async fn traces_that_cannot_be_sent_are_counted_and_hurt_nobody() {
    let cluster = cluster();
    let dead = FakeCluster::start(&[]);
    let client = ClientSettings {
        name_servers: dead.name_servers(),
        trace_topic: Some("traces".into()),
        ..ClientSettings::default()
    };
    let session = crate::testing::session(&cluster).await;
    let tracer = Tracer::start(&client, &session, TracerOf::Producer, "p").await.unwrap().unwrap();
    let record = TraceRecord::Recall {
        time: Timestamp(1),
        region: "r".into(),
        group: "p".into(),
        topic: "t".into(),
        message_id: "ID".into(),
        is_success: true,
    };
    // No wait between them: the background has no turn, and there is room for so many only.
    for _ in 0..WAITING_MAX + 5 {
        tracer.append(record.clone());
    }
    assert_eq!(tracer.lost(), 5);
    tracer.shutdown().await;
    assert_eq!(tracer.lost(), WAITING_MAX as u64 + 5, "no broker takes them");
    tracer.append(record);
    assert_eq!(tracer.lost(), WAITING_MAX as u64 + 6);
}

#[tokio::test]
async fn a_topic_for_traces_has_a_topics_name() {
    let builder = Producer::builder().name_servers("127.0.0.1:1").group("p").trace_topic("a b");
    assert!(matches!(builder.build().await, Err(ConfigError::Name(_))));
}

proptest! {
    #[test]
    fn a_group_of_any_length_gives_one_that_is_valid(group in "[a-z]{1,120}") {
        let made = producer_group(TracerOf::Consumer, &group);
        prop_assert!(names::validate_group(&made).is_ok());
        prop_assert!(made.starts_with("_INNER_TRACE_PRODUCER-"));
    }
}
