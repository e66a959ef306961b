//! The state of one member, what it has applied, and its snapshots.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot, StorageIOError, storage::RaftStateMachine,
};
use serde::{Deserialize, Serialize};

use super::{
    log_file::{DiskError, read_value, write_value},
    types::{Entry, LogId, SnapshotMeta, StorageError, StoredMembership, TypeConfig},
};
use crate::state::{Answer, Replicas};

/// The state machine of one member. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Machine {
    applied: Arc<RwLock<Applied>>,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct Applied {
    last: Option<LogId>,
    membership: StoredMembership,
    replicas: Replicas,
}

/// The file `snapshot`, and what goes over the network.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    meta: SnapshotMeta,
    replicas: Replicas,
}

impl Machine {
    /// Starts from the snapshot, where there is one.
    pub(super) fn open(dir: &Path) -> Result<Machine, DiskError> {
        let path = dir.join("snapshot");
        let stored: Option<Stored> = read_value(&path)?;
        let applied = stored.map_or_else(Applied::default, |stored| Applied {
            last: stored.meta.last_log_id,
            membership: stored.meta.last_membership,
            replicas: stored.replicas,
        });
        Ok(Machine { applied: Arc::new(RwLock::new(applied)), path })
    }

    /// Looks at the state as far as it is applied.
    pub(super) fn read<T>(&self, look: impl FnOnce(&Replicas) -> T) -> T {
        look(&self.lock().replicas)
    }

    fn lock(&self) -> RwLockReadGuard<'_, Applied> {
        self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(clippy::result_large_err, reason = "the library chooses the type, and its errors end the member")]
fn to_snapshot(stored: &Stored) -> Result<Snapshot<TypeConfig>, StorageError> {
    let bytes = serde_json::to_vec(&stored.replicas)
        .map_err(|error| StorageIOError::read_snapshot(Some(stored.meta.signature()), &error))?;
    Ok(Snapshot { meta: stored.meta.clone(), snapshot: Box::new(Cursor::new(bytes)) })
}

impl RaftSnapshotBuilder<TypeConfig> for Machine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<TypeConfig>, StorageError> {
        let stored = {
            let applied = self.lock();
            let snapshot_id = applied.last.map_or_else(|| "0".to_owned(), |last| last.to_string());
            let meta = SnapshotMeta {
                last_log_id: applied.last,
                last_membership: applied.membership.clone(),
                snapshot_id,
            };
            Stored { meta, replicas: applied.replicas.clone() }
        };
        write_value(&self.path, &stored)
            .map_err(|error| StorageIOError::write_snapshot(Some(stored.meta.signature()), &error))?;
        to_snapshot(&stored)
    }
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Machine;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        let applied = self.lock();
        Ok((applied.last, applied.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answer>, StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        let answers = entries.into_iter().map(|entry| {
            applied.last = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => Answer::ok(),
                EntryPayload::Normal(command) => applied.replicas.apply(&command),
                EntryPayload::Membership(membership) => {
                    applied.membership = StoredMembership::new(Some(entry.log_id), membership);
                    Answer::ok()
                }
            }
        });
        Ok(answers.collect())
    }

    async fn get_snapshot_builder(&mut self) -> Machine {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let replicas: Replicas = serde_json::from_slice(snapshot.get_ref())
            .map_err(|error| StorageIOError::read_snapshot(Some(meta.signature()), &error))?;
        let stored = Stored { meta: meta.clone(), replicas };
        write_value(&self.path, &stored)
            .map_err(|error| StorageIOError::write_snapshot(Some(meta.signature()), &error))?;
        let mut applied = self.applied.write().unwrap_or_else(PoisonError::into_inner);
        *applied = Applied {
            last: stored.meta.last_log_id,
            membership: stored.meta.last_membership,
            replicas: stored.replicas,
        };
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<TypeConfig>>, StorageError> {
        let stored: Option<Stored> =
            read_value(&self.path).map_err(|error| StorageIOError::read_snapshot(None, &error))?;
        stored.as_ref().map(to_snapshot).transpose()
    }
}
