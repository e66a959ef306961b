//! The push consumer against a small cluster in this process.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use eruca_message::{MessageQueue, names};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, ConsumeMessageDirectlyResult, GetConsumerStatusBody, ResetOffsetBody},
    request::{
        ConsumeMessageDirectlyRequest, GetConsumerStatusFromClientRequest, ResetConsumerClientOffsetRequest,
    },
};

use super::super::fixture::{GROUP, Seen, builder, cluster, listening, queue, running_info, topic_queues};
use crate::{
    ConsumeFrom, ConsumeStatus, Filter, PushConsumer, StartError,
    decode::tests::record,
    lock::lock,
    testing::{FakeCluster, until},
};

async fn start(cluster: &FakeCluster, seen: &Seen) -> PushConsumer {
    listening(builder(cluster), seen, ConsumeStatus::Success).start().await.unwrap()
}

#[tokio::test]
async fn offsets_last_over_a_shutdown() {
    let (cluster, seen) = (cluster(1), Seen::default());
    (0..5).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer = start(&cluster, &seen).await;
    until("all are consumed", || seen.len() == 5).await;
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(5));
    assert!(cluster.members(GROUP).is_empty());

    cluster.put(&queue(0), "next", "");
    let again = Seen::default();
    let consumer = start(&cluster, &again).await;
    until("the rest is consumed", || again.bodies() == ["next"]).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_new_group_starts_where_it_is_told_to() {
    let (cluster, seen) = (cluster(1), Seen::default());
    cluster.put(&queue(0), "old", "");
    let last = listening(builder(&cluster), &seen, ConsumeStatus::Success).consume_from(ConsumeFrom::Last);
    let last = last.start().await.unwrap();
    until("it has its queue", || topic_queues(&last) == [0]).await;
    cluster.put(&queue(0), "new", "");
    until("the new one is consumed", || seen.bodies() == ["new"]).await;
    last.shutdown().await;
}

#[tokio::test]
async fn the_start_of_a_new_group_is_committed_before_its_first_message() {
    let (cluster, seen) = (cluster(1), Seen::default());
    cluster.put(&queue(0), "old", "");
    let last = listening(builder(&cluster), &seen, ConsumeStatus::Success).consume_from(ConsumeFrom::Last);
    let idle = last.clone().start().await.unwrap();
    until("it has its queue", || topic_queues(&idle) == [0]).await;
    idle.shutdown().await;
    cluster.put(&queue(0), "in between", "");
    let next = last.start().await.unwrap();
    until("what came in between is not lost", || seen.bodies() == ["in between"]).await;
    next.shutdown().await;
}

