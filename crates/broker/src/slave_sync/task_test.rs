//! A slave beside its master, in one process.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_message::SystemClock;
use eruca_protocol::body::{
    MessageRequestMode, SetMessageRequestModeRequestBody, SubscriptionGroupConfig, TopicConfig,
};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode, body, request::UpdateConsumerOffsetRequest,
};
use eruca_remoting::{Caller, Reply};

use super::ask::Member;
use crate::{
    Broker, BrokerConfig,
    config::BrokerRole,
    handler::test_parts::environment,
    offsets::OwnOffset,
    role::{MasterAddresses, Role},
};

pub(crate) fn broker(directory: &Path, role: BrokerRole) -> Broker {
    start(config(directory, role))
}

pub(crate) fn config(directory: &Path, role: BrokerRole) -> BrokerConfig {
    BrokerConfig {
        store_path_root_dir: Some(directory.display().to_string()),
        bind_address: "127.0.0.1".to_owned(),
        broker_name: "b".to_owned(),
        broker_role: role,
        broker_id: i64::from(role == BrokerRole::Slave),
        listen_port: 0,
        disk_space_warning_level_ratio: 99,
        message_delay_level: "1s 4s".to_owned(),
        mapped_file_size_commit_log: 1 << 20,
        transaction_time_out: 1_000,
        transaction_check_interval: 1_000,
        ..BrokerConfig::default()
    }
}

pub(crate) fn start(config: BrokerConfig) -> Broker {
    Broker::start(config, environment(Arc::new(SystemClock))).unwrap()
}

pub(crate) fn ask(broker: &Broker, request: RemotingCommand) -> RemotingCommand {
    let (caller, _outbox) = Caller::detached("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
    match broker.service().call(&caller, request) {
        Reply::Now(answer) | Reply::AfterSettle(answer) => answer,
        other => panic!("{other:?}"),
    }
}

fn put(broker: &Broker, code: RequestCode, json: Vec<u8>) -> ResponseCode {
    ask(broker, RemotingCommand::request_without_header(code).with_body(json)).response_code()
}

fn commit(broker: &Broker, queue_id: i32, commit_offset: i64) {
    commit_of(broker, "g", queue_id, commit_offset);
}

fn commit_of(broker: &Broker, group: &str, queue_id: i32, commit_offset: i64) {
    let request = UpdateConsumerOffsetRequest {
        consumer_group: group.to_owned(),
        topic: "T".to_owned(),
        queue_id,
        commit_offset,
    };
    let answer = ask(broker, RemotingCommand::request(&request));
    assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
}

fn offset(broker: &Broker, queue_id: i32) -> Option<i64> {
    offset_of(broker, "g", queue_id)
}

fn offset_of(broker: &Broker, group: &str, queue_id: i32) -> Option<i64> {
    let answer = ask(broker, RemotingCommand::request_without_header(RequestCode::GET_ALL_CONSUMER_OFFSET));
    let table: body::ConsumerOffsetSerializeWrapper = body::from_json(&answer.body).unwrap();
    table.offset_table.get(&format!("T@{group}")).and_then(|queues| queues.get(&queue_id)).copied()
}

pub(crate) fn wait(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_slave_gets_all_from_its_master_and_brings_what_consumers_left_with_it() {
    let (directories, own) = ((tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()), 4);
    let master = broker(directories.0.path(), BrokerRole::AsyncMaster);
    let slave = broker(directories.1.path(), BrokerRole::Slave);
    let topics = body::CreateTopicListRequestBody { topic_config_list: vec![TopicConfig::new("T", 8)] };
    assert_eq!(
        put(&master, RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, body::to_json(&topics)),
        ResponseCode::SUCCESS
    );
    let group = SubscriptionGroupConfig {
        group_name: "g".to_owned(),
        retry_max_times: 3,
        ..SubscriptionGroupConfig::default()
    };
    let code = RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP;
    assert_eq!(put(&master, code, body::to_json(&group)), ResponseCode::SUCCESS);
    assert_eq!(put(&slave, code, body::to_json(&group)), ResponseCode::SYSTEM_ERROR);
    let mode = SetMessageRequestModeRequestBody {
        topic: "T".to_owned(),
        consumer_group: "g".to_owned(),
        mode: MessageRequestMode::Pop,
        pop_share_queue_num: 2,
    };
    assert_eq!(
        put(&master, RequestCode::SET_MESSAGE_REQUEST_MODE, body::to_json(&mode)),
        ResponseCode::SUCCESS
    );
    commit(&master, 0, 7);
    commit(&master, 1, 3);

    let addr = master.listen_addr().to_string();
    let addresses = MasterAddresses { broker_addr: addr, ha_addr: String::new() };
    slave.role().state().set_master(Some(addresses.clone()));
    wait("offsets of the master", || offset(&slave, 0) == Some(7));
    for code in [
        RequestCode::GET_ALL_TOPIC_CONFIG,
        RequestCode::GET_ALL_SUBSCRIPTIONGROUP_CONFIG,
        RequestCode::GET_ALL_MESSAGE_REQUEST_MODE,
    ] {
        let all = |broker: &Broker| ask(broker, RemotingCommand::request_without_header(code)).body;
        assert_eq!(all(&slave), all(&master), "{code}: also the version");
    }

    // An administrator sets the group back on the master: the slave follows. What a consumer left with the slave while there was
    // no master is not lost when one comes back that never heard of it.
    slave.role().state().set_master(None);
    commit(&slave, 1, 9);
    commit(&slave, own, 5);
    let began_here =
        SubscriptionGroupConfig { group_name: "late".to_owned(), ..SubscriptionGroupConfig::default() };
    slave.groups().put(began_here).unwrap();
    commit_of(&slave, "late", 0, 4);
    commit(&master, 0, 2);
    slave.role().state().set_master(Some(addresses));
    wait("the slave goes back with the master", || offset(&slave, 0) == Some(2));
    wait("the master is told of a group that began here", || offset_of(&master, "late", 0) == Some(4));
    wait("the master is told", || offset(&master, 1) == Some(9) && offset(&master, own) == Some(5));
    assert_eq!((offset(&slave, 1), offset(&slave, own)), (Some(9), Some(5)));

    // As a master it has all of it, and nothing of the former master's any more.
    slave.role().become_master(1).unwrap();
    assert_eq!(slave.role().state().role(), Role::Master);
    assert_eq!(offset(&slave, 1), Some(0), "of messages that never came here, nothing counts as consumed");
    slave.shutdown();
    master.shutdown();
}

#[test]
fn a_master_whose_group_went_on_meanwhile_is_not_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let master = broker(directory.path(), BrokerRole::AsyncMaster);
    let topics = body::CreateTopicListRequestBody { topic_config_list: vec![TopicConfig::new("T", 8)] };
    put(&master, RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, body::to_json(&topics));
    let group = SubscriptionGroupConfig { group_name: "g".to_owned(), ..SubscriptionGroupConfig::default() };
    put(&master, RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, body::to_json(&group));
    commit(&master, 1, 9);
    let told = Member::at(master.listen_addr().to_string());
    let own = |queue_id, offset| OwnOffset { group: "g".to_owned(), topic: "T".to_owned(), queue_id, offset };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        assert!(!told.bring(&own(1, 5), true).await.unwrap());
        assert!(told.bring(&own(2, 5), true).await.unwrap());
        told.client.close();
    });
    assert_eq!((offset(&master, 1), offset(&master, 2)), (Some(9), Some(5)));
    master.shutdown();
}
