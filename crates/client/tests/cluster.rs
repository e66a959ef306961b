//! The client against a real name server and broker, of Apache RocketMQ or of Eruca:
//!
//! ```text
//! NAMESRV_ADDR=127.0.0.1:9876 cargo test -p eruca-client --test cluster -- --ignored --test-threads=1
//! ```
//!
//! The broker must create topics and groups by itself, as is the default.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_client::{
    Admin, Boundary, CallError, Compression, ConsumeFrom, ConsumeStatus, Filter, LitePullConsumer, Message,
    MessageQueue, OrderedConsumeStatus, Producer, PullStatus, PushConsumer, PushConsumerBuilder, QueuePull,
    SendStatus, StoredMessage, Timestamp,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn name_servers() -> String {
    std::env::var("NAMESRV_ADDR").expect("NAMESRV_ADDR names the cluster to test with")
}

/// A name that no earlier run used.
fn fresh(what: &str) -> String {
    format!("{what}-{:012x}", RandomState::new().hash_one(0) & 0xffff_ffff_ffff)
}

async fn producer() -> Producer {
    Producer::builder().name_servers(name_servers()).group("cluster-test-producer").build().await.unwrap()
}

async fn admin() -> Admin {
    Admin::builder().name_servers(name_servers()).build().await.unwrap()
}

fn consumer(group: &str, topic: &str) -> PushConsumerBuilder {
    PushConsumer::builder()
        .name_servers(name_servers())
        .group(group)
        .subscribe(topic, "*")
        .consume_from(ConsumeFrom::First)
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain: {what}");
}

fn text(message: &StoredMessage) -> String {
    String::from_utf8_lossy(&message.message.body).into_owned()
}

/// What a listener saw.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn add(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
    fn set(&self) -> BTreeSet<String> {
        self.all().into_iter().collect()
    }
    async fn reaches(&self, expected: &BTreeSet<String>) {
        until("all messages are consumed", async || self.set() == *expected).await;
    }
}

