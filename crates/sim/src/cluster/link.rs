//! A slave's connection to its master, and the bytes that are under way on it.

use eruca_message::LogOffset;
use eruca_replication::{
    auto_switch::{Epoch, Epochs, ReplicaLog, SlaveSession},
    group::{GroupCopy, GroupCopyError, ToSlave},
};
use eruca_store::MessageStore;

use super::oracle::messages_from;

pub(super) struct Link {
    /// Not given twice.
    pub(super) number: u64,
    /// Place of the master among the brokers.
    pub(super) master: usize,
    pub(super) slave: SlaveSession,
    pub(super) copy: GroupCopy,
    /// `None` before the first byte has come.
    pub(super) at_master: Option<ToSlave>,
    pub(super) to_master: Vec<u8>,
    pub(super) to_slave: Vec<u8>,
}

/// The slave's log, with a look at what is cut off it.
pub(super) struct Watched<'a> {
    pub(super) copy: &'a mut GroupCopy,
    pub(super) store: &'a MessageStore,
    /// The messages in what was cut off.
    pub(super) lost: Vec<u64>,
}

impl ReplicaLog for Watched<'_> {
    type Error = GroupCopyError;

    fn end(&self) -> LogOffset {
        self.copy.end()
    }

    fn epochs(&self) -> &Epochs {
        self.copy.epochs()
    }

    fn truncate(&mut self, end: LogOffset) -> Result<(), GroupCopyError> {
        let lost = messages_from(self.store, end);
        self.copy.truncate(end)?;
        self.lost.extend(lost);
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), GroupCopyError> {
        self.copy.begin_epoch(epoch)
    }

    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), GroupCopyError> {
        self.copy.append(at, bytes)
    }

    fn confirm(&mut self, up_to: LogOffset) {
        self.copy.confirm(up_to);
    }
}
