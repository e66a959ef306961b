//! The lite pull consumer against a small cluster in this process.

use std::time::Duration;

use eruca_message::MessageQueue;
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, ConsumerRunningInfo},
    request::GetConsumerRunningInfoRequest,
};

use crate::{
    ConsumeFrom, LitePullConsumer, LitePullConsumerBuilder, LitePullError,
    testing::{FakeCluster, until},
};

const GROUP: &str = "g";
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn cluster(queues: i32) -> FakeCluster {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", queues);
    cluster
}

fn queue(id: i32) -> MessageQueue {
    MessageQueue::new("t", "a", id)
}

fn builder(cluster: &FakeCluster) -> LitePullConsumerBuilder {
    LitePullConsumer::builder()
        .name_servers(cluster.name_servers())
        .group(GROUP)
        .consume_from(ConsumeFrom::First)
        .auto_commit(None)
}

async fn subscribed(cluster: &FakeCluster) -> LitePullConsumer {
    builder(cluster).subscribe("t", "*").start().await.unwrap()
}

async fn poll(consumer: &LitePullConsumer, timeout: Duration) -> Vec<String> {
    let messages = consumer.poll(timeout).await.unwrap();
    messages.into_iter().map(|m| String::from_utf8(m.message.body).unwrap()).collect()
}

#[tokio::test]
async fn only_a_commit_moves_the_groups_offset() {
    let cluster = cluster(1);
    (0..3).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer = subscribed(&cluster).await;
    assert_eq!(poll(&consumer, LONG).await, ["0", "1", "2"]);
    assert!(poll(&consumer, SHORT).await.is_empty());
    assert_eq!(consumer.committed(&queue(0)).await.unwrap(), None);
    consumer.commit().await.unwrap();
    assert_eq!(consumer.committed(&queue(0)).await.unwrap(), Some(3));
    consumer.shutdown().await;
    assert!(matches!(consumer.poll(SHORT).await, Err(LitePullError::Call(_))));
}

#[tokio::test]
async fn brokers_can_ask_how_it_is_doing() {
    let cluster = cluster(1);
    cluster.put(&queue(0), "x", "");
    let consumer = subscribed(&cluster).await;
    assert_eq!(poll(&consumer, LONG).await, ["x"]);
    let header = GetConsumerRunningInfoRequest { consumer_group: GROUP.into(), ..Default::default() };
    let answer = cluster.member(GROUP).invoke(RemotingCommand::request(&header), LONG).await.unwrap();
    let info: ConsumerRunningInfo = body::from_json(&answer.body).unwrap();
    let said =
        ["PROP_CONSUME_TYPE", "PROP_CONSUMEORDERLY", "messageModel"].map(|name| &*info.properties[name]);
    assert_eq!(said, ["CONSUME_ACTIVELY", "false", "CLUSTERING"]);
    assert_eq!(info.mq_table.values().map(|queue| queue.commit_offset).collect::<Vec<_>>(), [1]);
    assert!(info.status_table["t"].pull_tps > 0.0);
    consumer.shutdown().await;
}

#[tokio::test]
async fn automatic_commits_cover_what_came_before_the_latest_poll() {
    let cluster = cluster(1);
    (0..4).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer =
        builder(&cluster).subscribe("t", "*").poll_batch(2).auto_commit(Some(Duration::from_millis(10)));
    let consumer = consumer.start().await.unwrap();
    assert_eq!(poll(&consumer, LONG).await, ["0", "1"]);
    assert_eq!(poll(&consumer, LONG).await, ["2", "3"]);
    until("the first two are committed", || cluster.committed(GROUP, &queue(0)) == Some(2)).await;
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(4));
}

