//! What name servers are told.

use std::{sync::Mutex, time::Instant};

use eruca_protocol::{
    RequestCode,
    body::{self, RegisterBrokerBody},
    request::{RegisterBrokerRequest, UnregisterBrokerRequest},
};
use eruca_remoting::{Caller, Reply};

use super::*;

/// A name server that only remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<RemotingCommand>>);

impl CommandService for Told {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        let reply = request.reply(ResponseCode::SUCCESS);
        self.0.lock().unwrap().push(request);
        Reply::Now(reply)
    }
}

impl Told {
    fn wait(&self, found: impl Fn(&RemotingCommand) -> bool) -> RemotingCommand {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(request) = self.0.lock().unwrap().iter().find(|request| found(request)) {
                return request.clone();
            }
            assert!(Instant::now() < end, "the name server was not told");
            std::thread::yield_now();
        }
    }
}

fn topics_of(request: &RemotingCommand) -> Vec<String> {
    if request.request_code() != RequestCode::REGISTER_BROKER {
        return Vec::new();
    }
    let body: RegisterBrokerBody = body::from_json(&request.body).unwrap();
    body.topic_config_serialize_wrapper.topic_config_table.into_keys().collect()
}

#[test]
fn every_name_server_is_told_at_start_on_change_and_when_the_broker_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let told: [Arc<Told>; 2] = Default::default();
    let servers = [name_server(&told[0]), name_server(&told[1])];
    let addresses: Vec<String> = servers.iter().map(|server| server.local_addrs()[0].to_string()).collect();
    let broker = start(config(dir.path(), &addresses.join(";")));
    assert!(broker.name_servers().wait_registered(BOUND));
    for told in &told {
        let request = told.wait(|request| request.request_code() == RequestCode::REGISTER_BROKER);
        let header: RegisterBrokerRequest = request.header().unwrap();
        assert_eq!((header.broker_name.as_str(), header.broker_id), ("broker-a", 0));
        assert_eq!(header.broker_addr, broker.identity().broker_addr);
        let crc = i64::from(crc32fast::hash(&request.body) & 0x7FFF_FFFF);
        assert_eq!(header.body_crc32.map(i64::from), Some(crc));
        assert!(topics_of(&request).contains(&"TBW102".to_owned()));
    }
    Peer::of(&broker).ask(send_request("Fresh", 0, "x"));
    for told in &told {
        told.wait(|request| topics_of(request).contains(&"Fresh".to_owned()));
    }
    broker.shutdown();
    for told in &told {
        let request = told.wait(|request| request.request_code() == RequestCode::UNREGISTER_BROKER);
        let header: UnregisterBrokerRequest = request.header().unwrap();
        assert_eq!(header.broker_addr, broker.identity().broker_addr);
    }
}

#[test]
fn without_its_name_server_a_broker_says_so_and_goes_on_trying() {
    let dir = tempfile::tempdir().unwrap();
    let told: Arc<Told> = Arc::default();
    let address = {
        let server = name_server(&told);
        let address = server.local_addrs()[0];
        server.shutdown(Duration::ZERO);
        address
    };
    let broker = start(config(dir.path(), &address.to_string()));
    assert!(broker.name_servers().wait_tried(BOUND));
    let status = broker.name_servers().status();
    assert!(!broker.name_servers().is_registered());
    assert!(status[0].last_error.as_ref().unwrap().contains(&address.to_string()), "{status:?}");
    let config = ServerConfig { listen: vec![address], shards: 1, name: "test", ..ServerConfig::default() };
    let _server = Server::bind(config, told.clone()).unwrap();
    assert!(broker.name_servers().wait_registered(BOUND));
    broker.shutdown();
}

#[test]
fn a_name_server_that_goes_is_missed_at_once_and_told_again_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let told: [Arc<Told>; 2] = Default::default();
    let server = name_server(&told[0]);
    let address = server.local_addrs()[0];
    let broker = start(config(dir.path(), &address.to_string()));
    assert!(broker.name_servers().wait_registered(BOUND));
    server.shutdown(Duration::ZERO);
    let end = Instant::now() + BOUND;
    while broker.name_servers().is_registered() {
        assert!(Instant::now() < end, "the period of registrations is longer than this bound");
        std::thread::yield_now();
    }
    let status = broker.name_servers().status();
    assert!(status[0].last_error.as_ref().unwrap().contains(&address.to_string()), "{status:?}");
    let config = ServerConfig { listen: vec![address], shards: 1, name: "test", ..ServerConfig::default() };
    let _server = Server::bind(config, told[1].clone()).unwrap();
    told[1].wait(|request| request.request_code() == RequestCode::REGISTER_BROKER);
    broker.shutdown();
}

/// A name server that forgets what it was told when it is told so, as one behind a proxy that was started anew.
#[derive(Default)]
struct Forgetful {
    told: Told,
    callers: Mutex<Vec<Caller>>,
}

impl CommandService for Forgetful {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        self.callers.lock().unwrap().push(caller.clone());
        self.told.call(caller, request)
    }
}

#[test]
fn a_lost_connection_is_replaced_and_the_name_server_told_everything_again() {
    let dir = tempfile::tempdir().unwrap();
    let service: Arc<Forgetful> = Arc::default();
    let server_config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        shards: 1,
        name: "test",
        ..ServerConfig::default()
    };
    let server = Server::bind(server_config, service.clone()).unwrap();
    let broker = start(config(dir.path(), &server.local_addrs()[0].to_string()));
    assert!(broker.name_servers().wait_registered(BOUND));
    service.told.0.lock().unwrap().clear();
    service.callers.lock().unwrap().drain(..).for_each(|caller| caller.close());
    let again = service.told.wait(|request| request.request_code() == RequestCode::REGISTER_BROKER);
    assert!(topics_of(&again).contains(&"TBW102".to_owned()));
    assert!(broker.name_servers().wait_registered(BOUND));
    broker.shutdown();
}
