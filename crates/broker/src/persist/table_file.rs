//! A table's JSON file and journal together.
//!
//! Locks, in this order: the table's own, `file`, `pending`.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::{
    PersistError,
    journal::{self, Base, Journal},
    json_file::{read_with_backup, replace, sync_directory_of, with_suffix},
};

/// What is kept for the journal while the disk refuses it; beyond that only the JSON file can save changes.
const PENDING_LIMIT_BYTES: usize = 8 << 20;
/// A journal longer than this is due for a new JSON file, whatever the period.
const JOURNAL_LIMIT_BYTES: u64 = 16 << 20;

/// What was found at start.
#[derive(Debug)]
pub(crate) struct Loaded<T> {
    /// The JSON file's content, if there is one.
    pub(crate) table: Option<T>,
    /// Changes since, in order.
    pub(crate) changes: Vec<Vec<u8>>,
}

/// A table's JSON file and journal.
#[derive(Debug)]
pub(crate) struct TableFile {
    json: PathBuf,
    journal: PathBuf,
    file: Mutex<Journal>,
    pending: Mutex<Vec<u8>>,
    /// There may be something in `pending` or on its way to the kernel.
    unsettled: AtomicBool,
    /// The table differs from the JSON file.
    dirty: AtomicBool,
    /// The journal was refused by the disk; said once.
    refused: AtomicBool,
    /// Changes that found no room in `pending`: only a JSON file can have them.
    overflow: Overflow,
    /// A sync of the journal failed: nobody knows what of it is on the disk, and a later sync that succeeds would not
    /// tell. Until there is another journal.
    doubtful: AtomicBool,
    /// The journal's name may not be on the disk yet.
    unnamed: AtomicBool,
}

/// Counts of changes that the journal could not take.
#[derive(Debug, Default)]
struct Overflow {
    noted: AtomicU64,
    /// Of these are in the copy of the table that is being written.
    copied: AtomicU64,
    /// And of these in the JSON file.
    saved: AtomicU64,
}

impl Overflow {
    fn is_unsaved(&self) -> bool {
        self.noted.load(Ordering::Acquire) != self.saved.load(Ordering::Acquire)
    }
}

