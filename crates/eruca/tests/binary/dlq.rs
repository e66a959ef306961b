//! Dead letters: looked at, sent again, dropped.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use eruca_client::{ConsumeFrom, ConsumeStatus, Message, Producer, PushConsumer, PushConsumerBuilder};
use eruca_message::properties;

use crate::support::*;

/// Puts dead letters of `group` where a broker would, of messages of `topic`.
fn bury(up: &Up, group: &str, topic: &str, bodies: &[&str]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let producer = Producer::builder().name_servers(&*up.namesrv).group("grave").build().await.unwrap();
        for body in bodies {
            let message = Message::new(format!("%DLQ%{group}"), *body)
                .with_keys("k1")
                .with_property(properties::RETRY_TOPIC, topic);
            producer.send(message).await.unwrap();
        }
        producer.shutdown().await;
    });
}

#[test]
fn dead_letters_are_listed_sent_again_once_and_dropped() {
    let up = Up::ephemeral(|_| {});
    let dlq = |words: &[&str]| {
        let mut all = vec!["dlq"];
        all.extend_from_slice(words);
        all.extend_from_slice(&["-n", &up.namesrv]);
        run_ok(&all)
    };
    assert_eq!(dlq(&["list"]), "no group has dead letters\n");
    assert_eq!(dlq(&["list", "-g", "g"]), "group g has no dead letters\n");
    up.send("orders", "alive");
    bury(&up, "g", "orders", &["one", "two", "three"]);

    let overview = dlq(&["list"]);
    let row: Vec<&str> = overview.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["g", "3", "3"]);
    let messages = dlq(&["list", "-g", "g"]);
    assert_eq!(messages.lines().count(), 3);
    assert!(messages.contains("from orders") && messages.contains("keys k1"), "{messages}");
    let some = dlq(&["list", "-g", "g", "--limit", "1"]);
    assert!(some.contains("and 2 more: --limit 3 shows all"), "{some}");

    let preview = dlq(&["redrive", "-g", "g", "--preview"]);
    assert!(preview.contains("3 messages of group g would be sent again"), "{preview}");
    let first = dlq(&["redrive", "-g", "g", "--limit", "1"]);
    assert_eq!(first, "1 messages of group g were sent again\n");
    let rest = dlq(&["redrive", "-g", "g", "--rate", "1000"]);
    assert_eq!(rest, "2 messages of group g were sent again\n");
    let none = dlq(&["redrive", "-g", "g"]);
    assert_eq!(none, "0 messages of group g were sent again\n");
    let mut consumed = up.consume("orders", 4);
    consumed.sort_unstable();
    assert_eq!(consumed, ["alive", "one", "three", "two"]);
    let overview = dlq(&["list"]);
    let row: Vec<&str> = overview.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row, ["g", "3", "0"]);
    let again = dlq(&["redrive", "-g", "g", "--again", "--preview"]);
    assert!(again.contains("3 messages of group g would be sent again"), "{again}");

    let refused = run_fails(&["dlq", "purge", "-g", "g", "-n", &up.namesrv]);
    assert!(refused.contains("this drops 3 messages of group g for good: say --yes"), "{refused}");
    assert_eq!(dlq(&["purge", "-g", "g", "--yes"]), "3 messages of group g were dropped\n");
    assert_eq!(dlq(&["list", "-g", "g"]), "group g has no dead letters\n");
    bury(&up, "g", "orders", &["four"]);
    let after = dlq(&["redrive", "-g", "g"]);
    assert_eq!(after, "1 messages of group g were sent again\n", "progress begins anew");
}

#[test]
fn a_dead_letter_can_go_to_its_group_alone() {
    let up = Up::ephemeral(|_| {});
    up.send("orders", "alive");
    let group = ["consume", "-n", &up.namesrv, "-t", "orders", "-g", "g", "--from", "first", "--count", "1"];
    assert_eq!(run_ok(&group), "alive\n");
    bury(&up, "g", "orders", &["one"]);
    let sent = run_ok(&["dlq", "redrive", "-g", "g", "--to-group", "-n", &up.namesrv]);
    assert_eq!(sent, "1 messages of group g were sent again\n");
    // Where consumers of the group get what they are to try again.
    assert_eq!(up.consume("%RETRY%g", 1), ["one"]);
    assert_eq!(up.consume("orders", 1), ["alive"], "another group");
}

/// Properties that clients and brokers note on the way, new each time.
const OF_A_DELIVERY: [&str; 3] =
    [properties::MIN_OFFSET, properties::MAX_OFFSET, properties::CONSUME_START_TIMESTAMP];

/// A member of `group` that consumes `orders` from the first message on.
fn member(up: &Up, group: &str) -> PushConsumerBuilder {
    let builder = PushConsumer::builder().name_servers(&*up.namesrv).group(group);
    builder.consume_from(ConsumeFrom::First).subscribe("orders", "*")
}

#[test]
fn what_a_listener_could_not_do_with_comes_to_its_topic_again_as_it_was() {
    let up = Up::ephemeral(|_| {});
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let sent = runtime.block_on(async {
        let producer = Producer::builder().name_servers(&*up.namesrv).group("shop").build().await.unwrap();
        let message = Message::new("orders", "poison").with_tag("a").with_keys("k7");
        let sent = producer.send(message.with_property("colour", "red")).await.unwrap();
        producer.shutdown().await;
        sent
    });
    // The first try is the last one.
    let failing = member(&up, "g").max_reconsume_times(0);
    let failing = failing.on_messages(|_| async { ConsumeStatus::RetryLater });
    let failing = runtime.block_on(failing.start()).unwrap();
    let list = || run_ok(&["dlq", "list", "-g", "g", "-n", &up.namesrv]);
    wait_until("the message is a dead letter", || list().contains("keys k7"));
    runtime.block_on(failing.shutdown());
    let listed = list();
    assert!(listed.lines().count() == 1 && listed.contains("from orders"), "{listed}");
    assert!(listed.contains(&sent.message_id), "{listed}");
    assert_eq!(
        run_ok(&["dlq", "redrive", "-g", "g", "-n", &up.namesrv]),
        "1 messages of group g were sent again\n"
    );

    let seen: Arc<Mutex<Vec<BTreeMap<String, String>>>> = Arc::default();
    let noting = seen.clone();
    let reader = member(&up, "reader").on_messages(move |messages| {
        for message in &messages {
            assert_eq!((message.message.topic.as_str(), &*message.message.body), ("orders", &b"poison"[..]));
            let properties = message.message.properties.iter();
            let lasting = properties.filter(|(name, _)| !OF_A_DELIVERY.contains(name));
            let owned = lasting.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            noting.lock().unwrap().push(owned);
        }
        async { ConsumeStatus::Success }
    });
    let reader = runtime.block_on(reader.start()).unwrap();
    wait_until("both have come", || seen.lock().unwrap().len() == 2);
    runtime.block_on(reader.shutdown());
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0], seen[1], "the message and its second life");
    assert_eq!(seen[0][properties::UNIQUE_KEY], sent.message_id);
    assert_eq!((&*seen[0][properties::TAGS], &*seen[0]["colour"]), ("a", "red"));
}
