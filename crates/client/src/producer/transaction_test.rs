use std::sync::Mutex;

use eruca_message::{LogOffset, Properties, QueueOffset, RecordFields, Timestamp, encode_record, properties};
use eruca_protocol::{RequestCode, ResponseCode};

use super::*;
use crate::{
    lock::lock,
    testing::{FakeCluster, until},
};

/// Decides by the body: commit, rollback, or what it is not told yet.
#[derive(Default, Clone)]
struct Decides {
    executed: Arc<Mutex<Vec<String>>>,
    checked: Arc<Mutex<Vec<String>>>,
}

fn decide(body: &[u8]) -> TransactionState {
    match body {
        b"commit" => TransactionState::Commit,
        b"rollback" => TransactionState::Rollback,
        b"panic" => panic!("the listener fails"),
        _ => TransactionState::Unknown,
    }
}

impl TransactionListener for Decides {
    async fn execute(&self, message: &Message) -> TransactionState {
        lock(&self.executed).push(message.properties.get(UNIQUE_KEY).unwrap_or_default().to_owned());
        decide(&message.body)
    }

    async fn check(&self, message: &StoredMessage) -> TransactionState {
        lock(&self.checked).push(message.message_id());
        decide(&message.message.body)
    }
}

async fn producer(cluster: &FakeCluster, listener: &Decides) -> TransactionProducer<Decides> {
    let builder = TransactionProducer::builder().name_servers(cluster.name_servers()).group("g");
    builder.build_transactional(listener.clone()).await.unwrap()
}

fn cluster() -> FakeCluster {
    let cluster = FakeCluster::start(&["a"]);
    cluster.topic("t", 1);
    cluster
}

#[tokio::test]
async fn the_broker_hears_what_the_listener_says() {
    let (cluster, listener) = (cluster(), Decides::default());
    let producer = producer(&cluster, &listener).await;
    for (body, state, flag) in [
        ("commit", TransactionState::Commit, 8),
        ("rollback", TransactionState::Rollback, 12),
        ("later", TransactionState::Unknown, 0),
    ] {
        let sent = producer.send(Message::new("t", body)).await.unwrap();
        assert_eq!(sent.state, state);
        until("the end comes", || cluster.ends().len() == lock(&listener.executed).len()).await;
        let end: EndTransactionRequest = cluster.ends().pop().unwrap().header().unwrap();
        assert_eq!((end.commit_or_rollback, end.from_transaction_check), (flag, Some(false)));
        assert_eq!((end.producer_group.as_str(), end.tran_state_table_offset), ("g", sent.half.queue_offset));
        assert_eq!(end.msg_id, sent.half.message_id);
        assert_eq!(lock(&listener.executed).last(), Some(&sent.half.message_id));
    }
    assert_eq!(cluster.ends()[0].ext_fields.get("bname"), Some("a"));
    assert!(cluster.ends().iter().all(RemotingCommand::is_oneway));
    // The broker knows whom it can ask before it has anything to ask for.
    assert_eq!(cluster.last_heartbeat().unwrap().producer_data_set[0].group_name, "g");
    let stored = cluster.all_messages("t");
    assert_eq!(stored[0].sys_flag & sys_flag::TRANSACTION_MASK, sys_flag::TRANSACTION_PREPARED);
    assert_eq!(stored[0].message.properties.get(TRANSACTION_PREPARED), Some("true"));
    assert_eq!(stored[0].message.properties.get(PRODUCER_GROUP), Some("g"));
    producer.shutdown().await;
    assert!(producer.send(Message::new("t", "commit")).await.is_err());
}