impl TableFile {
    /// Opens `<directory>/<name>.json` and its journal.
    pub(crate) fn open<T>(
        directory: &Path,
        name: &str,
        parse: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<(TableFile, Loaded<T>), PersistError> {
        fs::create_dir_all(directory).map_err(PersistError::io("create", directory))?;
        let json = directory.join(format!("{name}.json"));
        let path = directory.join(format!("{name}.journal"));
        let loaded = read_with_backup(&json, parse)?;
        let base = loaded.as_ref().map_or(Base::NONE, |(_, bytes)| Base::of(bytes));
        let (old, new) = (journal::read(&with_suffix(&path, ".old"))?, journal::read(&path)?);
        let torn_len = old.torn_len + new.torn_len;
        if torn_len > 0 {
            tracing::warn!(file = %path.display(), torn_len, "journal ended in the middle of a record, cut off");
        }
        // Either the JSON file was not replaced after `old` was set aside: both count. Or it was, or nothing is set
        // aside: `new` alone. Replaying what the JSON file has already does no harm: the last change of a key wins.
        let changes = if old.exists && old.base == base {
            [old.payloads.as_slice(), new.payloads.as_slice()].concat()
        } else if new.base == base {
            new.payloads.clone()
        } else {
            let skipped = old.payloads.len() + new.payloads.len();
            if skipped > 0 {
                tracing::warn!(
                    file = %json.display(),
                    skipped,
                    "the table was written by another program since: our journal of changes is left out"
                );
            }
            Vec::new()
        };
        let journal = if new.exists && new.base == base && !old.exists {
            Journal::resume(&path, &new)?
        } else {
            // The changes that we took are written again, so that a second crash finds them in one file.
            let mut records = Vec::new();
            changes.iter().for_each(|payload| journal::encode_record(&mut records, payload));
            let tmp = with_suffix(&path, ".tmp");
            let mut journal = Journal::create(&tmp, base)?;
            journal.write(&records).and_then(|()| journal.sync()).map_err(PersistError::io("write", &tmp))?;
            fs::rename(&tmp, &path).map_err(PersistError::io("replace", &path))?;
            journal
        };
        let dirty = !changes.is_empty();
        // Its changes are in the new one now; where it is not there, nothing is to be done.
        let _ = fs::remove_file(with_suffix(&path, ".old"));
        sync_directory_of(&path)?;
        let table_file = TableFile {
            json,
            journal: path,
            file: Mutex::new(journal),
            pending: Mutex::new(Vec::new()),
            unsettled: AtomicBool::new(false),
            dirty: AtomicBool::new(dirty),
            refused: AtomicBool::new(false),
            overflow: Overflow::default(),
            doubtful: AtomicBool::new(false),
            unnamed: AtomicBool::new(false),
        };
        Ok((table_file, Loaded { table: loaded.map(|(table, _)| table), changes }))
    }

    /// Notes a change; to be called under the table's lock, so that the journal has the table's order. It reaches the
    /// kernel with the next [`TableFile::settle`].
    pub(crate) fn note(&self, payload: &[u8]) {
        let mut pending = lock(&self.pending);
        if pending.len() < PENDING_LIMIT_BYTES {
            journal::encode_record(&mut pending, payload);
        } else {
            self.overflow.noted.fetch_add(1, Ordering::AcqRel);
        }
        self.unsettled.store(true, Ordering::Release);
        self.dirty.store(true, Ordering::Release);
    }

    /// The JSON file is to be written, though no change was noted.
    pub(crate) fn mark_dirty(&self) {
        self.dirty.store(true, Ordering::Release);
    }

    /// Hands everything noted before to the kernel. Cheap when there is nothing.
    ///
    /// A disk that refuses is said once, in the log; the changes stay in memory and are tried again, by
    /// [`TableFile::begin`] every few seconds and by [`TableFile::settle_now`]: not for each network read.
    pub(crate) fn settle(&self) {
        if self.unsettled.load(Ordering::Acquire) && !self.refused.load(Ordering::Relaxed) {
            // The error is logged where it appears.
            let _ = self.write_pending(&mut lock(&self.file));
        }
    }

    /// As [`TableFile::settle`], for a change that is answered with a promise: tells whether the kernel has it.
    pub(crate) fn settle_now(&self) -> Result<(), PersistError> {
        if self.unsettled.load(Ordering::Acquire) {
            self.write_pending(&mut lock(&self.file))?;
        }
        match self.overflow.is_unsaved() {
            true => Err(PersistError::Doubtful { path: self.journal.clone() }),
            false => Ok(()),
        }
    }

    /// As [`TableFile::settle_now`], and survives a power loss.
    pub(crate) fn sync(&self) -> Result<(), PersistError> {
        let mut file = lock(&self.file);
        self.write_pending(&mut file)?;
        if self.doubtful.load(Ordering::Acquire) || self.overflow.is_unsaved() {
            return Err(PersistError::Doubtful { path: self.journal.clone() });
        }
        file.sync().map_err(|error| {
            self.doubtful.store(true, Ordering::Release);
            self.dirty.store(true, Ordering::Release);
            PersistError::io("sync", &self.journal)(error)
        })?;
        if self.unnamed.load(Ordering::Acquire) {
            sync_directory_of(&self.journal)?;
            self.unnamed.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn write_pending(&self, file: &mut Journal) -> Result<(), PersistError> {
        let mut records = std::mem::take(&mut *lock(&self.pending));
        let written = file.write(&records);
        let mut pending = lock(&self.pending);
        if let Err(error) = written {
            records.append(&mut pending);
            *pending = records;
            let error = PersistError::io("write", &self.journal)(error);
            if !self.refused.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "changes are kept in memory only until the disk takes them");
            }
            return Err(error);
        }
        if self.refused.swap(false, Ordering::Relaxed) {
            tracing::info!(file = %self.journal.display(), "journal is written again");
        }
        if pending.is_empty() {
            self.unsettled.store(false, Ordering::Release);
            records.clear();
            *pending = records;
        }
        Ok(())
    }

    /// Whether the table changed since its JSON file was written.
    pub(crate) fn is_dirty(&self) -> bool {
        self.dirty.load(Ordering::Acquire)
    }

    /// Whether the journal is so long that the JSON file should be written now.
    pub(crate) fn is_journal_long(&self) -> bool {
        lock(&self.file).len_bytes() > JOURNAL_LIMIT_BYTES
    }

    /// Starts a new journal, to be called under the table's lock together with taking the copy of the table that
    /// [`TableFile::write_json`] is given next.
    pub(crate) fn begin(&self) -> Result<(), PersistError> {
        let mut file = lock(&self.file);
        // Where that fails, what is noted goes to the next journal: the JSON file that has it may fail, too.
        let _ = self.write_pending(&mut file);
        let old = with_suffix(&self.journal, ".old");
        if !old.exists() {
            fs::rename(&self.journal, &old).map_err(PersistError::io("set aside", &self.journal))?;
            match Journal::create(&self.journal, Base::NONE) {
                Ok(journal) => {
                    *file = journal;
                    self.unnamed.store(true, Ordering::Release);
                    self.doubtful.store(false, Ordering::Release);
                }
                Err(error) => {
                    // Go on with the one we have.
                    let _ = fs::rename(&old, &self.journal);
                    return Err(error);
                }
            }
        }
        self.dirty.store(false, Ordering::Release);
        self.overflow.copied.store(self.overflow.noted.load(Ordering::Acquire), Ordering::Release);
        Ok(())
    }

    /// Replaces the JSON file; then the changes set aside by [`TableFile::begin`] are in it.
    pub(crate) fn write_json(&self, json: &[u8]) -> Result<(), PersistError> {
        // The lock must not be held while files are synced: sends settle their journals behind it.
        let bound = lock(&self.file).bind(Base::of(json));
        let written = bound
            .and_then(|header| header.sync_data())
            .map_err(PersistError::io("write", &self.journal))
            .and_then(|()| replace(&self.json, json));
        match written {
            Ok(()) => {
                self.overflow.saved.store(self.overflow.copied.load(Ordering::Acquire), Ordering::Release);
                let old = with_suffix(&self.journal, ".old");
                fs::remove_file(&old).map_err(PersistError::io("remove", &old))
            }
            Err(error) => {
                self.dirty.store(true, Ordering::Release);
                Err(error)
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves bytes that are still whole records.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> (TableFile, Loaded<String>) {
        TableFile::open(dir, "t", |bytes| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string()))
            .unwrap()
    }

    fn changes(dir: &Path) -> Vec<String> {
        open(dir).1.changes.into_iter().map(|change| String::from_utf8(change).unwrap()).collect()
    }

    #[test]
    fn what_was_settled_is_found_after_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let (file, loaded) = open(dir.path());
        assert!(loaded.table.is_none() && loaded.changes.is_empty());
        file.note(b"a");
        file.settle();
        file.note(b"lost: it was never settled, thus never acknowledged");
        drop(file);
        assert_eq!(changes(dir.path()), ["a"]);
        assert_eq!(changes(dir.path()), ["a"], "a second kill right after the start");
    }

    #[test]
    fn a_kill_at_each_step_of_writing_the_json_file_loses_nothing() {
        for step in 0..4 {
            let dir = tempfile::tempdir().unwrap();
            let (file, _) = open(dir.path());
            file.note(b"a");
            file.begin().unwrap();
            file.note(b"b");
            file.settle();
            if step == 1 {
                lock(&file.file).bind(Base::of(b"{a}")).unwrap().sync_data().unwrap();
            }
            if step == 2 {
                // As write_json, killed before the old journal is removed.
                lock(&file.file).bind(Base::of(b"{a}")).unwrap().sync_data().unwrap();
                replace(&dir.path().join("t.json"), b"{a}").unwrap();
            }
            if step == 3 {
                file.write_json(b"{a}").unwrap();
            }
            drop(file);
            let (_, loaded) = open(dir.path());
            let found: Vec<&[u8]> = loaded.changes.iter().map(Vec::as_slice).collect();
            match step {
                0 | 1 => {
                    assert_eq!((loaded.table, found), (None, vec![b"a".as_slice(), b"b"]), "step {step}")
                }
                _ => assert_eq!(
                    (loaded.table.as_deref(), found),
                    (Some("{a}"), vec![b"b".as_slice()]),
                    "step {step}"
                ),
            }
        }
    }

    #[test]
    fn a_json_file_written_by_another_program_wins_over_our_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = open(dir.path());
        file.begin().unwrap();
        file.write_json(b"{ours}").unwrap();
        file.note(b"stale");
        file.settle();
        drop(file);
        fs::write(dir.path().join("t.json"), b"{javas}").unwrap();
        assert_eq!(changes(dir.path()), Vec::<String>::new());
    }

    /// The disk refuses every write to the journal, as a full one does.
    fn fill_disk(file: &TableFile) -> Journal {
        std::mem::replace(
            &mut *lock(&file.file),
            Journal::over(fs::File::options().write(true).open("/dev/full").unwrap()),
        )
    }

    #[test]
    fn on_a_full_disk_a_promise_is_refused_and_nothing_noted_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = open(dir.path());
        let journal = fill_disk(&file);
        file.note(b"a");
        file.settle();
        assert!(file.settle_now().is_err() && file.sync().is_err());
        // The JSON file cannot be written, either.
        fs::create_dir(dir.path().join("t.journal.old")).unwrap();
        file.begin().unwrap();
        fs::create_dir(dir.path().join("t.json.tmp")).unwrap();
        file.write_json(b"{a}").unwrap_err();
        // There is room again.
        *lock(&file.file) = journal;
        file.settle_now().unwrap();
        fs::remove_dir(dir.path().join("t.json.tmp")).unwrap();
        fs::remove_dir(dir.path().join("t.journal.old")).unwrap();
        drop(file);
        assert_eq!(changes(dir.path()), ["a"]);
    }

