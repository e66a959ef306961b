//! Push consumers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_client::{
    CallError, ConsumeFrom, Filter, MessageQueue, OrderedConsumeStatus, PushConsumer, StartError,
};

use super::*;

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_consumer_gets_all_and_goes_on_where_it_stopped() {
    let (producer, topic, group) = (producer().await, fresh("push"), fresh("g"));
    let mut expected = send_numbered(&producer, &topic, 50).await;
    let seen = Seen::default();
    let first = noting(consumer(&group, &topic), &seen).start().await.unwrap();
    seen.reaches(&expected).await;
    expected.extend(send_numbered(&producer, &topic, 60).await);
    seen.reaches(&expected).await;
    first.shutdown().await;

    let again = Seen::default();
    let second = noting(consumer(&group, &topic), &again).start().await.unwrap();
    until("queues are taken up", async || second.queues().len() >= 4).await;
    sent_by(&producer, Message::new(&topic, "news")).await;
    again.reaches_or_again(&BTreeSet::from(["news".to_owned()]), &expected).await;
    second.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn members_of_a_group_share_and_take_over() {
    let (producer, topic, group) = (producer().await, fresh("share"), fresh("g"));
    send_numbered(&producer, &topic, 1).await;
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = noting(consumer(&group, &topic), &seen_a).start().await.unwrap();
    let b = noting(consumer(&group, &topic), &seen_b).start().await.unwrap();
    let of_topic = |consumer: &PushConsumer| consumer.queues().iter().filter(|q| q.topic == topic).count();
    until("each has half", async || of_topic(&a) == 2 && of_topic(&b) == 2).await;
    let expected = send_numbered(&producer, &topic, 40).await;
    until("all is consumed", async || {
        let union: BTreeSet<_> = seen_a.set().union(&seen_b.set()).cloned().collect();
        union == expected
    })
    .await;
    assert!(!seen_a.all().is_empty() && !seen_b.all().is_empty());
    b.shutdown().await;
    until("the other takes over", async || of_topic(&a) == 4).await;
    a.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn every_broadcasting_member_gets_all_and_remembers() {
    let (producer, topic, group) = (producer().await, fresh("cast"), fresh("g"));
    let dir = tempfile::tempdir().unwrap();
    let expected = send_numbered(&producer, &topic, 20).await;
    let member = |name: &str| {
        consumer(&group, &topic).broadcasting().offsets_dir(dir.path()).instance_name(name.to_owned())
    };
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let a = noting(member("a"), &seen_a).start().await.unwrap();
    let b = noting(member("b"), &seen_b).start().await.unwrap();
    seen_a.reaches(&expected).await;
    seen_b.reaches(&expected).await;
    a.shutdown().await;
    b.shutdown().await;
    let again = Seen::default();
    let a = noting(member("a"), &again).start().await.unwrap();
    sent_by(&producer, Message::new(&topic, "news")).await;
    again.reaches(&BTreeSet::from(["news".to_owned()])).await;
    a.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn tags_are_filtered() {
    let (producer, topic, group) = (producer().await, fresh("tags"), fresh("g"));
    // "Aa" and "BB" have one hash: the broker lets both through.
    for tag in ["Aa", "BB", "other", "x"] {
        sent_by(&producer, Message::new(&topic, tag).with_tag(tag)).await;
    }
    let seen = Seen::default();
    let builder = PushConsumer::builder()
        .name_servers(name_servers())
        .group(&group)
        .subscribe(&topic, "Aa || x")
        .consume_from(ConsumeFrom::First);
    let tagged = noting(builder, &seen).start().await.unwrap();
    seen.reaches(&["Aa".to_owned(), "x".to_owned()].into()).await;
    tagged.shutdown().await;
    times(2, seen.all().len(), "messages consumed");
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_failed_message_comes_again_and_ends_in_the_dead_letter_queue() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("retry"), fresh("g"));
    let sent = sent_by(&producer, Message::new(&topic, "poison").with_keys("k")).await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = tries.clone();
    let failing = consumer(&group, &topic)
        .max_reconsume_times(2)
        .on_messages(move |messages| {
            let message = &messages[0];
            noted.lock().unwrap().push((
                message.message.topic.clone(),
                message.reconsume_times,
                message.message_id(),
            ));
            async { ConsumeStatus::RetryAtLevel(1) }
        })
        .start()
        .await
        .unwrap();
    until("it was tried three times", async || {
        tries.lock().unwrap().last().is_some_and(|(_, reconsumed, _)| *reconsumed == 2)
    })
    .await;
    let expected: Vec<_> = (0..3).map(|times| (topic.clone(), times, sent.message_id.clone())).collect();
    let mut distinct = tries.lock().unwrap().clone();
    times(3, distinct.len(), "tries");
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct, expected);
    let dlq = format!("%DLQ%{group}");
    until("the dead letter topic has it", async || match admin.examine_topic_route_info(&dlq).await {
        Err(CallError::TopicUnknown { .. }) => false,
        Err(error) => panic!("{error}"),
        Ok(route) => {
            let addr = &route.broker_datas[0].broker_addrs[&0];
            let queue = MessageQueue::new(&dlq, &route.broker_datas[0].broker_name, 0);
            is_times(1, retried!(admin.max_offset(addr, &queue)) as usize)
        }
    })
    .await;
    failing.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn ordered_consumption_keeps_the_order_through_failures_and_handovers() {
    let (producer, topic, group) = (producer().await, fresh("order"), fresh("g"));
    let keys = ["a", "b", "c", "d", "e"];
    let seen: Arc<Mutex<BTreeMap<String, Vec<usize>>>> = Arc::default();
    let start = |seen: Arc<Mutex<BTreeMap<String, Vec<usize>>>>| {
        consumer(&group, &topic)
            .suspend_time(Duration::from_millis(10))
            .on_messages_in_order(move |messages| {
                let seen = seen.clone();
                async move {
                    for message in &messages {
                        let body = text(message);
                        let (key, number) = body.split_once(' ').unwrap();
                        let number: usize = number.parse().unwrap();
                        // Every seventh fails once.
                        if number % 7 == 3 && message.reconsume_times == 0 {
                            return OrderedConsumeStatus::Suspend;
                        }
                        seen.lock().unwrap().entry(key.to_owned()).or_default().push(number);
                    }
                    OrderedConsumeStatus::Success
                }
            })
            .start()
    };
    let send = async |from: usize, to: usize| {
        for number in from..to {
            for key in keys {
                retried!(producer.send_by_key(Message::new(&topic, format!("{key} {number}")), key));
            }
        }
    };
    send(0, 20).await;
    let a = start(seen.clone()).await.unwrap();
    send(20, 30).await;
    let b = start(seen.clone()).await.unwrap();
    let of_topic = |consumer: &PushConsumer| consumer.queues().iter().filter(|q| q.topic == topic).count();
    until("both have queues", async || of_topic(&a) == 2 && of_topic(&b) == 2).await;
    send(30, 40).await;
    a.shutdown().await;
    send(40, 50).await;
    let count = || seen.lock().unwrap().values().map(|numbers| in_order(numbers)).sum::<usize>();
    until("all is consumed", async || count() == keys.len() * 50).await;
    b.shutdown().await;
    assert_eq!(count(), keys.len() * 50);
}

/// How many there are, from 0, without a gap. The last one may come again; where kills are on, all since the last that was committed.
fn in_order(numbers: &[usize]) -> usize {
    let mut next = 0;
    for &number in numbers {
        let is_again = number + 1 == next || kills::are_on() && number < next;
        assert!(number == next || is_again, "{number} came instead of {next}: {numbers:?}");
        next = next.max(number + 1);
    }
    next
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_subscription_by_sql_is_told_as_it_is() {
    let (producer, topic, group) = (producer().await, fresh("sql"), fresh("g"));
    send_numbered(&producer, &topic, 1).await;
    let builder = PushConsumer::builder()
        .name_servers(name_servers())
        .group(&group)
        .subscribe(&topic, Filter::by_sql("n > 5 AND"));
    // Wrong, and refused in any case unless enablePropertyFilter is set.
    let refused = noting(builder, &Seen::default()).start().await.err();
    assert!(matches!(refused, Some(StartError::Call(CallError::Refused { .. }))), "{refused:?}");
}
