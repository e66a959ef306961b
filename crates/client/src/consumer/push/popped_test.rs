//! The push consumer whose brokers say that it pops, against a small cluster in this process.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_message::{MessageQueue, names};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{
        self, ConsumerRunningInfo, MessageQueueAssignment, MessageRequestMode, QueryAssignmentRequestBody,
        QueryAssignmentResponseBody,
    },
    request::*,
};

use super::{
    super::{
        super::pop::fixture::{found, nothing},
        fixture::{GROUP, Seen, builder, cluster, listening, queue},
    },
    *,
};
use crate::{
    AllocationStrategy, ConsumeFrom, OrderedConsumeStatus, PushConsumerBuilder,
    lock::lock,
    testing::{FakeCluster, until},
};

/// What brokers do of POP.
#[derive(Clone)]
struct Pops(Arc<Mutex<State>>);

struct State {
    mode: MessageRequestMode,
    /// Offsets, tag and the like of what pops of "t" bring.
    answers: VecDeque<Vec<u64>>,
    tag: &'static str,
    asked: Vec<PopMessageRequest>,
    acked: BTreeSet<String>,
    /// Handle to new invisible time.
    changed: BTreeMap<String, i64>,
}

impl Pops {
    fn of(cluster: &FakeCluster, answers: &[&[u64]]) -> Pops {
        let pops = Pops(Arc::new(Mutex::new(State {
            mode: MessageRequestMode::Pop,
            answers: answers.iter().map(|offsets| offsets.to_vec()).collect(),
            tag: "",
            asked: Vec::new(),
            acked: BTreeSet::new(),
            changed: BTreeMap::new(),
        })));
        let state = pops.0.clone();
        cluster.answer_by(RequestCode::QUERY_ASSIGNMENT, move |broker, request| {
            let asked: QueryAssignmentRequestBody = body::from_json(&request.body).unwrap();
            let mode = match names::is_retry_topic(&asked.topic) {
                true => MessageRequestMode::Pull,
                false => lock(&state).mode,
            };
            let id = if mode == MessageRequestMode::Pop { -1 } else { 0 };
            let message_queue = MessageQueue::new(asked.topic, broker, id);
            let assignments = vec![MessageQueueAssignment { message_queue, mode }];
            let told = QueryAssignmentResponseBody { message_queue_assignments: Some(assignments) };
            request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&told))
        });
        let state = pops.0.clone();
        cluster.answer_by(RequestCode::POP_MESSAGE, move |_, request| {
            let mut state = lock(&state);
            state.asked.push(request.header().unwrap());
            match state.answers.pop_front() {
                Some(offsets) => found(request, &offsets, state.tag),
                None => nothing(request),
            }
        });
        let state = pops.0.clone();
        cluster.answer_by(RequestCode::ACK_MESSAGE, move |_, request| {
            let asked: AckMessageRequest = request.header().unwrap();
            lock(&state).acked.insert(asked.extra_info);
            request.reply(ResponseCode::SUCCESS)
        });
        let state = pops.0.clone();
        cluster.answer_by(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, move |_, request| {
            let asked: ChangeInvisibleTimeRequest = request.header().unwrap();
            lock(&state).changed.insert(asked.extra_info, asked.invisible_time);
            request.reply_with(&ChangeInvisibleTimeResponse {
                pop_time: 50,
                invisible_time: asked.invisible_time,
                revive_qid: 4,
            })
        });
        pops
    }

    /// The group's mode changes, and its members are told.
    fn switch(&self, cluster: &FakeCluster, mode: MessageRequestMode) {
        lock(&self.0).mode = mode;
        cluster.notify_members(GROUP);
    }

    /// The next pop brings these, with this tag.
    fn give(&self, tag: &'static str, offsets: &[u64]) {
        let mut state = lock(&self.0);
        state.tag = tag;
        state.answers.push_back(offsets.to_vec());
    }

    fn acked(&self) -> usize {
        lock(&self.0).acked.len()
    }
}

fn handle(start: u64, offset: u64) -> String {
    format!("{start} 5 60000 2 0 a 1 {offset}")
}

async fn start(cluster: &FakeCluster, seen: &Seen, status: ConsumeStatus) -> crate::PushConsumer {
    listening(builder(cluster).assigned_by_broker(), seen, status).start().await.unwrap()
}

fn subscribed(cluster: &FakeCluster) -> Vec<String> {
    let heartbeat = cluster.last_heartbeat().unwrap();
    let subscriptions = &heartbeat.consumer_data_set[0].subscription_data_set;
    subscriptions.iter().map(|subscription| subscription.topic.clone()).collect()
}

