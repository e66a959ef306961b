//! What is known of brokers and topics, and the small questions on it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use eruca_message::Timestamp;
use eruca_protocol::body::{DataVersion, TopicQueueMappingInfo};

/// Longest name of a broker, cluster or topic, and longest address, in bytes. Topic names may have more characters
/// than users may give them: brokers register a topic named as themselves, often a host name.
pub(super) const MAX_NAME_LEN_BYTES: usize = 255;

/// Id of the master in its broker group.
pub const MASTER_ID: i64 = 0;

/// A broker: its names, its number in its group, and its address for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerIdentity {
    /// Name of its cluster.
    pub cluster: String,
    /// Name of its group: a master and its slaves.
    pub broker_name: String,
    /// Number in the group; [`MASTER_ID`] is the master.
    pub broker_id: i64,
    /// `host:port` for clients.
    pub broker_addr: String,
}

/// The queues of a topic on one broker group (Java: `QueueData`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicQueues {
    /// Number of queues that are read.
    pub read_queue_nums: i32,
    /// Number of queues that are written.
    pub write_queue_nums: i32,
    /// Bits: 4 read, 2 write, 1 inherit.
    pub perm: i32,
    /// Bits: 1 unit, 2 unit subscription.
    pub topic_sys_flag: i32,
}

/// The smallest broker id of a group changed: these members are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinBrokerIdChange {
    /// The smallest id now.
    pub min_broker_id: i64,
    /// Its address.
    pub min_broker_addr: String,
    /// The broker that left, if one did.
    pub offline_broker_addr: Option<String>,
    /// Address for replication of the broker that came, if one did.
    pub ha_broker_addr: Option<String>,
    /// Addresses of the members.
    pub members: Vec<String>,
}

/// A broker group (Java: `BrokerData`).
#[derive(Debug, Clone)]
pub(super) struct BrokerGroup {
    pub(super) name: Arc<str>,
    pub(super) cluster: String,
    pub(super) addrs: BTreeMap<i64, String>,
    pub(super) zone_name: Option<String>,
    pub(super) enable_acting_master: bool,
}

/// A broker that is believed to be alive (Java: `BrokerLiveInfo`).
#[derive(Debug)]
pub(super) struct LiveBroker {
    pub(super) last_update: Timestamp,
    pub(super) heartbeat_timeout_ms: i64,
    pub(super) data_version: DataVersion,
    pub(super) connection_id: u64,
    pub(super) ha_server_addr: String,
    pub(super) filter_servers: Vec<String>,
}

/// Cluster and address: the key by which a broker is known to be alive.
pub(super) type LiveKey = (String, String);

/// Brokers, clusters and topics (Java: `RouteInfoManager`).
#[derive(Debug)]
pub struct RouteTable {
    pub(super) groups: BTreeMap<String, BrokerGroup>,
    pub(super) clusters: BTreeMap<String, BTreeSet<String>>,
    pub(super) live: HashMap<LiveKey, LiveBroker>,
    /// Per topic its broker groups, sorted by name; a vector, because most topics have one to a few.
    pub(super) topics: HashMap<Box<str>, Vec<(Arc<str>, TopicQueues)>>,
    pub(super) mappings: HashMap<String, BTreeMap<String, TopicQueueMappingInfo>>,
    pub(super) limits: RouteLimits,
}

/// How much may be registered; more is refused, visibly.
#[derive(Debug, Clone, Copy)]
pub struct RouteLimits {
    /// Brokers that are alive.
    pub brokers: usize,
    /// Topics.
    pub topics: usize,
}

impl Default for RouteLimits {
    fn default() -> Self {
        // About 150 bytes a topic: a gigabyte at most.
        RouteLimits { brokers: 10_000, topics: 5_000_000 }
    }
}

impl Default for RouteTable {
    fn default() -> Self {
        RouteTable::new(RouteLimits::default())
    }
}

impl RouteTable {
    /// No brokers, no topics.
    pub fn new(limits: RouteLimits) -> Self {
        RouteTable {
            groups: BTreeMap::new(),
            clusters: BTreeMap::new(),
            live: HashMap::new(),
            topics: HashMap::new(),
            mappings: HashMap::new(),
            limits,
        }
    }

    /// Which version of its topics the broker at `broker_addr` registered.
    pub fn data_version(&self, cluster: &str, broker_addr: &str) -> Option<DataVersion> {
        self.live.get(&live_key(cluster, broker_addr)).map(|live| live.data_version)
    }

    /// A sign of life of the broker at `broker_addr`; without effect where it has not registered.
    pub fn heartbeat(&mut self, cluster: &str, broker_addr: &str, now: Timestamp) {
        if let Some(live) = self.live.get_mut(&live_key(cluster, broker_addr)) {
            live.last_update = now;
        }
    }

    /// Takes the write permission from all queues of a broker group; how many topics have queues there.
    pub fn wipe_write_perm(&mut self, broker_name: &str) -> usize {
        self.update_perms(broker_name, |perm| perm & !PERM_WRITE)
    }

    /// Gives read and write permission to all queues of a broker group; how many topics have queues there.
    pub fn add_write_perm(&mut self, broker_name: &str) -> usize {
        self.update_perms(broker_name, |_| PERM_READ | PERM_WRITE)
    }

    fn update_perms(&mut self, broker_name: &str, new_perm: impl Fn(i32) -> i32) -> usize {
        let queues = self.topics.values_mut().filter_map(|on| queues_on(on, broker_name));
        queues.map(|queues| queues.perm = new_perm(queues.perm)).count()
    }

    /// Sets a topic's queues on a broker group; `false` where the number of topics is used up.
    pub(super) fn put_queues(&mut self, topic: &str, broker_name: &Arc<str>, queues: TopicQueues) -> bool {
        if let Some(on) = self.topics.get_mut(topic) {
            match on.binary_search_by(|(name, _)| name.as_ref().cmp(broker_name)) {
                Ok(at) => on[at].1 = queues,
                Err(at) => on.insert(at, (Arc::clone(broker_name), queues)),
            }
            return true;
        }
        if self.topics.len() >= self.limits.topics {
            return false;
        }
        self.topics.insert(topic.into(), vec![(Arc::clone(broker_name), queues)]);
        true
    }

    /// Deletes a topic: everywhere, or on the brokers of `cluster`.
    pub fn delete_topic(&mut self, topic: &str, cluster: Option<&str>) {
        let Some(cluster) = cluster else {
            self.topics.remove(topic);
            self.mappings.remove(topic);
            return;
        };
        let Some(names) = self.clusters.get(cluster) else { return };
        if let Some(on) = self.topics.get_mut(topic) {
            on.retain(|(name, _)| !names.contains(name.as_ref()));
            if on.is_empty() {
                self.topics.remove(topic);
            }
        }
        if let Some(mappings) = self.mappings.get_mut(topic) {
            mappings.retain(|name, _| !names.contains(name));
        }
    }
}

pub(super) const PERM_READ: i32 = 4;
pub(super) const PERM_WRITE: i32 = 2;

pub(super) fn live_key(cluster: &str, broker_addr: &str) -> LiveKey {
    (cluster.to_owned(), broker_addr.to_owned())
}

/// The queues of a topic on `broker_name`.
pub(super) fn queues_on<'t>(
    on: &'t mut [(Arc<str>, TopicQueues)],
    broker_name: &str,
) -> Option<&'t mut TopicQueues> {
    let at = on.binary_search_by(|(name, _)| name.as_ref().cmp(broker_name)).ok()?;
    on.get_mut(at).map(|(_, queues)| queues)
}
