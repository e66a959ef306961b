//! What a controller can be told: Java's keys.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use eruca_config::{Loaded, Properties, ValueErrors};

use crate::raft::{Peers, PeersError, RaftTimes};

eruca_config::choice! {
    /// Which keys name the members of the Raft group.
    pub enum ControllerType = "DLedger or jRaft" {
        /// `controllerDLegerGroup`, `controllerDLegerPeers`, `controllerDLegerSelfId`.
        DLedger = "DLedger",
        /// `jRaftGroupId`, `jRaftInitConf`, `jRaftServerId`, `jRaftControllerRPCAddr`.
        JRaft = "jRaft",
    }
}

eruca_config::keys! {
    /// Keys of a controller (Java: `ControllerConfig`, `JraftConfig`, and of `NettyServerConfig` what matters).
    pub struct ControllerKeys of eruca_config::java::CONTROLLER {
        /// Address to listen on; the port is that of this member's own address among the members.
        bind_address: String = "bindAddress", "0.0.0.0".to_owned();
        /// Seconds without traffic after which a connection is closed.
        server_channel_max_idle_time_seconds: u32 = "serverChannelMaxIdleTimeSeconds", 120, [1..=86_400];
        /// Which keys name the members: DLedger or jRaft. The protocol between them is Eruca's in both cases.
        controller_type: ControllerType = "controllerType", ControllerType::DLedger;
        /// Name of the group of controllers.
        controller_dleger_group: Option<String> = "controllerDLegerGroup", None;
        /// All controllers, `n0-host:port;n1-host:port`.
        controller_dleger_peers: Option<String> = "controllerDLegerPeers", None;
        /// Which of them this one is: `n0`.
        controller_dleger_self_id: Option<String> = "controllerDLegerSelfId", None;
        /// Name of the group with controllerType=jRaft.
        j_raft_group_id: String = "jRaftGroupId", "jRaft-Controller".to_owned();
        /// All controllers with controllerType=jRaft, `host:port,host:port`.
        j_raft_init_conf: Option<String> = "jRaftInitConf", None;
        /// Which of them this one is.
        j_raft_server_id: Option<String> = "jRaftServerId", None;
        /// Where each of them serves brokers, in the same order.
        j_raft_controller_rpc_addr: Option<String> = "jRaftControllerRPCAddr", None;
        /// Milliseconds without a sign of life of the leading controller after which another one wants to lead.
        j_raft_election_timeout_ms: u64 = "jRaftElectionTimeoutMs", 1_000, [100..=60_000];
        /// Directory of the controllers' log; a directory for each member is made in it.
        controller_store_path: Option<String> = "controllerStorePath", None;
        /// File that remote changes of these keys are written to; empty: they last until the next start.
        config_store_path: Option<String> = "configStorePath", None;
        /// Milliseconds between two looks for brokers whose heartbeats stopped.
        scan_not_active_broker_interval: u64 = "scanNotActiveBrokerInterval", 5_000, [100..=600_000], live;
        /// Milliseconds between two looks for groups without a master.
        scan_inactive_master_interval: u64 = "scanInactiveMasterInterval", 5_000, [100..=600_000], live;
        /// Whether a broker that lacks messages may become master when no other one is left: messages are lost then.
        enable_elect_unclean_master: bool = "enableElectUncleanMaster", false, live;
        /// Whether brokers are told of a new master at once; otherwise they ask every few seconds.
        notify_broker_role_changed: bool = "notifyBrokerRoleChanged", true, live;
        /// Keys that cannot be changed remotely, separated by ';'.
        config_black_list: String = "configBlackList", "configBlackList;configStorePath".to_owned();
    }
}

/// Configuration of a controller.
#[derive(Debug, Clone, PartialEq)]
pub struct ControllerConfig {
    /// The keys of its file.
    pub keys: ControllerKeys,
    /// The members of its group.
    pub peers: Peers,
    /// Where its log lies.
    pub dir: PathBuf,
}

/// Why keys are no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Values that their keys do not take.
    #[error(transparent)]
    Values(#[from] ValueErrors),
    /// The members cannot be read.
    #[error(transparent)]
    Peers(#[from] PeersError),
}

impl ControllerConfig {
    /// Reads the keys of a file; what no path of it names lies in `home`, under Java's names.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_properties(
        properties: &Properties,
        home: &Path,
    ) -> Result<Loaded<ControllerConfig>, ConfigError> {
        let Loaded { mut keys, notices } = ControllerKeys::from_properties(properties)?;
        let path = |text: PathBuf| Some(text.to_string_lossy().into_owned());
        keys.config_store_path =
            keys.config_store_path.or_else(|| path(home.join("controller").join("controller.properties")));
        let peers = keys.peers()?;
        let store = keys.controller_store_path.clone().filter(|text| !text.is_empty());
        let store = store.map_or_else(|| home.join("DledgerController"), PathBuf::from);
        let dir = store.join(format!("eruca-{}", file_name(&peers.me().name)));
        Ok(Loaded { keys: ControllerConfig { keys, peers, dir }, notices })
    }
}

impl ControllerKeys {
    fn peers(&self) -> Result<Peers, PeersError> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        match self.controller_type {
            ControllerType::DLedger => Peers::of_dledger(
                &text(&self.controller_dleger_group),
                &text(&self.controller_dleger_peers),
                &text(&self.controller_dleger_self_id),
            ),
            ControllerType::JRaft => Peers::of_jraft(
                &self.j_raft_group_id,
                self.j_raft_init_conf.as_deref().unwrap_or("localhost:9880,localhost:9881,localhost:9882"),
                self.j_raft_server_id.as_deref().unwrap_or("localhost:9880"),
                self.j_raft_controller_rpc_addr
                    .as_deref()
                    .unwrap_or("localhost:9770,localhost:9771,localhost:9772"),
            ),
        }
    }

    /// How soon members of the group act.
    pub fn raft_times(&self) -> RaftTimes {
        let election = Duration::from_millis(self.j_raft_election_timeout_ms);
        RaftTimes { heartbeat: election / 5, election }
    }
}

/// A member's name as part of a path.
fn file_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Loaded<ControllerConfig>, ConfigError> {
        ControllerConfig::from_properties(&Properties::parse(text).expect("properties"), Path::new("/h"))
    }

    #[test]
    fn javas_file_is_read() {
        let text = "controllerDLegerGroup = group1\ncontrollerDLegerPeers = n0-127.0.0.1:9878;n1-127.0.0.1:9868\n\
                    controllerDLegerSelfId = n1\ncontrollerStorePath = /s\nmappedFileSize=1024\n";
        let loaded = load(text).expect("a configuration");
        assert_eq!(loaded.keys.peers.me().addr, "127.0.0.1:9868");
        assert_eq!(loaded.keys.dir, Path::new("/s/eruca-n1"));
        assert!(loaded.notices.iter().all(|notice| !notice.is_warning()), "{:?}", loaded.notices);
        let j_raft = "controllerType = jRaft\njRaftServerId = localhost:9881\n";
        let loaded = load(j_raft).expect("a configuration");
        assert_eq!(loaded.keys.peers.me().addr, "localhost:9771");
        assert_eq!(loaded.keys.dir, Path::new("/h/DledgerController/eruca-localhost_9881"));
    }

    #[test]
    fn what_is_missing_is_told_with_an_example() {
        let error = load("").expect_err("no members").to_string();
        assert!(error.contains("controllerDLegerPeers=n0-127.0.0.1:9878"), "{error}");
    }
}