#[tokio::test]
async fn what_was_consumed_is_acknowledged_and_told() {
    let (cluster, seen) = (cluster(1), Seen::default());
    let pops = Pops::of(&cluster, &[&[3, 4], &[9]]);
    let consumer = start(&cluster, &seen, ConsumeStatus::Success).await;
    until("all are acknowledged", || pops.acked() == 3).await;
    assert_eq!(lock(&pops.0).acked, [handle(3, 3), handle(3, 4), handle(9, 9)].into());
    assert_eq!(seen.len(), 3);
    until("it has its queues", || consumer.queues() == [retry_queue(), MessageQueue::new("t", "a", -1)])
        .await;
    let request = &lock(&pops.0).asked[0].clone();
    let PopMessageRequest { queue_id, max_msg_nums, invisible_time, poll_time, init_mode, order, .. } =
        request;
    assert_eq!((*queue_id, *max_msg_nums, *invisible_time, *init_mode), (-1, 32, 60_000, 0));
    assert_eq!((*poll_time, *order), (15_000, false));

    let header = GetConsumerRunningInfoRequest { consumer_group: GROUP.into(), ..Default::default() };
    let told = cluster
        .member(GROUP)
        .invoke(RemotingCommand::request(&header), Duration::from_secs(20))
        .await
        .unwrap();
    let info: ConsumerRunningInfo = body::from_json(&told.body).unwrap();
    assert_eq!(info.mq_pop_table.values().map(|info| info.wait_ack_count).collect::<Vec<_>>(), [0]);
    consumer.shutdown().await;
    assert!(cluster.sent_back().is_empty());
}

fn retry_queue() -> MessageQueue {
    MessageQueue::new(names::retry_topic(GROUP), "a", 0)
}

#[tokio::test]
async fn what_failed_becomes_visible_after_the_delay_of_its_try_or_of_the_level() {
    for (status, expected) in
        [(ConsumeStatus::RetryLater, Some(10_000)), (ConsumeStatus::RetryAtLevel(2), Some(60_000))]
    {
        let (cluster, seen) = (cluster(1), Seen::default());
        let pops = Pops::of(&cluster, &[&[3]]);
        let consumer = start(&cluster, &seen, status).await;
        until("it is told", || lock(&pops.0).changed.get(&handle(3, 3)).copied() == expected).await;
        consumer.shutdown().await;
        assert!((pops.acked(), cluster.sent_back().len()) == (0, 0));
    }
}

#[tokio::test]
async fn what_must_not_come_again_goes_to_the_dead_letter_queue() {
    for (status, max) in [(ConsumeStatus::RetryAtLevel(-1), 16), (ConsumeStatus::RetryLater, 0)] {
        let (cluster, seen) = (cluster(1), Seen::default());
        let pops = Pops::of(&cluster, &[&[3]]);
        let builder = builder(&cluster).assigned_by_broker().max_reconsume_times(max);
        // A broker that does not take it must not cost the message.
        cluster.answer("a", RequestCode::CONSUMER_SEND_MSG_BACK, &[ResponseCode::SYSTEM_ERROR]);
        let consumer = listening(builder, &seen, status).start().await.unwrap();
        until("it comes again", || lock(&pops.0).changed.contains_key(&handle(3, 3))).await;
        assert_eq!(pops.acked(), 0);
        lock(&pops.0).answers.push_back(vec![3]);
        until("it is acknowledged", || pops.acked() == 1).await;
        assert_eq!(cluster.sent_back(), [(300, -1)]);
        consumer.shutdown().await;
    }
}

#[tokio::test]
async fn some_of_a_call_may_fail_and_what_only_looks_like_the_tag_is_not_given() {
    let (cluster, seen) = (cluster(1), Seen::default());
    // "Aa" and "BB" have one hash in Java.
    let pops = Pops::of(&cluster, &[]);
    let builder = builder(&cluster).subscribe("t", "Aa").assigned_by_broker().call_batch(3);
    let consumer = listening(builder, &seen, ConsumeStatus::FirstSucceeded(1)).start().await.unwrap();
    for (tag, offset) in [("BB", 1), ("Aa", 5)] {
        pops.give(tag, &[offset, offset + 1]);
        until("they are popped", || lock(&pops.0).answers.is_empty()).await;
        until("they are acknowledged", || lock(&pops.0).acked.contains(&handle(offset, offset))).await;
    }
    until("the last one comes again", || lock(&pops.0).changed.contains_key(&handle(5, 6))).await;
    assert_eq!(lock(&pops.0).acked, [handle(1, 1), handle(1, 2), handle(5, 5)].into());
    assert_eq!(seen.bodies(), ["5", "6"]);
    consumer.shutdown().await;
}

