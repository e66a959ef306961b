//! Lite pull consumers.

use std::time::Duration;

use eruca_client::{ConsumeFrom, LitePullConsumer, Timestamp};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
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
    retried!(lite.seek_to_begin(&queue));
    assert_eq!(lite.poll(PATIENCE).await.unwrap()[0].queue_offset.0, 0);
    retried!(lite.seek_to_end(&queue));
    assert!(lite.poll(Duration::from_millis(200)).await.unwrap().is_empty());

    lite.pause(std::slice::from_ref(&queue));
    retried!(producer.send_to_queue(Message::new(&topic, "while paused"), &queue));
    assert!(lite.poll(Duration::from_millis(500)).await.unwrap().is_empty());
    lite.resume(std::slice::from_ref(&queue));
    assert_eq!(poll_all(&lite, 1).await, ["while paused"]);

    retried!(lite.commit());
    let end = retried!(lite.committed(&queue)).unwrap();
    assert_eq!(retried!(lite.offset_for_timestamp(&queue, Timestamp(0))), 0);
    lite.shutdown().await;

    let next = start().await;
    retried!(producer.send_to_queue(Message::new(&topic, "news"), &queue));
    let news = next.poll(PATIENCE).await.unwrap();
    assert_eq!((text(&news[0]), news[0].queue_offset.0 as i64, news.len()), ("news".to_owned(), end, 1));
    next.shutdown().await;

    let assigned =
        LitePullConsumer::builder().name_servers(name_servers()).group(fresh("g")).start().await.unwrap();
    let queues = retried!(assigned.fetch_message_queues(&topic));
    retried!(assigned.assign(queues.iter().take(2).cloned()));
    assert_eq!(assigned.assignment().len(), 2);
    for queue in &queues[..2] {
        assigned.seek(queue, 0).unwrap();
    }
    assert!(!assigned.poll(PATIENCE).await.unwrap().is_empty());
    assert!(assigned.subscribe(&topic, "*").is_err());
    assigned.shutdown().await;
}
