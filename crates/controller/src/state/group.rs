//! The brokers of one name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Liveness, Master, SyncStateSetView, elect::elect};

/// The id of the first broker of a group. 0 stands for the master towards name servers and clients.
pub(crate) const FIRST_BROKER_ID: i64 = 1;

/// One broker of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replica {
    /// Where it listens.
    pub address: String,
    /// What it applied with for its id.
    pub register_check_code: String,
}

/// A group of brokers of which at most one is master.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its cluster.
    pub cluster: String,
    /// The id that the next new broker gets. It only grows while the group exists.
    pub next_broker_id: i64,
    /// Its brokers by id.
    pub replicas: BTreeMap<i64, Replica>,
    /// Who is master.
    pub master: Option<i64>,
    /// Number of elections.
    pub master_epoch: i32,
    /// Who has all that was acknowledged; the master is in it.
    pub sync_state_set: BTreeSet<i64>,
    /// Number of changes of the set.
    pub sync_state_set_epoch: i32,
}

impl Group {
    pub(super) fn new(cluster: &str) -> Group {
        Group {
            cluster: cluster.to_owned(),
            next_broker_id: FIRST_BROKER_ID,
            replicas: BTreeMap::new(),
            master: None,
            master_epoch: 0,
            sync_state_set: BTreeSet::new(),
            sync_state_set_epoch: 0,
        }
    }

    /// The master with its address.
    pub fn master(&self) -> Option<Master> {
        let broker_id = self.master?;
        let address = self.replicas.get(&broker_id)?.address.clone();
        Some(Master { broker_id, address, epoch: self.master_epoch })
    }

    /// The in-sync set with its epoch.
    pub fn sync_state_set(&self) -> SyncStateSetView {
        SyncStateSetView { ids: self.sync_state_set.clone(), epoch: self.sync_state_set_epoch }
    }

    /// Addresses by id.
    pub fn members(&self) -> BTreeMap<i64, String> {
        self.replicas.iter().map(|(id, replica)| (*id, replica.address.clone())).collect()
    }

    /// Whether the controller should elect by itself: the master is dead, or there is none although there could be.
    pub fn wants_election(&self, liveness: &Liveness, unclean: bool) -> bool {
        let is_formed = self.master_epoch > 0;
        match self.master {
            Some(master) => !liveness.is_alive(master) && !liveness.is_unheard(master),
            None => is_formed && elect(self, liveness, None, unclean).is_some(),
        }
    }

    /// Whether a broker would be elected where it is named.
    pub fn can_elect(&self, broker_id: i64, liveness: &Liveness, unclean: bool) -> bool {
        elect(self, liveness, Some(broker_id), unclean).is_some()
    }

    pub(super) fn set_master(&mut self, master: Option<i64>) {
        self.master = master;
        self.master_epoch = self.master_epoch.saturating_add(1);
    }

    pub(super) fn set_sync_state_set(&mut self, ids: BTreeSet<i64>) {
        self.sync_state_set = ids;
        self.sync_state_set_epoch = self.sync_state_set_epoch.saturating_add(1);
    }
}
