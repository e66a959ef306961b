//! A slave becomes the master of what its master left: what was under way there goes on here, and nothing twice that was done.
//!
//! The log is copied by copying its file; what is beside it the slave asks for.

use std::path::Path;

use eruca_message::{Clock, OffsetMessageId, Record, SystemClock, names::pop_retry_topic_v1};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    pop::{PopTopic, ReceiptHandle},
    request::{
        AckMessageRequest, EndTransactionRequest, PopMessageRequest, PopMessageResponse,
        SendMessageRequestV2, SendMessageResponse,
    },
};
use eruca_store::{EveryMessage, MessageStore, ReadLimits, WriteState};

use super::MasterAddresses;
use crate::{
    Broker,
    config::BrokerRole,
    slave_sync::test::{ask, broker, wait},
};

const GROUP: &str = "g";

fn send(broker: &Broker, topic: &str, body: &str, properties: &str) -> SendMessageResponse {
    let properties = format!("UNIQ_KEY\u{1}{body}\u{2}{properties}");
    let request = SendMessageRequestV2 {
        producer_group: "p".to_owned(),
        topic: topic.to_owned(),
        default_topic: "TBW102".to_owned(),
        default_topic_queue_nums: 1,
        queue_id: 0,
        sys_flag: if properties.contains("TRAN_MSG") { 4 } else { 0 },
        born_timestamp: SystemClock.now().0,
        properties: Some(properties),
        ..SendMessageRequestV2::default()
    };
    let answer = ask(broker, RemotingCommand::request(&request).with_body(body.to_owned()));
    assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
    broker.service().settle().unwrap();
    answer.header().unwrap()
}

/// Bodies of all messages of a queue.
fn bodies(store: &MessageStore, topic: &str, queue_id: i32) -> Vec<String> {
    let range = store.queue_range(topic, queue_id);
    let limits = ReadLimits { max_messages: 1_000, max_bytes: 1 << 20, max_entries_scanned: 1_000 };
    let read = store.read(topic, queue_id, range.min, &limits, &EveryMessage);
    let mut rest = &read.records[..];
    let mut found = Vec::new();
    while !rest.is_empty() {
        let record = Record::decode(rest).unwrap();
        found.push(String::from_utf8_lossy(record.fields.body).into_owned());
        rest = &rest[record.total_len..];
    }
    found
}

fn copy_log(from: &Path, to: &Path) {
    let log = to.join("commitlog");
    std::fs::create_dir_all(&log).unwrap();
    for file in std::fs::read_dir(from.join("commitlog")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), log.join(file.file_name())).unwrap();
    }
    // As a slave that was killed: queues are made from the log.
    std::fs::write(to.join("abort"), b"").unwrap();
}

fn pop(broker: &Broker, topic: &str, invisible_time: i64) -> RemotingCommand {
    let request = PopMessageRequest {
        consumer_group: GROUP.to_owned(),
        topic: topic.to_owned(),
        queue_id: 0,
        max_msg_nums: 1,
        invisible_time,
        born_time: SystemClock.now().0,
        exp_type: Some("TAG".to_owned()),
        exp: Some("*".to_owned()),
        ..PopMessageRequest::default()
    };
    let answer = ask(broker, RemotingCommand::request(&request));
    assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
    broker.service().settle().unwrap();
    answer
}

/// Acknowledges the first message of the queue.
fn ack(broker: &Broker, popped: &RemotingCommand) {
    let PopMessageResponse { pop_time, invisible_time, revive_qid, .. } = popped.header().unwrap();
    let handle = ReceiptHandle {
        start_offset: 0,
        pop_time,
        invisible_time,
        revive_queue_id: revive_qid,
        topic: PopTopic::Normal,
        broker_name: "b".to_owned(),
        queue_id: 0,
        queue_offset: 0,
    };
    let request = AckMessageRequest {
        consumer_group: GROUP.to_owned(),
        topic: "Popped".to_owned(),
        queue_id: 0,
        extra_info: handle.to_string(),
        offset: 0,
        lite_topic: None,
    };
    assert_eq!(ask(broker, RemotingCommand::request(&request)).response_code(), ResponseCode::SUCCESS);
    broker.service().settle().unwrap();
}

