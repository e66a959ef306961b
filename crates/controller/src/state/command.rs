//! What the log of the Raft group holds: requests together with what the leader knew when it wrote them.
//!
//! Liveness is part of a command, so that every member comes to the same answer.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A request that may change the state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// A master says who is in sync.
    AlterSyncStateSet {
        /// The group.
        broker_name: String,
        /// Who says so.
        master_broker_id: i64,
        /// Its epoch.
        master_epoch: i32,
        /// The new set.
        ids: BTreeSet<i64>,
        /// The epoch of the set that it replaces.
        sync_state_set_epoch: i32,
        /// Who is alive.
        liveness: Liveness,
    },
    /// A master is wanted.
    ElectMaster {
        /// The group.
        broker_name: String,
        /// The broker that asks; `None`: the controller, because the master is gone.
        broker_id: Option<i64>,
        /// Whether that broker and no other is to become master.
        designate: bool,
        /// Whether a broker that is not in sync may become master (`enableElectUncleanMaster`).
        unclean: bool,
        /// Who is alive.
        liveness: Liveness,
    },
    /// A new broker wants this id.
    ApplyBrokerId {
        /// The cluster.
        cluster: String,
        /// The group.
        broker_name: String,
        /// The id.
        broker_id: i64,
        /// `address;time`, by which the broker proves that an id which is taken was given to it.
        register_check_code: String,
    },
    /// A broker with an id is there.
    RegisterBroker {
        /// The group.
        broker_name: String,
        /// Its id.
        broker_id: i64,
        /// Where it listens.
        broker_address: String,
        /// Who is alive.
        liveness: Liveness,
    },
    /// An administrator removes brokers.
    CleanBrokerData {
        /// The group.
        broker_name: String,
        /// Who is removed; `None`: the whole group.
        ids: Option<BTreeSet<i64>>,
        /// Whether brokers that are alive may be removed.
        clean_living: bool,
        /// Who is alive.
        liveness: Liveness,
    },
}

impl Command {
    /// The group that the command is about.
    pub fn broker_name(&self) -> &str {
        match self {
            Command::AlterSyncStateSet { broker_name, .. }
            | Command::ElectMaster { broker_name, .. }
            | Command::ApplyBrokerId { broker_name, .. }
            | Command::RegisterBroker { broker_name, .. }
            | Command::CleanBrokerData { broker_name, .. } => broker_name,
        }
    }
}

/// What the leader knows of the brokers of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// Brokers whose heartbeats come.
    pub alive: BTreeMap<i64, Candidate>,
    /// The leader has not listened long enough to call those dead of whom it never heard.
    pub is_settling: bool,
    /// Brokers of which it heard while it settles, and which are gone since.
    pub gone: BTreeSet<i64>,
}

impl Liveness {
    /// Whether heartbeats of the broker come.
    pub fn is_alive(&self, broker_id: i64) -> bool {
        self.alive.contains_key(&broker_id)
    }

    /// Whether the leader cannot know whether the broker is alive.
    pub fn is_unheard(&self, broker_id: i64) -> bool {
        self.is_settling && !self.is_alive(broker_id) && !self.gone.contains(&broker_id)
    }
}

/// What counts in an election, from a broker's last heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// Epoch of the last record of its log; -1: it did not say.
    pub epoch: i32,
    /// Where its log ends; -1: it did not say.
    pub max_offset: i64,
    /// `brokerElectionPriority`: the smaller, the sooner.
    pub priority: i32,
}
