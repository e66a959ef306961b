//! The producer against a small cluster in this process.

use std::time::Duration;

use eruca_message::{Message, MessageQueue, RecallHandle, Timestamp};
use eruca_protocol::{RequestCode, ResponseCode};

use crate::{
    CallError, ConfigError, Producer, ProducerBuilder, RecallError, SendError, SendStatus,
    testing::{FakeCluster, until},
};

const SEND: RequestCode = RequestCode::SEND_MESSAGE_V2;

fn builder(cluster: &FakeCluster) -> ProducerBuilder {
    Producer::builder().name_servers(cluster.name_servers()).group("p")
}

fn two_brokers() -> FakeCluster {
    let cluster = FakeCluster::start(&["a", "b"]);
    cluster.topic("t", 2);
    cluster
}

fn message() -> Message {
    Message::new("t", "x")
}

#[tokio::test]
async fn messages_spread_over_all_queues() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    for _ in 0..8 {
        producer.send(message()).await.unwrap();
    }
    for queue in producer.publish_queues("t").await.unwrap() {
        assert_eq!(cluster.bodies(&queue).len(), 2, "{queue}");
    }
}

#[tokio::test]
async fn a_busy_broker_is_left_for_another_one() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    cluster.answer("a", SEND, &[ResponseCode::SYSTEM_BUSY; 9]);
    for _ in 0..8 {
        assert_eq!(producer.send(message()).await.unwrap().queue.broker_name, "b");
    }
    assert_eq!(cluster.seen("a", SEND), 1, "one attempt failed, after that the broker is avoided");
}

#[tokio::test]
async fn a_dead_broker_is_left_for_another_one() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    cluster.stop_broker("a");
    for _ in 0..4 {
        assert_eq!(producer.send(message()).await.unwrap().queue.broker_name, "b");
    }
    until("the name server is asked for better routes", || {
        cluster.seen("", RequestCode::GET_ROUTEINFO_BY_TOPIC) > 1
    })
    .await;
}

#[tokio::test]
async fn a_master_that_comes_back_is_found_by_the_next_send() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 0);
    let producer = builder(&cluster).build().await.unwrap();
    for _ in 0..2 {
        assert!(matches!(producer.send(message()).await, Err(SendError::NoQueue { .. })));
    }
    cluster.topic("t", 2);
    // With nothing in between: who sends in a loop leaves no time to the refresh of routes.
    producer.send(message()).await.unwrap();
}

#[tokio::test]
async fn attempts_end_and_name_the_brokers() {
    let cluster = two_brokers();
    let producer = builder(&cluster).retries(1).build().await.unwrap();
    for broker in ["a", "b"] {
        cluster.answer(broker, SEND, &[ResponseCode::SERVICE_NOT_AVAILABLE; 9]);
    }
    let error = producer.send(message()).await.unwrap_err();
    let SendError::Call { attempts, brokers, source, .. } = error else { panic!("{error}") };
    assert_eq!((attempts, source.response_code()), (2, Some(ResponseCode::SERVICE_NOT_AVAILABLE)));
    assert_ne!(brokers[0], brokers[1]);
}

#[tokio::test]
async fn what_no_broker_would_take_is_tried_once() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    for broker in ["a", "b"] {
        cluster.answer(broker, SEND, &[ResponseCode::MESSAGE_ILLEGAL]);
    }
    let error = producer.send(message()).await.unwrap_err();
    assert!(matches!(error, SendError::Call { attempts: 1, .. }), "{error}");
}

#[tokio::test]
async fn a_chosen_queue_is_tried_once() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    cluster.answer("a", SEND, &[ResponseCode::SYSTEM_BUSY]);
    let queue = MessageQueue::new("t", "a", 1);
    assert!(producer.send_to_queue(message(), &queue).await.is_err());
    assert_eq!(producer.send_to_queue(message(), &queue).await.unwrap().queue, queue);
    assert!(producer.send_selected(message(), |queues| queues.len()).await.is_err());
    assert_eq!(cluster.seen("b", SEND), 0);
}

#[tokio::test]
async fn a_message_that_is_stored_with_less_safety_says_so() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 1);
    let producer = builder(&cluster).build().await.unwrap();
    let statuses = [
        (ResponseCode::FLUSH_DISK_TIMEOUT, SendStatus::FlushDiskTimeout),
        (ResponseCode::SLAVE_NOT_AVAILABLE, SendStatus::SlaveNotAvailable),
    ];
    for (code, status) in statuses {
        cluster.answer_sends_with("a", code);
        assert_eq!(producer.send(message()).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn a_new_topic_gets_the_route_of_the_template() {
    let cluster = FakeCluster::start(&["a"]);
    let producer = builder(&cluster).default_topic_queues(3).build().await.unwrap();
    let error = producer.send(Message::new("new", "x")).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Route(e) if matches!(**e, CallError::TopicUnknown { .. })),
        "{error}"
    );
    cluster.topic("TBW102", 8);
    assert_eq!(producer.publish_queues("new").await.unwrap().len(), 3);
    producer.send(Message::new("new", "x")).await.unwrap();
    assert_eq!(cluster.all_bodies("new"), ["x"]);
}