#[test]
fn what_was_under_way_on_the_master_goes_on_here() {
    let (left, here) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let master = broker(left.path(), BrokerRole::AsyncMaster);
    send(&master, "Delayed", "delivered there", "DELAY\u{1}1\u{2}");
    wait("delivered on the master", || bodies(master.store(), "Delayed", 0).len() == 1);
    send(&master, "Delayed", "delivered here", "DELAY\u{1}2\u{2}");
    let due = SystemClock.now().0 + 6_000;
    send(&master, "Timed", "timed", &format!("TIMER_DELIVER_MS\u{1}{due}\u{2}"));
    let half = send(&master, "Half", "half", "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}");
    for body in ["acknowledged", "popped", "waits"] {
        send(&master, "Popped", body, "");
    }
    let first = pop(&master, "Popped", 60_000);
    ack(&master, &first);
    pop(&master, "Popped", 6_000);

    // The log as it is now, and, beside it, all that the master says while it is there.
    wait("the master's tables say so", || {
        master.store().watermarks().appended == master.store().log_range().1
    });
    copy_log(left.path(), here.path());
    let slave = broker(here.path(), BrokerRole::Slave);
    assert!(bodies(slave.store(), "Popped", 0).len() == 3, "its log is the master's");
    let master_addr = master.listen_addr().to_string();
    let addresses = MasterAddresses { broker_addr: master_addr, ha_addr: String::new() };
    slave.role().state().set_master(Some(addresses));
    wait("the slave has all tables", || slave.role().state().followed_at().is_some());
    slave.role().state().set_master(None);
    assert_ne!(slave.store().write_state(), WriteState::Open);
    let end = slave.store().log_range().1;
    master.shutdown();
    assert_eq!(slave.store().log_range().1, end, "a slave appends nothing, whatever is due");

    slave.role().become_master(2).unwrap();
    let store = slave.store();
    wait("the delayed message", || bodies(store, "Delayed", 0).len() == 2);
    assert_eq!(bodies(store, "Delayed", 0), ["delivered there", "delivered here"]);
    wait("the timed message", || bodies(store, "Timed", 0) == ["timed"]);
    let retry = pop_retry_topic_v1("Popped", GROUP);
    wait("what was popped and not acknowledged comes again", || bodies(store, &retry, 0) == ["popped"]);
    // Which of both comes first is a matter of chance.
    let next = [pop(&slave, "Popped", 60_000), pop(&slave, "Popped", 60_000)];
    for body in ["popped", "waits"] {
        let came = next.iter().filter(|answer| String::from_utf8_lossy(&answer.body).contains(body)).count();
        assert_eq!(came, 1, "{body}: the group goes on where it was");
    }
    // The half queue is not stuck: the transaction is ended as if nothing had happened.
    let end = EndTransactionRequest {
        topic: Some("Half".to_owned()),
        producer_group: "p".to_owned(),
        tran_state_table_offset: half.queue_offset,
        commit_log_offset: half.msg_id.parse::<OffsetMessageId>().unwrap().log_offset.to_i64(),
        commit_or_rollback: 8,
        msg_id: "half".to_owned(),
        transaction_id: half.transaction_id.clone(),
        ..EndTransactionRequest::default()
    };
    assert_eq!(bodies(store, "Half", 0), Vec::<String>::new());
    let answer = ask(&slave, RemotingCommand::request(&end));
    assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
    slave.service().settle().unwrap();
    assert_eq!(bodies(store, "Half", 0), ["half"]);
    send(&slave, "Half", "another", "TRAN_MSG\u{1}true\u{2}PGROUP\u{1}p\u{2}");
    slave.shutdown();
}
