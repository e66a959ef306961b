//! A whole broker over real sockets and files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use eruca_broker::{Broker, BrokerConfig, Environment, config::BrokerRole};
use eruca_message::{Clock, ManualClock, StoredMessage, SystemClock};
use eruca_protocol::{
    RemotingCommand, RequestCode, ResponseCode,
    body::{
        self, BrokerMemberGroup, ConsumerData, GetBrokerMemberGroupResponseBody, HeartbeatData,
        LockBatchRequestBody, LockBatchResponseBody, MessageQueue, RegisterBrokerBody, SubscriptionData,
        UnlockBatchRequestBody,
    },
    request::{
        PullMessageRequest, QueryConsumerOffsetRequest, RegisterBrokerRequest, SendMessageRequest,
        UnregisterBrokerRequest, UpdateConsumerOffsetRequest,
    },
};
use eruca_remoting::{Caller, Client, ClientConfig, CommandService, Reply, Server, ServerConfig};
use eruca_store::RealDisk;

const BOUND: Duration = Duration::from_secs(20);

fn config(root: &Path, name_servers: &str) -> BrokerConfig {
    BrokerConfig {
        broker_name: "broker-a".to_owned(),
        listen_port: 0,
        bind_address: "127.0.0.1".to_owned(),
        namesrv_addr: Some(name_servers.to_owned()),
        store_path_root_dir: Some(root.to_str().unwrap().to_owned()),
        mapped_file_size_commit_log: 1 << 20,
        mapped_file_size_consume_queue: 20_000,
        max_message_size: 64 << 10,
        // A developer's disk may be full; a test is not about that.
        disk_max_used_space_ratio: 100,
        disk_space_clean_forcibly_ratio: 100,
        disk_space_warning_level_ratio: 100,
        ..BrokerConfig::default()
    }
}

fn start(config: BrokerConfig) -> Broker {
    start_with(config, Arc::new(SystemClock))
}

fn start_with(config: BrokerConfig, clock: Arc<dyn Clock>) -> Broker {
    let environment = Environment {
        clock,
        disk: Arc::new(RealDisk),
        shards: 2,
        max_connections: 100,
        max_in_flight_bytes: 64 << 20,
        memory_bytes: 1 << 30,
        config_file: None,
    };
    Broker::start(config, environment).unwrap()
}

fn send_request(topic: &str, queue_id: i32, body: &str) -> RemotingCommand {
    RemotingCommand::request(&SendMessageRequest {
        producer_group: "p".to_owned(),
        topic: topic.to_owned(),
        default_topic: "TBW102".to_owned(),
        default_topic_queue_nums: 4,
        queue_id,
        born_timestamp: 1,
        properties: Some("TAGS\u{1}A\u{2}".to_owned()),
        ..SendMessageRequest::default()
    })
    .with_body(body.as_bytes().to_vec())
}

fn pull_request(topic: &str, queue_offset: i64, suspend_ms: i64) -> RemotingCommand {
    RemotingCommand::request(&PullMessageRequest {
        consumer_group: "g".to_owned(),
        topic: topic.to_owned(),
        queue_offset,
        max_msg_nums: 32,
        sys_flag: 2 | 4,
        suspend_timeout_millis: suspend_ms,
        subscription: Some("*".to_owned()),
        ..PullMessageRequest::default()
    })
}

fn bodies(reply: &RemotingCommand) -> Vec<String> {
    let messages = StoredMessage::decode_all(&reply.body).unwrap();
    messages.into_iter().map(|message| String::from_utf8(message.message.body).unwrap()).collect()
}

struct Peer {
    runtime: tokio::runtime::Runtime,
    client: Client,
    address: String,
}

impl Peer {
    fn of(broker: &Broker) -> Peer {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let client = runtime.block_on(async { Client::new(ClientConfig::default(), None) });
        Peer { runtime, client, address: broker.listen_addr().to_string() }
    }

    fn tell(&self, request: RemotingCommand) {
        self.runtime.block_on(self.client.oneway(&self.address, request)).unwrap();
    }

