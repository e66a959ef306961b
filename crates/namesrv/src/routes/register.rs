//! A broker says who it is and which topics it has.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use eruca_message::Timestamp;
use eruca_protocol::body::{DataVersion, QueueData, TopicConfig, TopicQueueMappingInfo};

use super::table::{
    BrokerGroup, BrokerIdentity, LiveBroker, MASTER_ID, MAX_NAME_LEN_BYTES, MinBrokerIdChange, PERM_WRITE,
    RouteTable, TopicQueues, live_key, queues_on,
};
use crate::NamesrvKeys;

/// How long a broker that says nothing else may be silent, in milliseconds.
const DEFAULT_HEARTBEAT_TIMEOUT_MS: i64 = 120_000;

/// What a broker registers.
#[derive(Debug, Clone)]
pub struct Registration {
    /// Who it is.
    pub broker: BrokerIdentity,
    /// Its address for replication.
    pub ha_server_addr: String,
    /// Zone that it stands in.
    pub zone_name: Option<String>,
    /// How long it may be silent, in milliseconds; `None`: two minutes.
    pub heartbeat_timeout_ms: Option<i64>,
    /// Whether its smallest slave acts as master when the master is gone; `None`: a broker before 5.0.
    pub enable_acting_master: Option<bool>,
    /// Version of its topics.
    pub data_version: DataVersion,
    /// Its topics.
    pub topics: Vec<TopicConfig>,
    /// Its static topics.
    pub mappings: BTreeMap<String, TopicQueueMappingInfo>,
    /// Its filter servers (long gone from Java); `None` leaves them as they are.
    pub filter_servers: Option<Vec<String>>,
    /// The connection by which it registers.
    pub connection_id: u64,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registered {
    /// For a slave: address of its master.
    pub master_addr: Option<String>,
    /// For a slave: its master's address for replication.
    pub ha_server_addr: Option<String>,
    /// Whom to tell that the smallest id of the group changed.
    pub notice: Option<MinBrokerIdChange>,
    /// Topics with names that nobody could use, or beyond the limit: left out.
    pub skipped_topics: usize,
}

/// Why a registration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A name that cannot be one.
    #[error("{what} '{name}' must have 1 to 255 bytes and no control characters")]
    BadName {
        /// Which name.
        what: &'static str,
        /// The name, cut where it is very long.
        name: String,
    },
    /// One topic of a broker that has not registered all yet (Java's text).
    #[error("register broker failed")]
    SingleTopicBeforeAll,
    /// The limit of brokers is reached.
    #[error("{limit} brokers are registered, which is the limit of this name server")]
    TooManyBrokers {
        /// The limit.
        limit: usize,
    },
}

impl RouteTable {
    /// Registers a broker, or renews its registration.
    ///
    /// # Errors
    /// See [`Refused`]; nothing is changed then.
    pub fn register(
        &mut self,
        registration: Registration,
        keys: &NamesrvKeys,
        now: Timestamp,
    ) -> Result<Registered, Refused> {
        let Registration { broker, .. } = &registration;
        self.check(broker)?;
        let known_addr = self.groups.get(&broker.broker_name).and_then(|g| g.addrs.get(&broker.broker_id));
        if let Some(old) = known_addr.filter(|old| **old != broker.broker_addr)
            && self.state_version(&broker.cluster, old) > Some(registration.data_version.state_version)
        {
            // Another broker claims this id with newer state: the one who asks is a late comer from a former epoch.
            self.live.remove(&live_key(&broker.cluster, &broker.broker_addr));
            return Ok(Registered::default());
        }
        if known_addr.is_none() && registration.topics.len() == 1 {
            return Err(Refused::SingleTopicBeforeAll);
        }
        let joined = self.join_group(&registration);
        let skipped_topics = self.apply_topics(&registration, &joined, keys);
        let notice = (joined.is_new_minimum && keys.notify_min_broker_id_changed)
            .then(|| self.min_change_on_arrival(&registration))
            .flatten();
        self.set_live(&registration, now);
        let (master_addr, ha_server_addr) = self.master_for(&registration.broker).unzip();
        Ok(Registered { master_addr, ha_server_addr, notice, skipped_topics })
    }

