//! Consumers that pop.

use std::time::Duration;

use eruca_client::{
    ConsumeFrom, Filter, PopConsumer, PopConsumerBuilder, PopError, PoppedMessage, StartError,
};
use eruca_protocol::ResponseCode;

use super::*;

const SHORT: Duration = Duration::from_secs(3);

/// Over soon, but not before a broker that was killed is back.
fn soon_over(seconds: u64) -> Duration {
    Duration::from_secs(if kills::are_on() { 12 } else { seconds })
}

fn builder(group: &str, topic: &str, filter: impl Into<Filter>) -> PopConsumerBuilder {
    PopConsumer::builder()
        .name_servers(name_servers())
        .group(group)
        .subscribe(topic, filter)
        .consume_from(ConsumeFrom::First)
}

/// Pops until so many messages came.
async fn pop_all(consumer: &PopConsumer, count: usize) -> Vec<PoppedMessage> {
    let mut all = Vec::new();
    while all.len() < count {
        let popped = retried!(consumer.pop(PATIENCE));
        assert!(!popped.is_empty(), "got {} of {count}", all.len());
        all.extend(popped);
    }
    all
}

fn texts(messages: &[PoppedMessage]) -> BTreeSet<String> {
    messages.iter().map(|message| text(&message.stored)).collect()
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_is_acknowledged_stays_away_and_the_rest_comes_again_to_any_member() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    let expected = send_numbered(&producer, &topic, 20).await;
    let one =
        builder(&group, &topic, "*").max_messages(32).invisible_time(soon_over(5)).start().await.unwrap();
    let other = builder(&group, &topic, "*").max_messages(32).start().await.unwrap();
    let mut first = pop_all(&one, 20).await;
    assert_eq!(texts(&first), expected);
    assert!(retried!(other.pop(Duration::ZERO)).is_empty(), "all are in flight");
    retried!(one.ack(&first[0]));
    retried!(one.ack_all(&first[1..10]));
    // One is held longer than the others.
    retried!(one.change_invisible_time(&mut first[10], Duration::from_secs(120)));
    let again = pop_all(&other, 9).await;
    assert_eq!(texts(&again), texts(&first[11..]));
    assert!(again.iter().all(|message| message.attempt() == 2 && message.stored.message.topic == topic));
    retried!(one.ack(&first[10]));
    retried!(other.ack_all(&again));
    assert!(retried!(other.pop(SHORT)).is_empty(), "nothing is left");
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_pop_waits_for_messages() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    sent_by(&producer, Message::new(&topic, "makes the topic")).await;
    let consumer = builder(&group, &topic, "*").start().await.unwrap();
    let first = pop_all(&consumer, 1).await;
    retried!(consumer.ack_all(&first));
    let (waiting, _) = tokio::join!(pop_all(&consumer, 1), sent_by(&producer, Message::new(&topic, "news")));
    assert_eq!(text(&waiting[0].stored), "news");
    consumer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn messages_are_popped_by_tag_and_by_condition() {
    let (producer, topic) = (producer().await, fresh("pop"));
    for number in 0..10 {
        let message =
            Message::new(&topic, format!("{number}")).with_tag(if number % 2 == 0 { "even" } else { "odd" });
        sent_by(&producer, message.with_property("n", number.to_string())).await;
    }
    let odd = builder(&fresh("g"), &topic, "odd").start().await.unwrap();
    let large = builder(&fresh("g"), &topic, Filter::by_sql("n > 6")).start().await.unwrap();
    let popped = pop_all(&odd, 5).await;
    assert_eq!(texts(&popped), ["1", "3", "5", "7", "9"].map(str::to_owned).into());
    retried!(odd.ack_all(&popped));
    let popped = pop_all(&large, 3).await;
    assert_eq!(texts(&popped), ["7", "8", "9"].map(str::to_owned).into());
    retried!(large.ack_all(&popped));
    odd.shutdown().await;
    large.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn in_order_nothing_comes_before_what_is_in_flight() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    for number in 0..6 {
        retried!(producer.send_by_key(Message::new(&topic, format!("{number}")), "one key"));
    }
    let start = async || {
        let builder = builder(&group, &topic, "*").in_order().max_messages(2).invisible_time(soon_over(3));
        builder.start().await.unwrap()
    };
    let (one, other) = (start().await, start().await);
    let first = pop_all(&one, 2).await;
    assert_eq!(texts(&first), ["0", "1"].map(str::to_owned).into());
    retried!(one.ack(&first[0]));
    assert!(retried!(other.pop(Duration::ZERO)).is_empty(), "1 is in flight");
    let again = pop_all(&other, 2).await;
    assert_eq!(again.iter().map(|m| text(&m.stored)).collect::<Vec<_>>(), ["1", "2"]);
    retried!(other.ack_all(&again));
    let rest = pop_all(&one, 2).await;
    assert_eq!(rest.iter().map(|m| text(&m.stored)).collect::<Vec<_>>(), ["3", "4"]);
    retried!(one.ack_all(&rest));
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_a_broker_refuses_is_told() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    sent_by(&producer, Message::new(&topic, "x")).await;
    let with_condition = async || builder(&group, &topic, Filter::by_sql("n >")).start().await.map(drop);
    // Nobody is asked before the name server knows where the new topic is.
    until("the condition is refused", async || match with_condition().await {
        Ok(()) => false,
        Err(StartError::Call(refused)) => {
            assert_eq!(refused.response_code(), Some(ResponseCode::SUBSCRIPTION_PARSE_FAILED), "{refused}");
            true
        }
        Err(error) => panic!("{error}"),
    })
    .await;
    let consumer = builder(&group, &topic, "*").start().await.unwrap();
    let mut popped = pop_all(&consumer, 1).await;
    let old = popped[0].clone();
    retried!(consumer.change_invisible_time(&mut popped[0], PATIENCE));
    assert_ne!(old.receipt_handle(), popped[0].receipt_handle());
    retried!(consumer.ack_all(&popped));
    consumer.shutdown().await;
    assert!(matches!(consumer.pop(Duration::ZERO).await, Err(PopError::Call(_))));
}
