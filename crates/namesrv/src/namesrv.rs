//! The name server as a service: code → handler.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, RwLock},
};

use eruca_message::{Clock, Timestamp};
use eruca_protocol::{RemotingCommand, RequestCode, ResponseCode};
use eruca_remoting::{Caller, CommandService, Reply};

use crate::{
    NamesrvConfig, NamesrvKeys, RouteTable,
    handler::{
        Answer, ClusterHandler, ConfigHandler, KvHandler, RegistrationHandler, TopicListHandler,
        TopicRouteHandler,
    },
    kv_config::{KvConfig, KvConfigError},
};

/// Routes, as the handlers share them.
pub(crate) type SharedRoutes = Arc<RwLock<RouteTable>>;
/// Key-value configuration, as the handlers share it.
pub(crate) type SharedKv = Arc<RwLock<KvConfig>>;
/// Keys, as the handlers share them: replaced whole when one changes.
pub(crate) type SharedKeys = Arc<RwLock<Arc<NamesrvKeys>>>;
/// Connections of registered brokers by id.
pub(crate) type BrokerConnections = Arc<Mutex<HashMap<u64, Caller>>>;

/// Address of a broker of the same process, once it is known.
pub(crate) type LocalBroker = Arc<OnceLock<String>>;

/// How the name server tells brokers something: brokers serve requests at their own address, not on the connection by
/// which they registered.
pub trait BrokerNotifier: Send + Sync + 'static {
    /// Sends a oneway request to the broker at `addr`, as far as it goes. Returns at once.
    fn notify(&self, addr: &str, request: RemotingCommand);
}

/// Tells nobody anything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotices;

impl BrokerNotifier for NoNotices {
    fn notify(&self, _addr: &str, _request: RemotingCommand) {}
}

/// A name server without sockets or threads: answers requests from what brokers registered.
pub struct Namesrv {
    keys: SharedKeys,
    topic_route: TopicRouteHandler,
    registration: RegistrationHandler,
    cluster: ClusterHandler,
    topic_list: TopicListHandler,
    kv: KvHandler,
    config: ConfigHandler,
    local_broker: LocalBroker,
}

impl Namesrv {
    /// A name server that knows no broker yet; reads the key-value configuration.
    ///
    /// # Errors
    /// The key-value file is there and cannot be used.
    pub fn new(
        config: NamesrvConfig,
        clock: Arc<dyn Clock>,
        notifier: Arc<dyn BrokerNotifier>,
    ) -> Result<Namesrv, KvConfigError> {
        let NamesrvConfig { keys, local_broker: given } = config;
        let local_broker = LocalBroker::default();
        if let Some(addr) = given {
            local_broker.get_or_init(|| addr);
        }
        let routes = SharedRoutes::default();
        let kv: SharedKv =
            Arc::new(RwLock::new(KvConfig::load(keys.kv_config_path.as_ref().map(PathBuf::from))?));
        let started_at = clock.now();
        let keys: SharedKeys = Arc::new(RwLock::new(Arc::new(keys)));
        Ok(Namesrv {
            topic_route: TopicRouteHandler {
                routes: Arc::clone(&routes),
                kv: Arc::clone(&kv),
                keys: Arc::clone(&keys),
                local_broker: Arc::clone(&local_broker),
                clock: Arc::clone(&clock),
                started_at,
            },
            registration: RegistrationHandler {
                routes: Arc::clone(&routes),
                kv: Arc::clone(&kv),
                keys: Arc::clone(&keys),
                connections: BrokerConnections::default(),
                notifier,
                clock,
            },
            cluster: ClusterHandler { routes: Arc::clone(&routes), local_broker: Arc::clone(&local_broker) },
            local_broker,
            topic_list: TopicListHandler { routes, keys: Arc::clone(&keys) },
            kv: KvHandler { kv },
            config: ConfigHandler { keys: Arc::clone(&keys) },
            keys,
        })
    }

    /// Sets [`NamesrvConfig::local_broker`] where the address became known after the start: a broker of the same
    /// process with a free port. The first address stays.
    pub fn set_local_broker(&self, addr: String) {
        self.local_broker.get_or_init(|| addr);
    }

    /// The keys as they are now.
    pub fn keys(&self) -> Arc<NamesrvKeys> {
        Arc::clone(&read(&self.keys))
    }

    /// Removes the brokers that have been silent for too long, and closes their connections. To be called every
    /// `scanNotActiveBrokerInterval` milliseconds.
    pub fn expire_step(&self, now: Timestamp) {
        self.registration.expire_step(now);
    }

    fn answer(&self, caller: &Caller, request: &RemotingCommand) -> Answer {
        match request.request_code() {
            RequestCode::GET_ROUTEINFO_BY_TOPIC => self.topic_route.handle(caller, request),
            RequestCode::REGISTER_BROKER
            | RequestCode::UNREGISTER_BROKER
            | RequestCode::BROKER_HEARTBEAT
            | RequestCode::QUERY_DATA_VERSION
            | RequestCode::REGISTER_TOPIC_IN_NAMESRV
            | RequestCode::DELETE_TOPIC_IN_NAMESRV => self.registration.handle(caller, request),
            RequestCode::GET_BROKER_CLUSTER_INFO
            | RequestCode::GET_BROKER_MEMBER_GROUP
            | RequestCode::WIPE_WRITE_PERM_OF_BROKER
            | RequestCode::ADD_WRITE_PERM_OF_BROKER => self.cluster.handle(caller, request),
            RequestCode::GET_ALL_TOPIC_LIST_FROM_NAMESERVER
            | RequestCode::GET_TOPICS_BY_CLUSTER
            | RequestCode::GET_SYSTEM_TOPIC_LIST_FROM_NS
            | RequestCode::GET_UNIT_TOPIC_LIST
            | RequestCode::GET_HAS_UNIT_SUB_TOPIC_LIST
            | RequestCode::GET_HAS_UNIT_SUB_UNUNIT_TOPIC_LIST => self.topic_list.handle(request),
            RequestCode::PUT_KV_CONFIG
            | RequestCode::GET_KV_CONFIG
            | RequestCode::DELETE_KV_CONFIG
            | RequestCode::GET_KVLIST_BY_NAMESPACE => self.kv.handle(request),
            RequestCode::UPDATE_NAMESRV_CONFIG | RequestCode::GET_NAMESRV_CONFIG => {
                self.config.handle(request)
            }
            _ => Ok(request.reply_error(
                ResponseCode::REQUEST_CODE_NOT_SUPPORTED,
                format!(" request type {} not supported", request.code),
            )),
        }
    }
}

impl CommandService for Namesrv {
    fn call(&self, caller: &Caller, request: RemotingCommand) -> Reply {
        let answer = self.answer(caller, &request);
        Reply::Now(answer.unwrap_or_else(|refusal| request.reply_error(refusal.code, refusal.remark)))
    }

    fn disconnected(&self, caller: &Caller) {
        self.registration.disconnected(caller);
    }
}

/// Reads what is shared. A panic under a lock leaves the tables as usable as they were: every change of them is a
/// sequence of inserts and removals that later registrations repair.
pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// As [`read`], to change it.
pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(std::sync::PoisonError::into_inner)
}
