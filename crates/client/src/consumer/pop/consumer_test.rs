//! The consumer that pops against a small cluster in this process.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, BatchAckMessageRequestBody},
    request::*,
};

use super::{
    super::fixture::{found, found_again, nothing},
    *,
};
use crate::{ConsumeFrom, StartError, testing::FakeCluster};

const SOON: Duration = Duration::from_secs(20);

/// What came to the brokers: the broker and the request.
#[derive(Clone, Default)]
struct Came(Arc<Mutex<Vec<(String, RemotingCommand)>>>);

impl Came {
    fn note(&self, broker: &str, request: &RemotingCommand) {
        lock(&self.0).push((broker.to_owned(), request.clone()));
    }

    fn of(&self, code: RequestCode) -> Vec<(String, RemotingCommand)> {
        lock(&self.0).iter().filter(|(_, request)| request.request_code() == code).cloned().collect()
    }
}

/// Brokers that have what `pop` gives; all else they take.
fn cluster(
    brokers: &[&str],
    pop: impl Fn(&str, &RemotingCommand) -> RemotingCommand + Send + Sync + 'static,
) -> (FakeCluster, Came) {
    let (cluster, came) = (FakeCluster::start(brokers), Came::default());
    cluster.topic("t", 1);
    let noted = came.clone();
    cluster.answer_by(RequestCode::POP_MESSAGE, move |broker, request| {
        noted.note(broker, request);
        pop(broker, request)
    });
    for code in [RequestCode::ACK_MESSAGE, RequestCode::BATCH_ACK_MESSAGE] {
        let noted = came.clone();
        cluster.answer_by(code, move |broker, request| {
            noted.note(broker, request);
            request.reply(ResponseCode::SUCCESS)
        });
    }
    (cluster, came)
}

async fn start(
    cluster: &FakeCluster,
    change: impl Fn(PopConsumerBuilder) -> PopConsumerBuilder,
) -> PopConsumer {
    let builder = PopConsumer::builder().name_servers(cluster.name_servers()).group("g").subscribe("t", "*");
    change(builder).start().await.unwrap()
}

fn bodies(messages: &[PoppedMessage]) -> Vec<String> {
    messages.iter().map(|m| String::from_utf8(m.stored.message.body.clone()).unwrap()).collect()
}

#[tokio::test]
async fn what_was_popped_is_acknowledged_by_its_handle() {
    let (cluster, came) = cluster(&["a"], |_, request| found(request, &[3, 4, 6], ""));
    let consumer = start(&cluster, |builder| {
        builder.consume_from(ConsumeFrom::First).max_messages(9).invisible_time(Duration::from_secs(7))
    })
    .await;
    let messages = consumer.pop(SOON).await.unwrap();
    assert_eq!(bodies(&messages), ["3", "4", "6"]);
    let asked: PopMessageRequest = came.of(RequestCode::POP_MESSAGE)[0].1.header().unwrap();
    assert_eq!(
        (asked.max_msg_nums, asked.invisible_time, asked.init_mode, asked.queue_id),
        (9, 7_000, 0, -1)
    );
    assert_eq!((asked.order, asked.exp.as_deref()), (false, Some("*")));
    assert!((1..=20_000).contains(&asked.poll_time), "{}", asked.poll_time);
    consumer.ack(&messages[0]).await.unwrap();
    let acked: AckMessageRequest = came.of(RequestCode::ACK_MESSAGE)[0].1.header().unwrap();
    assert_eq!((acked.extra_info.as_str(), acked.offset, acked.queue_id), ("3 5 7000 2 0 a 1 3", 3, 1));
    consumer.ack_all(&messages[1..]).await.unwrap();
    let batch: BatchAckMessageRequestBody =
        body::from_json(&came.of(RequestCode::BATCH_ACK_MESSAGE)[0].1.body).unwrap();
    assert_eq!(batch.acks[0].bits.iter().collect::<Vec<_>>(), [1, 3]);
    consumer.shutdown().await;
    assert!(matches!(consumer.ack(&messages[0]).await, Err(PopError::Call(CallError::ShutDown))));
}

