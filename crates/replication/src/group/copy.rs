//! The log as a slave of a group with a controller keeps it.

use std::sync::Arc;

use eruca_message::LogOffset;
use eruca_store::{CopyError, planted};

use super::log::GroupLog;
use crate::auto_switch::{Epoch, EpochError, Epochs, ReplicaLog};

/// Why the log does not change.
#[derive(Debug, thiserror::Error)]
pub enum GroupCopyError {
    /// The store refuses.
    #[error("{0}")]
    Copy(#[from] CopyError),
    /// The epochs cannot be.
    #[error("{0}")]
    Epoch(#[from] EpochError),
    /// The file cannot be written.
    #[error("the epochs of the log cannot be written: {0}")]
    Keep(String),
    /// The broker became master meanwhile.
    #[error("this broker is no slave any more")]
    NoSlave,
}

/// One connection's view of it.
#[derive(Debug)]
pub struct GroupCopy {
    group: Arc<GroupLog>,
    epochs: Epochs,
    /// Where the next byte belongs: the end of the log, and behind it what came of a record that is not whole yet.
    next: LogOffset,
}

impl GroupCopy {
    /// For a new connection: a record that had not come whole begins anew.
    ///
    /// # Errors
    /// The store takes no copy: it is a master's, or cannot write.
    pub fn begin(group: Arc<GroupLog>) -> Result<Self, GroupCopyError> {
        let next = group.store().begin_copy()?;
        let epochs = group.epochs();
        Ok(GroupCopy { group, epochs, next })
    }

    /// How much of the master's log is here, of a log that ends at `end`: what this broker wrote since it became master itself is none of
    /// it, and must not count as an acknowledgement of what the old master has in its place.
    pub fn has(&self, end: LogOffset) -> LogOffset {
        if planted!(OwnLogAcknowledged) { end } else { end.min(self.next) }
    }

    /// A change, unless the broker became master meanwhile.
    fn change<T>(&self, change: impl FnOnce() -> Result<T, GroupCopyError>) -> Result<T, GroupCopyError> {
        self.group.while_copying(change).unwrap_or(Err(GroupCopyError::NoSlave))
    }
}

impl ReplicaLog for GroupCopy {
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
        let store = self.group.store();
        let (cut, next) = self.change(|| {
            self.group.will_be_cut(end);
            let cut = store.cut_replica(end)?;
            // Behind the log: an epoch without bytes is forgotten when it is read, bytes without an epoch would be another's.
            self.group.keep_epochs(&epochs).map_err(GroupCopyError::Keep)?;
            Ok((cut, store.begin_copy()?))
        })?;
        (self.epochs, self.next) = (epochs, next);
        self.group.was_cut(&cut);
        self.group.tell();
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
        self.change(|| Ok(self.group.store().append_copy(at, bytes)?))?;
        self.next = at.add_bytes(bytes.len() as u64);
        Ok(())
    }

    fn confirm(&mut self, up_to: LogOffset) {
        if self.group.told_confirmed(up_to.min(self.group.store().log_range().1)) {
            self.group.tell();
        }
    }
}