    /// Adds a single topic's queues on brokers that are known; without effect where one of them is not.
    pub fn register_topic(&mut self, topic: &str, queue_datas: &[QueueData]) {
        let groups: Vec<_> = queue_datas.iter().map_while(|q| self.groups.get(&q.broker_name)).collect();
        if !is_name(topic) || groups.len() < queue_datas.len() {
            return;
        }
        let names: Vec<Arc<str>> = groups.iter().map(|group| Arc::clone(&group.name)).collect();
        for (name, queue_data) in names.iter().zip(queue_datas) {
            self.put_queues(topic, name, TopicQueues::from(queue_data));
        }
    }

    fn check(&self, broker: &BrokerIdentity) -> Result<(), Refused> {
        let names = [
            ("the cluster name", &broker.cluster),
            ("the broker name", &broker.broker_name),
            ("the broker address", &broker.broker_addr),
        ];
        if let Some((what, name)) = names.into_iter().find(|(_, name)| !is_name(name)) {
            return Err(Refused::BadName { what, name: name.chars().take(64).collect() });
        }
        let is_known = self.live.contains_key(&live_key(&broker.cluster, &broker.broker_addr));
        if !is_known && self.live.len() >= self.limits.brokers {
            return Err(Refused::TooManyBrokers { limit: self.limits.brokers });
        }
        Ok(())
    }

    fn state_version(&self, cluster: &str, broker_addr: &str) -> Option<i64> {
        self.live.get(&live_key(cluster, broker_addr)).map(|live| live.data_version.state_version)
    }

    /// Makes the broker a member of its group.
    fn join_group(&mut self, registration: &Registration) -> Joined {
        let broker = &registration.broker;
        let names = self.clusters.entry(broker.cluster.clone()).or_default();
        names.insert(broker.broker_name.clone());
        let group = self.groups.entry(broker.broker_name.clone()).or_insert_with(|| BrokerGroup {
            name: broker.broker_name.as_str().into(),
            cluster: broker.cluster.clone(),
            addrs: BTreeMap::new(),
            zone_name: None,
            enable_acting_master: false,
        });
        group.enable_acting_master = registration.enable_acting_master.unwrap_or(false);
        group.zone_name = registration.zone_name.clone();
        let is_new_minimum = group.addrs.keys().next().is_some_and(|min| broker.broker_id < *min);
        // A slave that became master comes with its old address and a new id: one address, one id.
        group.addrs.retain(|id, addr| *id == broker.broker_id || *addr != broker.broker_addr);
        let is_first = group.addrs.insert(broker.broker_id, broker.broker_addr.clone()).is_none();
        let is_minimum = group.addrs.keys().next() == Some(&broker.broker_id);
        let is_prime_slave =
            broker.broker_id != MASTER_ID && registration.enable_acting_master.is_some() && is_minimum;
        Joined { group_name: Arc::clone(&group.name), is_first, is_new_minimum, is_prime_slave }
    }

    /// Takes over the topics of a master, or of the slave that stands in for it. How many were left out.
    fn apply_topics(&mut self, registration: &Registration, joined: &Joined, keys: &NamesrvKeys) -> usize {
        let broker = &registration.broker;
        if broker.broker_id != MASTER_ID && !joined.is_prime_slave {
            return 0;
        }
        if keys.delete_topic_with_broker_registration && registration.mappings.is_empty() {
            self.drop_missing_topics(&broker.broker_name, &registration.topics);
        }
        let known = self.data_version(&broker.cluster, &broker.broker_addr);
        let is_changed = joined.is_first || known.as_ref() != Some(&registration.data_version);
        // The stand-in of a lost master only reads.
        let acts_as_master = joined.is_prime_slave && registration.enable_acting_master == Some(true);
        let mut skipped = 0;
        for topic in &registration.topics {
            let mut queues = TopicQueues::from(topic);
            if acts_as_master {
                queues.perm &= !PERM_WRITE;
            }
            let is_due = is_changed || !self.has_queues(&topic.topic_name, &broker.broker_name);
            if is_due
                && !(is_name(&topic.topic_name)
                    && self.put_queues(&topic.topic_name, &joined.group_name, queues))
            {
                skipped += 1;
            }
        }
        if is_changed {
            self.apply_mappings(&registration.mappings);
        }
        skipped
    }

