//! Log and vote of one member, as the library wants them: everything in memory, and on the disk before it counts.

use std::{
    collections::VecDeque,
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openraft::{
    LogState, OptionalSend, RaftLogReader, StorageIOError,
    storage::{LogFlushed, RaftLogStorage},
};
use serde::{Deserialize, Serialize};
use tracing::warn;

use super::{
    log_file::{DiskError, LogFile, read_value, write_value},
    types::{Entry, LogId, StorageError, TypeConfig, Vote},
};

/// The log of one member. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct LogStore {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    file: LogFile,
    path: PathBuf,
    vote_path: PathBuf,
    vote: Option<Vote>,
    head: Head,
    entries: VecDeque<Entry>,
}

/// The log's first record.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Head {
    /// The last entry that is gone because a snapshot has it.
    last_purged: Option<LogId>,
}

impl LogStore {
    /// Opens the files, or makes them.
    pub(super) fn open(dir: &Path) -> Result<LogStore, DiskError> {
        let (path, vote_path) = (dir.join("log"), dir.join("vote"));
        let vote = read_value(&vote_path)?;
        let (file, content) = LogFile::open::<Head, Entry>(&path, &Head::default())?;
        if content.torn_len > 0 {
            warn!(
                path = %path.display(),
                bytes = content.torn_len,
                "the log ended in a record that was not whole, as after a crash; it was cut off"
            );
        }
        let head = content.head.unwrap_or_default();
        let first = content.entries.first().map_or(0, |entry| entry.log_id.index);
        let is_row = (first..).zip(&content.entries).all(|(index, entry)| entry.log_id.index == index);
        if !is_row {
            let what = format!("its entries are not {first}, {}, …", first + 1);
            return Err(DiskError::Damaged { path, offset: 0, what });
        }
        let entries = content.entries.into();
        let inner = Inner { file, path, vote_path, vote, head, entries };
        Ok(LogStore { inner: Arc::new(Mutex::new(inner)) })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves the lists as they were: they change after the file has.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn first_index(&self) -> u64 {
        // The entries are in a row; where there are none, every place is the end.
        self.entries.front().map_or(0, |entry| entry.log_id.index)
    }

    /// Place of an index among the entries; the number of entries where it is behind them.
    fn place(&self, index: u64) -> usize {
        let place = index.saturating_sub(self.first_index());
        usize::try_from(place).unwrap_or(usize::MAX).min(self.entries.len())
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let inner = self.lock();
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(from) => from.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(to) => to.saturating_add(1),
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        let (from, to) = (inner.place(from), inner.place(to));
        Ok(inner.entries.range(from..to.max(from)).cloned().collect())
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        let inner = self.lock();
        let last_purged_log_id = inner.head.last_purged;
        let last_log_id = inner.entries.back().map(|entry| entry.log_id).or(last_purged_log_id);
        Ok(LogState { last_purged_log_id, last_log_id })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let mut inner = self.lock();
        write_value(&inner.vote_path, vote).map_err(|error| StorageIOError::write_vote(&error))?;
        inner.vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.lock().vote)
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let mut inner = self.lock();
        let written = inner.file.append(&entries);
        if written.is_ok() {
            inner.entries.extend(entries);
        }
        drop(inner);
        callback.log_io_completed(
            written.as_ref().map(|_| ()).map_err(|error| io::Error::other(error.to_string())),
        );
        written.map_err(|error| StorageIOError::write_logs(&error).into())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let mut inner = self.lock();
        let kept = inner.place(log_id.index);
        inner.file.truncate(kept).map_err(|error| StorageIOError::write_logs(&error))?;
        inner.entries.truncate(kept);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let mut inner = self.lock();
        let purged = inner.place(log_id.index.saturating_add(1));
        let left: Vec<Entry> = inner.entries.range(purged..).cloned().collect();
        let head = Head { last_purged: Some(log_id) };
        inner.file =
            LogFile::create(&inner.path, &head, &left).map_err(|error| StorageIOError::write_logs(&error))?;
        inner.head = head;
        inner.entries = left.into();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use openraft::testing::{StoreBuilder, Suite};
    use tempfile::TempDir;

    use super::*;
    use crate::raft::machine::Machine;

    struct OnDisk;

    impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for OnDisk {
        async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError> {
            let dir = tempfile::tempdir().expect("a directory");
            let log = LogStore::open(dir.path()).expect("a log");
            let machine = Machine::open(dir.path()).expect("a state");
            Ok((dir, log, machine))
        }
    }

    #[test]
    fn what_the_library_wants_of_a_log_and_a_state_holds() {
        Suite::test_all(OnDisk).expect("the library's own tests");
    }
}
