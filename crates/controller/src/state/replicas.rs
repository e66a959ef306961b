//! All groups, and how they change.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answer, Command, Group, Replica, decide};

/// Groups that a controller keeps.
pub const GROUPS_MAX: usize = 10_000;
/// Brokers of one group.
pub const REPLICAS_MAX: usize = 100;

/// The state that the Raft group keeps.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replicas {
    groups: BTreeMap<String, Group>,
}

/// What a command changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    /// Another in-sync set.
    SyncStateSet(BTreeSet<i64>),
    /// Another master, which is alone in sync.
    Master(i64),
    /// The master is gone and nobody takes its place; the set stays, so that one of it can.
    NoMaster,
    /// One more broker; with the first one the group comes to be.
    NewReplica { cluster: String, id: i64, replica: Replica },
    /// A broker listens elsewhere.
    Address { id: i64, address: String },
    /// Brokers are removed.
    Remove(BTreeSet<i64>),
    /// The group is removed.
    RemoveGroup,
}

impl Replicas {
    /// The group of this name.
    pub fn group(&self, broker_name: &str) -> Option<&Group> {
        self.groups.get(broker_name)
    }

    /// All groups by name.
    pub fn groups(&self) -> impl Iterator<Item = (&str, &Group)> {
        self.groups.iter().map(|(name, group)| (name.as_str(), group))
    }

    pub(super) fn len(&self) -> usize {
        self.groups.len()
    }

    /// The id that the next new broker of the group gets.
    pub fn next_broker_id(&self, broker_name: &str) -> i64 {
        self.group(broker_name).map_or(super::group::FIRST_BROKER_ID, |group| group.next_broker_id)
    }

    /// What the command would be answered, where it changes nothing; `None`: it has to go through the log.
    pub fn answer_unchanged(&self, command: &Command) -> Option<Answer> {
        let (answer, change) = decide::decide(self, command);
        change.is_none().then_some(answer)
    }

    /// Carries the command out.
    pub fn apply(&mut self, command: &Command) -> Answer {
        let (answer, change) = decide::decide(self, command);
        if let Some(change) = change {
            self.change(command.broker_name(), change);
        }
        answer
    }

    fn change(&mut self, broker_name: &str, change: Change) {
        if let Change::NewReplica { cluster, id, replica } = change {
            let group = self.groups.entry(broker_name.to_owned()).or_insert_with(|| Group::new(&cluster));
            group.replicas.insert(id, replica);
            group.next_broker_id = group.next_broker_id.max(id.saturating_add(1));
            return;
        }
        if change == Change::RemoveGroup {
            self.groups.remove(broker_name);
            return;
        }
        // `decide` names only groups that exist.
        let Some(group) = self.groups.get_mut(broker_name) else { return };
        match change {
            Change::SyncStateSet(ids) => group.set_sync_state_set(ids),
            Change::Master(id) => {
                group.set_master(Some(id));
                group.set_sync_state_set(BTreeSet::from([id]));
            }
            Change::NoMaster => group.set_master(None),
            Change::Address { id, address } => {
                if let Some(replica) = group.replicas.get_mut(&id) {
                    replica.address = address;
                }
            }
            Change::Remove(ids) => {
                group.replicas.retain(|id, _| !ids.contains(id));
                if group.master.is_some_and(|master| ids.contains(&master)) {
                    group.set_master(None);
                }
                let left: BTreeSet<i64> = group.sync_state_set.difference(&ids).copied().collect();
                if left != group.sync_state_set {
                    group.set_sync_state_set(left);
                }
            }
            Change::NewReplica { .. } | Change::RemoveGroup => {}
        }
    }
}