    fn apply_mappings(&mut self, mappings: &BTreeMap<String, TopicQueueMappingInfo>) {
        for (topic, mapping) in mappings {
            // A mapping belongs to a topic: names that were left out above are left out here, too.
            if let Some(broker_name) =
                mapping.bname.clone().filter(|_| self.topics.contains_key(topic.as_str()))
            {
                self.mappings.entry(topic.clone()).or_default().insert(broker_name, mapping.clone());
            }
        }
    }

    fn has_queues(&mut self, topic: &str, broker_name: &str) -> bool {
        self.topics.get_mut(topic).is_some_and(|on| queues_on(on, broker_name).is_some())
    }

    fn drop_missing_topics(&mut self, broker_name: &str, topics: &[TopicConfig]) {
        let kept: HashSet<&str> = topics.iter().map(|topic| topic.topic_name.as_str()).collect();
        self.topics.retain(|topic, on| {
            if !kept.contains(topic.as_ref()) {
                on.retain(|(name, _)| name.as_ref() != broker_name);
            }
            !on.is_empty()
        });
    }

    fn set_live(&mut self, registration: &Registration, now: Timestamp) {
        let broker = &registration.broker;
        let key = live_key(&broker.cluster, &broker.broker_addr);
        let known_filters = self.live.remove(&key).map(|live| live.filter_servers).unwrap_or_default();
        let timeout_ms = registration.heartbeat_timeout_ms.filter(|timeout_ms| *timeout_ms > 0);
        let live = LiveBroker {
            last_update: now,
            heartbeat_timeout_ms: timeout_ms.unwrap_or(DEFAULT_HEARTBEAT_TIMEOUT_MS),
            data_version: registration.data_version,
            connection_id: registration.connection_id,
            ha_server_addr: registration.ha_server_addr.clone(),
            filter_servers: registration.filter_servers.clone().unwrap_or(known_filters),
        };
        self.live.insert(key, live);
    }

    /// Address, and address for replication, of a slave's master.
    fn master_for(&self, broker: &BrokerIdentity) -> Option<(String, String)> {
        if broker.broker_id == MASTER_ID {
            return None;
        }
        let master_addr = self.groups.get(&broker.broker_name)?.addrs.get(&MASTER_ID)?;
        let live = self.live.get(&live_key(&broker.cluster, master_addr))?;
        Some((master_addr.clone(), live.ha_server_addr.clone()))
    }

    fn min_change_on_arrival(&self, registration: &Registration) -> Option<MinBrokerIdChange> {
        let group = self.groups.get(&registration.broker.broker_name)?;
        let (min_broker_id, min_broker_addr) = group.addrs.first_key_value()?;
        let others = group.addrs.iter().filter(|(id, _)| *id != min_broker_id || group.addrs.len() == 1);
        Some(MinBrokerIdChange {
            min_broker_id: *min_broker_id,
            min_broker_addr: min_broker_addr.clone(),
            offline_broker_addr: None,
            ha_broker_addr: Some(registration.ha_server_addr.clone()),
            members: others.map(|(_, addr)| addr.clone()).collect(),
        })
    }
}

/// How a broker stands in its group after it registered.
struct Joined {
    group_name: Arc<str>,
    /// Whether its id is new there.
    is_first: bool,
    is_new_minimum: bool,
    /// Whether it is the slave that stands in for a missing master.
    is_prime_slave: bool,
}

/// Whether `name` can stand in the table: garbage must not.
fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.len() <= MAX_NAME_LEN_BYTES && !name.chars().any(char::is_control)
}

impl From<&TopicConfig> for TopicQueues {
    fn from(topic: &TopicConfig) -> Self {
        TopicQueues {
            read_queue_nums: topic.read_queue_nums,
            write_queue_nums: topic.write_queue_nums,
            perm: topic.perm,
            topic_sys_flag: topic.topic_sys_flag,
        }
    }
}

impl From<&QueueData> for TopicQueues {
    fn from(queue_data: &QueueData) -> Self {
        TopicQueues {
            read_queue_nums: queue_data.read_queue_nums,
            write_queue_nums: queue_data.write_queue_nums,
            perm: queue_data.perm,
            topic_sys_flag: queue_data.topic_sys_flag,
        }
    }
}
