//! The broker put together: started, looked at, stopped. No logic.

use std::{
    hash::{BuildHasher, RandomState},
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use eruca_message::Clock;
use eruca_remoting::{BindError, CommandService, Server, ServerConfig};
use eruca_replication::driver::Replication;
use eruca_store::{Disk, MessageStore, OpenError, RecoveryReport, WriteStopped};

use crate::{
    assignment::ClusterQueues,
    config::{BrokerConfig, BrokerRole, ConfigError},
    control::Control,
    controller::{ControllerHandler, ManagerParts, ReplicasManager, open_group},
    dispatch::{Dispatcher, Settled},
    ha,
    handler::{AdminHandler, ParkedPop, ParkedPull},
    local_time::utc_offset_s,
    long_poll::{PopHold, PullHold},
    parts::Parts,
    persist::PersistError,
    pre_online::PreOnline,
    registration::{AdvertiseError, Identity, Membership, NameServers, Registration, advertised},
    role::{Escape, RoleState, RoleSwitch},
    schedule::Schedule,
    settings::Settings,
};

/// How long connections may finish what they began when the broker stops.
const DRAIN_GRACE: Duration = Duration::from_secs(3);

/// What the broker is given by its process.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Threads that serve connections: as many as there are CPUs.
    pub shards: usize,
    /// Most connections.
    pub max_connections: usize,
    /// Most bytes of requests and answers on their way.
    pub max_in_flight_bytes: usize,
    /// What the machine or its cgroup has.
    pub memory_bytes: u64,
    /// The configuration file that was given, for changes by administrators.
    pub config_file: Option<PathBuf>,
}

