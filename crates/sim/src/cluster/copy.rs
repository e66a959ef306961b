//! A store as the log of a slave's session, as the broker's driver has it.

use eruca_message::LogOffset;
use eruca_replication::auto_switch::{Epoch, EpochError, Epochs, ReplicaLog};
use eruca_store::{CopyError, MessageStore, ReplicaCut};

use super::oracle::messages_from;

/// Why the log does not change.
#[derive(Debug)]
pub(super) enum CopyFailed {
    Copy(CopyError),
    Epoch(EpochError),
}

impl std::fmt::Display for CopyFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CopyFailed::Copy(error) => error.fmt(f),
            CopyFailed::Epoch(error) => error.fmt(f),
        }
    }
}

/// The log while its session works.
pub(super) struct StoreLog<'a> {
    pub(super) store: &'a MessageStore,
    /// The content of `epochFileCheckpoint`, which is replaced as a whole and durable at once.
    pub(super) epochs: &'a mut Epochs,
    /// Where the next byte belongs: the end of the log, and behind it what came of a record that is not whole yet.
    pub(super) next: &'a mut LogOffset,
    /// What the master said is confirmed.
    pub(super) told: &'a mut LogOffset,
    /// What was cut off, and the messages in it.
    pub(super) cuts: Vec<(ReplicaCut, Vec<u64>)>,
}

impl ReplicaLog for StoreLog<'_> {
    type Error = CopyFailed;

    fn end(&self) -> LogOffset {
        *self.next
    }

    fn epochs(&self) -> &Epochs {
        self.epochs
    }

    fn truncate(&mut self, end: LogOffset) -> Result<(), CopyFailed> {
        let lost = messages_from(self.store, end);
        let cut = self.store.cut_replica(end).map_err(CopyFailed::Copy)?;
        self.epochs.truncate(end);
        *self.next = self.store.begin_copy().map_err(CopyFailed::Copy)?;
        *self.told = (*self.told).min(end);
        self.cuts.push((cut, lost));
        Ok(())
    }

    fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), CopyFailed> {
        self.epochs.begin(epoch).map_err(CopyFailed::Epoch)
    }

    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), CopyFailed> {
        self.store.append_copy(at, bytes).map_err(CopyFailed::Copy)?;
        *self.next = at.add_bytes(bytes.len() as u64);
        Ok(())
    }

    fn confirm(&mut self, up_to: LogOffset) {
        *self.told = (*self.told).max(up_to.min(self.store.log_range().1));
    }
}