    #[test]
    fn what_found_no_room_in_memory_is_no_promise_until_the_json_file_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = open(dir.path());
        let journal = fill_disk(&file);
        let large = vec![7; PENDING_LIMIT_BYTES];
        file.note(&large);
        file.note(b"too much");
        *lock(&file.file) = journal;
        assert!(matches!(file.settle_now(), Err(PersistError::Doubtful { .. })));
        file.begin().unwrap();
        file.note(b"later");
        file.write_json(b"{all}").unwrap();
        file.settle_now().unwrap();
        file.sync().unwrap();
    }

    #[test]
    fn after_a_failed_sync_nothing_is_called_safe_until_there_is_another_journal() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = open(dir.path());
        file.note(b"a");
        file.settle();
        // A pipe takes writes at no place and cannot be synced; what is needed is that the sync fails.
        let (_, pipe) = std::io::pipe().unwrap();
        let journal = std::mem::replace(&mut *lock(&file.file), Journal::over(pipe));
        assert!(matches!(file.sync(), Err(PersistError::Io { action: "sync", .. })));
        *lock(&file.file) = journal;
        assert!(matches!(file.sync(), Err(PersistError::Doubtful { .. })));
        file.begin().unwrap();
        file.write_json(b"{a}").unwrap();
        file.note(b"b");
        file.sync().unwrap();
    }

    #[test]
    fn a_json_file_that_cannot_be_written_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let (file, _) = open(dir.path());
        file.note(b"a");
        file.begin().unwrap();
        assert!(!file.is_dirty());
        fs::create_dir(dir.path().join("t.json.tmp")).unwrap();
        file.write_json(b"{a}").unwrap_err();
        assert!(file.is_dirty());
        file.note(b"b");
        file.settle();
        fs::remove_dir(dir.path().join("t.json.tmp")).unwrap();
        assert_eq!(changes(dir.path()), ["a", "b"]);
    }
}