#[tokio::test]
async fn brokers_can_ask_how_it_is_doing_and_call_it_with_nothing() {
    let (cluster, _came) = cluster(&["a"], |_, request| found(request, &[3, 4, 6], ""));
    let consumer = start(&cluster, PopConsumerBuilder::in_order).await;
    let messages = consumer.pop(SOON).await.unwrap();
    consumer.ack(&messages[0]).await.unwrap();
    consumer.ack_all(&messages[1..]).await.unwrap();
    let asked = GetConsumerRunningInfoRequest { consumer_group: "g".into(), ..Default::default() };
    let answer = cluster.member("g").invoke(RemotingCommand::request(&asked), SOON).await.unwrap();
    let info: body::ConsumerRunningInfo = body::from_json(&answer.body).unwrap();
    let said = ["PROP_CONSUME_TYPE", "PROP_CONSUMEORDERLY"].map(|name| &*info.properties[name]);
    assert_eq!(said, ["CONSUME_POP", "true"]);
    let rates = info.status_table["t"];
    assert!(rates.pull_tps > 0.0 && rates.consume_ok_tps == rates.pull_tps, "{rates:?}");
    let direct = ConsumeMessageDirectlyRequest { consumer_group: "g".into(), ..Default::default() };
    let direct =
        RemotingCommand::request(&direct).with_body(crate::decode::tests::record("t", 0, 0, b"x", b""));
    let refused = cluster.member("g").invoke(direct, SOON).await.unwrap();
    let remark = refused.remark.clone().unwrap_or_default();
    assert_eq!(refused.response_code(), ResponseCode::SYSTEM_ERROR, "{remark}");
    assert!(remark.contains("asks for its messages"), "{remark}");
    consumer.shutdown().await;
}

#[tokio::test]
async fn a_message_has_a_new_handle_after_a_change_and_a_stale_one_is_told() {
    let (cluster, _came) = cluster(&["a"], |_, request| found(request, &[3], ""));
    cluster.answer_by(RequestCode::CHANGE_MESSAGE_INVISIBLETIME, |_, request| {
        let asked: ChangeInvisibleTimeRequest = request.header().unwrap();
        match asked.extra_info.as_str() {
            "3 5 60000 2 0 a 1 3" => request.reply_with(&ChangeInvisibleTimeResponse {
                pop_time: 50,
                invisible_time: asked.invisible_time,
                revive_qid: 4,
            }),
            _ => request.reply_error(ResponseCode::NO_MESSAGE, "stale"),
        }
    });
    let consumer = start(&cluster, |builder| builder).await;
    let mut message = consumer.pop(SOON).await.unwrap().remove(0);
    consumer.change_invisible_time(&mut message, Duration::from_secs(9)).await.unwrap();
    assert_eq!((message.receipt_handle().as_str(), message.visible_at().0), ("3 50 9000 4 0 a 1 3", 9_050));
    let error = consumer.change_invisible_time(&mut message, Duration::ZERO).await.unwrap_err();
    assert!(matches!(&error, PopError::NotHeld { offset: 3, remark, .. } if remark == "stale"), "{error}");
    consumer.shutdown().await;
}

#[tokio::test]
async fn several_brokers_are_asked_to_tell_once_each() {
    let has = Arc::new(AtomicBool::new(false));
    let there = has.clone();
    let (cluster, came) = cluster(&["a", "b"], move |broker, request| {
        match broker == "b" && there.swap(false, Ordering::AcqRel) {
            true => found(request, &[0], ""),
            false => nothing(request),
        }
    });
    let noted = came.clone();
    cluster.answer_by(RequestCode::NOTIFICATION, move |broker, request| {
        noted.note(broker, request);
        let has_msg = broker == "b";
        request.reply_with(&NotificationResponse { has_msg, polling_full: false })
    });
    let consumer = start(&cluster, |builder| builder).await;
    assert!(consumer.pop(Duration::ZERO).await.unwrap().is_empty());
    assert!(came.of(RequestCode::NOTIFICATION).is_empty(), "nobody waits");
    has.store(true, Ordering::Release);
    assert_eq!(bodies(&consumer.pop(SOON).await.unwrap()), ["0"]);
    for (_, request) in came.of(RequestCode::POP_MESSAGE) {
        assert_eq!(
            request.header::<PopMessageRequest>().unwrap().poll_time,
            0,
            "a pop does not wait at one of two"
        );
    }
    assert!(consumer.pop(Duration::from_millis(50)).await.unwrap().is_empty());
    assert!(!came.of(RequestCode::NOTIFICATION).is_empty());
    consumer.shutdown().await;
}