#[tokio::test]
async fn popping_waits_while_too_much_is_in_flight_or_it_is_suspended() {
    let (cluster, seen) = (cluster(1), Seen::default());
    let pops = Pops::of(&cluster, &[&[0, 1, 2]]);
    let (open, noted) = (Arc::new(tokio::sync::Semaphore::new(0)), seen.clone());
    let opened = open.clone();
    let builder = builder(&cluster).assigned_by_broker().pop_in_flight(2);
    let consumer = builder.on_messages(move |messages| {
        let (opened, noted) = (opened.clone(), noted.clone());
        async move {
            noted.note(&messages);
            drop(opened.acquire().await);
            ConsumeStatus::Success
        }
    });
    let consumer = consumer.start().await.unwrap();
    until("they are begun", || seen.len() == 3).await;
    assert_eq!(lock(&pops.0).asked.len(), 1, "three are more than two");
    consumer.suspend();
    open.add_permits(3);
    until("they are acknowledged", || pops.acked() == 3).await;
    assert_eq!(lock(&pops.0).asked.len(), 1, "it is suspended");
    consumer.resume();
    until("it pops again", || lock(&pops.0).asked.len() > 1).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_group_is_switched_to_and_fro_while_it_consumes() {
    let (cluster, seen) = (cluster(1), Seen::default());
    let pops = Pops::of(&cluster, &[]);
    lock(&pops.0).mode = MessageRequestMode::Pull;
    cluster.put(&queue(0), "pulled", "");
    let consumer = start(&cluster, &seen, ConsumeStatus::Success).await;
    until("it is pulled", || seen.bodies() == ["pulled"]).await;
    let retry_topic = names::pop_retry_topic_v1("t", GROUP);
    until("what was popped before is asked for", || subscribed(&cluster).contains(&retry_topic)).await;

    pops.switch(&cluster, MessageRequestMode::Pop);
    until("it pops", || consumer.queues() == [retry_queue(), MessageQueue::new("t", "a", -1)]).await;
    assert_eq!(cluster.committed(GROUP, &queue(0)), Some(1), "pops go on where pulls ended");
    until("pops bring what comes again", || !subscribed(&cluster).contains(&retry_topic)).await;
    lock(&pops.0).answers.push_back(vec![7]);
    until("it is popped", || pops.acked() == 1).await;

    cluster.topic(&retry_topic, 1);
    let again = MessageQueue::new(retry_topic.as_str(), "a", 0);
    cluster.put(&again, "comes again", "");
    cluster.put(&queue(0), "pulled again", "");
    cluster.commit(GROUP, &queue(0), 1);
    pops.switch(&cluster, MessageRequestMode::Pull);
    let expected = BTreeSet::from(["pulled", "7", "comes again", "pulled again"].map(str::to_owned));
    until("both are pulled", || seen.bodies().into_iter().collect::<BTreeSet<_>>() == expected).await;
    assert_eq!(consumer.queues(), [retry_queue(), again, queue(0)]);
    consumer.unsubscribe("t");
    until("all of it is given up", || consumer.queues() == [retry_queue()]).await;
    consumer.shutdown().await;
}

#[tokio::test]
async fn brokers_of_version_4_leave_it_to_the_members() {
    let (cluster, seen) = (cluster(2), Seen::default());
    cluster.put(&queue(1), "x", "");
    let consumer = start(&cluster, &seen, ConsumeStatus::Success).await;
    until("it is pulled", || seen.bodies() == ["x"]).await;
    assert!(cluster.seen("a", RequestCode::QUERY_ASSIGNMENT) > 0);
    consumer.shutdown().await;
}

#[tokio::test]
async fn settings_that_do_not_go_together_are_refused() {
    let builder = || {
        let builder =
            crate::PushConsumer::builder().name_servers("127.0.0.1:1").group("g").subscribe("t", "*");
        builder.consume_from(ConsumeFrom::First).assigned_by_broker()
    };
    let concurrent = |builder: PushConsumerBuilder| builder.on_messages(|_| async { ConsumeStatus::Success });
    let in_order = builder().on_messages_in_order(|_| async { OrderedConsumeStatus::Success });
    for (what, builder) in [
        ("assigned_by_broker is in order", in_order),
        ("assigned_by_broker is broadcasting", concurrent(builder()).broadcasting()),
        (
            "allocation is CONSISTENT_HASH",
            concurrent(builder()).allocation(AllocationStrategy::ConsistentHash { virtual_nodes: 1 }),
        ),
        ("pop_batch is 33", concurrent(builder()).pop_batch(33)),
        ("pop_invisible_time is 1s", concurrent(builder()).pop_invisible_time(Duration::from_secs(1))),
    ] {
        match builder.start().await {
            Err(error) => assert!(error.to_string().contains(what), "{what}: {error}"),
            Ok(_) => panic!("{what}: started"),
        }
    }
}