/// Why a broker did not start. Nothing of it is left then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address for clients cannot be used.
    #[error(transparent)]
    Advertise(#[from] AdvertiseError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The store takes nothing, not even as a copy.
    #[error(transparent)]
    Stopped(WriteStopped),
    /// A table cannot be read.
    #[error(transparent)]
    Table(#[from] PersistError),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// No two free ports were found.
    #[error("no two free ports were found for listenPort=0 ({0}): set listenPort")]
    NoFreePorts(io::Error),
    /// The port for slaves cannot be had.
    #[error("the port for slaves cannot be had ({0}): set haListenPort to another one")]
    HaPort(io::Error),
    /// A thread cannot be started.
    #[error("a thread cannot be started ({0}): raise the limit of processes")]
    Thread(io::Error),
}

/// A running broker.
#[derive(Debug)]
pub struct Broker {
    dispatcher: Arc<Dispatcher>,
    settled: Settled,
    registration: Arc<Registration>,
    settings: Arc<Settings>,
    control: Arc<Control>,
    schedule: Schedule,
    replication: Replication,
    role: Arc<RoleSwitch>,
    manager: Option<Arc<ReplicasManager>>,
    escape: Arc<Escape>,
    hold: Arc<PullHold<ParkedPull>>,
    pop_hold: Arc<PopHold<ParkedPop>>,
    queues: Arc<ClusterQueues>,
    servers: Vec<Server>,
    listen: SocketAddr,
    vip: SocketAddr,
    self_test_group: String,
    recovery: RecoveryReport,
}

impl Broker {
    /// Opens the store, listens, and begins to register with the name servers. Clients can use it when
    /// [`Broker::name_servers`] says so.
    ///
    /// # Errors
    /// [`StartError`]; the store is closed in order then.
    pub fn start(config: BrokerConfig, environment: Environment) -> Result<Broker, StartError> {
        config.validate()?;
        config.say_what_has_no_effect();
        let addresses = Addresses::of(&config)?;
        let store_config = config.store_config(utc_offset_s(environment.clock.now()))?;
        let (store, recovery) =
            MessageStore::open(store_config, environment.disk.clone(), environment.clock.clone())?;
        let store = Arc::new(store);
        let role = Arc::new(RoleState::new(config.standing()));
        if !role.is_master() || config.asks_slaves_first() {
            // Before anything is opened that could append.
            store.set_replica(true).map_err(StartError::Stopped)?;
        }
        Self::over(store.clone(), recovery, config, addresses, &environment, role).inspect_err(|_| {
            if let Err(error) = store.close() {
                tracing::error!(%error, "the store was not closed in order, the next start recovers it");
            }
        })
    }

    fn over(
        store: Arc<MessageStore>,
        recovery: RecoveryReport,
        config: BrokerConfig,
        addresses: Addresses,
        environment: &Environment,
        role: Arc<RoleState>,
    ) -> Result<Broker, StartError> {
        let Addresses { listen, vip, ha_listen, name_servers, identity, store_host } = addresses;
        let control = Arc::new(Control::start().map_err(StartError::Thread)?);
        let membered = match config.enable_controller_mode {
            true => {
                let controllers = config.controllers()?;
                let clock = environment.clock.clone();
                let (group, files) = open_group(&config, &identity, store.clone(), clock)?;
                Some((group, files, controllers))
            }
            false => None,
        };
        let group = membered.as_ref().map(|(group, ..)| group.clone());
        let parts = Parts::open(store, config, environment, store_host, role, group)?;
        if parts.role.is_master() && !recovery.was_closed {
            // A power cut takes the end of a log that is flushed later, and not the offsets. A slave's are its master's.
            parts.settled.cut_offsets();
        }
        let role = Arc::new(parts.role_switch());
        let membership = Arc::new(Membership::new(
            identity.clone(),
            name_servers.clone(),
            role.clone(),
            parts.settings.clone(),
            parts.settled.topics.clone(),
            parts.settled.store.clone(),
            parts.clock.clone(),
            control.clone(),
        ));
        let pre_online = parts.settings.now().asks_slaves_first().then(|| PreOnline {
            identity: identity.clone(),
            membership: membership.clone(),
            replicas: parts.replicas.clone(),
            tables: parts.slave_tables(),
            role: role.clone(),
            settings: parts.settings.clone(),
        });
        let slave_sync = Arc::new(parts.slave_sync());
        let manager = membered.map(|(group, files, controllers)| {
            let manager = ManagerParts {
                identity: identity.clone(),
                group,
                files,
                replicas: parts.replicas.clone(),
                role: role.clone(),
                slave_sync: slave_sync.clone(),
                membership: membership.clone(),
                settled: parts.settled.clone(),
                settings: parts.settings.clone(),
                clock: parts.clock.clone(),
                control: control.clone(),
            };
            Arc::new(ReplicasManager::new(manager, controllers))
        });
        let controller = ControllerHandler {
            manager: manager.clone(),
            identity: identity.clone(),
            role: parts.role.clone(),
        };
        let escape = parts.set_escape(control.clone(), name_servers.clone());
        let admin =
            AdminHandler::new(parts.admin(identity.broker_addr.clone(), control.clone(), environment));
        let self_test_group = format!("CID_RMQ_SYS_SELF_TEST_{:016x}", RandomState::new().hash_one(()));
        let dispatcher = Arc::new(parts.dispatcher(
            store_host,
            self_test_group.clone(),
            admin,
            control.clone(),
            membership.clone(),
            controller,
        ));
        let registration = Arc::new(Registration::new(
            identity,
            name_servers,
            parts.settled.topics.clone(),
            parts.settings.clone(),
            parts.role.clone(),
            parts.clock.clone(),
        ));
        let servers = bind(&parts.settings.now(), environment, [listen, vip], &dispatcher)?;
        let (replicas, settings) = (parts.replicas.clone(), parts.settings.clone());
        let replication = ha::start(ha_listen, replicas, &parts.role, settings.clone(), &control)?;
        let (settled, hold) = (parts.settled.clone(), parts.hold.clone());
        control.spawn("slave", slave_sync.run());
        let (pop_hold, queues) = (parts.pop_hold.clone(), parts.queues.clone());
        let schedule = Schedule::start(parts.into_work()).map_err(StartError::Thread)?;
        match &manager {
            // What it is in its group has to be known first.
            Some(manager) => {
                manager.start();
                let (manager, registration) = (manager.clone(), registration.clone());
                control.spawn("decided", async move {
                    manager.decided().await;
                    registration.start();
                });
                membership.start();
            }
            None => {
                let (begin, membership) = (registration.clone(), membership.clone());
                control.spawn("start", async move {
                    if let Some(pre_online) = pre_online {
                        pre_online.run().await;
                    }
                    begin.start();
                    membership.start();
                });
            }
        }
        Ok(Broker {
            dispatcher,
            settled,
            registration,
            settings,
            control,
            schedule,
            replication,
            role,
            manager,
            escape,
            hold,
            pop_hold,
            queues,
            servers,
            listen,
            vip,
            self_test_group,
            recovery,
        })
    }

    /// Answers requests in this process, as a connection would.
    pub fn service(&self) -> Arc<dyn CommandService> {
        self.dispatcher.clone()
    }

    /// Where it listens.
    pub fn listen_addr(&self) -> SocketAddr {
        self.listen
    }

    /// Where slaves come in.
    pub fn ha_listen_addr(&self) -> SocketAddr {
        self.replication.listen_addr()
    }

    /// Where it listens for the VIP channel.
    pub fn vip_addr(&self) -> SocketAddr {
        self.vip
    }

    /// What clients are told: `host:port`, and the names.
    pub fn identity(&self) -> &Identity {
        self.registration.identity()
    }

    /// What it is in its group, and how that is changed while it runs.
    pub fn role(&self) -> &Arc<RoleSwitch> {
        &self.role
    }

    /// Why the controllers have not said yet what this broker is in its group, as far as that is known; `None` where they have, or
    /// there are none.
    pub fn undecided(&self) -> Option<String> {
        self.manager.as_ref()?.undecided()
    }

    /// Which name servers know it: it is ready when one does.
    pub fn name_servers(&self) -> &NameServers {
        self.registration.name_servers()
    }

    /// The only producer group that may send to `SELF_TEST_TOPIC`; made up at start.
    pub fn self_test_group(&self) -> &str {
        &self.self_test_group
    }

    /// Whether a message has to be on slaves before it is acknowledged.
    pub fn waits_for_slaves(&self) -> bool {
        self.settings.now().broker_role == BrokerRole::SyncMaster
    }

    /// What was found and put in order when the store was opened.
    pub fn recovery(&self) -> &RecoveryReport {
        &self.recovery
    }

    /// The consumer groups.
    #[cfg(test)]
    pub(crate) fn groups(&self) -> &crate::groups::GroupTable {
        &self.settled.groups
    }

    /// The store, to look at.
    pub fn store(&self) -> &MessageStore {
        &self.settled.store
    }

    /// Leaves: unregisters, lets connections finish, writes everything, closes the store. Blocks for some seconds at
    /// most; not to be called on a Tokio runtime's thread. A second call does nothing.
    pub fn shutdown(&self) {
        self.control.block_on(self.registration.unregister());
        self.hold.stop();
        self.pop_hold.stop();
        self.queues.close();
        std::thread::scope(|scope| {
            for server in &self.servers {
                scope.spawn(|| server.shutdown(DRAIN_GRACE));
            }
        });
        self.escape.close();
        // Before the store is closed: what is copied has to be written.
        self.replication.stop();
        self.control.stop();
        self.schedule.stop();
    }
}

/// Where the broker listens, and as whom it is known.
struct Addresses {
    listen: SocketAddr,
    vip: SocketAddr,
    /// For slaves.
    ha_listen: SocketAddr,
    name_servers: Vec<String>,
    identity: Identity,
    /// What messages say where they were stored.
    store_host: SocketAddr,
}

impl Addresses {
    fn of(config: &BrokerConfig) -> Result<Addresses, StartError> {
        let name_servers = config.name_servers()?;
        let told = advertised(config.broker_ip1.as_deref(), config.bind_ip()?, &name_servers)?;
        let (listen, vip) = ports(config)?;
        let ha_listen = SocketAddr::new(listen.ip(), config.ha_port(listen.port()));
        let identity = identity(config, &told.host, listen.port());
        let store_host = SocketAddr::new(told.ip, listen.port());
        Ok(Addresses { listen, vip, ha_listen, name_servers, identity, store_host })
    }
}

fn identity(config: &BrokerConfig, host: &str, port: u16) -> Identity {
    let address = |host: &str, port: u16| match host.contains(':') {
        true => format!("[{host}]:{port}"),
        false => format!("{host}:{port}"),
    };
    let ha_host = config.broker_ip2.as_deref().unwrap_or(host);
    let ha_port = config.ha_port(port);
    Identity {
        cluster_name: config.broker_cluster_name.clone(),
        broker_name: config.broker_name.clone(),
        broker_addr: address(host, port),
        ha_server_addr: address(ha_host, ha_port),
    }
}

/// The port for clients and the VIP port, two below; where they are to be found, the one for slaves is free, too.
fn ports(config: &BrokerConfig) -> Result<(SocketAddr, SocketAddr), StartError> {
    const TRIES: usize = 50;
    let ip = config.bind_ip()?;
    let pair = |port: u16| (SocketAddr::new(ip, port), SocketAddr::new(ip, port.saturating_sub(2)));
    if config.listen_port != 0 {
        return Ok(pair(config.listen_port));
    }
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let found = TcpListener::bind((ip, 0)).and_then(|listener| {
            let port = listener.local_addr()?.port();
            let _vip = TcpListener::bind((ip, port.saturating_sub(2)))?;
            TcpListener::bind((ip, config.ha_port(port))).map(|_ha| port)
        });
        match found {
            Ok(port) => return Ok(pair(port)),
            Err(error) => last = error,
        }
    }
    Err(StartError::NoFreePorts(last))
}

fn bind(
    config: &BrokerConfig,
    environment: &Environment,
    addresses: [SocketAddr; 2],
    dispatcher: &Arc<Dispatcher>,
) -> Result<Vec<Server>, StartError> {
    let [listen, vip] = addresses;
    let server = |address, name, shards| {
        let server = ServerConfig {
            listen: vec![address],
            shards,
            max_connections: environment.max_connections,
            max_in_flight_bytes: environment.max_in_flight_bytes,
            idle_timeout: Duration::from_secs(u64::from(config.server_channel_max_idle_time_seconds)),
            name,
            ..ServerConfig::default()
        };
        Server::bind(server, dispatcher.clone())
    };
    // The VIP port is rarely used: one thread does.
    Ok(vec![server(listen, "broker", environment.shards)?, server(vip, "broker-vip", 1)?])
}
