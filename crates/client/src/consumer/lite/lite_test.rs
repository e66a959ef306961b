//! The consumer of lite topics against a small cluster in this process.

use eruca_protocol::{RequestCode, ResponseCode};

use super::*;
use crate::{ConfigError, decode::tests::record, testing::FakeCluster};

async fn consumer(cluster: &FakeCluster) -> LiteConsumer {
    let builder = LiteConsumer::builder().name_servers(cluster.name_servers()).group("g").topic("P");
    builder.max_subscriptions(2).build().await.unwrap()
}

#[tokio::test]
async fn what_no_broker_would_take_is_refused_here() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("P", 1);
    let consumer = consumer(&cluster).await;
    for bad in ["", "a$b", "a/b"] {
        assert!(
            matches!(consumer.subscribe([bad], LiteStart::First).await, Err(LiteError::Name(_))),
            "{bad}"
        );
    }
    let many = consumer.subscribe(["a", "b", "c"], LiteStart::WhereItIs).await;
    assert!(matches!(many, Err(LiteError::TooMany { count: 3, limit: 2 })));
    assert_eq!(cluster.seen("a", RequestCode::LITE_SUBSCRIPTION_CTL), 0);
    let builder = LiteConsumer::builder().name_servers("127.0.0.1:1").group("g");
    assert!(matches!(builder.clone().build().await, Err(ConfigError::Name(_))), "no topic");
    let batch = builder.topic("P").batch(33).build().await;
    assert!(matches!(batch, Err(ConfigError::OutOfRange { setting: "batch", .. })));
    consumer.shutdown().await;
    assert!(consumer.pop(Duration::ZERO).await.is_err());
}

#[tokio::test]
async fn a_refusal_leaves_the_subscriptions_as_they_were() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("P", 1);
    let consumer = consumer(&cluster).await;
    cluster.answer(
        "a",
        RequestCode::LITE_SUBSCRIPTION_CTL,
        &[ResponseCode::LITE_SUBSCRIPTION_QUOTA_EXCEEDED],
    );
    let LiteError::Call(refused) = consumer.subscribe(["a"], LiteStart::First).await.unwrap_err() else {
        panic!()
    };
    assert_eq!(refused.response_code(), Some(ResponseCode::LITE_SUBSCRIPTION_QUOTA_EXCEEDED));
    assert!(consumer.subscriptions().is_empty());
}

/// A lite topic's only message, given out `times` before, whose record says that it is in `topic`.
fn message_of(topic: &str, times: i32, request: &RemotingCommand) -> RemotingCommand {
    let header = PopLiteMessageResponse {
        pop_time: 5,
        invisible_time: 60_000,
        order_count_info: Some(times.to_string()),
        ..PopLiteMessageResponse::default()
    };
    let properties =
        b"__LITE_TOPIC\x01a\x02INNER_MULTI_DISPATCH\x01%LMQ%$P$a\x02INNER_MULTI_QUEUE_OFFSET\x013\x02";
    request.reply_with(&header).with_body(record(topic, 7, 0, b"x", properties))
}

#[tokio::test]
async fn what_was_given_too_often_is_a_dead_letter_and_not_given() {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("P", 1);
    let pops = Arc::new(AtomicUsize::new(0));
    let popped = pops.clone();
    cluster.answer_by(RequestCode::POP_LITE_MESSAGE, move |_, request| {
        match popped.fetch_add(1, Ordering::Relaxed) {
            0 => message_of("P", 16, request),
            1 => message_of("P", 17, request),
            // As Java's brokers do, which put the dead letter into the lite topic again.
            2 => message_of("%DLQ%g", 0, request),
            _ => request.reply_error(ResponseCode::POLLING_TIMEOUT, "nothing"),
        }
    });
    cluster.answer_by(RequestCode::ACK_MESSAGE, |_, request| request.reply(ResponseCode::SUCCESS));
    let consumer = consumer(&cluster).await;
    let last = consumer.pop(Duration::ZERO).await.unwrap();
    assert_eq!((last.len(), last[0].times_given), (1, 16));
    for acked in [1, 2] {
        assert!(consumer.pop(Duration::ZERO).await.unwrap().is_empty());
        assert_eq!(cluster.seen("a", RequestCode::ACK_MESSAGE), acked);
    }
    assert_eq!(cluster.sent_back(), [(700, -1)]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_lite_topic_that_another_client_takes_is_gone() {
    let cluster = FakeCluster::start(&["a"]);
    let consumer = consumer(&cluster).await;
    lock(&consumer.core.subscribed).lite_topics.extend(["a".to_owned(), "b".to_owned()]);
    consumer.core.taken_over("a");
    assert_eq!(consumer.subscriptions(), ["b"]);
}

#[test]
fn starts_are_javas_options() {
    let of = |start: LiteStart| start.option().map(|option| (option.kind, option.value));
    assert_eq!(of(LiteStart::WhereItIs), None);
    assert_eq!(of(LiteStart::First), Some((OffsetOptionType::Policy, 1)));
    assert_eq!(of(LiteStart::Last), Some((OffsetOptionType::Policy, 2)));
    assert_eq!(of(LiteStart::At(7)), Some((OffsetOptionType::Offset, 7)));
    assert_eq!(of(LiteStart::Back(2)), Some((OffsetOptionType::TailN, 2)));
}
