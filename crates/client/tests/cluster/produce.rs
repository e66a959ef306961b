//! Messages of every kind.

use eruca_client::{Compression, SendStatus};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn messages_of_every_kind_are_stored_and_found() {
    let (producer, admin, topic) = (producer().await, admin().await, fresh("kinds"));
    let sent = sent_by(
        &producer,
        Message::new(&topic, "plain").with_tag("a").with_keys("k1 k2").with_property("colour", "blue"),
    )
    .await;
    assert_eq!(sent.status, SendStatus::Ok);
    let id = sent.offset_message_id.parse().unwrap();
    let stored = retried!(admin.view_message(&topic, &id));
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
        let sent = retried!(compressing.send(Message::new(&topic, body.clone())));
        let stored = retried!(admin.view_message(&topic, &sent.offset_message_id.parse().unwrap()));
        assert_eq!(text(&stored), body);
        assert!(stored.store_size_bytes < body.len() / 2, "{compression:?} is compressed in the store");
        compressing.shutdown().await;
    }

    let batch: Vec<Message> =
        (0..3).map(|i| Message::new(&topic, format!("batch {i}")).with_tag("b")).collect();
    let sent = retried!(producer.send_batch(batch.clone()));
    assert_eq!(sent.message_id.split(',').count(), 3);
    let ids: Vec<&str> = sent.offset_message_id.split(',').collect();
    assert_eq!(ids.len(), 3);
    assert_eq!(text(&retried!(admin.view_message(&topic, &ids[2].parse().unwrap()))), "batch 2");

    let queue = retried!(producer.publish_queues(&topic))[1].clone();
    let sent = retried!(producer.send_to_queue(Message::new(&topic, "there"), &queue));
    assert_eq!(sent.queue, queue);
    let first = retried!(producer.send_by_key(Message::new(&topic, "1"), "customer 5"));
    let second = retried!(producer.send_by_key(Message::new(&topic, "2"), "customer 5"));
    assert_eq!(first.queue, second.queue);
    assert!(second.queue_offset > first.queue_offset);

    let queues = retried!(producer.publish_queues(&topic));
    let addr = retried!(admin.examine_topic_route_info(&topic)).broker_datas[0].broker_addrs[&0].clone();
    let total = async || {
        let mut total = 0;
        for queue in &queues {
            total += retried!(admin.max_offset(&addr, queue));
        }
        total
    };
    // The Java broker indexes a message a moment after it acknowledged it.
    until("the ten so far are indexed", async || total().await == 10).await;
    retried!(producer.send_oneway(Message::new(&topic, "gone with the wind")));
    until("the oneway message is stored", async || {
        if kills::are_on() {
            // Nobody says that the first one is lost.
            retried!(producer.send_oneway(Message::new(&topic, "gone with the wind")));
        }
        is_times(11, total().await as usize)
    })
    .await;
    producer.shutdown().await;
    assert!(producer.send(Message::new(&topic, "late")).await.is_err());
}
