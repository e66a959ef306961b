//! What the broker's directory says of its group.

use std::{fs, io, path::Path, sync::Arc};

use eruca_message::Clock;
use eruca_replication::{
    auto_switch::{Epochs, Member, MemberTimes},
    group::{GroupLog, GroupParts},
};
use eruca_store::MessageStore;

use super::identity::IdentityFiles;
use crate::{
    config::BrokerConfig,
    persist::{PersistError, replace},
    registration::Identity,
};

/// Pause after a request that failed, in ms.
const RETRY_MS: i64 = 500;
/// Of the time after which a controller takes a broker for dead, so much is safe for a master that heard of none, in percent: the
/// rest is for clocks that do not go alike, and for threads that do not run.
const LEASE_PERCENT: i64 = 80;

/// The log with its epochs, and the broker as it is towards the controller before it has asked anything.
///
/// # Errors
/// A file cannot be read, or is damaged.
pub(crate) fn open_group(
    config: &BrokerConfig,
    identity: &Identity,
    store: Arc<MessageStore>,
    clock: Arc<dyn Clock>,
) -> Result<(Arc<GroupLog>, IdentityFiles), PersistError> {
    let path = config.epoch_file();
    let epochs = read_epochs(&path)?;
    let files = IdentityFiles::new(
        config.identity_file(),
        identity.cluster_name.clone(),
        identity.broker_name.clone(),
    );
    let times = MemberTimes {
        poll_ms: config.sync_broker_metadata_period,
        check_set_ms: config.check_sync_state_set_period,
        retry_ms: RETRY_MS,
        lag_max_ms: config.ha_max_time_slave_not_catchup,
        lease_ms: config.controller_heart_beat_timeout_mills * LEASE_PERCENT / 100,
    };
    let member = Member::new(files.read()?, identity.broker_addr.clone(), times);
    let keep =
        move |epochs: &Epochs| replace(&path, epochs.to_text().as_bytes()).map_err(|error| error.to_string());
    let group = GroupLog::new(GroupParts { store, epochs, keep: Box::new(keep), member, clock });
    Ok((Arc::new(group), files))
}

/// There is no use for an older version of the file: it would give bytes to the wrong master.
fn read_epochs(path: &Path) -> Result<Epochs, PersistError> {
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Ok(Epochs::default()),
        Ok(text) => Epochs::from_text(&text).map_err(|error| PersistError::Damaged {
            path: path.to_owned(),
            reason: format!(
                "{error}. It says which master wrote which part of the log. Where this broker is a slave, move its commitlog, \
                 consumequeue, index and this file away: it copies everything anew"
            ),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Epochs::default()),
        Err(error) => Err(PersistError::io("read", path)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_list_of_epochs_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("epochFileCheckpoint");
        assert_eq!(read_epochs(&path).unwrap(), Epochs::default());
        fs::write(&path, "2\n773307083\n7-7000\n8-8000\n").unwrap();
        assert_eq!(read_epochs(&path).unwrap().last_number(), 8);
        fs::write(&path, "2\n773307083\n7-7000\n8-8001\n").unwrap();
        let error = read_epochs(&path).unwrap_err().to_string();
        assert!(error.contains("epochFileCheckpoint") && error.contains("checksum"), "{error}");
    }
}