#[tokio::test]
async fn what_is_not_safely_stored_is_not_executed() {
    let (cluster, listener) = (cluster(), Decides::default());
    let producer = producer(&cluster, &listener).await;
    cluster.answer_sends_with("a", ResponseCode::FLUSH_DISK_TIMEOUT);
    let sent = producer.send(Message::new("t", "commit")).await.unwrap();
    assert_eq!((sent.half.status, sent.state), (SendStatus::FlushDiskTimeout, TransactionState::Rollback));
    until("the end comes", || !cluster.ends().is_empty()).await;
    assert_eq!(cluster.ends()[0].ext_fields.get("commitOrRollback"), Some("12"));
    cluster.answer("a", RequestCode::SEND_MESSAGE_V2, &[ResponseCode::NO_PERMISSION; 3]);
    assert!(matches!(producer.send(Message::new("t", "commit")).await, Err(SendError::Call { .. })));
    for name in [properties::DELAY_TIME_LEVEL, properties::TIMER_DELAY_MS] {
        let delayed = producer.send(Message::new("t", "commit").with_property(name, "3")).await;
        assert!(matches!(delayed, Err(SendError::DelayedTransaction { property, .. }) if property == name));
    }
    assert!(lock(&listener.executed).is_empty());
}

fn question(id: &str, body: &str) -> RemotingCommand {
    let properties =
        Properties::decode(format!("UNIQ_KEY\u{1}{id}\u{2}PGROUP\u{1}g\u{2}").as_bytes()).to_bytes();
    let mut record = Vec::new();
    let address = "127.0.0.1:1".parse().unwrap();
    let fields = RecordFields {
        topic: "t",
        queue_id: 0,
        flag: 0,
        sys_flag: 0,
        queue_offset: QueueOffset(6),
        log_offset: LogOffset(700),
        born_timestamp: Timestamp(1),
        born_host: address,
        store_timestamp: Timestamp(2),
        store_host: address,
        reconsume_times: 0,
        prepared_transaction_offset: 0,
        body: body.as_bytes(),
        properties: &properties,
    };
    encode_record(&fields, &mut record).unwrap();
    let header = CheckTransactionStateRequest {
        topic: Some("RMQ_SYS_TRANS_HALF_TOPIC".into()),
        tran_state_table_offset: 6,
        commit_log_offset: 700,
        msg_id: Some(id.to_owned()),
        transaction_id: Some(id.to_owned()),
        offset_msg_id: None,
    };
    let mut request = RemotingCommand::request(&header).with_body(record);
    request.ext_fields.push("bname", "a");
    request
}

#[tokio::test]
async fn a_broker_that_asks_is_answered() {
    let (cluster, listener) = (cluster(), Decides::default());
    let producer = producer(&cluster, &listener).await;
    producer.send(Message::new("t", "later")).await.unwrap();
    until("the end comes", || cluster.ends().len() == 1).await;
    let caller = cluster.member("g");
    caller.notify(question("K0", "panic")).unwrap();
    caller.notify(RemotingCommand { body: bytes::Bytes::from_static(b"x"), ..question("K1", "x") }).unwrap();
    caller.notify(question("K2", "commit")).unwrap();
    until("the answer comes", || cluster.ends().len() == 2).await;
    let answer = cluster.ends().pop().unwrap();
    let end: EndTransactionRequest = answer.header().unwrap();
    assert_eq!((end.commit_or_rollback, end.from_transaction_check), (8, Some(true)));
    assert_eq!((end.tran_state_table_offset, end.commit_log_offset), (6, 700));
    assert_eq!((end.msg_id.as_str(), end.transaction_id.as_deref()), ("K2", Some("K2")));
    assert_eq!(end.topic.as_deref(), Some("RMQ_SYS_TRANS_HALF_TOPIC"));
    assert_eq!(answer.ext_fields.get("bname"), Some("a"));
    until("no check is under way", || producer.checks.under_way.load(Ordering::Acquire) == 0).await;
    assert_eq!(*lock(&listener.checked), ["K0", "K2"]);
    // An ordinary producer has nobody to answer for it.
    producer.plain().send(Message::new("t", "plain")).await.unwrap();
    producer.shutdown().await;
}
