//! Brokers leave: they say so, their connection closes, or they fall silent.

use std::collections::BTreeSet;

use eruca_message::Timestamp;

use super::table::{
    BrokerIdentity, LiveKey, MASTER_ID, MinBrokerIdChange, PERM_WRITE, RouteTable, live_key, queues_on,
};
use crate::NamesrvKeys;

/// What a look for silent brokers found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expired {
    /// Who was removed.
    pub brokers: Vec<BrokerIdentity>,
    /// Their connections: to be closed.
    pub connection_ids: Vec<u64>,
    /// Whom to tell.
    pub notices: Vec<MinBrokerIdChange>,
}

impl RouteTable {
    /// Removes brokers, all in one pass over the topics. Returns whom to tell that their smallest id changed.
    pub fn unregister(&mut self, brokers: &[BrokerIdentity], keys: &NamesrvKeys) -> Vec<MinBrokerIdChange> {
        let mut removed = BTreeSet::new();
        let mut reduced = BTreeSet::new();
        let mut notices = Vec::new();
        for broker in brokers {
            self.live.remove(&live_key(&broker.cluster, &broker.broker_addr));
            let Some(group) = self.groups.get_mut(&broker.broker_name) else { continue };
            let was_minimum = group.addrs.keys().next() == Some(&broker.broker_id);
            group.addrs.retain(|_, addr| *addr != broker.broker_addr);
            match group.addrs.first_key_value() {
                None => {
                    removed.insert(broker.broker_name.clone());
                    self.remove_group(&broker.broker_name);
                }
                Some((id, addr)) => {
                    reduced.insert(broker.broker_name.clone());
                    if was_minimum && group.enable_acting_master && keys.notify_min_broker_id_changed {
                        notices.push(MinBrokerIdChange {
                            min_broker_id: *id,
                            min_broker_addr: addr.clone(),
                            offline_broker_addr: Some(broker.broker_addr.clone()),
                            ha_broker_addr: None,
                            members: group.addrs.values().cloned().collect(),
                        });
                    }
                }
            }
        }
        self.clean_topics(&removed, &reduced);
        notices
    }

    /// Removes the brokers that registered by this connection.
    pub fn disconnected(&mut self, connection_id: u64, keys: &NamesrvKeys) -> Expired {
        let gone = self.live.iter().filter(|(_, live)| live.connection_id == connection_id);
        let gone = gone.map(|(key, _)| key.clone()).collect();
        self.remove_live(gone, keys)
    }

    /// Removes the brokers that were silent for longer than they may.
    pub fn expire_step(&mut self, now: Timestamp, keys: &NamesrvKeys) -> Expired {
        let silent =
            self.live.iter().filter(|(_, live)| now.ms_since(live.last_update) > live.heartbeat_timeout_ms);
        let silent = silent.map(|(key, _)| key.clone()).collect();
        self.remove_live(silent, keys)
    }

    fn remove_live(&mut self, gone: Vec<LiveKey>, keys: &NamesrvKeys) -> Expired {
        let mut expired = Expired::default();
        for key in gone {
            expired.connection_ids.extend(self.live.remove(&key).map(|live| live.connection_id));
            expired.brokers.extend(self.identity_of(&key));
        }
        expired.notices = self.unregister(&expired.brokers, keys);
        expired
    }

    /// Name and id of the broker at an address; `None` where another address took its place.
    fn identity_of(&self, (cluster, broker_addr): &LiveKey) -> Option<BrokerIdentity> {
        self.groups.iter().filter(|(_, group)| group.cluster == *cluster).find_map(|(name, group)| {
            let (id, _) = group.addrs.iter().find(|(_, addr)| *addr == broker_addr)?;
            Some(BrokerIdentity {
                cluster: cluster.clone(),
                broker_name: name.clone(),
                broker_id: *id,
                broker_addr: broker_addr.clone(),
            })
        })
    }

    fn remove_group(&mut self, broker_name: &str) {
        self.groups.remove(broker_name);
        self.clusters.retain(|_, names| {
            names.remove(broker_name);
            !names.is_empty()
        });
    }

    /// Takes removed groups out of the topics, and the write permission where only slaves are left to act as master.
    fn clean_topics(&mut self, removed: &BTreeSet<String>, reduced: &BTreeSet<String>) {
        let without_master: Vec<&String> = reduced
            .iter()
            .filter(|name| {
                self.groups.get(*name).is_some_and(|group| {
                    group.enable_acting_master && group.addrs.keys().next().is_some_and(|id| *id > MASTER_ID)
                })
            })
            .collect();
        if removed.is_empty() && without_master.is_empty() {
            return;
        }
        self.topics.retain(|_, on| {
            on.retain(|(name, _)| !removed.contains(name.as_ref()));
            for name in &without_master {
                if let Some(queues) = queues_on(on, name) {
                    queues.perm &= !PERM_WRITE;
                }
            }
            !on.is_empty()
        });
        let topics = &self.topics;
        self.mappings.retain(|topic, by_broker| {
            by_broker.retain(|name, _| !removed.contains(name));
            !by_broker.is_empty() && topics.contains_key(topic.as_str())
        });
    }
}