    fn ask(&self, request: RemotingCommand) -> RemotingCommand {
        self.runtime.block_on(self.client.invoke(&self.address, request, BOUND)).unwrap()
    }
}

#[test]
fn what_is_sent_is_pulled_and_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(config(dir.path(), ""));
    let peer = Peer::of(&broker);
    for body in ["one", "two"] {
        let reply = peer.ask(send_request("T", 0, body));
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
    }
    let reply = peer.ask(pull_request("T", 0, 0));
    assert_eq!(bodies(&reply), ["one", "two"]);
    broker.shutdown();
    assert!(!dir.path().join("abort").exists(), "closed in order");

    let broker = start(config(dir.path(), ""));
    let reply = Peer::of(&broker).ask(pull_request("T", 1, 0));
    assert_eq!(bodies(&reply), ["two"]);
    assert_eq!(reply.ext_fields.get("maxOffset"), Some("2"));
    broker.shutdown();
}

/// What a killed broker leaves is what the kernel has: a copy of the files of a running one.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn after_a_kill_everything_acknowledged_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(config(dir.path(), ""));
    let peer = Peer::of(&broker);
    let commit = |offset| {
        RemotingCommand::request(&UpdateConsumerOffsetRequest {
            consumer_group: "g".to_owned(),
            topic: "Fresh".to_owned(),
            queue_id: 2,
            commit_offset: offset,
        })
    };
    let query = || {
        RemotingCommand::request(&QueryConsumerOffsetRequest {
            consumer_group: "g".to_owned(),
            topic: "Fresh".to_owned(),
            queue_id: 2,
            set_zero_if_not_found: Some(false),
        })
    };
    let pull = || pull_request("Fresh", 0, 0);
    peer.ask(send_request("Fresh", 0, "kept"));
    peer.ask(pull());
    ["1", "2", "3"].iter().for_each(|body| drop(peer.ask(send_request("Fresh", 2, body))));
    for offset in [1, 3] {
        let reply = peer.ask(commit(offset));
        assert_eq!(reply.response_code(), ResponseCode::SUCCESS, "{:?}", reply.remark);
    }
    let killed = tempfile::tempdir().unwrap();
    copy(dir.path(), killed.path());
    // Nobody waits for such a commit; but whoever saw it must not see less after the kill.
    peer.tell(commit(2));
    while peer.ask(query()).ext_fields.get("offset") == Some("3") {}
    let seen = tempfile::tempdir().unwrap();
    copy(dir.path(), seen.path());
    broker.shutdown();
    let broker = start(config(seen.path(), ""));
    assert_eq!(Peer::of(&broker).ask(query()).ext_fields.get("offset"), Some("2"));
    broker.shutdown();

    let broker = start(config(killed.path(), ""));
    let peer = Peer::of(&broker);
    assert_eq!(bodies(&peer.ask(pull())), ["kept"]);
    assert_eq!(peer.ask(query()).ext_fields.get("offset"), Some("3"));

    // As a power cut leaves it that takes the end of the log and not the offset; after an orderly end it stays as it was set.
    peer.ask(commit(5));
    let cut = tempfile::tempdir().unwrap();
    copy(killed.path(), cut.path());
    broker.shutdown();
    for (directory, offset) in [(&cut, "3"), (&killed, "5")] {
        let broker = start(config(directory.path(), ""));
        assert_eq!(Peer::of(&broker).ask(query()).ext_fields.get("offset"), Some(offset));
        broker.shutdown();
    }
}

#[test]
fn a_waiting_pull_is_woken_by_the_message() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(config(dir.path(), ""));
    let (consumer, producer) = (Peer::of(&broker), Peer::of(&broker));
    producer.ask(send_request("T", 0, "before"));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| consumer.ask(pull_request("T", 1, 15_000)));
        producer.ask(send_request("T", 0, "after"));
        assert_eq!(bodies(&waiting.join().unwrap()), ["after"]);
    });
    broker.shutdown();
}

