//! A whole broker over real sockets and files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod locks;
mod name_servers;
mod stuck;

use std::{path::Path, sync::Arc, time::Duration};

use eruca_broker::{Broker, BrokerConfig, Environment};
use eruca_message::{Clock, StoredMessage, SystemClock};
use eruca_protocol::{
    RemotingCommand, ResponseCode,
    request::{
        PullMessageRequest, QueryConsumerOffsetRequest, SendMessageRequest, UpdateConsumerOffsetRequest,
    },
};
use eruca_remoting::{Client, ClientConfig, CommandService, Server, ServerConfig};
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

/// A name server of a test.
fn name_server<S: CommandService>(told: &Arc<S>) -> Server {
    let config = ServerConfig {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        shards: 1,
        name: "test",
        ..ServerConfig::default()
    };
    Server::bind(config, told.clone()).unwrap()
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