#[tokio::test]
async fn oneway_and_batch_messages_arrive() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 1);
    let producer = builder(&cluster).build().await.unwrap();
    producer.send_oneway(message()).await.unwrap();
    let batch = vec![Message::new("t", "1"), Message::new("t", "2")];
    assert_eq!(producer.send_batch(batch).await.unwrap().message_id.split(',').count(), 2);
    until("all are stored", || cluster.all_bodies("t") == ["1", "2", "x"]).await;
    assert_eq!(cluster.seen("a", RequestCode::SEND_BATCH_MESSAGE), 1);
}

#[tokio::test]
async fn another_name_server_takes_over() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 1);
    // Nobody listens on port 1.
    let list = format!("127.0.0.1:1;{};127.0.0.1:1", cluster.name_servers());
    for _ in 0..4 {
        let producer = Producer::builder().name_servers(&list).group("p").build().await.unwrap();
        producer.send(message()).await.unwrap();
    }
    let nobody = Producer::builder().name_servers("127.0.0.1:1").group("p").build().await.unwrap();
    let error = nobody.send(message()).await.unwrap_err();
    assert!(error.to_string().contains("no name server of '127.0.0.1:1'"), "{error}");
}

#[tokio::test]
async fn brokers_hear_of_the_producer_and_of_its_leave() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    producer.send(message()).await.unwrap();
    until("a heartbeat came", || cluster.last_heartbeat().is_some()).await;
    let heartbeat = cluster.last_heartbeat().unwrap();
    assert_eq!(heartbeat.client_id, producer.client_id());
    assert_eq!(heartbeat.producer_data_set[0].group_name, "p");
    producer.shutdown().await;
    producer.shutdown().await;
    assert_eq!(cluster.seen("a", RequestCode::UNREGISTER_CLIENT), 1);
    let late = producer.send(message()).await.unwrap_err();
    assert!(matches!(&late, SendError::Route(e) if matches!(**e, CallError::ShutDown)), "{late}");
}

#[tokio::test]
async fn wrong_settings_are_refused() {
    let complete = || Producer::builder().name_servers("127.0.0.1:1").group("p");
    type Check = fn(&ConfigError) -> bool;
    let cases: [(ProducerBuilder, Check); 5] = [
        (Producer::builder().group("p"), |e| matches!(e, ConfigError::Unset { setting: "name_servers", .. })),
        (complete().name_servers("nowhere"), |e| matches!(e, ConfigError::NameServers { .. })),
        (complete().group("a b"), |e| matches!(e, ConfigError::Name(_))),
        (complete().compression_level(10), |e| matches!(e, ConfigError::OutOfRange { .. })),
        (complete().default_topic_queues(0), |e| matches!(e, ConfigError::OutOfRange { .. })),
    ];
    for (builder, is_expected) in cases {
        match builder.build().await {
            Err(error) => assert!(is_expected(&error), "{error}"),
            Ok(_) => panic!("built"),
        }
    }
}

#[tokio::test]
async fn a_silent_broker_costs_the_timeout_and_no_more() {
    // Accepts and never answers.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let cluster = FakeCluster::start(&[]);
    cluster.broker_at("s", &silent.local_addr().unwrap().to_string());
    cluster.topic("t", 1);
    let producer = builder(&cluster).send_timeout(Duration::from_millis(100)).build().await.unwrap();
    let error = producer.send(message()).await.unwrap_err();
    assert!(matches!(error, SendError::Call { attempts: 1, .. }), "{error}");
    assert!(error.to_string().contains("did not answer within"), "{error}");
}

#[tokio::test]
async fn a_recall_goes_to_the_broker_that_keeps_the_message() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    let handle = RecallHandle {
        topic: "t".to_owned(),
        broker_name: "b".to_owned(),
        deliver_at: Timestamp(9),
        unique_key: "K".to_owned(),
    };
    assert_eq!(producer.recall("t", &handle.encode()).await.unwrap(), "K");
    assert_eq!(cluster.seen("b", RequestCode::RECALL_MESSAGE), 1);
    cluster.answer("b", RequestCode::RECALL_MESSAGE, &[ResponseCode::ILLEGAL_OPERATION]);
    let error = producer.recall("t", &handle.encode()).await.unwrap_err();
    let RecallError::Call { broker, source, .. } = error else { panic!("{error}") };
    assert_eq!((broker.as_str(), source.response_code()), ("b", Some(ResponseCode::ILLEGAL_OPERATION)));
    assert!(matches!(producer.recall("t", "?").await, Err(RecallError::Handle(_))));
}

#[tokio::test]
async fn a_lite_topic_has_one_queue_and_a_name_that_is_checked() {
    let cluster = two_brokers();
    let producer = builder(&cluster).build().await.unwrap();
    let queues = producer.publish_queues("t").await.unwrap();
    for lite in ["a", "b", "session-17"] {
        let expected = &queues[eruca_message::lite::lite_bucket(lite, queues.len())];
        for _ in 0..3 {
            let sent = producer.send(message().with_lite_topic(lite)).await.unwrap();
            assert_eq!(&sent.queue, expected, "{lite}");
        }
    }
    for bad in ["a/b", "a$b", " "] {
        let refused = producer.send(message().with_lite_topic(bad)).await;
        assert!(matches!(refused, Err(SendError::Name(_))), "{bad}");
    }
    let batch = producer.send_batch(vec![message().with_lite_topic("a")]).await;
    assert!(matches!(batch, Err(SendError::BadBatch { .. })));
}
