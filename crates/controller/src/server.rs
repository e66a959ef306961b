//! A controller that listens: its socket, and a thread with what the Raft group and the clock want.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, mpsc as std_mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use eruca_message::{Clock, Timestamp};
use eruca_protocol::RemotingCommand;
use eruca_remoting::{BindError, Client, ClientConfig, Server, ServerConfig, TaskGroup};
use tokio::sync::{mpsc, oneshot};
use tracing::debug;

use crate::{
    ControllerConfig,
    core::Core,
    handler::Controller,
    liveness::BrokerKey,
    raft::{NodeError, RaftNode},
};

/// Notices that wait to be sent; more are dropped, brokers ask by themselves a little later.
const NOTICES_MAX: usize = 1_000;
/// Brokers that are gone and wait to be looked at; more are found by the next scan.
const GONE_MAX: usize = 1_000;
/// Threads of the Raft group: one writes the log while the other one answers.
const RAFT_THREADS: usize = 2;

/// Why a controller does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `bindAddress` is not an address.
    #[error(
        "bindAddress: '{value}' is not allowed, it must be an IP address such as 0.0.0.0, 127.0.0.1 or ::"
    )]
    Address {
        /// The value.
        value: String,
    },
    /// The Raft group does not start.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no thread.
    #[error("the controller's threads cannot start: {0}; raise the limit of processes")]
    Thread(#[from] io::Error),
    /// The thread ended before it had started the group.
    #[error("the controller's thread ended before the Raft group had started; its log says why")]
    Ended,
}

/// A running controller. Dropped, it stops without grace.
pub struct ControllerServer {
    core: Arc<Core>,
    server: Server,
    control: Option<Control>,
}

impl ControllerServer {
    /// Takes part in the group, listens and serves. Of `server` the limits count; address, name and idle time come from
    /// `config`.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn start(config: ControllerConfig, server: ServerConfig) -> Result<ControllerServer, StartError> {
        let keys = &config.keys;
        let bind = keys.bind_address.clone();
        let ip: IpAddr = bind.parse().map_err(|_error| StartError::Address { value: bind })?;
        let addr = &config.peers.me().addr;
        // Members were checked when the keys were read.
        let port = addr.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or_default();
        let server = ServerConfig {
            listen: vec![SocketAddr::new(ip, port)],
            idle_timeout: Duration::from_secs(keys.server_channel_max_idle_time_seconds.into()),
            name: "controller",
            ..server
        };
        let (control, core) = Control::start(config)?;
        let service = Arc::new(Controller::new(Arc::clone(&core)));
        match Server::bind(server, service) {
            Ok(server) => Ok(ControllerServer { core, server, control: Some(control) }),
            Err(error) => {
                control.stop();
                Err(error.into())
            }
        }
    }

    /// Where it listens.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        self.server.local_addrs()
    }

    /// Whether this controller believes that it leads the group.
    pub fn is_leader(&self) -> bool {
        self.core.node.is_leader()
    }

    /// Stops listening, lets connections end for at most `grace`, and waits for the threads.
    pub fn shutdown(mut self, grace: Duration) {
        self.core.stopping();
        self.server.shutdown(grace);
        if let Some(control) = self.control.take() {
            control.stop();
        }
    }
}

impl Drop for ControllerServer {
    fn drop(&mut self) {
        self.core.stopping();
        if let Some(control) = self.control.take() {
            control.stop();
        }
    }
}

/// Time since the start: a wall clock that is set must not make brokers look dead.
struct Uptime(Instant);

impl Clock for Uptime {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.0.elapsed().as_millis()).unwrap_or(i64::MAX))
    }
}

/// The control thread.
struct Control {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Control {
    fn start(config: ControllerConfig) -> Result<(Control, Arc<Core>), StartError> {
        let (stop, stopped) = oneshot::channel();
        let (started, has_started) = std_mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("controller".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(RAFT_THREADS)
                .thread_name("controller-raft")
                .enable_all()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    // An error means that the starter is gone: nobody is left to tell.
                    let _ = started.send(Err(StartError::Thread(error)));
                    return;
                }
            };
            runtime.block_on(async {
                let client =
                    Client::new(ClientConfig { name: "controller", ..ClientConfig::default() }, None);
                let (notices, waiting) = mpsc::channel(NOTICES_MAX);
                let (gone, gone_brokers) = mpsc::channel(GONE_MAX);
                let ControllerConfig { keys, peers, dir } = config;
                let node = RaftNode::start(&dir, Arc::new(peers), keys.raft_times(), client.clone()).await;
                let core = node.map(|node| {
                    let clock = Arc::new(Uptime(Instant::now()));
                    Arc::new(Core::new(node, keys, clock, client.clone(), notices, gone))
                });
                let running = core.as_ref().ok().map(Arc::clone);
                // An error means that the starter is gone: the next line ends the thread then, too.
                let _ = started.send(core.map_err(StartError::Node));
                let Some(core) = running else { return };
                let tasks = TaskGroup::new();
                tasks.spawn("expire brokers", expire_brokers(Arc::clone(&core)));
                tasks.spawn("scan masters", scan_masters(Arc::clone(&core)));
                tasks.spawn("brokers gone", brokers_gone(Arc::clone(&core), gone_brokers));
                tasks.spawn("send notices", send_notices(client, waiting));
                // An error means that the server was dropped: stop as well.
                let _ = stopped.await;
                tasks.shutdown().await;
                core.node.shutdown().await;
            });
        })?;
        match has_started.recv() {
            Ok(Ok(core)) => Ok((Control { stop, thread }, core)),
            Ok(Err(error)) => {
                let _ = thread.join();
                Err(error)
            }
            Err(_gone) => Err(StartError::Ended),
        }
    }

    fn stop(self) {
        // An error means that the thread has ended already.
        let _ = self.stop.send(());
        let _ = self.thread.join();
    }
}

async fn expire_brokers(core: Arc<Core>) {
    loop {
        tokio::time::sleep(Duration::from_millis(core.keys().scan_not_active_broker_interval)).await;
        core.expire_step(core.clock.now());
    }
}

/// At once when this controller becomes leader, then again and again.
async fn scan_masters(core: Arc<Core>) {
    let mut is_leader = false;
    loop {
        let interval = Duration::from_millis(core.keys().scan_inactive_master_interval);
        match tokio::time::timeout(interval, core.node.leadership_changed(is_leader)).await {
            Ok(leads) => is_leader = leads,
            Err(_elapsed) if !is_leader => continue,
            Err(_elapsed) => {}
        }
        core.scan_masters().await;
    }
}

async fn brokers_gone(core: Arc<Core>, mut gone: mpsc::Receiver<BrokerKey>) {
    while let Some(key) = gone.recv().await {
        core.broker_gone(key).await;
    }
}

async fn send_notices(client: Client, mut notices: mpsc::Receiver<(String, RemotingCommand)>) {
    let tasks = TaskGroup::new();
    while let Some((addr, notice)) = notices.recv().await {
        let client = client.clone();
        // Each by itself: a broker that is gone must not keep the others waiting.
        tasks.spawn("notice", async move {
            if let Err(error) = client.oneway(&addr, notice).await {
                debug!(addr, %error, "notice not delivered");
            }
        });
    }
}
