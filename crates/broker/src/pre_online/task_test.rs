//! A master comes back to a slave that stood in for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{self, BrokerMemberGroup, GetBrokerMemberGroupResponseBody, SubscriptionGroupConfig, TopicConfig},
    request::{QueryConsumerOffsetRequest, QueryConsumerOffsetResponse, UpdateConsumerOffsetRequest},
};
use eruca_remoting::{Caller, CommandService, Reply, Server, ServerConfig};
use eruca_store::{AppendMessage, WriteState};

use crate::{
    Broker, BrokerConfig,
    config::BrokerRole,
    role::{MasterAddresses, Role},
    slave_sync::test::{ask, config, start as start_with, wait},
};

/// A name server that tells members and remembers who registered.
#[derive(Default)]
struct Members {
    known: Mutex<BTreeMap<i64, String>>,
    registered: Mutex<Vec<RequestCode>>,
}

impl CommandService for Members {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        if request.request_code() == RequestCode::GET_BROKER_MEMBER_GROUP {
            let group = BrokerMemberGroup {
                broker_addrs: self.known.lock().unwrap().clone(),
                ..BrokerMemberGroup::default()
            };
            let body = GetBrokerMemberGroupResponseBody { broker_member_group: Some(group) };
            return Reply::Now(request.reply(ResponseCode::SUCCESS).with_body(body::to_json(&body)));
        }
        self.registered.lock().unwrap().push(request.request_code());
        Reply::Now(request.reply(ResponseCode::SUCCESS))
    }
}

fn start(directory: &tempfile::TempDir, role: BrokerRole, name_server: &Server) -> Broker {
    start_with(BrokerConfig {
        enable_slave_acting_master: true,
        namesrv_addr: Some(name_server.local_addrs()[0].to_string()),
        ..config(directory.path(), role)
    })
}

fn committed(broker: &Broker) -> i64 {
    let request = QueryConsumerOffsetRequest {
        consumer_group: "g".to_owned(),
        topic: "T".to_owned(),
        queue_id: 0,
        set_zero_if_not_found: Some(false),
    };
    let answer = ask(broker, RemotingCommand::request(&request));
    answer.header::<QueryConsumerOffsetResponse>().map_or(-1, |header| header.offset)
}

fn commit(broker: &Broker, commit_offset: i64) {
    let request = UpdateConsumerOffsetRequest {
        consumer_group: "g".to_owned(),
        topic: "T".to_owned(),
        queue_id: 0,
        commit_offset,
    };
    assert_eq!(ask(broker, RemotingCommand::request(&request)).response_code(), ResponseCode::SUCCESS);
}

#[test]
fn a_master_goes_on_where_its_slave_has_got_to_and_waits_for_no_slave_that_is_gone() {
    let members = Arc::new(Members::default());
    let server =
        |name| ServerConfig { listen: vec!["127.0.0.1:0".parse().unwrap()], name, ..ServerConfig::default() };
    let name_server = Server::bind(server("test"), members.clone()).unwrap();
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let master = start(&directories[0], BrokerRole::AsyncMaster, &name_server);
    wait("nobody is asked", || master.store().write_state() == WriteState::Open);
    let put = |code, json| {
        let answer = ask(&master, RemotingCommand::request_without_header(code).with_body(json));
        assert_eq!(answer.response_code(), ResponseCode::SUCCESS, "{answer:?}");
    };
    let topics = body::CreateTopicListRequestBody { topic_config_list: vec![TopicConfig::new("T", 1)] };
    put(RequestCode::UPDATE_AND_CREATE_TOPIC_LIST, body::to_json(&topics));
    let group = SubscriptionGroupConfig { group_name: "g".to_owned(), ..SubscriptionGroupConfig::default() };
    put(RequestCode::UPDATE_AND_CREATE_SUBSCRIPTIONGROUP, body::to_json(&group));
    let host = "127.0.0.1:10911".parse().unwrap();
    for _ in 0..5 {
        let message = AppendMessage {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: eruca_message::Timestamp(1),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties: b"",
        };
        master.store().append(&message).unwrap();
    }
    master.store().settle().unwrap();
    commit(&master, 1);

    let slave = start(&directories[1], BrokerRole::Slave, &name_server);
    let identity = master.identity();
    let addresses = MasterAddresses {
        broker_addr: identity.broker_addr.clone(),
        ha_addr: identity.ha_server_addr.clone(),
    };
    slave.role().state().set_master(Some(addresses));
    wait("the slave follows", || committed(&slave) == 1 && slave.store().queue_range("T", 0).max.0 == 5);

    master.shutdown();
    slave.role().state().set_master(None);
    slave.role().act(true);
    commit(&slave, 4);
    // One that is gone without its name server having noticed, yet.
    let gone = Server::bind(server("gone"), members.clone()).unwrap();
    let gone_addr = gone.local_addrs()[0].to_string();
    gone.shutdown(std::time::Duration::ZERO);
    *members.known.lock().unwrap() = [(1, slave.listen_addr().to_string()), (2, gone_addr)].into();
    members.registered.lock().unwrap().clear();

    let master = start(&directories[0], BrokerRole::AsyncMaster, &name_server);
    wait("the offset of the slave", || committed(&master) == 4);
    wait("the slave copies the master's log", || {
        slave.role().state().now().master.as_ref().map(|master| master.ha_addr.clone())
            == Some(master.identity().ha_server_addr.clone())
    });
    assert_ne!(master.store().write_state(), WriteState::Open, "it does not go on before all were asked");
    let registers = |code: &RequestCode| *code == RequestCode::REGISTER_BROKER;
    let of_slave = members.registered.lock().unwrap().iter().filter(|code| registers(code)).count();
    members.known.lock().unwrap().remove(&2);
    wait("the master goes on", || master.store().write_state() == WriteState::Open);
    assert_eq!(slave.role().state().role(), Role::Slave, "it stood down");
    wait("the master registers", || {
        members.registered.lock().unwrap().iter().filter(|code| registers(code)).count() > of_slave
    });
    slave.shutdown();
    master.shutdown();
}