#[tokio::test]
async fn an_unfinished_message_holds_the_offset_back() {
    let (cluster, seen) = (cluster(1), Seen::default());
    (0..3).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let noted = seen.clone();
    let consumer = builder(&cluster)
        .shutdown_grace(Duration::from_millis(50))
        .on_messages(move |messages| {
            let noted = noted.clone();
            async move {
                let hangs = messages[0].message.body == b"1";
                noted.note(&messages);
                if hangs {
                    std::future::pending::<()>().await;
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    until("all were begun", || seen.len() == 3).await;
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(1));
}

#[tokio::test]
async fn a_failed_message_comes_back_through_the_retry_topic_under_its_own_name() {
    let (cluster, seen) = (cluster(1), Seen::default());
    cluster.put(&queue(0), "x", "");
    let noted = seen.clone();
    let topics = Arc::new(Mutex::new(Vec::new()));
    let topics_seen = topics.clone();
    let consumer = builder(&cluster)
        .on_messages(move |messages| {
            noted.note(&messages);
            lock(&topics_seen).push(messages[0].message.topic.clone());
            let status = if messages[0].reconsume_times < 2 {
                ConsumeStatus::RetryLater
            } else {
                ConsumeStatus::Success
            };
            async move { status }
        })
        .start()
        .await
        .unwrap();
    until("it came three times", || seen.len() == 3).await;
    assert_eq!(*lock(&seen.0), [("x".into(), 0), ("x".into(), 1), ("x".into(), 2)]);
    assert_eq!(*lock(&topics), ["t"; 3]);
    consumer.shutdown().await;
    assert_eq!(cluster.sent_back().len(), 2);
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(1));
    let retry = MessageQueue::new(names::retry_topic(GROUP), "a", 0);
    assert_eq!(cluster.committed(GROUP, &retry), Some(2));
}

#[tokio::test]
async fn a_panic_of_the_listener_counts_as_failure() {
    let cluster = cluster(1);
    cluster.put(&queue(0), "x", "");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let consumer = builder(&cluster)
        .on_messages(move |_| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                assert!(!first, "for the test");
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    until("it came again", || calls.load(Ordering::SeqCst) == 2).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_sent_back_is_tried_from_memory() {
    let (cluster, seen) = (cluster(1), Seen::default());
    cluster.put(&queue(0), "x", "");
    cluster.answer("a", RequestCode::CONSUMER_SEND_MSG_BACK, &[ResponseCode::SYSTEM_ERROR]);
    let noted = seen.clone();
    let consumer = builder(&cluster)
        .on_messages(move |messages| {
            noted.note(&messages);
            let status = if messages[0].reconsume_times == 0 {
                ConsumeStatus::RetryLater
            } else {
                ConsumeStatus::Success
            };
            async move { status }
        })
        .start()
        .await
        .unwrap();
    until("it came again", || seen.len() == 2).await;
    consumer.shutdown().await;
    assert!(cluster.sent_back().is_empty());
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(1));
}

#[tokio::test]
async fn a_call_that_takes_too_long_no_longer_holds_its_message() {
    let cluster = cluster(1);
    cluster.put(&queue(0), "slow", "");
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let consumer = builder(&cluster)
        .consume_timeout(Duration::from_millis(10))
        .shutdown_grace(Duration::from_millis(50))
        .on_messages(move |_| {
            let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    std::future::pending::<()>().await;
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    until("it came again", || calls.load(Ordering::SeqCst) == 2).await;
    consumer.shutdown().await;
    assert_eq!(cluster.sent_back(), [(0, 3)]);
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(1));
}

#[tokio::test]
async fn tags_are_compared_as_text() {
    let (cluster, seen) = (cluster(1), Seen::default());
    for tag in ["Aa", "BB", "", "Aa"] {
        cluster.put(&queue(0), if tag.is_empty() { "none" } else { tag }, tag);
    }
    let consumer = listening(
        PushConsumer::builder()
            .name_servers(cluster.name_servers())
            .group(GROUP)
            .subscribe("t", "Aa")
            .consume_from(ConsumeFrom::First),
        &seen,
        ConsumeStatus::Success,
    );
    let consumer = consumer.start().await.unwrap();
    until("the tagged ones are consumed", || seen.bodies() == ["Aa", "Aa"]).await;
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(4));
}

#[tokio::test]
async fn queues_are_shared_and_taken_over() {
    let (cluster, seen) = (cluster(4), Seen::default());
    let a = start(&cluster, &seen).await;
    until("the first has all", || topic_queues(&a).len() == 4).await;
    let b = start(&cluster, &seen).await;
    until("they share", || topic_queues(&a).len() == 2 && topic_queues(&b).len() == 2).await;
    assert!(topic_queues(&a).iter().all(|id| !topic_queues(&b).contains(id)));
    b.shutdown().await;
    cluster.notify_members(GROUP);
    until("the first has all again", || topic_queues(&a).len() == 4).await;
    a.shutdown().await;
}

#[tokio::test]
async fn a_broker_that_forgot_us_hears_of_us_and_takes_no_queue_away() {
    let (cluster, seen) = (cluster(2), Seen::default());
    let consumer = start(&cluster, &seen).await;
    until("it has its queues", || topic_queues(&consumer).len() == 2).await;
    let member = cluster.member(GROUP);
    cluster.forget_members(GROUP);
    let notice = RemotingCommand::request_without_header(RequestCode::NOTIFY_CONSUMER_IDS_CHANGED);
    member.notify(notice).unwrap();
    until("it is known again", || cluster.members(GROUP).len() == 1).await;
    assert_eq!(topic_queues(&consumer).len(), 2);
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_offset_outside_of_the_queue_is_moved_inside() {
    let (cluster, seen) = (cluster(1), Seen::default());
    cluster.put(&queue(0), "x", "");
    cluster.commit(GROUP, &queue(0), 100);
    let consumer = start(&cluster, &seen).await;
    until("it has its queue", || topic_queues(&consumer) == [0]).await;
    until("the offset is moved", || cluster.seen("a", RequestCode::PULL_MESSAGE) > 2).await;
    cluster.put(&queue(0), "y", "");
    until("what comes is consumed", || seen.bodies() == ["y"]).await;
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(2));
}

#[tokio::test]
async fn the_listener_sets_the_pace() {
    let cluster = cluster(1);
    (0..50).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let consumer = builder(&cluster)
        .parallel_calls(1)
        .pull_batch(1)
        .flow_limits(5, 1_000_000, 1_000)
        .on_messages(move |_| {
            let gate = gate.clone();
            async move {
                while !gate.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                ConsumeStatus::Success
            }
        })
        .start()
        .await
        .unwrap();
    let pulled = || cluster.pulls_of(&queue(0));
    until("some were pulled", || pulled() == 6).await;
    open.store(true, Ordering::SeqCst);
    until("the rest is pulled", || pulled() >= 50).await;
    consumer.shutdown().await;
}

/// Returns when no pull came for a while.
async fn pulls_rest(cluster: &FakeCluster) {
    let count = || cluster.seen("a", RequestCode::PULL_MESSAGE);
    let mut last = usize::MAX;
    while last != count() {
        last = count();
        // Five times as long as from one idle pull to the next.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_suspended_consumer_keeps_its_queues_and_pulls_nothing() {
    let (cluster, seen) = (cluster(1), Seen::default());
    let consumer = start(&cluster, &seen).await;
    until("it has its queue", || topic_queues(&consumer) == [0]).await;
    consumer.suspend();
    pulls_rest(&cluster).await;
    cluster.put(&queue(0), "x", "");
    let before = cluster.seen("a", RequestCode::PULL_MESSAGE);
    pulls_rest(&cluster).await;
    assert_eq!(cluster.seen("a", RequestCode::PULL_MESSAGE), before);
    assert_eq!(topic_queues(&consumer), [0]);
    consumer.resume();
    until("it goes on", || seen.bodies() == ["x"]).await;
    consumer.unsubscribe("t");
    until("the queue is given up", || topic_queues(&consumer).is_empty()).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn brokers_can_ask_and_reset() {
    let (cluster, seen) = (cluster(1), Seen::default());
    (0..3).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer = start(&cluster, &seen).await;
    until("all are consumed", || seen.len() == 3).await;
    let member = cluster.member(GROUP);
    let ask = async |request| member.invoke(request, Duration::from_secs(5)).await.unwrap();

    let info = running_info(&cluster, 3, 0).await;
    assert_eq!(info.mq_table.len(), 2);
    for (name, value) in [
        ("PROP_CLIENT_VERSION", "V5_5_0"),
        ("PROP_CONSUMEORDERLY", "false"),
        ("PROP_CONSUME_TYPE", "CONSUME_PASSIVELY"),
        ("PROP_NAMESERVER_ADDR", &cluster.name_servers()),
        ("PROP_THREADPOOL_CORE_SIZE", "20"),
        ("consumeFromWhere", "CONSUME_FROM_FIRST_OFFSET"),
        ("maxReconsumeTimes", "16"),
        ("messageModel", "CLUSTERING"),
    ] {
        assert_eq!(info.properties[name], value, "{name}");
    }
    let status = &info.status_table["t"];
    assert!(status.pull_tps > 0.0 && status.consume_ok_tps > 0.0, "{status:?}");
    assert_eq!((status.consume_failed_tps, status.consume_failed_msgs), (0.0, 0));
    assert_eq!(info.status_table[&names::retry_topic(GROUP)], body::ConsumeStatus::default());

    let header =
        GetConsumerStatusFromClientRequest { topic: "t".into(), group: GROUP.into(), client_addr: None };
    let status: GetConsumerStatusBody =
        body::from_json(&ask(RemotingCommand::request(&header)).await.body).unwrap();
    assert_eq!(status.message_queue_table.into_keys().collect::<Vec<_>>(), [queue(0)]);

    let header = ConsumeMessageDirectlyRequest { consumer_group: GROUP.into(), ..Default::default() };
    let request = RemotingCommand::request(&header).with_body(record("t", 9, 0, b"direct", b""));
    let report: ConsumeMessageDirectlyResult = body::from_json(&ask(request).await.body).unwrap();
    assert_eq!(report.consume_result.unwrap().name(), "CR_SUCCESS");
    assert_eq!(seen.bodies().last().unwrap(), "direct");

    let header = ResetConsumerClientOffsetRequest {
        group: GROUP.into(),
        topic: "t".into(),
        is_force: true,
        ..Default::default()
    };
    let reset = ResetOffsetBody { offset_table: BTreeMap::from([(queue(0), 1)]) };
    cluster.push_to_members(GROUP, &RemotingCommand::request(&header).with_body(body::to_json(&reset)));
    until("the messages from there on come again", || seen.bodies().ends_with(&["1".into(), "2".into()]))
        .await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn broadcasting_members_keep_their_own_offsets() {
    let cluster = cluster(2);
    let dir = tempfile::tempdir().unwrap();
    (0..2).for_each(|id| cluster.put(&queue(id), &format!("of {id}"), ""));
    let member = |name: &str, seen: &Seen| {
        let builder = builder(&cluster).broadcasting().offsets_dir(dir.path()).instance_name(name);
        listening(builder, seen, ConsumeStatus::RetryLater)
    };
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = member("a", &seen_a).start().await.unwrap();
    let b = member("b", &seen_b).start().await.unwrap();
    until("both got all", || seen_a.len() == 2 && seen_b.len() == 2).await;
    let info = running_info(&cluster, 0, 2).await;
    // Without it `consumerStatus` would ask of them what holds for members that share.
    assert_eq!(info.properties["messageModel"], "BROADCASTING");
    assert_eq!(info.status_table["t"].consume_failed_msgs, 2);
    a.shutdown().await;
    b.shutdown().await;
    assert!(cluster.sent_back().is_empty());
    assert_eq!(cluster.committed(GROUP, &queue(0)), None);
    cluster.put(&queue(0), "next", "");
    let again = Seen::default();
    let a = member("a", &again).start().await.unwrap();
    until("it goes on where it stopped", || again.bodies() == ["next"]).await;
    a.shutdown().await;
}

#[tokio::test]
async fn a_topic_that_comes_later_is_found() {
    let (cluster, seen) = (FakeCluster::start(&["a"]), Seen::default());
    let consumer = start(&cluster, &seen).await;
    assert!(topic_queues(&consumer).is_empty());
    cluster.topic("t", 1);
    cluster.put(&queue(0), "x", "");
    until("it is consumed", || seen.bodies() == ["x"]).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn wrong_settings_are_refused() {
    let complete = || {
        let builder = PushConsumer::builder().name_servers("127.0.0.1:1").group("g").subscribe("t", "*");
        builder.on_messages(|_| async { ConsumeStatus::Success })
    };
    for (what, builder) in [
        ("listener", PushConsumer::builder().name_servers("127.0.0.1:1").group("g").subscribe("t", "*")),
        ("subscription", PushConsumer::builder().on_messages(|_| async { ConsumeStatus::Success })),
        ("parallel_calls", complete().parallel_calls(0)),
        ("call_batch", complete().call_batch(0)),
        ("pull_batch", complete().pull_batch(0)),
        ("group", complete().group("")),
    ] {
        match builder.start().await {
            Err(error) => assert!(error.to_string().contains(what), "{what}: {error}"),
            Ok(_) => panic!("{what}: started"),
        }
    }
}

#[tokio::test]
async fn a_condition_that_a_broker_refuses_is_told_at_the_start() {
    let (cluster, seen) = (cluster(1), Seen::default());
    let start = async || {
        let builder = builder(&cluster).subscribe("t", Filter::by_sql("n > "));
        listening(builder, &seen, ConsumeStatus::Success).start().await
    };
    cluster.answer("a", RequestCode::CHECK_CLIENT_CONFIG, &[ResponseCode::SUBSCRIPTION_PARSE_FAILED]);
    let Err(StartError::Call(error)) = start().await else { panic!("it was not refused") };
    assert_eq!(error.response_code(), Some(ResponseCode::SUBSCRIPTION_PARSE_FAILED));
    assert_eq!(cluster.seen("a", RequestCode::HEART_BEAT), 0);
    // A broker that cannot be asked is not waited for.
    cluster.stop_broker("a");
    start().await.unwrap().shutdown().await;
}
