//! What a broker does not start with, and what it says of settings that change nothing.

use eruca_message::names::validate_topic;

use super::{BrokerConfig, BrokerRole, ConfigError};

impl BrokerConfig {
    /// Refuses what cannot be used, with the keys' names.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.refuse_what_is_not_served()?;
        self.refuse_contradictions()?;
        // Strategies of consumers take what stands before the '@' of a broker's name for its machine room.
        let parts = self.broker_name.split('@').map(|part| ("brokerName", part));
        for (key, name) in parts.chain([("brokerClusterName", self.broker_cluster_name.as_str())]) {
            // There is a topic of either name.
            validate_topic(name).map_err(|error| ConfigError::Value {
                key,
                value: name.chars().take(64).collect(),
                allowed: error.to_string(),
            })?;
        }
        self.bind_ip()?;
        self.name_servers()?;
        if self.enable_controller_mode {
            // DNS is asked when the broker starts.
            self.named_controllers()?;
        }
        self.store_config(0)?.validate()?;
        Ok(())
    }

    fn refuse_what_is_not_served(&self) -> Result<(), ConfigError> {
        let refuse = |asked: bool, key, value: &str, remedy| match asked {
            true => Err(ConfigError::Unsupported { key, value: value.to_owned(), remedy }),
            false => Ok(()),
        };
        let open = "it would be open to everybody; switch it off and restrict access by the network";
        refuse(self.acl_enable, "aclEnable", "true", open)?;
        refuse(self.authentication_enabled, "authenticationEnabled", "true", open)?;
        refuse(self.authorization_enabled, "authorizationEnabled", "true", open)?;
        let alone = "it would run as a master of its own; switch it off";
        refuse(self.enable_dleger_commit_log, "enableDLegerCommitLog", "true", alone)?;
        let one_directory = "the log lies in one directory; move its files into one and name that";
        let commit_log = self.store_path_commit_log.as_deref().unwrap_or_default();
        refuse(commit_log.contains(','), "storePathCommitLog", commit_log, one_directory)?;
        let read_only = self.read_only_commit_log_store_paths.as_deref().unwrap_or_default();
        refuse(!read_only.trim().is_empty(), "readOnlyCommitLogStorePaths", read_only, one_directory)?;
        refuse(
            self.store_type != "default",
            "storeType",
            &self.store_type,
            "consume queues are kept in files only; leave the key out",
        )
    }

    fn refuse_contradictions(&self) -> Result<(), ConfigError> {
        let contradiction =
            |contradicts: bool, first: (_, String), second: (_, String), remedy| match contradicts {
                true => Err(ConfigError::Contradiction {
                    first: first.0,
                    first_value: first.1,
                    second: second.0,
                    second_value: second.1,
                    remedy,
                }),
                false => Ok(()),
            };
        let role = eruca_config::ConfigValue::format(&self.broker_role).unwrap_or_default();
        let is_slave = self.broker_role == BrokerRole::Slave;
        // With a controller both are only where the broker begins.
        let is_fixed = !self.enable_controller_mode;
        contradiction(
            is_fixed && self.broker_id < 0,
            ("brokerId", self.broker_id.to_string()),
            ("enableControllerMode", "false".to_owned()),
            "only a controller gives numbers: a master has 0, a slave one from 1 up",
        )?;
        contradiction(
            is_fixed && !is_slave && self.broker_id != 0,
            ("brokerId", self.broker_id.to_string()),
            ("brokerRole", role.clone()),
            "a master has brokerId 0",
        )?;
        contradiction(
            is_fixed && is_slave && self.broker_id == 0,
            ("brokerId", self.broker_id.to_string()),
            ("brokerRole", role),
            "a slave has a number of its own in its group, from 1 up",
        )?;
        let percent = |ratio: u32| format!("{ratio}%");
        contradiction(
            self.disk_max_used_space_ratio > self.disk_space_clean_forcibly_ratio,
            ("diskMaxUsedSpaceRatio", percent(self.disk_max_used_space_ratio)),
            ("diskSpaceCleanForciblyRatio", percent(self.disk_space_clean_forcibly_ratio)),
            "expired messages are deleted first, so that the first must not be above the second",
        )?;
        contradiction(
            self.disk_space_clean_forcibly_ratio > self.disk_space_warning_level_ratio,
            ("diskSpaceCleanForciblyRatio", percent(self.disk_space_clean_forcibly_ratio)),
            ("diskSpaceWarningLevelRatio", percent(self.disk_space_warning_level_ratio)),
            "sends are refused above the second, so that the first must not be above it",
        )?;
        contradiction(
            matches!(self.listen_port, 1 | 2),
            ("listenPort", self.listen_port.to_string()),
            ("VIP port", "listenPort - 2".to_owned()),
            "take a port from 3 up, or 0 for free ones",
        )
    }

    /// Logs the settings that are taken and change nothing in this version.
    pub(crate) fn say_what_has_no_effect(&self) {
        let say = |is_set: bool, setting: &str, what: &str| {
            if is_set {
                tracing::warn!("{setting} has no effect in this version of Eruca: {what}");
            }
        };
        let waits_for_none = self.broker_role == BrokerRole::SyncMaster && self.in_sync_replicas < 2;
        if waits_for_none {
            tracing::warn!(
                "brokerRole=SYNC_MASTER with inSyncReplicas=1 waits for no slave, as with a Java broker of version 5: set \
                 inSyncReplicas=2 to have every message on a slave before it is acknowledged"
            );
        }
        let is_sync = self.is_sync_master();
        say(
            self.in_sync_replicas > 1 && !is_sync,
            "inSyncReplicas",
            "slaves are waited for with brokerRole=SYNC_MASTER or a controller only",
        );
        say(
            self.enable_auto_in_sync_replicas && !self.enable_slave_acting_master,
            "enableAutoInSyncReplicas",
            "inSyncReplicas is lowered with enableSlaveActingMaster=true only",
        );
        say(
            self.all_ack_in_sync_state_set && !self.enable_controller_mode,
            "allAckInSyncStateSet",
            "there is an in-sync set with enableControllerMode=true only",
        );
    }
}
