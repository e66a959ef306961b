//! What brokers and controllers tell each other of masters and in-sync sets.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::BrokerMemberGroup;

/// Brokers that have all that was acknowledged (Java: `SyncStateSet`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SyncStateSet {
    /// Their controller ids.
    pub sync_state_set: BTreeSet<i64>,
    /// Number of the last change.
    pub sync_state_set_epoch: i32,
}

/// Answer of `CONTROLLER_ELECT_MASTER` (Java: `ElectMasterResponseBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ElectMasterResponseBody {
    /// All brokers of the group, where a new master was elected.
    pub broker_member_group: Option<BrokerMemberGroup>,
    /// The in-sync set.
    pub sync_state_set: BTreeSet<i64>,
}

/// Answer of `CONTROLLER_GET_SYNC_STATE_DATA` (Java: `BrokerReplicasInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BrokerReplicasInfo {
    /// Groups by broker name.
    pub replicas_info_table: BTreeMap<String, ReplicasInfo>,
}

/// One group (Java: `BrokerReplicasInfo.ReplicasInfo`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicasInfo {
    /// Id of the master, where there is one.
    pub master_broker_id: Option<i64>,
    /// Address of the master.
    pub master_address: Option<String>,
    /// Number of elections.
    pub master_epoch: i32,
    /// Number of changes of the set.
    pub sync_state_set_epoch: i32,
    /// Brokers in the set.
    pub in_sync_replicas: Vec<ReplicaIdentity>,
    /// The others.
    pub not_in_sync_replicas: Vec<ReplicaIdentity>,
}

/// One broker (Java: `BrokerReplicasInfo.ReplicaIdentity`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaIdentity {
    /// Name of the group.
    pub broker_name: String,
    /// Its controller id.
    pub broker_id: i64,
    /// Where it listens.
    pub broker_address: String,
    /// Whether its heartbeats come.
    pub alive: Option<bool>,
}

/// Answer of `GET_BROKER_EPOCH_CACHE` (Java: `EpochEntryCache`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EpochEntryCache {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Name of the group.
    pub broker_name: String,
    /// The broker's id; 0 for the master.
    pub broker_id: i64,
    /// Who wrote its log, oldest first.
    pub epoch_list: Vec<EpochEntry>,
    /// Where its log ends.
    pub max_offset: i64,
}

/// One master's part of a log (Java: `EpochEntry`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EpochEntry {
    /// Number of the master's election.
    pub epoch: i32,
    /// Offset of its first byte.
    pub start_offset: i64,
    /// Where the next one's begins; `i64::MAX` for the last one.
    pub end_offset: i64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{from_json, to_json};

    #[test]
    fn bodies_have_javas_names() {
        let set = SyncStateSet { sync_state_set: BTreeSet::from([1, 2]), sync_state_set_epoch: 7 };
        let text = to_json(&set);
        assert_eq!(text, br#"{"syncStateSet":[1,2],"syncStateSetEpoch":7}"#);
        assert_eq!(from_json::<SyncStateSet>(&text), Ok(set));
        let elected = ElectMasterResponseBody {
            broker_member_group: Some(BrokerMemberGroup {
                broker_addrs: BTreeMap::from([(1, "h:1".to_owned())]),
                broker_name: "a".to_owned(),
                cluster: "c".to_owned(),
            }),
            sync_state_set: BTreeSet::from([1]),
        };
        let expected =
            br#"{"brokerMemberGroup":{"brokerAddrs":{1:"h:1"},"brokerName":"a","cluster":"c"},"syncStateSet":[1]}"#;
        assert_eq!(to_json(&elected), expected);
    }
}
