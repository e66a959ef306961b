//! Replication, joined to configuration, role and ports.

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use eruca_remoting::check_listen;
use eruca_replication::{
    classic::Shipped,
    driver::{HaSettings, Replicas, Replication, ReplicationParts},
};
use tokio::sync::watch;

use super::beginning;
use crate::{
    broker::StartError,
    config::{BrokerConfig, FlushDiskType},
    control::Control,
    role::{Role, RoleState, Standing},
    settings::Settings,
};

/// What of the configuration the replication goes by.
fn settings_of(config: &BrokerConfig, acknowledges_flushed: bool) -> HaSettings {
    HaSettings {
        shipped: Shipped {
            batch_bytes: config.ha_transfer_batch_size,
            heartbeat_ms: config.ha_send_heartbeat_interval,
            silence_max_ms: config.ha_housekeeping_interval,
            bytes_per_second: config.ha_flow_control_enable.then_some(config.max_ha_transfer_byte_in_second),
        },
        gap_max_bytes: config.ha_max_gap_not_in_sync,
        acknowledges_flushed,
        sync_from_last_file: config.sync_from_last_file,
        is_learner: config.async_learner,
    }
}

/// The same as it is now.
pub(crate) fn live_settings(settings: Arc<Settings>) -> impl Fn() -> HaSettings + Send + Sync {
    move || {
        let config = settings.now();
        settings_of(&config, config.flush_disk_type == FlushDiskType::Sync)
    }
}

/// Listens for slaves at `listen`, and follows the master whenever the broker is no master itself.
///
/// # Errors
/// The port cannot be had, or a thread not be started.
pub(crate) fn start(
    listen: SocketAddr,
    replicas: Arc<Replicas>,
    role: &RoleState,
    settings: Arc<Settings>,
    control: &Control,
) -> Result<Replication, StartError> {
    check_listen("broker-ha", listen)?;
    let listener = TcpListener::bind(listen).map_err(StartError::HaPort)?;
    let mut standings = role.watch();
    // Nobody yet: an empty log has to begin first.
    let (tell, master) = watch::channel(None);
    let shared = replicas.clone();
    let parts = ReplicationParts { replicas, listener, master };
    let replication = Replication::start(parts).map_err(StartError::Thread)?;
    control.spawn("ha-master", async move {
        loop {
            let standing = standings.borrow_and_update().clone();
            let now = master_of(&standing, &settings.now());
            if let (Some(_), Some(addr)) = (&now, first_message_of(&standing, &settings.now(), &shared)) {
                tokio::select! {
                    () = beginning::begin(shared.store(), &addr) => {}
                    changed = standings.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                }
            }
            tell.send_if_modified(|told| {
                let is_news = *told != now;
                *told = now;
                is_news
            });
            if standings.changed().await.is_err() {
                return;
            }
        }
    });
    Ok(replication)
}

/// Whom a slave without messages asks for the first one; `None` where the master or the protocol settles where it begins.
fn first_message_of(standing: &Standing, config: &BrokerConfig, replicas: &Replicas) -> Option<String> {
    let (begin, end) = replicas.store().log_range();
    let settles_itself = begin == end && replicas.group().is_none() && !config.sync_from_last_file;
    let master = standing.master.as_ref().filter(|_| settles_itself)?;
    Some(master.broker_addr.clone()).filter(|addr| !addr.is_empty())
}

/// Whose log is copied.
fn master_of(standing: &Standing, config: &BrokerConfig) -> Option<String> {
    if standing.role == Role::Master {
        return None;
    }
    let fixed = config.ha_master_address.clone().filter(|address| !address.trim().is_empty());
    fixed
        .or_else(|| standing.master.as_ref().map(|master| master.ha_addr.clone()))
        .filter(|to| !to.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::MasterAddresses;

    #[test]
    fn a_slave_copies_the_master_that_is_set_or_told_of_and_a_master_nobody() {
        let config = BrokerConfig::default();
        let told = MasterAddresses { broker_addr: "a:10911".to_owned(), ha_addr: "a:10912".to_owned() };
        let standing = Standing { role: Role::Slave, broker_id: 1, master: Some(told), epoch: 0 };
        assert_eq!(master_of(&standing, &config).as_deref(), Some("a:10912"));
        let fixed = BrokerConfig { ha_master_address: Some("b:1".to_owned()), ..BrokerConfig::default() };
        assert_eq!(master_of(&standing, &fixed).as_deref(), Some("b:1"));
        let unknown = Standing { master: None, ..standing };
        assert_eq!(master_of(&unknown, &config), None);
        assert_eq!(master_of(&unknown, &fixed).as_deref(), Some("b:1"));
        assert_eq!(master_of(&Standing { role: Role::Master, ..unknown }, &fixed), None);
    }
}
