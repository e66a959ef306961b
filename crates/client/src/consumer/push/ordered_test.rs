//! Ordered consumption against a small cluster in this process.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::super::fixture::{GROUP, Seen, builder, cluster, queue, running_info, topic_queues};
use crate::{OrderedConsumeStatus, PushConsumer, PushConsumerBuilder, testing::until};

#[tokio::test]
async fn ordered_messages_wait_for_the_one_that_failed() {
    let (cluster, seen) = (cluster(1), Seen::default());
    (0..4).for_each(|i| cluster.put(&queue(0), &format!("{i}"), ""));
    let noted = seen.clone();
    let consumer = builder(&cluster)
        .suspend_time(Duration::from_millis(10))
        .on_messages_in_order(move |messages| {
            noted.note(&messages);
            let fails = messages[0].message.body == b"1" && messages[0].reconsume_times < 2;
            async move { if fails { OrderedConsumeStatus::Suspend } else { OrderedConsumeStatus::Success } }
        })
        .start()
        .await
        .unwrap();
    until("all are consumed", || seen.len() == 6).await;
    let info = running_info(&cluster, 4, 2).await;
    assert_eq!(info.properties["PROP_CONSUMEORDERLY"], "true");
    assert_eq!(info.status_table["t"].consume_failed_msgs, 2);
    assert_eq!(seen.bodies(), ["0", "1", "1", "1", "2", "3"]);
    assert_eq!(cluster.lock_owner(GROUP, &queue(0)).as_deref(), Some(consumer.client_id()));
    consumer.shutdown().await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(4));
    assert_eq!(cluster.lock_owner(GROUP, &queue(0)), None);
    assert!(cluster.sent_back().is_empty());
}

/// What is "bad" fails, soon again and again.
async fn start_failing(builder: PushConsumerBuilder, seen: &Seen) -> PushConsumer {
    let noted = seen.clone();
    let builder = builder.suspend_time(Duration::from_millis(10)).on_messages_in_order(move |messages| {
        noted.note(&messages);
        let fails = messages[0].message.body == b"bad";
        async move { if fails { OrderedConsumeStatus::Suspend } else { OrderedConsumeStatus::Success } }
    });
    builder.start().await.unwrap()
}

#[tokio::test]
async fn an_ordered_message_that_always_fails_goes_to_the_dead_letter_queue() {
    let (cluster, seen) = (cluster(1), Seen::default());
    ["bad", "good"].iter().for_each(|body| cluster.put(&queue(0), body, ""));
    let consumer = start_failing(builder(&cluster).max_reconsume_times(2), &seen).await;
    until("the next one is consumed", || seen.bodies() == ["bad", "bad", "bad", "good"]).await;
    consumer.shutdown().await;
    assert_eq!(cluster.sent_back(), [(0, -1)]);
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(2));
}

/// Java's default is to try for ever, and nothing behind the message is consumed.
#[tokio::test]
async fn by_default_an_ordered_message_comes_again_16_times() {
    let (cluster, seen) = (cluster(1), Seen::default());
    ["bad", "good"].iter().for_each(|body| cluster.put(&queue(0), body, ""));
    let consumer = start_failing(builder(&cluster), &seen).await;
    until("the next one is consumed", || seen.bodies().ends_with(&["good".to_owned()])).await;
    consumer.shutdown().await;
    assert_eq!((seen.len(), cluster.sent_back()), (18, vec![(0, -1)]));
}

#[tokio::test]
async fn a_queue_that_another_member_holds_is_not_consumed_in_order() {
    let (cluster, seen) = (cluster(2), Seen::default());
    cluster.take_lock(GROUP, &queue(0), "somebody else");
    (0..2).for_each(|id| cluster.put(&queue(id), &format!("of {id}"), ""));
    let noted = seen.clone();
    let consumer = builder(&cluster)
        .on_messages_in_order(move |messages| {
            noted.note(&messages);
            async { OrderedConsumeStatus::Success }
        })
        .start()
        .await
        .unwrap();
    until("its own queue is consumed", || seen.bodies() == ["of 1"]).await;
    assert_eq!(topic_queues(&consumer), [1]);
    cluster.free_lock(GROUP, &queue(0));
    until("the other one, too, once it is free", || seen.bodies() == ["of 1", "of 0"]).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_ordered_queue_changes_hands_only_after_the_call_in_progress() {
    let cluster = cluster(2);
    (0..2).for_each(|id| cluster.put(&queue(id), &format!("of {id}"), ""));
    let (open, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let ordered = || {
        let (open, calls) = (open.clone(), calls.clone());
        builder(&cluster).on_messages_in_order(move |_| {
            let (open, calls) = (open.clone(), calls.clone());
            async move {
                calls.fetch_add(1, Ordering::SeqCst);
                while !open.load(Ordering::SeqCst) {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                OrderedConsumeStatus::Success
            }
        })
    };
    let a = ordered().start().await.unwrap();
    until("both calls are in progress", || calls.load(Ordering::SeqCst) == 2).await;
    let b = ordered().start().await.unwrap();
    until("one queue is given away", || topic_queues(&a).len() == 1).await;
    assert!(topic_queues(&b).is_empty(), "the call is still in progress");
    open.store(true, Ordering::SeqCst);
    until("it changed hands", || topic_queues(&b).len() == 1).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2, "what was consumed does not come again");
    a.shutdown().await;
    b.shutdown().await;
}
