//! What a command is answered, before it becomes a header and a body.

use std::collections::{BTreeMap, BTreeSet};

use eruca_protocol::{
    ResponseCode,
    body::{SyncStateSet, to_json},
};
use serde::{Deserialize, Serialize};

/// The answer to a command. Which parts are there depends on the command.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Response code.
    pub code: i32,
    /// Text for people.
    pub remark: Option<String>,
    /// The master, where there is one.
    pub master: Option<Master>,
    /// The in-sync set.
    pub sync_state_set: Option<SyncStateSetView>,
    /// Address of each broker of the group by id, where a master was elected.
    pub members: BTreeMap<i64, String>,
    /// Cluster of the group, where a master was elected.
    pub cluster: String,
}

/// A master and its epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Master {
    /// Its id.
    pub broker_id: i64,
    /// Where it listens.
    pub address: String,
    /// Number of the election that made it master.
    pub epoch: i32,
}

/// Brokers that have all that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStateSetView {
    /// Their ids.
    pub ids: BTreeSet<i64>,
    /// Number of the last change of the set.
    pub epoch: i32,
}

impl SyncStateSetView {
    /// As brokers are told of it: `SyncStateSet` JSON.
    pub fn to_body(&self) -> Vec<u8> {
        to_json(&SyncStateSet { sync_state_set: self.ids.clone(), sync_state_set_epoch: self.epoch })
    }
}

impl Answer {
    /// Done, with nothing to tell.
    pub fn ok() -> Answer {
        Answer::default()
    }

    /// Not done.
    pub fn refused(code: ResponseCode, remark: impl Into<String>) -> Answer {
        Answer { code: code.0, remark: Some(remark.into()), ..Answer::default() }
    }

    /// Whether it was done.
    pub fn is_ok(&self) -> bool {
        self.code == ResponseCode::SUCCESS.0
    }
}