/// A listener that notes bodies.
fn noting(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumerBuilder {
    let seen = seen.clone();
    builder.on_messages(move |messages| {
        messages.iter().for_each(|message| seen.add(text(message)));
        async { ConsumeStatus::Success }
    })
}

async fn send_numbered(producer: &Producer, topic: &str, count: usize) -> BTreeSet<String> {
    let mut bodies = BTreeSet::new();
    for number in 0..count {
        let body = format!("{topic} {number}");
        producer.send(Message::new(topic, body.clone())).await.unwrap();
        bodies.insert(body);
    }
    bodies
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn messages_of_every_kind_are_stored_and_found() {
    let (producer, admin, topic) = (producer().await, admin().await, fresh("kinds"));
    let sent = producer
        .send(Message::new(&topic, "plain").with_tag("a").with_keys("k1 k2").with_property("colour", "blue"))
        .await
        .unwrap();
    assert_eq!(sent.status, SendStatus::Ok);
    let id = sent.offset_message_id.parse().unwrap();
    let stored = admin.view_message(&topic, &id).await.unwrap();
    assert_eq!(text(&stored), "plain");
    assert_eq!(stored.message_id(), sent.message_id);
    assert_eq!((stored.message.tag(), stored.message.keys()), (Some("a"), Some("k1 k2")));
    assert_eq!(stored.message.properties.get("colour"), Some("blue"));

    for compression in [Compression::Zlib, Compression::Lz4, Compression::Zstd] {
        let compressing = Producer::builder()
            .name_servers(name_servers())
            .group("cluster-test-producer")
            .compression(compression)
            .build()
            .await
            .unwrap();
        let body = format!("{compression:?} ").repeat(2_000);
        let sent = compressing.send(Message::new(&topic, body.clone())).await.unwrap();
        let stored = admin.view_message(&topic, &sent.offset_message_id.parse().unwrap()).await.unwrap();
        assert_eq!(text(&stored), body);
        assert!(stored.store_size_bytes < body.len() / 2, "{compression:?} is compressed in the store");
        compressing.shutdown().await;
    }

    let batch = (0..3).map(|i| Message::new(&topic, format!("batch {i}")).with_tag("b")).collect();
    let sent = producer.send_batch(batch).await.unwrap();
    assert_eq!(sent.message_id.split(',').count(), 3);
    let ids: Vec<&str> = sent.offset_message_id.split(',').collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(text(&admin.view_message(&topic, &ids[2].parse().unwrap()).await.unwrap()), "batch 2");

    let queue = producer.publish_queues(&topic).await.unwrap()[1].clone();
    let sent = producer.send_to_queue(Message::new(&topic, "there"), &queue).await.unwrap();
    assert_eq!(sent.queue, queue);
    let first = producer.send_by_key(Message::new(&topic, "1"), "customer 5").await.unwrap();
    let second = producer.send_by_key(Message::new(&topic, "2"), "customer 5").await.unwrap();
    assert_eq!(first.queue, second.queue);
    assert!(second.queue_offset > first.queue_offset);

    let queues = producer.publish_queues(&topic).await.unwrap();
    let addr = admin.examine_topic_route_info(&topic).await.unwrap().broker_datas[0].broker_addrs[&0].clone();
    let total = async || {
        let mut total = 0;
        for queue in &queues {
            total += admin.max_offset(&addr, queue).await.unwrap();
        }
        total
    };
    let before = total().await;
    producer.send_oneway(Message::new(&topic, "gone with the wind")).await.unwrap();
    until("the oneway message is stored", async || total().await == before + 1).await;
    producer.shutdown().await;
    assert!(producer.send(Message::new(&topic, "late")).await.is_err());
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn a_consumer_gets_all_and_goes_on_where_it_stopped() {
    let (producer, topic, group) = (producer().await, fresh("push"), fresh("g"));
    let mut expected = send_numbered(&producer, &topic, 50).await;
    let seen = Seen::default();
    let first = noting(consumer(&group, &topic), &seen).start().await.unwrap();
    seen.reaches(&expected).await;
    expected.extend(send_numbered(&producer, &topic, 60).await);
    seen.reaches(&expected).await;
    first.shutdown().await;

    let again = Seen::default();
    let second = noting(consumer(&group, &topic), &again).start().await.unwrap();
    until("queues are taken up", async || second.queues().len() >= 4).await;
    producer.send(Message::new(&topic, "news")).await.unwrap();
    again.reaches(&BTreeSet::from(["news".to_owned()])).await;
    second.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn members_of_a_group_share_and_take_over() {
    let (producer, topic, group) = (producer().await, fresh("share"), fresh("g"));
    send_numbered(&producer, &topic, 1).await;
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = noting(consumer(&group, &topic), &seen_a).start().await.unwrap();
    let b = noting(consumer(&group, &topic), &seen_b).start().await.unwrap();
    let of_topic = |consumer: &PushConsumer| consumer.queues().iter().filter(|q| q.topic == topic).count();
    until("each has half", async || of_topic(&a) == 2 && of_topic(&b) == 2).await;
    let expected = send_numbered(&producer, &topic, 40).await;
    until("all is consumed", async || {
        let union: BTreeSet<_> = seen_a.set().union(&seen_b.set()).cloned().collect();
        union == expected
    })
    .await;
    assert!(!seen_a.all().is_empty() && !seen_b.all().is_empty());
    b.shutdown().await;
    until("the other takes over", async || of_topic(&a) == 4).await;
    a.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn every_broadcasting_member_gets_all_and_remembers() {
    let (producer, topic, group) = (producer().await, fresh("cast"), fresh("g"));
    let dir = tempfile::tempdir().unwrap();
    let expected = send_numbered(&producer, &topic, 20).await;
    let member = |name: &str| {
        consumer(&group, &topic).broadcasting().offsets_dir(dir.path()).instance_name(name.to_owned())
    };
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = noting(member("a"), &seen_a).start().await.unwrap();
    let b = noting(member("b"), &seen_b).start().await.unwrap();
    seen_a.reaches(&expected).await;
    seen_b.reaches(&expected).await;
    a.shutdown().await;
    b.shutdown().await;
    let again = Seen::default();
    let a = noting(member("a"), &again).start().await.unwrap();
    producer.send(Message::new(&topic, "news")).await.unwrap();
    again.reaches(&BTreeSet::from(["news".to_owned()])).await;
    a.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn tags_are_filtered() {
    let (producer, topic, group) = (producer().await, fresh("tags"), fresh("g"));
    // "Aa" and "BB" have one hash: the broker lets both through.
    for tag in ["Aa", "BB", "other", "x"] {
        producer.send(Message::new(&topic, tag).with_tag(tag)).await.unwrap();
    }
    let seen = Seen::default();
    let builder = PushConsumer::builder()
        .name_servers(name_servers())
        .group(&group)
        .subscribe(&topic, "Aa || x")
        .consume_from(ConsumeFrom::First);
    let tagged = noting(builder, &seen).start().await.unwrap();
    seen.reaches(&["Aa".to_owned(), "x".to_owned()].into()).await;
    tagged.shutdown().await;
    assert_eq!(seen.all().len(), 2);
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn a_failed_message_comes_again_and_ends_in_the_dead_letter_queue() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("retry"), fresh("g"));
    let sent = producer.send(Message::new(&topic, "poison").with_keys("k")).await.unwrap();
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = tries.clone();
    let failing = consumer(&group, &topic)
        .max_reconsume_times(2)
        .on_messages(move |messages| {
            let message = &messages[0];
            noted.lock().unwrap().push((
                message.message.topic.clone(),
                message.reconsume_times,
                message.message_id(),
            ));
            async { ConsumeStatus::RetryAtLevel(1) }
        })
        .start()
        .await
        .unwrap();
    until("it was tried three times", async || tries.lock().unwrap().len() == 3).await;
    let expected: Vec<_> = (0..3).map(|times| (topic.clone(), times, sent.message_id.clone())).collect();
    assert_eq!(*tries.lock().unwrap(), expected);
    let dlq = format!("%DLQ%{group}");
    until("the dead letter topic has it", async || match admin.examine_topic_route_info(&dlq).await {
        Err(CallError::TopicUnknown { .. }) => false,
        Err(error) => panic!("{error}"),
        Ok(route) => {
            let addr = &route.broker_datas[0].broker_addrs[&0];
            let queue = MessageQueue::new(&dlq, &route.broker_datas[0].broker_name, 0);
            admin.max_offset(addr, &queue).await.unwrap() == 1
        }
    })
    .await;
    failing.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn ordered_consumption_keeps_the_order_through_failures_and_handovers() {
    let (producer, topic, group) = (producer().await, fresh("order"), fresh("g"));
    let keys = ["a", "b", "c", "d", "e"];
    let seen: Arc<Mutex<BTreeMap<String, Vec<usize>>>> = Arc::default();
    let start = |seen: Arc<Mutex<BTreeMap<String, Vec<usize>>>>| {
        consumer(&group, &topic)
            .suspend_time(Duration::from_millis(10))
            .on_messages_in_order(move |messages| {
                let seen = seen.clone();
                async move {
                    for message in &messages {
                        let body = text(message);
                        let (key, number) = body.split_once(' ').unwrap();
                        let number: usize = number.parse().unwrap();
                        // Every seventh fails once.
                        if number % 7 == 3 && message.reconsume_times == 0 {
                            return OrderedConsumeStatus::Suspend;
                        }
                        seen.lock().unwrap().entry(key.to_owned()).or_default().push(number);
                    }
                    OrderedConsumeStatus::Success
                }
            })
            .start()
    };
    let send = async |from: usize, to: usize| {
        for number in from..to {
            for key in keys {
                producer.send_by_key(Message::new(&topic, format!("{key} {number}")), key).await.unwrap();
            }
        }
    };
    send(0, 20).await;
    let a = start(seen.clone()).await.unwrap();
    send(20, 30).await;
    let b = start(seen.clone()).await.unwrap();
    let of_topic = |consumer: &PushConsumer| consumer.queues().iter().filter(|q| q.topic == topic).count();
    until("both have queues", async || of_topic(&a) == 2 && of_topic(&b) == 2).await;
    send(30, 40).await;
    a.shutdown().await;
    send(40, 50).await;
    let count = || seen.lock().unwrap().values().map(Vec::len).sum::<usize>();
    until("all is consumed", async || count() >= keys.len() * 50).await;
    b.shutdown().await;
    for (key, numbers) in seen.lock().unwrap().iter() {
        let mut distinct = numbers.clone();
        distinct.dedup();
        assert_eq!(distinct, (0..50).collect::<Vec<_>>(), "key {key}");
    }
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn lite_pull_polls_seeks_pauses_and_commits() {
    let (producer, topic, group) = (producer().await, fresh("lite"), fresh("g"));
    let expected = send_numbered(&producer, &topic, 30).await;
    let start = async || {
        let builder = LitePullConsumer::builder()
            .name_servers(name_servers())
            .group(&group)
            .subscribe(&topic, "*")
            .consume_from(ConsumeFrom::First)
            .auto_commit(None);
        builder.start().await.unwrap()
    };
    let poll_all = async |consumer: &LitePullConsumer, count: usize| {
        let mut bodies = Vec::new();
        while bodies.len() < count {
            let messages = consumer.poll(PATIENCE).await.unwrap();
            assert!(!messages.is_empty(), "got {} of {count}", bodies.len());
            bodies.extend(messages.iter().map(text));
        }
        bodies
    };
    let lite = start().await;
    assert_eq!(poll_all(&lite, 30).await.into_iter().collect::<BTreeSet<_>>(), expected);
    assert!(lite.poll(Duration::from_millis(100)).await.unwrap().is_empty());

    let queue = lite.assignment()[0].clone();
    lite.seek(&queue, 1).unwrap();
    let again = lite.poll(PATIENCE).await.unwrap();
    assert_eq!((again[0].queue_offset.0, again[0].queue_id), (1, queue.queue_id));
    lite.seek_to_begin(&queue).await.unwrap();
    assert_eq!(lite.poll(PATIENCE).await.unwrap()[0].queue_offset.0, 0);
    lite.seek_to_end(&queue).await.unwrap();
    assert!(lite.poll(Duration::from_millis(200)).await.unwrap().is_empty());

    lite.pause(std::slice::from_ref(&queue));
    producer.send_to_queue(Message::new(&topic, "while paused"), &queue).await.unwrap();
    assert!(lite.poll(Duration::from_millis(500)).await.unwrap().is_empty());
    lite.resume(std::slice::from_ref(&queue));
    assert_eq!(poll_all(&lite, 1).await, ["while paused"]);

    lite.commit().await.unwrap();
    let end = lite.committed(&queue).await.unwrap().unwrap();
    assert_eq!(lite.offset_for_timestamp(&queue, Timestamp(0)).await.unwrap(), 0);
    lite.shutdown().await;

    let next = start().await;
    producer.send_to_queue(Message::new(&topic, "news"), &queue).await.unwrap();
    let news = next.poll(PATIENCE).await.unwrap();
    assert_eq!((text(&news[0]), news[0].queue_offset.0 as i64, news.len()), ("news".to_owned(), end, 1));
    next.shutdown().await;

    let assigned =
        LitePullConsumer::builder().name_servers(name_servers()).group(fresh("g")).start().await.unwrap();
    let queues = assigned.fetch_message_queues(&topic).await.unwrap();
    assigned.assign(queues.iter().take(2).cloned()).await.unwrap();
    assert_eq!(assigned.assignment().len(), 2);
    for queue in &queues[..2] {
        assigned.seek(queue, 0).unwrap();
    }
    assert!(!assigned.poll(PATIENCE).await.unwrap().is_empty());
    assert!(assigned.subscribe(&topic, "*").is_err());
    assigned.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn offsets_are_reset_and_clients_are_seen() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("reset"), fresh("g"));
    let expected = send_numbered(&producer, &topic, 12).await;
    let seen = Seen::default();
    let reader = noting(consumer(&group, &topic), &seen).start().await.unwrap();
    seen.reaches(&expected).await;
    let route = admin.examine_topic_route_info(&topic).await.unwrap();
    let addr = route.broker_datas[0].broker_addrs[&0].clone();

    let connection = admin.examine_consumer_connection_info(&addr, &group).await.unwrap();
    assert_eq!(connection.connection_set[0].client_id, reader.client_id());
    assert!(connection.subscription_table.contains_key(&topic));
    let info = admin.consumer_running_info(&addr, &group, reader.client_id(), false).await.unwrap();
    assert_eq!(info.mq_table.len(), 5, "four queues and the retry queue");
    let producers = admin.examine_producer_connection_info(&addr, "cluster-test-producer").await.unwrap();
    assert!(producers.connection_set.iter().any(|c| c.client_id == producer.client_id()));
    until("offsets are on the broker", async || {
        let stats = admin.examine_consume_stats(&addr, &group, Some(&topic)).await.unwrap();
        stats.offset_table.values().map(|offsets| offsets.consumer_offset).sum::<i64>() == 12
    })
    .await;
    assert!(admin.query_topic_consume_by_who(&addr, &topic).await.unwrap().group_list.contains(&group));

    let moved = admin.reset_offset_by_timestamp(&addr, &topic, &group, Timestamp(0), true).await.unwrap();
    assert_eq!(moved.len(), 4);
    until("all comes again", async || seen.all().len() == 24).await;

    let sent = producer.send(Message::new(&topic, "direct")).await.unwrap();
    let report = admin
        .consume_message_directly(&addr, &group, reader.client_id(), &topic, &sent.offset_message_id)
        .await
        .unwrap();
    assert_eq!(report.consume_result.unwrap().name(), "CR_SUCCESS");
    reader.shutdown().await;
    let gone = admin.examine_consumer_connection_info(&addr, &group).await;
    assert!(matches!(gone, Err(CallError::Refused { .. })), "{gone:?}");
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn admin_creates_looks_and_deletes() {
    let (producer, admin, topic) = (producer().await, admin().await, fresh("admin"));
    let clusters = admin.examine_broker_cluster_info().await.unwrap();
    let broker = clusters.broker_addr_table.values().next().unwrap();
    let addr = broker.broker_addrs[&0].clone();
    let config = eruca_protocol::body::TopicConfig {
        topic_name: topic.clone(),
        read_queue_nums: 3,
        write_queue_nums: 3,
        perm: 6,
        ..Default::default()
    };
    admin.create_and_update_topic_config(&addr, &config).await.unwrap();
    until("the route is there", async || admin.examine_topic_route_info(&topic).await.is_ok()).await;
    let route = admin.examine_topic_route_info(&topic).await.unwrap();
    assert_eq!(route.queue_datas[0].write_queue_nums, 3);
    assert_eq!(admin.examine_topic_config(&addr, &topic).await.unwrap().read_queue_nums, 3);
    assert!(admin.fetch_all_topic_list().await.unwrap().topic_list.contains(&topic));
    let cluster = clusters.cluster_addr_table.keys().next().unwrap();
    assert!(admin.fetch_topics_by_cluster(cluster).await.unwrap().topic_list.contains(&topic));

    let queue = MessageQueue::new(&topic, &broker.broker_name, 2);
    for number in 0..5 {
        let message =
            Message::new(&topic, format!("{number}")).with_keys(format!("key{number}")).with_tag("even");
        producer.send_to_queue(message, &queue).await.unwrap();
    }
    assert_eq!(admin.max_offset(&addr, &queue).await.unwrap(), 5);
    assert_eq!(admin.min_offset(&addr, &queue).await.unwrap(), 0);
    assert_eq!(admin.search_offset(&addr, &queue, Timestamp(0), Boundary::Lower).await.unwrap(), 0);
    let pull = QueuePull { group: "TOOLS_CONSUMER", queue: &queue, offset: 3, max_messages: 10, tags: "*" };
    let pulled = admin.pull(&addr, &pull).await.unwrap();
    assert_eq!((pulled.status, pulled.next_begin_offset), (PullStatus::Found, 5));
    assert_eq!(pulled.messages.iter().map(text).collect::<Vec<_>>(), ["3", "4"]);
    let none = admin.pull(&addr, &QueuePull { offset: 5, ..pull }).await.unwrap();
    assert_eq!(none.status, PullStatus::NoNewMessage);
    let stats = admin.examine_topic_stats(&addr, &topic).await.unwrap();
    assert_eq!(stats.offset_table[&queue].max_offset, 5);

    let group = fresh("g");
    assert_eq!(admin.consumer_offset(&addr, &group, &queue).await.unwrap(), None);
    let config = eruca_protocol::body::SubscriptionGroupConfig {
        group_name: group.clone(),
        retry_max_times: 7,
        ..Default::default()
    };
    admin.create_and_update_subscription_group_config(&addr, &config).await.unwrap();
    let groups = admin.all_subscription_group(&addr).await.unwrap();
    assert_eq!(groups.subscription_group_table[&group].retry_max_times, 7);
    admin.update_consume_offset(&addr, &group, &queue, 4).await.unwrap();
    assert_eq!(admin.consumer_offset(&addr, &group, &queue).await.unwrap(), Some(4));
    admin.fetch_consume_stats_in_broker(&addr, false).await.unwrap();
    admin.delete_subscription_group(&addr, &group, true).await.unwrap();

    let runtime = admin.fetch_broker_runtime_stats(&addr).await.unwrap();
    assert!(runtime.table.contains_key("bootTimestamp"));
    let config = admin.broker_config(&addr).await.unwrap();
    assert!(config.entries().any(|(key, _)| key == "brokerName"));
    let name_server = admin.name_server_addresses()[0].clone();
    assert!(admin.name_server_config(&name_server).await.unwrap().entries().any(|(k, _)| k == "listenPort"));
    admin.create_and_update_kv_config("TEST", "key", "value").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap().as_deref(), Some("value"));
    assert_eq!(admin.kv_list_by_namespace("TEST").await.unwrap().len(), 1);
    admin.delete_kv_config("TEST", "key").await.unwrap();
    assert_eq!(admin.kv_config("TEST", "key").await.unwrap(), None);
    assert!(admin.wipe_write_perm_of_broker(&name_server, &broker.broker_name).await.unwrap() > 0);
    assert!(admin.add_write_perm_of_broker(&name_server, &broker.broker_name).await.unwrap() > 0);

    admin.delete_topic_in_broker(&[addr.clone()], &topic).await.unwrap();
    admin.delete_topic_in_name_server(&[], None, &topic).await.unwrap();
    let gone = admin.examine_topic_route_info(&topic).await;
    assert!(matches!(gone, Err(CallError::TopicUnknown { .. })), "{gone:?}");
    admin.shutdown();
}

#[tokio::test]
#[ignore = "needs a cluster, see the top of this file"]
async fn a_subscription_by_sql_is_told_as_it_is() {
    let (producer, topic, group) = (producer().await, fresh("sql"), fresh("g"));
    send_numbered(&producer, &topic, 1).await;
    let builder = PushConsumer::builder()
        .name_servers(name_servers())
        .group(&group)
        .subscribe(&topic, Filter::Sql("n > 5".into()));
    // Brokers refuse it unless enablePropertyFilter is set: the consumer goes on trying and can be stopped.
    let stubborn = noting(builder, &Seen::default()).start().await.unwrap();
    stubborn.shutdown().await;
}