#[test]
fn sync_flush_acknowledges_after_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), "");
    config.flush_disk_type = eruca_broker::config::FlushDiskType::Sync;
    let broker = start(config);
    let peer = Peer::of(&broker);
    assert_eq!(peer.ask(send_request("T", 0, "durable")).response_code(), ResponseCode::SUCCESS);
    let marks = broker.store().watermarks();
    assert_eq!(marks.flushed, marks.written);
    broker.shutdown();
}

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

fn name_server<S: CommandService>(told: &Arc<S>) -> Server {
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        shards: 1,
        name: "test",
        ..ServerConfig::default()
    };
    Server::bind(config, told.clone()).unwrap()
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

#[test]
fn the_vip_port_answers_too_and_a_taken_port_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let broker = start(config(dir.path(), ""));
    assert_eq!(broker.vip_addr().port() + 2, broker.listen_addr().port());
    let mut peer = Peer::of(&broker);
    peer.address = broker.vip_addr().to_string();
    assert_eq!(peer.ask(send_request("T", 0, "vip")).response_code(), ResponseCode::SUCCESS);
    let other = tempfile::tempdir().unwrap();
    let mut taken = config(other.path(), "");
    taken.listen_port = broker.listen_addr().port();
    let environment = Environment {
        clock: Arc::new(SystemClock),
        disk: Arc::new(RealDisk),
        shards: 1,
        max_connections: 10,
        max_in_flight_bytes: 1 << 20,
        memory_bytes: 1 << 30,
        config_file: None,
    };
    let error = Broker::start(taken, environment).unwrap_err().to_string();
    assert!(error.contains(&broker.listen_addr().port().to_string()), "{error}");
    assert!(!other.path().join("abort").exists(), "closed in order");
    broker.shutdown();
}

/// A name server that knows the brokers of a group.
#[derive(Default)]
struct Members(Mutex<BTreeMap<i64, String>>);

impl CommandService for Members {
    fn call(&self, _caller: &Caller, request: RemotingCommand) -> Reply {
        let mut known = self.0.lock().unwrap();
        let reply = request.reply(ResponseCode::SUCCESS);
        match request.request_code() {
            RequestCode::REGISTER_BROKER => {
                let header: RegisterBrokerRequest = request.header().unwrap();
                known.insert(header.broker_id, header.broker_addr);
                Reply::Now(reply)
            }
            RequestCode::GET_BROKER_MEMBER_GROUP => {
                let group = BrokerMemberGroup { broker_addrs: known.clone(), ..BrokerMemberGroup::default() };
                let content = GetBrokerMemberGroupResponseBody { broker_member_group: Some(group) };
                Reply::Now(reply.with_body(body::to_json(&content)))
            }
            _ => Reply::Now(reply),
        }
    }
}

#[test]
fn in_strict_mode_most_brokers_of_the_group_lock_a_queue() {
    let members: Arc<Members> = Arc::default();
    let server = name_server(&members);
    let address = server.local_addrs()[0].to_string();
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [master, slave] = [0, 1].map(|broker_id| {
        let role = if broker_id == 0 { BrokerRole::AsyncMaster } else { BrokerRole::Slave };
        let broker = start(BrokerConfig {
            broker_id,
            broker_role: role,
            lock_in_strict_mode: true,
            total_replicas: 2,
            ..config(dirs[usize::from(broker_id > 0)].path(), &address)
        });
        assert!(broker.name_servers().wait_registered(BOUND));
        broker
    });
    let (to_master, to_slave) = (Peer::of(&master), Peer::of(&slave));
    let queue =
        |queue_id| MessageQueue { topic: "T".to_owned(), broker_name: "broker-a".to_owned(), queue_id };
    let lock = |peer: &Peer, client: &str, only_this_broker| {
        let content = LockBatchRequestBody {
            client_id: client.to_owned(),
            consumer_group: "g".to_owned(),
            mq_set: vec![queue(1)],
            only_this_broker,
        };
        let request = RemotingCommand::request_without_header(RequestCode::LOCK_BATCH_MQ);
        let reply = peer.ask(request.with_body(body::to_json(&content)));
        let locked: LockBatchResponseBody = body::from_json(&reply.body).unwrap();
        locked.lock_ok_mq_set == [queue(1)]
    };
    let unlock = |peer: &Peer, client: &str| {
        let content = UnlockBatchRequestBody {
            client_id: client.to_owned(),
            consumer_group: "g".to_owned(),
            mq_set: vec![queue(1)],
            only_this_broker: false,
        };
        let request = RemotingCommand::request_without_header(RequestCode::UNLOCK_BATCH_MQ);
        peer.ask(request.with_body(body::to_json(&content)));
    };
    assert!(lock(&to_master, "a", false));
    assert!(!lock(&to_slave, "b", true), "the slave has it, too");
    assert!(!lock(&to_master, "b", false));
    unlock(&to_master, "a");
    let end = Instant::now() + BOUND;
    while !lock(&to_slave, "b", true) {
        assert!(Instant::now() < end, "the slave was not told that the queue was given back");
    }
    assert!(!lock(&to_master, "a", false), "one of two is not most of them");
    assert!(lock(&to_master, "c", true), "what did not suffice went back");
    slave.shutdown();
    assert!(!lock(&to_master, "c", false));
    master.shutdown();
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// The first line with all of these.
    fn line(&self, parts: &[&str]) -> Option<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
    }
}