#[tokio::test]
async fn seeking_voids_what_was_fetched() {
    let cluster = cluster(1);
    (0..4).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer = builder(&cluster).subscribe("t", "*").poll_batch(1).start().await.unwrap();
    assert_eq!(poll(&consumer, LONG).await, ["0"]);
    consumer.seek(&queue(0), 3).unwrap();
    assert_eq!(poll(&consumer, LONG).await, ["3"]);
    consumer.seek_to_begin(&queue(0)).await.unwrap();
    assert_eq!(poll(&consumer, LONG).await, ["0"]);
    consumer.seek_to_end(&queue(0)).await.unwrap();
    assert!(poll(&consumer, SHORT).await.is_empty());
    let elsewhere = MessageQueue::new("t", "a", 9);
    assert!(matches!(consumer.seek(&elsewhere, 0), Err(LitePullError::NotAssigned { .. })));
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_offset_outside_of_the_queue_is_moved_inside() {
    let cluster = cluster(1);
    cluster.put(&queue(0), "x", "");
    let consumer = subscribed(&cluster).await;
    assert_eq!(poll(&consumer, LONG).await, ["x"]);
    consumer.seek(&queue(0), 100).unwrap();
    assert!(poll(&consumer, SHORT).await.is_empty());
    cluster.put(&queue(0), "y", "");
    assert_eq!(poll(&consumer, LONG).await, ["y"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn paused_queues_give_nothing_and_others_do() {
    let cluster = cluster(2);
    let consumer = subscribed(&cluster).await;
    until("it has its queues", || consumer.assignment().len() == 2).await;
    consumer.pause(&[queue(0)]);
    (0..2).for_each(|id| cluster.put(&queue(id), &format!("of {id}"), ""));
    assert_eq!(poll(&consumer, LONG).await, ["of 1"]);
    assert!(poll(&consumer, SHORT).await.is_empty());
    consumer.resume(&[queue(0)]);
    assert_eq!(poll(&consumer, LONG).await, ["of 0"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn assigned_queues_need_no_group_and_can_change() {
    let cluster = cluster(3);
    (0..3).for_each(|id| cluster.put(&queue(id), &format!("of {id}"), ""));
    let consumer = builder(&cluster).start().await.unwrap();
    assert_eq!(consumer.fetch_message_queues("t").await.unwrap().len(), 3);
    consumer.assign([queue(1)]).await.unwrap();
    assert_eq!(consumer.assignment(), [queue(1)]);
    assert_eq!(poll(&consumer, LONG).await, ["of 1"]);
    consumer.assign([queue(2)]).await.unwrap();
    assert_eq!(poll(&consumer, LONG).await, ["of 2"]);
    assert!(matches!(consumer.subscribe("t", "*"), Err(LitePullError::OtherMode(_))));
    consumer.shutdown().await;

    let other = subscribed(&cluster).await;
    assert!(matches!(other.assign([queue(0)]).await, Err(LitePullError::OtherMode(_))));
    other.shutdown().await;
}

#[tokio::test]
async fn members_share_and_filters_hold() {
    let cluster = cluster(2);
    let a = builder(&cluster).subscribe("t", "yes").start().await.unwrap();
    let b = builder(&cluster).subscribe("t", "yes").start().await.unwrap();
    until("they share", || a.assignment().len() == 1 && b.assignment().len() == 1).await;
    for id in 0..2 {
        cluster.put(&queue(id), "unwanted", "no");
        cluster.put(&queue(id), "wanted", "yes");
    }
    assert_eq!(poll(&a, LONG).await, ["wanted"]);
    assert_eq!(poll(&b, LONG).await, ["wanted"]);
    a.shutdown().await;
    b.shutdown().await;
}

#[tokio::test]
async fn what_is_fetched_ahead_is_bounded() {
    let cluster = cluster(1);
    (0..50).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let consumer = builder(&cluster).subscribe("t", "*").fetch_batch(1).buffer_limits(5, 1_000_000, 100);
    let consumer = consumer.start().await.unwrap();
    until("some were fetched", || cluster.pulls_of(&queue(0)) == 5).await;
    assert!(poll(&consumer, SHORT).await.len() <= 5);
    let mut count = 0;
    while count < 45 {
        count += poll(&consumer, LONG).await.len();
    }
    consumer.shutdown().await;
}

#[tokio::test]
async fn brokers_that_know_no_lite_pulls_get_ordinary_ones() {
    let cluster = cluster(1);
    cluster.put(&queue(0), "x", "");
    cluster.answer("a", RequestCode::LITE_PULL_MESSAGE, &[ResponseCode::REQUEST_CODE_NOT_SUPPORTED]);
    let consumer = subscribed(&cluster).await;
    assert_eq!(poll(&consumer, LONG).await, ["x"]);
    consumer.shutdown().await;
    assert_eq!(cluster.seen("a", RequestCode::LITE_PULL_MESSAGE), 1);
}
