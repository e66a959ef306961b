//! Consumers that pop.

use std::{collections::BTreeSet, time::Duration};

use eruca_client::{
    ConsumeFrom, Filter, Message, PopConsumer, PopConsumerBuilder, PopError, PoppedMessage, StartError,
};
use eruca_protocol::ResponseCode;

use crate::{PATIENCE, fresh, name_servers, producer, send_numbered, text, until};

const SHORT: Duration = Duration::from_secs(3);

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
        let popped = consumer.pop(PATIENCE).await.unwrap();
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
    let one = builder(&group, &topic, "*")
        .max_messages(32)
        .invisible_time(Duration::from_secs(5))
        .start()
        .await
        .unwrap();
    let other = builder(&group, &topic, "*").max_messages(32).start().await.unwrap();
    let mut first = pop_all(&one, 20).await;
    assert_eq!(texts(&first), expected);
    assert!(other.pop(Duration::ZERO).await.unwrap().is_empty(), "all are in flight");
    one.ack(&first[0]).await.unwrap();
    one.ack_all(&first[1..10]).await.unwrap();
    // One is held longer than the others.
    one.change_invisible_time(&mut first[10], Duration::from_secs(120)).await.unwrap();
    let again = pop_all(&other, 9).await;
    assert_eq!(texts(&again), texts(&first[11..]));
    assert!(again.iter().all(|message| message.attempt() == 2 && message.stored.message.topic == topic));
    one.ack(&first[10]).await.unwrap();
    other.ack_all(&again).await.unwrap();
    assert!(other.pop(SHORT).await.unwrap().is_empty(), "nothing is left");
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_pop_waits_for_messages() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    producer.send(Message::new(&topic, "makes the topic")).await.unwrap();
    let consumer = builder(&group, &topic, "*").start().await.unwrap();
    consumer.ack_all(&pop_all(&consumer, 1).await).await.unwrap();
    let (waiting, _) = tokio::join!(consumer.pop(PATIENCE), producer.send(Message::new(&topic, "news")));
    assert_eq!(text(&waiting.unwrap()[0].stored), "news");
    consumer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn messages_are_popped_by_tag_and_by_condition() {
    let (producer, topic) = (producer().await, fresh("pop"));
    for number in 0..10 {
        let message =
            Message::new(&topic, format!("{number}")).with_tag(if number % 2 == 0 { "even" } else { "odd" });
        producer.send(message.with_property("n", number.to_string())).await.unwrap();
    }
    let odd = builder(&fresh("g"), &topic, "odd").start().await.unwrap();
    let large = builder(&fresh("g"), &topic, Filter::by_sql("n > 6")).start().await.unwrap();
    let popped = pop_all(&odd, 5).await;
    assert_eq!(texts(&popped), ["1", "3", "5", "7", "9"].map(str::to_owned).into());
    odd.ack_all(&popped).await.unwrap();
    let popped = pop_all(&large, 3).await;
    assert_eq!(texts(&popped), ["7", "8", "9"].map(str::to_owned).into());
    large.ack_all(&popped).await.unwrap();
    odd.shutdown().await;
    large.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn in_order_nothing_comes_before_what_is_in_flight() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    for number in 0..6 {
        producer.send_by_key(Message::new(&topic, format!("{number}")), "one key").await.unwrap();
    }
    let start = async || {
        let builder = builder(&group, &topic, "*").in_order().max_messages(2).invisible_time(SHORT);
        builder.start().await.unwrap()
    };
    let (one, other) = (start().await, start().await);
    let first = pop_all(&one, 2).await;
    assert_eq!(texts(&first), ["0", "1"].map(str::to_owned).into());
    one.ack(&first[0]).await.unwrap();
    assert!(other.pop(Duration::ZERO).await.unwrap().is_empty(), "1 is in flight");
    let again = pop_all(&other, 2).await;
    assert_eq!(again.iter().map(|m| text(&m.stored)).collect::<Vec<_>>(), ["1", "2"]);
    other.ack_all(&again).await.unwrap();
    let rest = pop_all(&one, 2).await;
    assert_eq!(rest.iter().map(|m| text(&m.stored)).collect::<Vec<_>>(), ["3", "4"]);
    one.ack_all(&rest).await.unwrap();
    one.shutdown().await;
    other.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn what_a_broker_refuses_is_told() {
    let (producer, topic, group) = (producer().await, fresh("pop"), fresh("g"));
    producer.send(Message::new(&topic, "x")).await.unwrap();
    let with_condition = async || builder(&group, &topic, Filter::by_sql("n >")).start().await.map(drop);
    // Nobody is asked before the name server knows where the new topic is.
    until("the condition is refused", async || with_condition().await.is_err()).await;
    let refused = with_condition().await.unwrap_err();
    let StartError::Call(refused) = refused else { panic!("{refused}") };
    assert_eq!(refused.response_code(), Some(ResponseCode::SUBSCRIPTION_PARSE_FAILED));
    let consumer = builder(&group, &topic, "*").start().await.unwrap();
    let mut popped = pop_all(&consumer, 1).await;
    let old = popped[0].clone();
    consumer.change_invisible_time(&mut popped[0], PATIENCE).await.unwrap();
    assert_ne!(old.receipt_handle(), popped[0].receipt_handle());
    consumer.ack_all(&popped).await.unwrap();
    consumer.shutdown().await;
    assert!(matches!(consumer.pop(Duration::ZERO).await, Err(PopError::Call(_))));
}
