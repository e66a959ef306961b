//! Lite topics. The broker must keep them (`enableLmq`, `enableMultiDispatch`); where it does not, `LITE_NAMESRV_ADDR` names a cluster
//! that does, or nothing is tried.

use std::time::Duration;

use eruca_client::{LiteConsumer, LiteStart};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn lite_topics_are_consumed_in_order() {
    let Some(name_servers) = cluster_with_lite_topics() else {
        eprintln!("skipped: LITE_NAMESRV_ADDR names no cluster with lite topics");
        return;
    };
    let (topic, group) = parent_topic(&name_servers, &[]).await;
    let producer =
        Producer::builder().name_servers(&name_servers).group("cluster-test-producer").build().await.unwrap();
    for (lite, body) in [("a", "a0"), ("b", "b0"), ("a", "a1"), ("c", "c0")] {
        sent_by(&producer, Message::new(&topic, body).with_lite_topic(lite)).await;
    }
    let builder = LiteConsumer::builder().name_servers(&name_servers).group(&group).topic(&topic);
    let consumer = builder.build().await.unwrap();
    retried!(consumer.subscribe(["a", "b"], LiteStart::First));
    let seen = Seen::default();
    until("all of both is consumed", async || {
        for message in retried!(consumer.pop(Duration::from_secs(2))) {
            assert_eq!(message.stored.message.topic, topic);
            seen.add(format!("{} {} {}", message.lite_topic, message.offset, text(&message.stored)));
            retried!(consumer.ack(&message));
        }
        seen.all().len() >= 3
    })
    .await;
    let expected = ["a 0 a0", "a 1 a1", "b 0 b0"].map(str::to_owned);
    assert_eq!(seen.set(), BTreeSet::from(expected));
    let of_a: Vec<String> = seen.all().into_iter().filter(|one| one.starts_with('a')).collect();
    assert_eq!(of_a, ["a 0 a0", "a 1 a1"]);
    assert!(retried!(consumer.pop(Duration::ZERO)).is_empty());

    sent_by(&producer, Message::new(&topic, "b1").with_lite_topic("b")).await;
    until("the next one comes", async || {
        let got = retried!(consumer.pop(Duration::from_secs(1)));
        let has_come = !got.is_empty();
        if let Some(mut message) = got.into_iter().next() {
            retried!(consumer.change_invisible_time(&mut message, Duration::from_millis(100)));
        }
        has_come
    })
    .await;
    until("it comes again", async || {
        for message in retried!(consumer.pop(Duration::from_secs(1))) {
            seen.add(format!("again {}", message.times_given));
            retried!(consumer.ack(&message));
        }
        seen.all().iter().any(|one| one == "again 1")
    })
    .await;
    assert_eq!(seen.all().len(), 4, "it came again once");
    consumer.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn lite_topics_of_an_exclusive_group_go_to_the_last_who_wants_them() {
    let Some(name_servers) = cluster_with_lite_topics() else {
        eprintln!("skipped: LITE_NAMESRV_ADDR names no cluster with lite topics");
        return;
    };
    let (topic, group) = parent_topic(&name_servers, &[("lite.sub.model", "Exclusive")]).await;
    let producer =
        Producer::builder().name_servers(&name_servers).group("cluster-test-producer").build().await.unwrap();
    let builder = || LiteConsumer::builder().name_servers(&name_servers).group(&group).topic(&topic);
    let (first, second) = (builder().build().await.unwrap(), builder().build().await.unwrap());
    let one = async |consumer: &LiteConsumer, body: &str| {
        let seen = Seen::default();
        until(body, async || {
            for message in retried!(consumer.pop(Duration::from_secs(1))) {
                seen.add(text(&message.stored));
                retried!(consumer.ack(&message));
            }
            !seen.all().is_empty()
        })
        .await;
        assert_eq!(seen.all(), [body]);
    };
    sent_by(&producer, Message::new(&topic, "a0").with_lite_topic("a")).await;
    retried!(first.subscribe(["a"], LiteStart::First));
    one(&first, "a0").await;

    retried!(second.subscribe(["a"], LiteStart::WhereItIs));
    sent_by(&producer, Message::new(&topic, "a1").with_lite_topic("a")).await;
    one(&second, "a1").await;
    assert!(retried!(first.pop(Duration::ZERO)).is_empty(), "the first no longer has it");
    first.shutdown().await;
    second.shutdown().await;
    producer.shutdown().await;
}
