//! The log as a slave of a group with a controller keeps it.

use eruca_message::LogOffset;
use eruca_store::{CopyError, MessageStore};

use super::{group::GroupLog, replicas::Replicas};
use crate::auto_switch::{Epoch, EpochError, Epochs, ReplicaLog};

/// Why the log does not change.
#[derive(Debug, thiserror::Error)]
pub(super) enum GroupCopyError {
    #[error("{0}")]
    Copy(#[from] CopyError),
    #[error("{0}")]
    Epoch(#[from] EpochError),
    #[error("the epochs of the log cannot be written: {0}")]
    Keep(String),
    #[error("this broker is no slave any more")]
    NoSlave,
}

/// One connection's view of it.
pub(super) struct GroupCopy<'a> {
    group: &'a GroupLog,
    replicas: &'a Replicas,
    store: &'a MessageStore,
    epochs: Epochs,
    /// Where the next byte belongs: the end of the log, and behind it what came of a record that is not whole yet.
    next: LogOffset,
}

impl<'a> GroupCopy<'a> {
    /// For a new connection: a record that had not come whole begins anew.
    pub(super) fn begin(group: &'a GroupLog, replicas: &'a Replicas) -> Result<Self, GroupCopyError> {
        let store = replicas.store();
        let next = store.begin_copy()?;
        Ok(GroupCopy { group, replicas, store, epochs: group.epochs(), next })
    }

    /// A change, unless the broker became master meanwhile.
    fn change<T>(&self, change: impl FnOnce() -> Result<T, GroupCopyError>) -> Result<T, GroupCopyError> {
        self.group.while_copying(change).unwrap_or(Err(GroupCopyError::NoSlave))
    }
}

impl ReplicaLog for GroupCopy<'_> {
    type Error = GroupCopyError;

    fn end(&self) -> LogOffset {
        self.next
    }

    fn epochs(&self) -> &Epochs {
        &self.epochs
    }

    fn truncate(&mut self, end: LogOffset) -> Result<(), GroupCopyError> {
        let mut epochs = self.epochs.clone();
        epochs.truncate(end);
        self.next = self.change(|| {
            self.store.cut_replica(end)?;
            // Behind the log: an epoch without bytes is forgotten when it is read, bytes without an epoch would be another's.
            self.group.keep_epochs(&epochs).map_err(GroupCopyError::Keep)?;
            Ok(self.store.begin_copy()?)
        })?;
        self.epochs = epochs;
        self.group.was_cut(end);
        self.replicas.tell_group();
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), GroupCopyError> {
        let mut epochs = self.epochs.clone();
        epochs.begin(epoch)?;
        self.change(|| self.group.keep_epochs(&epochs).map_err(GroupCopyError::Keep))?;
        self.epochs = epochs;
        Ok(())
    }

    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), GroupCopyError> {
        self.change(|| Ok(self.store.append_copy(at, bytes)?))?;
        self.next = at.add_bytes(bytes.len() as u64);
        Ok(())
    }

    fn confirm(&mut self, up_to: LogOffset) {
        if self.group.told_confirmed(up_to.min(self.store.log_range().1)) {
            self.replicas.tell_group();
        }
    }
}