#[tokio::test]
async fn an_attempt_without_an_answer_is_made_again() {
    let (cluster, came) = cluster(&["a"], |_, request| nothing(request));
    let consumer = start(&cluster, PopConsumerBuilder::in_order).await;
    let attempts = || -> Vec<String> {
        let pops = came.of(RequestCode::POP_MESSAGE).into_iter();
        pops.map(|(_, request)| request.header::<PopMessageRequest>().unwrap().attempt_id.unwrap()).collect()
    };
    consumer.pop(Duration::ZERO).await.unwrap();
    consumer.pop(Duration::ZERO).await.unwrap();
    assert_ne!(attempts()[0], attempts()[1], "one that was answered is done");
    let place = Place { topic: "t".into(), broker: "a".into() };
    lock(&consumer.core.open_attempts).insert(place, vec!["lost".to_owned()]);
    consumer.pop(Duration::ZERO).await.unwrap();
    assert_eq!(attempts()[2], "lost");
    cluster.stop_broker("a");
    assert!(matches!(consumer.pop(Duration::ZERO).await, Err(PopError::Call(CallError::Invoke(_)))));
    assert_eq!(lock(&consumer.core.open_attempts).values().flatten().count(), 1);
    consumer.shutdown().await;
}

#[tokio::test]
async fn what_only_looks_like_the_tag_is_acknowledged_and_not_given() {
    // "Aa" and "BB" have one hash in Java.
    let (cluster, came) = cluster(&["a"], |_, request| found(request, &[0, 1], "BB"));
    let consumer = start(&cluster, |builder| builder.subscribe("t", "Aa")).await;
    assert!(consumer.pop(Duration::ZERO).await.unwrap().is_empty());
    assert_eq!(came.of(RequestCode::BATCH_ACK_MESSAGE).len(), 1);
    consumer.shutdown().await;
}

#[tokio::test]
async fn what_was_popped_too_often_is_a_dead_letter_and_does_not_stop_its_queue() {
    let (cluster, came) =
        cluster(&["a"], |_, request| found_again(request, &[3, 4], "", Some("0 qo1%3 3;0 qo1%4 2")));
    let consumer = start(&cluster, |builder| builder.in_order().max_reconsume_times(2)).await;
    let given = consumer.pop(SOON).await.unwrap();
    assert_eq!((bodies(&given), given[0].attempt()), (vec!["4".to_owned()], 3));
    assert_eq!(cluster.sent_back(), [(300, -1)]);
    let acked = came.of(RequestCode::BATCH_ACK_MESSAGE);
    let acked: BatchAckMessageRequestBody = body::from_json(&acked[0].1.body).unwrap();
    assert_eq!(acked.acks[0].bits.iter().collect::<Vec<_>>(), [0]);
    // One that the broker does not take yet is neither given nor acknowledged.
    cluster.answer("a", RequestCode::CONSUMER_SEND_MSG_BACK, &[ResponseCode::SYSTEM_ERROR]);
    assert_eq!(bodies(&consumer.pop(SOON).await.unwrap()), ["4"]);
    assert_eq!(came.of(RequestCode::BATCH_ACK_MESSAGE).len(), 1);
    consumer.shutdown().await;
}

#[tokio::test]
async fn what_a_broker_refuses_is_an_error_at_once_and_a_busy_one_is_asked_again() {
    let (cluster, came) = cluster(&["a"], |_, request| found(request, &[0], ""));
    let consumer = start(&cluster, |builder| builder).await;
    cluster.answer("a", RequestCode::POP_MESSAGE, &[ResponseCode::NO_PERMISSION, ResponseCode::SYSTEM_BUSY]);
    let refused = consumer.pop(SOON).await.unwrap_err();
    assert!(refused.to_string().contains("as the test wants it"), "{refused}");
    assert_eq!(consumer.pop(SOON).await.unwrap().len(), 1);
    assert_eq!(came.of(RequestCode::POP_MESSAGE).len(), 1);
    consumer.shutdown().await;
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let builder = || PopConsumer::builder().name_servers("127.0.0.1:1").group("g").subscribe("t", "*");
    for (builder, said) in [
        (builder().max_messages(33), "max_messages is 33, allowed is 1 to 32"),
        (builder().invisible_time(Duration::ZERO), "invisible_time is 0ns"),
        (builder().consume_from(ConsumeFrom::Timestamp(crate::Timestamp(5))), "First or Last"),
        (PopConsumer::builder().name_servers("127.0.0.1:1").group("g"), "subscribe is not set"),
        (builder().subscribe("a b", "*"), "a b"),
    ] {
        let Err(StartError::Config(error)) = builder.start().await else { panic!("{said}: started") };
        assert!(error.to_string().contains(said), "{error}");
    }
}
