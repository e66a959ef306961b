//! Controllers on real sockets, as brokers meet them.

use std::{
    net::TcpListener,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use eruca_config::Properties;
use eruca_controller::{ControllerConfig, ControllerServer};
use eruca_protocol::{
    RemotingCommand, RequestCode, RequestHeader,
    body::{BrokerReplicasInfo, SyncStateSet, from_json, to_json},
    request::{
        BrokerHeartbeatRequest, ControllerAlterSyncStateSetRequest, ControllerApplyBrokerIdRequest,
        ControllerElectMasterRequest, ControllerElectMasterResponse, ControllerGetMetadataInfoResponse,
        ControllerGetNextBrokerIdRequest, ControllerGetNextBrokerIdResponse, ControllerGetReplicaInfoRequest,
        ControllerGetReplicaInfoResponse,
    },
};
use eruca_remoting::{Client, ClientConfig, ServerConfig};
use tokio::task::JoinSet;

/// Nothing here takes as long; a bound is only there so that a hang ends.
const BOUND: Duration = Duration::from_secs(60);
const NAME: &str = "broker-a";

fn free_addrs<const N: usize>() -> [String; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port"));
    sockets.map(|socket| socket.local_addr().expect("its address").to_string())
}

fn start(dir: &Path, addrs: &[String], me: usize) -> ControllerServer {
    let peers: Vec<String> = addrs.iter().enumerate().map(|(i, addr)| format!("n{i}-{addr}")).collect();
    let text = format!(
        "bindAddress=127.0.0.1\ncontrollerDLegerGroup=g\ncontrollerDLegerPeers={}\ncontrollerDLegerSelfId=n{me}\n\
         controllerStorePath={}\njRaftElectionTimeoutMs=300\n",
        peers.join(";"),
        dir.display()
    );
    let properties = Properties::parse(&text).expect("properties");
    let config = ControllerConfig::from_properties(&properties, dir).expect("a configuration").keys;
    ControllerServer::start(config, ServerConfig::default()).expect("a controller")
}

/// A client that asks whichever controller leads.
struct Brokers {
    client: Client,
    addrs: Vec<String>,
}

impl Brokers {
    fn new(addrs: &[String]) -> Brokers {
        Brokers { client: Client::new(ClientConfig::default(), None), addrs: addrs.to_vec() }
    }

    /// Asks until a controller that leads has answered.
    async fn ask(&self, request: RemotingCommand) -> RemotingCommand {
        let deadline = Instant::now() + BOUND;
        loop {
            for addr in &self.addrs {
                match self.client.invoke(addr, request.clone(), Duration::from_secs(6)).await {
                    Ok(reply) if reply.code == 2007 => {}
                    Ok(reply) => return reply,
                    Err(_gone) => {}
                }
            }
            assert!(Instant::now() < deadline, "no controller leads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn request<H: RequestHeader>(&self, header: &H) -> RemotingCommand {
        self.ask(RemotingCommand::request(header)).await
    }

    async fn heartbeat(&self, id: i64) {
        let header = BrokerHeartbeatRequest {
            cluster_name: "c".to_owned(),
            broker_addr: format!("127.0.0.1:1000{id}"),
            broker_name: NAME.to_owned(),
            broker_id: Some(id),
            epoch: Some(1),
            max_offset: Some(id),
            heartbeat_timeout_mills: Some(60_000),
            ..BrokerHeartbeatRequest::default()
        };
        for addr in &self.addrs {
            // A controller that is gone hears nothing.
            let _ = self.client.invoke(addr, RemotingCommand::request(&header), BOUND).await;
        }
    }

    async fn apply(&self, id: i64) -> i32 {
        self.apply_in(NAME, id).await
    }

    async fn apply_in(&self, group: &str, id: i64) -> i32 {
        let header = ControllerApplyBrokerIdRequest {
            cluster_name: "c".to_owned(),
            broker_name: group.to_owned(),
            applied_broker_id: id,
            register_check_code: format!("127.0.0.1:1000{id};5"),
        };
        self.request(&header).await.code
    }

    async fn elect(&self, id: i64) -> (i32, ControllerElectMasterResponse) {
        let header = ControllerElectMasterRequest {
            cluster_name: "c".to_owned(),
            broker_name: NAME.to_owned(),
            broker_id: id,
            designate_elect: false,
        };
        let reply = self.request(&header).await;
        (reply.code, reply.header().expect("a header"))
    }

    async fn next_id(&self) -> i64 {
        self.next_id_in(NAME).await
    }

    async fn next_id_in(&self, group: &str) -> i64 {
        let header =
            ControllerGetNextBrokerIdRequest { cluster_name: "c".to_owned(), broker_name: group.to_owned() };
        let reply = self.request(&header).await;
        let header: ControllerGetNextBrokerIdResponse = reply.header().expect("a header");
        header.next_broker_id.expect("an id")
    }

    async fn replica_info(&self) -> (ControllerGetReplicaInfoResponse, SyncStateSet) {
        let reply = self.request(&ControllerGetReplicaInfoRequest { broker_name: NAME.to_owned() }).await;
        (reply.header().expect("a header"), from_json(&reply.body).expect("a set"))
    }

    /// Two brokers, of which 1 is master and both are in sync.
    async fn form_pair(&self) {
        assert_eq!(self.next_id().await, 1);
        assert_eq!(self.apply(1).await, 0);
        assert_eq!(self.apply(2).await, 0);
        assert_eq!(self.next_id().await, 3);
        self.heartbeat(1).await;
        self.heartbeat(2).await;
        let (code, elected) = self.elect(1).await;
        assert_eq!((code, elected.master_broker_id, elected.master_epoch), (0, Some(1), Some(1)));
        let header = ControllerAlterSyncStateSetRequest {
            broker_name: NAME.to_owned(),
            master_broker_id: 1,
            master_epoch: 1,
        };
        let set = SyncStateSet { sync_state_set: [1, 2].into(), sync_state_set_epoch: 1 };
        let reply = self.ask(RemotingCommand::request(&header).with_body(to_json(&set))).await;
        assert_eq!(reply.code, 0, "{:?}", reply.remark);
    }

    async fn leader(&self, addr: &str) -> Option<ControllerGetMetadataInfoResponse> {
        let request = RemotingCommand::request_without_header(RequestCode::CONTROLLER_GET_METADATA_INFO);
        let reply = self.client.invoke(addr, request, BOUND).await.ok()?;
        reply.header().ok()
    }
}

async fn leader_of(controllers: &[Option<ControllerServer>]) -> usize {
    let deadline = Instant::now() + BOUND;
    loop {
        let is_leader =
            |server: &Option<ControllerServer>| server.as_ref().is_some_and(ControllerServer::is_leader);
        if let Some(leader) = controllers.iter().position(is_leader) {
            return leader;
        }
        assert!(Instant::now() < deadline, "no controller leads");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_controller_alone_remembers_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let addrs = free_addrs::<1>();
    let controller = start(dir.path(), &addrs, 0);
    let brokers = Brokers::new(&addrs);
    brokers.form_pair().await;
    let metadata = brokers.leader(&addrs[0]).await.expect("metadata");
    assert_eq!(metadata.peers, Some(format!("n0:{};", addrs[0])));
    assert_eq!(metadata.controller_leader_address.as_deref(), Some(addrs[0].as_str()));
    controller.shutdown(Duration::ZERO);

    let mut controller = start(dir.path(), &addrs, 0);
    let mut brokers = Brokers::new(&addrs);
    // A controller that stops closes the connections of masters, which are not dead therefore.
    for _ in 0..10 {
        let (header, set) = brokers.replica_info().await;
        assert_eq!((header.master_broker_id, header.master_epoch), (Some(1), Some(1)));
        assert_eq!((set.sync_state_set, set.sync_state_set_epoch), ([1, 2].into(), 2));
        brokers.heartbeat(1).await;
        brokers.heartbeat(2).await;
        controller.shutdown(Duration::ZERO);
        controller = start(dir.path(), &addrs, 0);
        brokers = Brokers::new(&addrs);
    }
    assert_eq!(brokers.apply(1).await, 0, "its own id again");
    // The controller has just started: that it has not heard of the master yet says nothing.
    brokers.heartbeat(2).await;
    assert_eq!(brokers.elect(2).await.0, 2012);
    brokers.heartbeat(1).await;
    let (code, kept) = brokers.elect(2).await;
    assert_eq!((code, kept.master_broker_id), (2011, Some(1)));
    controller.shutdown(Duration::ZERO);
}

#[tokio::test]
async fn the_other_broker_is_elected_when_the_masters_connection_closes() {
    let dir = tempfile::tempdir().expect("a directory");
    let addrs = free_addrs::<1>();
    let controller = start(dir.path(), &addrs, 0);
    let brokers = Brokers::new(&addrs);
    brokers.form_pair().await;
    let slave = Brokers::new(&addrs);
    slave.heartbeat(2).await;
    brokers.client.close();
    let deadline = Instant::now() + BOUND;
    loop {
        let (header, set) = slave.replica_info().await;
        if header.master_broker_id == Some(2) {
            assert_eq!(header.master_epoch, Some(2));
            assert_eq!((set.sync_state_set, set.sync_state_set_epoch), ([2].into(), 3));
            break;
        }
        assert!(Instant::now() < deadline, "{header:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let names = to_json(&vec![NAME]);
    let request = RemotingCommand::request_without_header(RequestCode::CONTROLLER_GET_SYNC_STATE_DATA);
    let reply = slave.ask(request.with_body(names)).await;
    let info: BrokerReplicasInfo = from_json(&reply.body).expect("a table");
    let group = &info.replicas_info_table[NAME];
    assert_eq!((group.in_sync_replicas[0].broker_id, group.in_sync_replicas[0].alive), (2, Some(true)));
    assert_eq!(
        (group.not_in_sync_replicas[0].broker_id, group.not_in_sync_replicas[0].alive),
        (1, Some(false))
    );
    controller.shutdown(Duration::ZERO);
}

#[tokio::test]
async fn three_controllers_go_on_without_the_one_that_led_and_it_catches_up() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let addrs = free_addrs::<3>();
    let mut controllers: Vec<Option<ControllerServer>> =
        (0..3).map(|i| Some(start(dirs[i].path(), &addrs, i))).collect();
    let brokers = Brokers::new(&addrs);
    brokers.form_pair().await;
    let led = leader_of(&controllers).await;
    controllers[led].take().expect("it").shutdown(Duration::ZERO);

    // Changes that the one that is gone misses.
    for id in 3..=40 {
        assert_eq!(brokers.apply(id).await, 0, "id {id}");
    }
    let (header, set) = brokers.replica_info().await;
    assert_eq!((header.master_broker_id, set.sync_state_set), (Some(1), [1, 2].into()));

    controllers[led] = Some(start(dirs[led].path(), &addrs, led));
    let other = leader_of(&controllers).await;
    controllers[other].take().expect("it").shutdown(Duration::ZERO);
    assert_eq!(brokers.next_id().await, 41, "two of three know everything");
    let followers: Vec<_> = controllers.into_iter().flatten().collect();
    assert_eq!(followers.len(), 2);
    for addr in &addrs {
        if let Some(metadata) = brokers.leader(addr).await {
            assert!(metadata.controller_leader_id.is_some(), "{metadata:?}");
        }
    }
}

/// So many changes that the log no longer has the first ones: whoever missed them gets the whole state.
#[tokio::test]
async fn one_that_missed_more_than_the_log_keeps_is_given_the_whole_state() {
    const GROUPS: usize = 32;
    const IDS: i64 = 47;
    let dirs = [(); 3].map(|()| tempfile::tempdir().expect("a directory"));
    let addrs = free_addrs::<3>();
    let mut controllers: Vec<Option<ControllerServer>> =
        (0..3).map(|i| Some(start(dirs[i].path(), &addrs, i))).collect();
    let brokers = Arc::new(Brokers::new(&addrs));
    brokers.form_pair().await;
    let leader = leader_of(&controllers).await;
    let behind = (leader + 1) % 3;
    controllers[behind].take().expect("it").shutdown(Duration::ZERO);
    let mut appliers = JoinSet::new();
    for group in 0..GROUPS {
        let brokers = brokers.clone();
        appliers.spawn(async move {
            for id in 1..=IDS {
                assert_eq!(brokers.apply_in(&format!("other-{group}"), id).await, 0, "id {id}");
            }
        });
    }
    while let Some(ended) = appliers.join_next().await {
        ended.expect("the ids are given");
    }
    let file = dirs[behind].path().join(format!("eruca-n{behind}")).join("snapshot");
    assert!(!file.exists(), "it had nothing yet of which a snapshot would be worth it");

    controllers[behind] = Some(start(dirs[behind].path(), &addrs, behind));
    let other = leader_of(&controllers).await;
    assert_ne!(other, behind, "its log is shorter than any other");
    let deadline = Instant::now() + BOUND;
    while !file.exists() {
        assert!(Instant::now() < deadline, "no snapshot has come");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    controllers[other].take().expect("it").shutdown(Duration::ZERO);
    assert_eq!(brokers.next_id_in("other-0").await, IDS + 1, "it and the other one know everything");
    let (header, set) = brokers.replica_info().await;
    assert_eq!((header.master_broker_id, set.sync_state_set), (Some(1), [1, 2].into()));

    // What it was given is on its disk: it and the one that has led, without the third.
    let third = 3 - behind - other;
    controllers[behind].take().expect("it").shutdown(Duration::ZERO);
    controllers[behind] = Some(start(dirs[behind].path(), &addrs, behind));
    controllers[other] = Some(start(dirs[other].path(), &addrs, other));
    controllers[third].take().expect("it").shutdown(Duration::ZERO);
    assert_eq!(brokers.next_id_in("other-0").await, IDS + 1);
    assert_eq!(brokers.next_id().await, 3);
}

#[tokio::test]
async fn a_directory_of_another_group_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let addrs = free_addrs::<2>();
    start(dir.path(), &addrs[..1], 0).shutdown(Duration::ZERO);
    let text = format!(
        "controllerDLegerGroup=g\ncontrollerDLegerPeers=n0-{};n1-{}\ncontrollerDLegerSelfId=n0\n\
         controllerStorePath={}\n",
        addrs[0],
        addrs[1],
        dir.path().display()
    );
    let properties = Properties::parse(&text).expect("properties");
    let config = ControllerConfig::from_properties(&properties, dir.path()).expect("a configuration").keys;
    let error = ControllerServer::start(config, ServerConfig::default()).err().expect("refused").to_string();
    assert!(error.contains("members cannot change"), "{error}");
}
