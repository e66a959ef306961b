//! Dead letters: looked at, sent again, dropped.

use eruca_client::{Message, Producer};
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
