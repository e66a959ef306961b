//! What a name server can be told: Java's keys, and what only `eruca up` sets.

use std::path::Path;

use eruca_config::{Loaded, Properties, ValueErrors};

eruca_config::keys! {
    /// Keys of a name server (Java: `NamesrvConfig`, and of `NettyServerConfig` what matters).
    pub struct NamesrvKeys of eruca_config::java::NAMESRV {
        /// Address to listen on.
        bind_address: String = "bindAddress", "0.0.0.0".to_owned();
        /// TCP port to listen on; 0 lets the system choose one.
        listen_port: u16 = "listenPort", 9876;
        /// Seconds without traffic after which a connection is closed.
        server_channel_max_idle_time_seconds: u32 = "serverChannelMaxIdleTimeSeconds", 120, [1..=86_400];
        /// File that keeps the key-value configuration; empty: only in memory.
        kv_config_path: Option<String> = "kvConfigPath", None;
        /// File that remote changes of these keys are written to; empty: they last until the next start.
        config_store_path: Option<String> = "configStorePath", None;
        /// Whether route replies carry the order configuration of their topic.
        order_message_enable: bool = "orderMessageEnable", false, live;
        /// Whether replies to registrations carry the order configuration of all topics.
        return_order_topic_config_to_broker: bool = "returnOrderTopicConfigToBroker", true, live;
        /// Milliseconds between two looks for brokers whose heartbeats stopped.
        scan_not_active_broker_interval: u64 = "scanNotActiveBrokerInterval", 5_000, [100..=600_000], live;
        /// Whether clients are shown the smallest slave as master where the master is gone.
        support_acting_master: bool = "supportActingMaster", false, live;
        /// Whether clients may list all topics.
        enable_all_topic_list: bool = "enableAllTopicList", true, live;
        /// Whether clients may list topics by cluster and by unit.
        enable_topic_list: bool = "enableTopicList", true, live;
        /// Whether the members of a broker group are told when their smallest broker id changes.
        notify_min_broker_id_changed: bool = "notifyMinBrokerIdChanged", false, live;
        /// Whether routes are refused for a while after the start, until the brokers have registered.
        need_wait_for_service: bool = "needWaitForService", false, live;
        /// Seconds of that while.
        wait_seconds_for_service: u32 = "waitSecondsForService", 45, live;
        /// Whether topics that a registration does not name any more are dropped.
        delete_topic_with_broker_registration: bool = "deleteTopicWithBrokerRegistration", false, live;
        /// Whether a controller runs in this process, too; the same file has its keys.
        enable_controller_in_namesrv: bool = "enableControllerInNamesrv", false;
        /// Keys that cannot be changed remotely, separated by ';'.
        config_black_list: String =
            "configBlackList", "configBlackList;configStorePath;kvConfigPath".to_owned();
    }
}

/// Configuration of a name server.
#[derive(Debug, Clone, Default)]
pub struct NamesrvConfig {
    /// The keys of its file.
    pub keys: NamesrvKeys,
    /// Address of a broker of the same process. Where it stands in a reply, the asking client is told the IP by which
    /// its connection came in, so that containers and port forwards work without configuration.
    pub local_broker: Option<String>,
}

impl NamesrvConfig {
    /// Reads the keys of a file.
    ///
    /// # Errors
    /// Every value that its key does not take.
    pub fn from_properties(properties: &Properties) -> Result<Loaded<NamesrvConfig>, ValueErrors> {
        let Loaded { keys, notices } = NamesrvKeys::from_properties(properties)?;
        Ok(Loaded { keys: NamesrvConfig { keys, local_broker: None }, notices })
    }

    /// Puts the files that no key names into `directory`, under Java's names.
    #[must_use]
    pub fn with_files_in(mut self, directory: &Path) -> Self {
        let path = |name: &str| Some(directory.join(name).to_string_lossy().into_owned());
        let keys = &mut self.keys;
        keys.kv_config_path = keys.kv_config_path.take().or_else(|| path("kvConfig.json"));
        keys.config_store_path = keys.config_store_path.take().or_else(|| path("namesrv.properties"));
        self
    }
}
