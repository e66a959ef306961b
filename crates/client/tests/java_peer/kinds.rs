//! Kinds of consumption and of topics: each both ways.

use std::time::Duration;

use eruca_client::{Admin, ConsumeFrom, LiteConsumer, LiteStart, PopConsumer};
use eruca_message::trace::TraceRecord;
use eruca_protocol::body::TopicConfig;

use super::*;

/// What the peer prints of a message with this body and nothing else.
fn printed(body: &str) -> String {
    format!("message\t\t\t\t{}\t{body}", body.len())
}

/// A topic with an attribute, on all brokers.
async fn topic_with(attribute: &str, value: &str, queues: i32) -> String {
    let admin = Admin::builder().name_servers(name_servers()).build().await.unwrap();
    let topic = fresh("kind");
    let cluster = admin.examine_broker_cluster_info().await.unwrap();
    for broker in cluster.broker_addr_table.values().filter_map(|group| group.broker_addrs.get(&0)) {
        let attributes = [(format!("+{attribute}"), value.to_owned())].into();
        let config = TopicConfig { attributes, ..TopicConfig::new(&topic, queues) };
        admin.create_and_update_topic_config(broker, &config).await.unwrap();
    }
    until("the topic has a route", async || admin.examine_topic_route_info(&topic).await.is_ok()).await;
    topic
}

