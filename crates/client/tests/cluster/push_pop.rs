//! Push consumers whose brokers say whether they pull or pop.

use std::sync::{Arc, Mutex};

use eruca_client::{CallError, MessageQueue, PushConsumer};
use eruca_message::trace::{TraceOutcome, TraceRecord};
use eruca_protocol::body::MessageRequestMode;

use super::*;

/// A member that does as its broker says. What a kill takes from it comes again soon.
fn assigned(group: &str, topic: &str) -> PushConsumerBuilder {
    let builder = consumer(group, topic).assigned_by_broker();
    if kills::are_on() { builder.pop_invisible_time(INVISIBLE) } else { builder }
}

/// Whether the consumer pops the topic, and does nothing else with it.
fn pops(consumer: &PushConsumer, topic: &str) -> bool {
    let ids: Vec<i32> =
        consumer.queues().iter().filter(|queue| queue.topic == topic).map(|queue| queue.queue_id).collect();
    ids == [-1]
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn members_pop_the_same_queues_and_each_message_is_consumed_once() {
    let (producer, topic, group) = (producer().await, fresh("push-pop"), fresh("g"));
    let mut expected = send_numbered(&producer, &topic, 1).await;
    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    let (seen_a, seen_b) = (Seen::default(), Seen::default());
    let start = async |seen: &Seen| {
        let builder = assigned(&group, &topic).pop_batch(1);
        noting(builder, seen).start().await.unwrap()
    };
    let (a, b) = (start(&seen_a).await, start(&seen_b).await);
    until("both pop all queues", async || pops(&a, &topic) && pops(&b, &topic)).await;
    expected.extend(send_numbered(&producer, &topic, 100).await);
    let both = || [seen_a.all(), seen_b.all()].concat();
    until("all are consumed", async || both().into_iter().collect::<BTreeSet<_>>() == expected).await;
    a.shutdown().await;
    b.shutdown().await;
    assert!(!seen_a.all().is_empty() && !seen_b.all().is_empty(), "both had some");
    times(101, both().len(), "one is sent twice, and none is consumed twice");
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn a_failed_message_comes_again_to_any_member_and_ends_in_the_dead_letter_queue() {
    let (producer, admin, topic, group) = (producer().await, admin().await, fresh("push-pop"), fresh("g"));
    let sent = sent_by(&producer, Message::new(&topic, "poison")).await;
    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    let tries = Arc::new(Mutex::new(Vec::new()));
    let noted = tries.clone();
    let failing = assigned(&group, &topic)
        .max_reconsume_times(1)
        .on_messages(move |messages| {
            let message = &messages[0];
            let tried = (message.message.topic.clone(), message.reconsume_times, message.message_id());
            noted.lock().unwrap().push(tried);
            async { ConsumeStatus::RetryLater }
        })
        .start()
        .await
        .unwrap();
    until("it was tried twice", async || {
        tries.lock().unwrap().last().is_some_and(|(_, reconsumed, _)| *reconsumed == 1)
    })
    .await;
    let expected: Vec<_> = (0..2).map(|times| (topic.clone(), times, sent.message_id.clone())).collect();
    assert_eq!(*tries.lock().unwrap(), expected);
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
async fn a_group_is_switched_to_pops_and_back_and_loses_nothing() {
    let (producer, topic, group) = (producer().await, fresh("switched"), fresh("g"));
    let mut expected = send_numbered(&producer, &topic, 20).await;
    let (seen, failed) = (Seen::default(), Seen::default());
    let (noted, failed_once) = (seen.clone(), failed.clone());
    // Every fifth fails once; what failed in one mode may come again in the other.
    let switched = assigned(&group, &topic).on_messages(move |messages| {
        let body = text(&messages[0]);
        let fails = body.ends_with('5') && !failed_once.set().contains(&body);
        if fails {
            failed_once.add(body)
        } else {
            noted.add(body)
        }
        async move { if fails { ConsumeStatus::RetryLater } else { ConsumeStatus::Success } }
    });
    let switched = switched.start().await.unwrap();
    let has_queues = async || switched.queues().iter().filter(|queue| queue.topic == topic).count() == 4;
    for round in 1..=2 {
        until("it pulls", has_queues).await;
        set_mode(&topic, &group, MessageRequestMode::Pop).await;
        until("it pops", async || pops(&switched, &topic)).await;
        for number in 0..20 {
            let body = format!("{topic} {round} {number}");
            sent_by(&producer, Message::new(&topic, body.clone())).await;
            expected.insert(body);
        }
        until("they are popped", async || (&failed.set() | &seen.set()).is_superset(&expected)).await;
        set_mode(&topic, &group, MessageRequestMode::Pull).await;
    }
    until("it pulls", has_queues).await;
    seen.reaches(&expected).await;
    switched.shutdown().await;
    producer.shutdown().await;
}

#[tokio::test]
#[ignore = "needs a cluster, see main.rs"]
async fn pops_are_traced() {
    let (producer, topic, group) = (producer().await, fresh("traced"), fresh("g"));
    let sent = sent_by(&producer, Message::new(&topic, "x").with_keys(fresh("key"))).await;
    set_mode(&topic, &group, MessageRequestMode::Pop).await;
    let seen = Seen::default();
    let builder = assigned(&group, &topic).trace(true);
    let popping = noting(builder, &seen).start().await.unwrap();
    until("it is consumed", async || is_times(1, seen.all().len())).await;
    assert!(pops(&popping, &topic));
    popping.shutdown().await;
    if kills::are_on() && popping.traces_lost() > 0 {
        // What the broker did not take is counted, and that is all.
        return;
    }
    let admin = admin().await;
    until("it is traced", async || is_times(2, traces_of(&admin, &sent.message_id).await.len())).await;
    let records = traces_of(&admin, &sent.message_id).await;
    assert!(records.iter().any(|record| matches!(
        record,
        TraceRecord::SubBefore { group: by, retry_times: 0, .. } if *by == group
    )));
    assert!(records.iter().any(|record| matches!(
        record,
        TraceRecord::SubAfter { outcome: TraceOutcome::Success, is_success: true, .. }
    )));
    producer.shutdown().await;
}
