//! The pull consumer against a small cluster in this process.

use eruca_protocol::{RequestCode, ResponseCode, body::HeartbeatData, request::*};

use super::*;
use crate::{
    StartError,
    testing::{FakeCluster, until},
};

const GROUP: &str = "g";

fn cluster() -> FakeCluster {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 2);
    cluster
}

fn queue(id: i32) -> MessageQueue {
    MessageQueue::new("t", "a", id)
}

async fn start(cluster: &FakeCluster) -> PullConsumer {
    PullConsumer::builder().name_servers(cluster.name_servers()).group(GROUP).start().await.unwrap()
}

fn bodies(pulled: &PullOutcome) -> Vec<String> {
    pulled.messages.iter().map(|m| String::from_utf8(m.message.body.clone()).unwrap()).collect()
}

#[tokio::test]
async fn it_pulls_what_it_is_told_and_commits_what_it_is_told() {
    let cluster = cluster();
    for (number, tag) in ["a", "b", "a", "c", "a"].iter().enumerate() {
        cluster.put(&queue(1), &format!("{number}"), tag);
    }
    let consumer = start(&cluster).await;
    assert_eq!(consumer.fetch_message_queues("t").await.unwrap(), [queue(0), queue(1)]);
    assert_eq!(consumer.committed(&queue(1)).await.unwrap(), None);
    let pulled = consumer.pull(&queue(1), "a || c", 1, 3).await.unwrap();
    assert_eq!((bodies(&pulled), pulled.next_begin_offset), (vec!["2".to_owned(), "3".to_owned()], 4));
    assert_eq!((consumer.min_offset(&queue(1)).await.unwrap(), pulled.max_offset), (0, 5));
    assert_eq!(consumer.max_offset(&queue(1)).await.unwrap(), 5);
    assert_eq!(cluster.committed(GROUP, &queue(1)), None, "nothing happens by itself");
    consumer.commit(&queue(1), 4).await.unwrap();
    assert_eq!(
        (consumer.committed(&queue(1)).await.unwrap(), cluster.committed(GROUP, &queue(1))),
        (Some(4), Some(4))
    );
    consumer.commit(&queue(1), 2).await.unwrap();
    assert_eq!(cluster.committed(GROUP, &queue(1)), Some(2), "backwards, too");
    let status = async |offset| consumer.pull(&queue(0), "*", offset, 3).await;
    assert_eq!(status(0).await.unwrap().status, PullStatus::NoNewMessage);
    assert_eq!(status(9).await.unwrap().status, PullStatus::OffsetMoved);
    consumer.shutdown().await;
    assert!(matches!(status(0).await, Err(PullError::Call(CallError::ShutDown))));
}

#[tokio::test]
async fn a_pull_waits_only_where_it_is_told_to_and_carries_its_filter() {
    let cluster = cluster();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    cluster.answer_by(RequestCode::PULL_MESSAGE, move |_, request| {
        lock(&noted).push(request.header::<PullMessageRequest>().unwrap());
        request.reply_error(ResponseCode::SUBSCRIPTION_PARSE_FAILED, "as the test wants it")
    });
    let consumer = start(&cluster).await;
    let refused = consumer.pull(&queue(0), Filter::by_sql("n > 5"), 7, 9).await.unwrap_err();
    assert!(refused.to_string().contains("as the test wants it"), "{refused}");
    assert!(consumer.pull_waiting(&queue(0), "x", 7, 9, Duration::from_secs(8)).await.is_err());
    let asked = lock(&asked);
    assert_eq!((asked[0].sys_flag, asked[0].suspend_timeout_millis), (4, 0));
    assert_eq!(
        (asked[0].expression_type.as_deref(), asked[0].subscription.as_deref()),
        (Some("SQL92"), Some("n > 5"))
    );
    assert_eq!((asked[1].sys_flag, asked[1].suspend_timeout_millis), (6, 8_000));
    assert_eq!(
        (asked[1].queue_offset, asked[1].max_msg_nums, asked[1].subscription.as_deref()),
        (7, 9, Some("x"))
    );
}

#[tokio::test]
async fn brokers_hear_of_it_and_what_failed_goes_back() {
    let cluster = cluster();
    cluster.put(&queue(0), "x", "");
    let consumer = start(&cluster).await;
    let pulled = consumer.pull(&queue(0), "*", 0, 1).await.unwrap();
    consumer.send_back(&pulled.messages[0], 3).await.unwrap();
    assert_eq!(cluster.sent_back(), [(0, 3)]);
    until("it is a member", || cluster.members(GROUP) == [consumer.client_id().to_owned()]).await;
    let is_active = |beat: HeartbeatData| beat.consumer_data_set[0].consume_type.name() == "CONSUME_ACTIVELY";
    assert!(cluster.last_heartbeat().is_some_and(is_active));
    consumer.shutdown().await;
    assert!(cluster.members(GROUP).is_empty());
}

#[tokio::test]
async fn messages_of_a_light_queue_have_their_places_there() {
    let cluster = cluster();
    let light = MessageQueue::light("l", "a");
    // Each is the first of its own queue.
    ["x", "y", "z"].iter().for_each(|body| cluster.put_light(&light, body));
    let consumer = start(&cluster).await;
    consumer.fetch_message_queues("t").await.unwrap();
    let pulled = consumer.pull(&light, "*", 1, 10).await.unwrap();
    assert_eq!((bodies(&pulled), pulled.next_begin_offset), (vec!["y".to_owned(), "z".to_owned()], 3));
    assert_eq!(pulled.messages.iter().map(|m| m.queue_offset.0).collect::<Vec<_>>(), [1, 2]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_light_queue_is_reached_by_the_route_of_its_topic() {
    let cluster = cluster();
    let light = MessageQueue::light("l", "a");
    cluster.put(&light, "x", "");
    let consumer = start(&cluster).await;
    let unknown = consumer.pull(&light, "*", 0, 1).await;
    assert!(matches!(unknown, Err(PullError::Call(CallError::BrokerUnknown { .. }))));
    consumer.fetch_message_queues("t").await.unwrap();
    assert_eq!(bodies(&consumer.pull(&light, "*", 0, 1).await.unwrap()), ["x"]);
    consumer.commit(&light, 1).await.unwrap();
    assert_eq!(consumer.committed(&light).await.unwrap(), Some(1));
    consumer.shutdown().await;
}

#[tokio::test]
async fn offsets_may_be_its_own() {
    let (cluster, dir) = (cluster(), tempfile::tempdir().unwrap());
    for expected in [None, Some(4)] {
        let builder = PullConsumer::builder().name_servers(cluster.name_servers()).group(GROUP);
        let consumer = builder.offsets_in_file(dir.path()).start().await.unwrap();
        assert_eq!(consumer.committed(&queue(0)).await.unwrap(), expected);
        consumer.commit(&queue(0), 4).await.unwrap();
        consumer.shutdown().await;
    }
    assert_eq!(cluster.committed(GROUP, &queue(0)), None);
    let nameless = PullConsumer::builder().name_servers(cluster.name_servers()).start().await;
    assert!(matches!(nameless, Err(StartError::Config(_))));
}