#[test]
fn a_queue_whose_consumer_hangs_is_told_in_the_log_and_by_the_broker_until_it_goes_on() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let config =
        BrokerConfig { stuck_consumer_seconds: 30, default_topic_queue_nums: 1, ..config(dir.path(), "") };
    let broker = start_with(config, clock.clone());
    let (producer, consumer) = (Peer::of(&broker), Peer::of(&broker));
    producer.ask(send_request("T", 0, "one"));
    let heartbeat = || {
        let subscription = SubscriptionData { topic: "T".to_owned(), ..SubscriptionData::default() };
        let group = ConsumerData {
            group_name: "g".to_owned(),
            subscription_data_set: vec![subscription],
            ..ConsumerData::default()
        };
        let data = HeartbeatData {
            client_id: "hangs@1".to_owned(),
            consumer_data_set: vec![group],
            ..HeartbeatData::default()
        };
        let request = RemotingCommand::request_without_header(RequestCode::HEART_BEAT);
        consumer.ask(request.with_body(body::to_json(&data)))
    };
    let rows = || {
        let reply =
            producer.ask(RemotingCommand::request_without_header(RequestCode::GET_BROKER_RUNTIME_INFO));
        let table: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        let row = |name: &str| table["table"][name].as_str().unwrap_or_default().to_owned();
        (row("stuckConsumerQueues"), row("stuckConsumerQueueList"))
    };
    let pass_until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + BOUND;
        while !holds() {
            assert!(Instant::now() < end, "{what}: {:?}", rows());
            // Its heartbeats come, whatever its listener does.
            clock.advance_ms(1_000);
            assert_eq!(heartbeat().response_code(), ResponseCode::SUCCESS);
            std::thread::park_timeout(Duration::from_millis(5));
        }
    };
    assert_eq!(heartbeat().response_code(), ResponseCode::SUCCESS);
    assert_eq!(bodies(&consumer.ask(pull_request("T", 0, 0))), ["one"]);
    producer.ask(send_request("T", 0, "two"));
    assert_eq!(rows().0, "0");

    pass_until("the queue is stuck", &|| rows().0 == "1");
    let (_, list) = rows();
    assert!(list.starts_with("g T 0 (") && list.ends_with(" s, 2 behind)"), "{list}");
    let told = log.line(&["WARN", "is not pulled", "group=g", "topic=T", "queue_id=0"]).unwrap();
    assert!(told.contains("messages_behind=2") && told.contains("last_puller=\"127.0.0.1:"), "{told}");

    let goes_on = || {
        consumer.ask(pull_request("T", 2, 0));
        rows().0 == "0"
    };
    pass_until("the queue is pulled again", &goes_on);
    assert_eq!(rows().1, "");
    assert!(log.line(&["INFO", "is pulled again", "group=g", "topic=T", "queue_id=0"]).is_some());
    broker.shutdown();
}
