//! Kinds of consumption and of topics: each both ways.

use std::time::Duration;

use eruca_client::{
    Admin, AllocationStrategy, ConsumeFrom, LiteConsumer, LiteStart, MessageQueue, PopConsumer, PullConsumer,
    PullStatus,
};
use eruca_message::trace::TraceRecord;
use eruca_protocol::body::TopicConfig;

use super::*;

/// What the peer prints of a message with this body and nothing else.
fn printed(body: &str) -> String {
    format!("message\t\t\t\t{}\t{body}", body.len())
}

/// A topic with an attribute, on all brokers.
async fn topic_with(attribute: &str, value: &str, queues: i32) -> String {
    new_topic(&name_servers(), &[(attribute, value)], queues).await
}

/// A topic with these attributes, on all brokers.
pub(crate) async fn new_topic(name_servers: &str, attributes: &[(&str, &str)], queues: i32) -> String {
    let admin = Admin::builder().name_servers(name_servers).build().await.unwrap();
    let topic = fresh("kind");
    for broker in masters_of(&admin).await {
        let attributes = attributes.iter().map(|(name, value)| (format!("+{name}"), (*value).to_owned()));
        let config = TopicConfig { attributes: attributes.collect(), ..TopicConfig::new(&topic, queues) };
        retried!(admin.create_and_update_topic_config(&broker, &config));
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
    times(2, java.messages().len(), "it came again once");
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
        sent_by(&producer, Message::new(&topic, &*body)).await;
        expected.insert(printed(&body));
    }
    seen.reaches(&expected).await;
    java.has_received(&expected).await;
    times(21, seen.all().len(), "each once here");
    times(21, java.messages().len(), "each once there");
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
    retried!(producer.send_batch(ours_sent.to_vec()));
    let sender = Peer::start(&["send", &name_servers()]);
    for (number, (how, body)) in [("batch", "4"), ("batch", "5"), ("batch-end", "6")].into_iter().enumerate()
    {
        sender.tell(&order(how, &topic, body));
        assert_eq!(sender.line(number).await, format!("sent {how}"));
    }
    let expected: BTreeSet<String> = ["1", "2", "3", "4", "5", "6"].map(printed).into();
    seen.reaches(&expected).await;
    java.has_received(&expected).await;
    times(6, seen.all().len(), "each once here");
    times(6, java.messages().len(), "each once there");
    sender.end().await;
    java.end().await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_with_a_higher_priority_is_popped_sooner() {
    let topic = topic_with("message.type", "PRIORITY", 8).await;
    let sender = Peer::start(&["send", &name_servers()]);
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
        for message in retried!(ours.pop(Duration::from_secs(2))) {
            retried!(ours.ack(&message));
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
    // Time enough for both recalls.
    let seconds = if kills::are_on() { 25 } else { 8 };
    let sent = sent_by(&producer, later("ours", seconds)).await;
    let java = Peer::start(&["send", &name_servers()]);
    java.tell(&order(&format!("recallable:{seconds}000"), &topic, "Java's"));
    let line = java.line(0).await;
    retried!(producer.recall(&topic, line.strip_prefix("handle ").unwrap()));
    java.tell(&order("recall", &topic, sent.recall_handle.as_deref().unwrap()));
    assert_eq!(java.line(1).await, "sent recall");
    // Later than what was recalled would have come.
    sent_by(&producer, later("last", seconds + 2)).await;
    seen.reaches(&["message\tfirst\t\t\t5\tfirst".to_owned(), printed("last")].into()).await;
    java.end().await;
    ours.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn what_java_sends_by_a_key_is_popped_in_order() {
    let topic = topic_with("message.type", "FIFO", 4).await;
    let sender = Peer::start(&["send", &name_servers()]);
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
        for message in retried!(ours.pop(Duration::from_secs(2))) {
            seen.add(text(&message.stored));
            retried!(ours.ack(&message));
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
    let sender = Peer::start(&["send", &name_servers]);
    for (number, (lite, body)) in [("a", "a0"), ("b", "b0"), ("a", "a1")].into_iter().enumerate() {
        let how = format!("lite:{lite}");
        sender.tell(&order(&how, &topic, body));
        assert_eq!(sender.line(number).await, format!("sent {how}"));
    }
    sender.end().await;
    let builder = LiteConsumer::builder().name_servers(&name_servers).group(&group).topic(&topic);
    let ours = builder.build().await.unwrap();
    retried!(ours.subscribe(["a"], LiteStart::First));
    let seen = Seen::default();
    until("all of one are popped", async || {
        for message in retried!(ours.pop(Duration::from_secs(2))) {
            seen.add(format!("{} {}", message.lite_topic, text(&message.stored)));
            retried!(ours.ack(&message));
        }
        seen.all().len() >= 2
    })
    .await;
    assert_eq!(seen.all(), ["a a0", "a a1"]);
    ours.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn light_queues_are_read_both_ways() {
    let Some(name_servers) = cluster_with_lite_topics() else {
        eprintln!("skipped: LITE_NAMESRV_ADDR names no cluster with light queues");
        return;
    };
    // Messages have offsets of their own in a light queue: the topic's are others.
    let (topic, a, b) = (new_topic(&name_servers, &[], 4).await, fresh("light"), fresh("light"));
    let builder = || Producer::builder().name_servers(&name_servers).group("cluster-test-producer");
    let producer = builder().build().await.unwrap();
    let java = |light: &str| Peer::start(&["light", &name_servers, &fresh("group"), &topic, light]);
    let (java_a, java_b) = (java(&a), java(&b));
    let sender = Peer::start(&["send", &name_servers]);
    let both = format!("light:%LMQ%{a},%LMQ%{b}");
    for round in 0..6 {
        let message = Message::new(&topic, format!("ours {round}"));
        sent_by(&producer, message.with_light_queues([&a, &b])).await;
        sender.tell(&order(&both, &topic, &format!("Java's {round}")));
        assert_eq!(sender.line(2 * round).await, format!("sent {both}"));
        sent_by(&producer, Message::new(&topic, format!("of a {round}")).with_light_queues([&a])).await;
        let of_b = format!("light:%LMQ%{b}");
        sender.tell(&order(&of_b, &topic, &format!("of b {round}")));
        assert_eq!(sender.line(2 * round + 1).await, format!("sent {of_b}"));
    }
    let bodies = |own: &str| -> Vec<String> {
        (0..6).flat_map(|round| ["ours", "Java's", own].map(|whose| format!("{whose} {round}"))).collect()
    };
    let reader =
        PullConsumer::builder().name_servers(&name_servers).group(fresh("group")).start().await.unwrap();
    for (light, java, expected) in [(&a, java_a, bodies("of a")), (&b, java_b, bodies("of b"))] {
        // What Java sent may be there twice where kills are on: the answer was lost.
        let distinct = |mut all: Vec<String>| {
            times(expected.len(), all.len(), "messages of a light queue");
            all.dedup();
            all
        };
        assert_eq!(distinct(all_of(&reader, &topic, light).await), expected, "read here");
        until("Java reads them", async || {
            java.messages().iter().any(|line| body_of(line) == "of a 5" || body_of(line) == "of b 5")
        })
        .await;
        let read: Vec<String> = java.messages().iter().map(|line| body_of(line).to_owned()).collect();
        assert_eq!(distinct(read), expected, "read by Java");
        java.end().await;
    }
    sender.end().await;
    reader.shutdown().await;
    producer.shutdown().await;
}

/// The bodies in the light queue, read a few at a time; what is read is committed.
async fn all_of(reader: &PullConsumer, topic: &str, light: &str) -> Vec<String> {
    let queues = retried!(reader.fetch_message_queues(topic));
    let queue = MessageQueue::light(light, &queues[0].broker_name);
    let (mut bodies, mut next) = (Vec::new(), 0);
    loop {
        let pulled = retried!(reader.pull(&queue, "*", next, 4));
        if pulled.status != PullStatus::Found {
            assert_eq!((next, pulled.max_offset), (bodies.len() as i64, next), "none is passed over");
            retried!(reader.commit(&queue, next));
            assert_eq!(retried!(reader.committed(&queue)), Some(next));
            return bodies;
        }
        bodies.extend(pulled.messages.iter().map(text));
        next = pulled.next_begin_offset;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn members_of_both_kinds_share_the_queues_of_their_machine_room() {
    let admin = Admin::builder().name_servers(name_servers()).build().await.unwrap();
    let brokers = cluster_of(&admin).await.broker_addr_table;
    let Some((room, _)) = brokers.keys().find_map(|name| name.split_once('@')) else {
        eprintln!("skipped: no broker is called room@name");
        return;
    };
    // One more than both have alike: who gets it is reckoned, too.
    let (topic, group, seen) = (new_topic(&name_servers(), &[], 5).await, fresh("group"), Seen::default());
    let strategy = AllocationStrategy::MachineRoom { rooms: [room.to_owned()].into() };
    let ours = listing(consumer(&group, &topic).allocation(strategy), &seen).start().await.unwrap();
    let of_room = format!("room:{room}");
    let java = Peer::start(&["consume", &name_servers(), &group, &topic, "*", &of_room]);
    let there = java.received();
    assert_eq!(java.line(0).await, "started");
    // Who wants the queues of another room gets nothing.
    let elsewhere = AllocationStrategy::MachineRoom { rooms: ["elsewhere".to_owned()].into() };
    let nothing = Seen::default();
    let other = consumer(&fresh("group"), &topic).allocation(elsewhere);
    let other = listing(other, &nothing).start().await.unwrap();

    let producer = producer().await;
    let queues = retried!(producer.publish_queues(&topic));
    let round = Cell::new(0);
    // The numbers of the queues whose messages of this round they got, once all have come.
    let shares = async || {
        round.set(round.get() + 1);
        let body = |queue: &MessageQueue| format!("round {} queue {}", round.get(), queue.queue_id);
        for queue in &queues {
            retried!(producer.send_to_queue(Message::new(&topic, body(queue)), queue));
        }
        let of = |lines: Vec<String>| -> Vec<i32> {
            let mine =
                |queue: &&MessageQueue| lines.iter().filter(|line| body_of(line) == body(queue)).count();
            queues.iter().flat_map(|queue| vec![queue.queue_id; mine(&queue)]).collect()
        };
        let both = || (of(seen.all()), of(there.all()));
        until("each queue's message is received", async || {
            let (here, there) = both();
            here.into_iter().chain(there).collect::<BTreeSet<i32>>().len() == queues.len()
        })
        .await;
        both()
    };
    until("two and three queues", async || {
        let (here, there) = shares().await;
        here.len() + there.len() == 5 && here.len().abs_diff(there.len()) == 1
    })
    .await;
    for _ in 0..10 {
        let (here, there) = shares().await;
        times(5, here.len() + there.len(), "each queue has one owner");
    }
    assert_eq!(nothing.all(), Vec::<String>::new());
    java.end().await;
    until("the one that is left has all", async || shares().await.0 == [0, 1, 2, 3, 4]).await;
    ours.shutdown().await;
    other.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster and a Java peer, see main.rs"]
async fn each_reads_the_traces_of_the_other() {
    let (topic, group) = (fresh("traced"), fresh("tracing"));
    let tracing = Producer::builder().name_servers(name_servers()).group(&group).trace(true);
    let tracing = tracing.build().await.unwrap();
    let sent = sent_by(&tracing, Message::new(&topic, "x")).await;
    tracing.shutdown().await;
    let reader = Peer::start(&["traces", &name_servers(), &fresh("reader")]);
    let expected = format!("message\tPub\t{}\t{topic}\ttrue", sent.message_id);
    until("Java reads ours", async || reader.messages().contains(&expected)).await;
    reader.end().await;

    let sender = Peer::start(&["send", &name_servers()]);
    let admin = Admin::builder().name_servers(name_servers()).build().await.unwrap();
    let of_topic = |record: &TraceRecord| matches!(record, TraceRecord::Pub { topic: of, is_success: true, .. } if *of == topic);
    // A trace that the killed broker did not take is lost: then the next one.
    let bound = if kills::are_on() { Duration::from_secs(8) } else { PATIENCE };
    let round = Cell::new(0);
    until("Java's is read", async || {
        sender.tell(&order("traced", &topic, "y"));
        let line = sender.line(round.replace(round.get() + 1)).await;
        let id = line.strip_prefix("traced ").unwrap();
        within(bound, async || traces_of(&admin, id).await.iter().any(of_topic)).await
    })
    .await;
    sender.end().await;
}