/// The order to the peer to send a message with nothing but a body.
fn order(how: &str, topic: &str, body: &str) -> String {
    [how, topic, "", "", "", body, "1"].join("\t")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_fails_here_is_a_dead_letter_there_and_the_other_way_round() {
    let (topic, group, seen) = (fresh("failing"), fresh("group"), Seen::default());
    created(&topic).await;
    let tried = seen.clone();
    let ours = consumer(&group, &topic).max_reconsume_times(1).on_messages(move |messages| {
        messages
            .iter()
            .for_each(|message| tried.add(format!("{} {}", message.reconsume_times, text(message))));
        async { ConsumeStatus::RetryAtLevel(1) }
    });
    let ours = ours.start().await.unwrap();
    until("it is given up", async || seen.set() == ["0 first", "1 first"].map(str::to_owned).into()).await;
    let dead = format!("%DLQ%{group}");
    let reader = Peer::start(&["consume", &name_servers(), &fresh("reader"), &dead, "*", "concurrently"]);
    reader.has_received(&["message\tfirst\t\t\t5\tfirst".to_owned()].into()).await;
    reader.end().await;
    ours.shutdown().await;

    let (group, seen) = (fresh("group"), Seen::default());
    let java = Peer::start(&["consume", &name_servers(), &group, &topic, "*", "failing"]);
    until("Java gave it up", async || java.messages().len() >= 2).await;
    let dead = format!("%DLQ%{group}");
    let reader = listing(consumer(&fresh("reader"), &dead), &seen).start().await.unwrap();
    seen.reaches(&["message\tfirst\t\t\t5\tfirst".to_owned()].into()).await;
    assert_eq!(java.messages().len(), 2, "it came again once");
    reader.shutdown().await;
    java.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn broadcasting_members_of_both_kinds_get_everything() {
    let (topic, group, seen) = (fresh("broadcast"), fresh("group"), Seen::default());
    created(&topic).await;
    let dir = tempfile::tempdir().unwrap();
    let ours = consumer(&group, &topic).broadcasting().offsets_dir(dir.path());
    let ours = listing(ours, &seen).start().await.unwrap();
    let java = Peer::start(&["consume", &name_servers(), &group, &topic, "*", "broadcasting"]);
    assert_eq!(java.line(0).await, "started");
    let producer = producer().await;
    let mut expected: BTreeSet<String> = ["message\tfirst\t\t\t5\tfirst".to_owned()].into();
    for number in 0..20 {
        let body = format!("number {number}");
        producer.send(Message::new(&topic, &*body)).await.unwrap();
        expected.insert(printed(&body));
    }
    seen.reaches(&expected).await;
    java.has_received(&expected).await;
    assert_eq!((seen.all().len(), java.messages().len()), (21, 21), "each once");
    java.end().await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn inner_batches_are_read_both_ways() {
    let topic = topic_with("queue.type", "BatchCQ", 1).await;
    let (group, seen) = (fresh("group"), Seen::default());
    let ours = listing(consumer(&group, &topic), &seen).start().await.unwrap();
    let java = Peer::start(&["consume", &name_servers(), &fresh("group"), &topic, "*", "concurrently"]);
    let producer = producer().await;
    let ours_sent = ["1", "2", "3"].map(|body| Message::new(&topic, body));
    producer.send_batch(ours_sent.to_vec()).await.unwrap();
    let mut sender = Peer::start(&["send", &name_servers()]);
    for (number, (how, body)) in [("batch", "4"), ("batch", "5"), ("batch-end", "6")].into_iter().enumerate()
    {
        sender.tell(&order(how, &topic, body));
        assert_eq!(sender.line(number).await, format!("sent {how}"));
    }
    let expected: BTreeSet<String> = ["1", "2", "3", "4", "5", "6"].map(printed).into();
    seen.reaches(&expected).await;
    java.has_received(&expected).await;
    assert_eq!((seen.all().len(), java.messages().len()), (6, 6), "each once");
    sender.end().await;
    java.end().await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_with_a_higher_priority_is_popped_sooner() {
    let topic = topic_with("message.type", "PRIORITY", 8).await;
    let mut sender = Peer::start(&["send", &name_servers()]);
    for (number, priority) in [0, 3].into_iter().enumerate() {
        let how = format!("priority:{priority}");
        sender.tell(&order(&how, &topic, &format!("of priority {priority}")));
        assert_eq!(sender.line(number).await, format!("sent {how}"));
    }
    sender.end().await;
    let builder =
        PopConsumer::builder().name_servers(name_servers()).group(fresh("group")).subscribe(&topic, "*");
    let ours = builder.consume_from(ConsumeFrom::First).max_messages(1).start().await.unwrap();
    let seen = Seen::default();
    until("both are popped", async || {
        for message in ours.pop(Duration::from_secs(2)).await.unwrap() {
            ours.ack(&message).await.unwrap();
            seen.add(format!("{:?} {}", message.stored.message.priority(), text(&message.stored)));
        }
        seen.all().len() == 2
    })
    .await;
    assert_eq!(seen.all(), ["Some(3) of priority 3", "Some(0) of priority 0"]);
    ours.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn each_recalls_what_the_other_sent() {
    let (topic, seen) = (fresh("recalled"), Seen::default());
    created(&topic).await;
    let ours = listing(consumer(&fresh("group"), &topic), &seen).start().await.unwrap();
    let producer = producer().await;
    let later = |body: &str, seconds| Message::new(&topic, body).with_delay(Duration::from_secs(seconds));
    let sent = producer.send(later("ours", 8)).await.unwrap();
    let mut java = Peer::start(&["send", &name_servers()]);
    java.tell(&order("recallable:8000", &topic, "Java's"));
    let line = java.line(0).await;
    producer.recall(&topic, line.strip_prefix("handle ").unwrap()).await.unwrap();
    java.tell(&order("recall", &topic, sent.recall_handle.as_deref().unwrap()));
    assert_eq!(java.line(1).await, "sent recall");
    // Later than what was recalled would have come.
    producer.send(later("last", 10)).await.unwrap();
    seen.reaches(&["message\tfirst\t\t\t5\tfirst".to_owned(), printed("last")].into()).await;
    java.end().await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_by_a_key_is_popped_in_order() {
    let topic = topic_with("message.type", "FIFO", 4).await;
    let mut sender = Peer::start(&["send", &name_servers()]);
    let bodies: Vec<String> = (0..6).map(|number| number.to_string()).collect();
    for (number, body) in bodies.iter().enumerate() {
        sender.tell(&order("shard:one customer", &topic, body));
        assert_eq!(sender.line(number).await, "sent shard:one customer");
    }
    sender.end().await;
    let builder =
        PopConsumer::builder().name_servers(name_servers()).group(fresh("group")).subscribe(&topic, "*");
    let ours = builder.consume_from(ConsumeFrom::First).in_order().max_messages(2).start().await.unwrap();
    let seen = Seen::default();
    until("all are popped", async || {
        for message in ours.pop(Duration::from_secs(2)).await.unwrap() {
            seen.add(text(&message.stored));
            ours.ack(&message).await.unwrap();
        }
        seen.all().len() >= bodies.len()
    })
    .await;
    assert_eq!(seen.all(), bodies);
    ours.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_to_lite_topics_is_popped() {
    let Some(name_servers) = cluster_with_lite_topics() else {
        eprintln!("skipped: LITE_NAMESRV_ADDR names no cluster with lite topics");
        return;
    };
    let (topic, group) = parent_topic(&name_servers, &[]).await;
    let mut sender = Peer::start(&["send", &name_servers]);
    for (number, (lite, body)) in [("a", "a0"), ("b", "b0"), ("a", "a1")].into_iter().enumerate() {
        let how = format!("lite:{lite}");
        sender.tell(&order(&how, &topic, body));
        assert_eq!(sender.line(number).await, format!("sent {how}"));
    }
    sender.end().await;
    let builder = LiteConsumer::builder().name_servers(&name_servers).group(&group).topic(&topic);
    let ours = builder.build().await.unwrap();
    ours.subscribe(["a"], LiteStart::First).await.unwrap();
    let seen = Seen::default();
    until("all of one are popped", async || {
        for message in ours.pop(Duration::from_secs(2)).await.unwrap() {
            seen.add(format!("{} {}", message.lite_topic, text(&message.stored)));
            ours.ack(&message).await.unwrap();
        }
        seen.all().len() >= 2
    })
    .await;
    assert_eq!(seen.all(), ["a a0", "a a1"]);
    ours.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn each_reads_the_traces_of_the_other() {
    let (topic, group) = (fresh("traced"), fresh("tracing"));
    let tracing = Producer::builder().name_servers(name_servers()).group(&group).trace(true);
    let tracing = tracing.build().await.unwrap();
    let sent = tracing.send(Message::new(&topic, "x")).await.unwrap();
    tracing.shutdown().await;
    let reader = Peer::start(&["traces", &name_servers(), &fresh("reader")]);
    let expected = format!("message\tPub\t{}\t{topic}\ttrue", sent.message_id);
    until("Java reads ours", async || reader.messages().contains(&expected)).await;
    reader.end().await;

    let mut sender = Peer::start(&["send", &name_servers()]);
    sender.tell(&order("traced", &topic, "y"));
    let line = sender.line(0).await;
    let id = line.strip_prefix("traced ").unwrap();
    let admin = Admin::builder().name_servers(name_servers()).build().await.unwrap();
    let of_topic = |record: &TraceRecord| matches!(record, TraceRecord::Pub { topic: of, is_success: true, .. } if *of == topic);
    until("Java's is read", async || traces_of(&admin, id).await.iter().any(of_topic)).await;
    sender.end().await;
}
