//! What clients ask: the route of a topic, the brokers of clusters, lists of topics.

use std::collections::{BTreeMap, BTreeSet};

use eruca_protocol::body::{BrokerData, ClusterInfo, QueueData, TopicRouteData};

use super::table::{BrokerGroup, MASTER_ID, PERM_WRITE, RouteTable, TopicQueues, live_key};

/// Bit of `topicSysFlag`: the topic belongs to a unit.
const FLAG_UNIT: i32 = 1;
/// Bit of `topicSysFlag`: the topic is subscribed to by units.
const FLAG_UNIT_SUB: i32 = 2;
/// Topics by which the members of a broker group keep in touch: always shown as they are.
const SYNC_MEMBER_PREFIX: &str = "rmq_sys_SYNC_BROKER_MEMBER_";

/// Which topics of units to list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitTopics {
    /// Those that belong to a unit.
    Unit,
    /// Those that units subscribe to.
    UnitSub,
    /// Those that units subscribe to without belonging to one.
    UnitSubOnly,
}

impl RouteTable {
    /// The route of a topic, without order configuration; `None` where no broker that has it is registered.
    ///
    /// With `show_acting_master` a group that lost its master and lets slaves act is shown with its smallest slave
    /// as master.
    pub fn route(&self, topic: &str, show_acting_master: bool) -> Option<TopicRouteData> {
        let on = self.topics.get(topic)?;
        let groups: Vec<_> = on
            .iter()
            .filter_map(|(name, queues)| self.groups.get(name.as_ref()).map(|group| (group, queues)))
            .collect();
        if groups.is_empty() {
            return None;
        }
        let show_acting_master = show_acting_master && !topic.starts_with(SYNC_MEMBER_PREFIX);
        let broker_datas = groups.iter().map(|(group, queues)| {
            let mut data = broker_data(group);
            if show_acting_master && group.enable_acting_master && queues.perm & PERM_WRITE == 0 {
                promote_smallest_slave(&mut data.broker_addrs);
            }
            data
        });
        Some(TopicRouteData {
            broker_datas: broker_datas.collect(),
            queue_datas: groups.iter().map(|(group, queues)| queue_data(&group.name, queues)).collect(),
            filter_server_table: self.filter_servers(groups.iter().map(|(group, _)| *group)),
            topic_queue_mapping_by_broker: self.mappings.get(topic).cloned(),
            ..TopicRouteData::default()
        })
    }

    fn filter_servers<'g>(
        &self,
        groups: impl Iterator<Item = &'g BrokerGroup>,
    ) -> BTreeMap<String, Vec<String>> {
        let addrs = groups.flat_map(|group| group.addrs.values().map(move |addr| (&group.cluster, addr)));
        let with_filters = addrs.filter_map(|(cluster, addr)| {
            let servers = &self.live.get(&live_key(cluster, addr))?.filter_servers;
            (!servers.is_empty()).then(|| (addr.clone(), servers.clone()))
        });
        with_filters.collect()
    }

    /// All broker groups and clusters.
    pub fn cluster_info(&self) -> ClusterInfo {
        ClusterInfo {
            broker_addr_table: self.groups.iter().map(|(n, group)| (n.clone(), broker_data(group))).collect(),
            cluster_addr_table: self
                .clusters
                .iter()
                .map(|(c, names)| (c.clone(), names.iter().cloned().collect()))
                .collect(),
        }
    }

    /// The members of a broker group: address by id.
    pub fn members(&self, broker_name: &str) -> BTreeMap<i64, String> {
        self.groups.get(broker_name).map(|group| group.addrs.clone()).unwrap_or_default()
    }

    /// All topics.
    pub fn topics(&self) -> BTreeSet<String> {
        self.topics.keys().map(|topic| String::from(topic.as_ref())).collect()
    }

    /// Topics that have queues in a cluster.
    pub fn topics_of_cluster(&self, cluster: &str) -> BTreeSet<String> {
        let Some(names) = self.clusters.get(cluster) else { return BTreeSet::new() };
        let here =
            self.topics.iter().filter(|(_, on)| on.iter().any(|(name, _)| names.contains(name.as_ref())));
        here.map(|(topic, _)| String::from(topic.as_ref())).collect()
    }

    /// Topics of units.
    pub fn unit_topics(&self, which: UnitTopics) -> BTreeSet<String> {
        let flags = |on: &[(_, TopicQueues)]| on.first().map_or(0, |(_, queues)| queues.topic_sys_flag);
        let wanted = |flags: i32| match which {
            UnitTopics::Unit => flags & FLAG_UNIT != 0,
            UnitTopics::UnitSub => flags & FLAG_UNIT_SUB != 0,
            UnitTopics::UnitSubOnly => flags & (FLAG_UNIT | FLAG_UNIT_SUB) == FLAG_UNIT_SUB,
        };
        let topics = self.topics.iter().filter(|(_, on)| wanted(flags(on)));
        topics.map(|(topic, _)| String::from(topic.as_ref())).collect()
    }

    /// Topics that every broker makes: those named as the clusters and broker groups; and the address of a broker
    /// that can be asked for more.
    pub fn system_topics(&self) -> (BTreeSet<String>, Option<String>) {
        let names = self.clusters.iter().flat_map(|(cluster, names)| std::iter::once(cluster).chain(names));
        let addr = self.groups.values().find_map(|group| group.addrs.values().next()).cloned();
        (names.cloned().collect(), addr)
    }
}

fn promote_smallest_slave(addrs: &mut BTreeMap<i64, String>) {
    if !addrs.contains_key(&MASTER_ID)
        && let Some((_, addr)) = addrs.pop_first()
    {
        addrs.insert(MASTER_ID, addr);
    }
}

fn broker_data(group: &BrokerGroup) -> BrokerData {
    BrokerData {
        cluster: group.cluster.clone(),
        broker_name: String::from(group.name.as_ref()),
        broker_addrs: group.addrs.clone(),
        zone_name: group.zone_name.clone(),
        enable_acting_master: group.enable_acting_master,
    }
}

fn queue_data(broker_name: &str, queues: &TopicQueues) -> QueueData {
    QueueData {
        broker_name: broker_name.to_owned(),
        read_queue_nums: queues.read_queue_nums,
        write_queue_nums: queues.write_queue_nums,
        perm: queues.perm,
        topic_sys_flag: queues.topic_sys_flag,
    }
}
