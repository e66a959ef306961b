//! A store directory as its files show it: which there are, how large, where the log can be read.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use eruca_message::{LogOffset, Record, Timestamp};

use crate::{
    checkpoint::Checkpoint,
    commit_log::{Found, LogEnd, LogItem, Segments, Walk, log_item, walk_log},
    config::StoreConfig,
    disk::{Disk, DiskError},
    recovery::store_time_at,
    segment::{FoundFile, file_path, list_files},
};

/// Why a directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// There is no store.
    #[error("{} holds no store: there is no directory commitlog in it, and no checkpoint (is it storePathRootDir?)", path.display())]
    NoStore {
        /// The directory.
        path: PathBuf,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// One file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// Log offset of its first byte.
    pub start: LogOffset,
    /// Its length.
    pub len_bytes: u64,
    /// Store time of the record at its start; `None` where there is none.
    pub first_stored: Option<Timestamp>,
}

/// A store directory, open to be read.
#[derive(Debug)]
pub struct StoreDirectory {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) root: PathBuf,
    pub(super) commit_log_dir: PathBuf,
    pub(super) files: Vec<FoundFile>,
    /// What most files of the log have.
    pub(super) segment_size_bytes: Option<u64>,
    /// Files of that size that follow each other; more than one where files are missing.
    pub(super) runs: Vec<Segments>,
    pub(super) checkpoint: Option<Checkpoint>,
}

impl StoreDirectory {
    /// Looks at the store in `root`; its log lies in `commit_log_dir`, by default `<root>/commitlog`.
    ///
    /// # Errors
    /// [`InspectError`] where there is no store, or its files cannot be read.
    pub fn open(
        disk: Arc<dyn Disk>,
        root: &Path,
        commit_log_dir: Option<&Path>,
    ) -> Result<StoreDirectory, InspectError> {
        let config = StoreConfig::new(root);
        let dir = commit_log_dir.map_or(config.commit_log_dir.clone(), Path::to_owned);
        let exists = |path: &Path| disk.exists(path).map_err(DiskError::at("look for", path));
        if !exists(&dir)? && !exists(&config.checkpoint_path())? {
            return Err(InspectError::NoStore { path: root.to_owned() });
        }
        let files = list_files(&*disk, &dir)?;
        let segment_size_bytes = common_size(files.iter().map(|file| file.len_bytes));
        let mut runs = Vec::new();
        if let Some(size) = segment_size_bytes {
            let mut starts: Vec<u64> = Vec::new();
            for file in files.iter().filter(|file| file.len_bytes == size) {
                if starts.last().is_some_and(|last| last + size != file.start) {
                    runs.push(Segments::look(Arc::clone(&disk), dir.clone(), size, &starts)?);
                    starts.clear();
                }
                starts.push(file.start);
            }
            runs.push(Segments::look(Arc::clone(&disk), dir.clone(), size, &starts)?);
        }
        let checkpoint = Checkpoint::load(&*disk, &config.checkpoint_path())?;
        let (root, commit_log_dir) = (root.to_owned(), dir);
        Ok(StoreDirectory { disk, root, commit_log_dir, files, segment_size_bytes, runs, checkpoint })
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Size of the log's files; `None` where there are none.
    pub fn segment_size_bytes(&self) -> Option<u64> {
        self.segment_size_bytes
    }

    /// The `checkpoint` file, where there is one.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        self.checkpoint
    }

    /// The files of the log in order.
    pub fn segments(&self) -> Result<Vec<SegmentFile>, InspectError> {
        let mut all = Vec::new();
        for file in &self.files {
            let first_stored = match self.run_of(file.start) {
                Some(run) if Some(file.len_bytes) == self.segment_size_bytes => {
                    store_time_at(run, file.start)?
                }
                _ => None,
            };
            all.push(SegmentFile {
                path: file_path(&self.commit_log_dir, file.start),
                start: LogOffset(file.start),
                len_bytes: file.len_bytes,
                first_stored,
            });
        }
        Ok(all)
    }

    /// Log offset of the first byte of the log; 0 where there is none.
    pub fn log_start(&self) -> LogOffset {
        LogOffset(self.runs.first().map_or(0, Segments::min))
    }

    /// Bytes of the files of the log.
    pub fn log_files_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.len_bytes).sum()
    }

    /// The file of the log that holds `at`, and the place in it.
    pub fn place_of(&self, at: LogOffset) -> (PathBuf, u64) {
        let file = self.files.iter().rev().find(|file| file.start <= at.0);
        match file {
            Some(file) => (file_path(&self.commit_log_dir, file.start), at.0 - file.start),
            None => (self.commit_log_dir.clone(), at.0),
        }
    }

    pub(super) fn run_of(&self, at: u64) -> Option<&Segments> {
        self.runs.iter().find(|run| run.find(at).is_some())
    }

    /// Shows what the log holds from `from` on (the start of the record that lies there, or behind it), to its end or
    /// until `visit` has enough. Where files are missing it goes on behind them.
    pub fn walk<E: From<InspectError> + From<DiskError>>(
        &self,
        from: LogOffset,
        mut visit: impl FnMut(Found<'_>) -> Result<Walk, E>,
    ) -> Result<LogEnd, E> {
        let mut end = LogEnd { at: self.log_start().0, torn: None };
        let mut stopped = false;
        for run in &self.runs {
            let last = run.all().last().map_or(0, |segment| segment.end());
            if last <= from.0 || stopped {
                continue;
            }
            let start = self.start_in(run, from.0)?;
            end = walk_log(
                run,
                start,
                |_, _| true,
                |found| {
                    if end_of(&found) <= from.0 {
                        return Ok(Walk::On);
                    }
                    let walk = visit(found)?;
                    stopped = walk == Walk::Stop;
                    Ok::<Walk, E>(walk)
                },
            )?;
        }
        Ok(end)
    }

    /// Where a walk that is to show what lies at `from` has to begin: there, where a record does, else at the start of
    /// the file.
    fn start_in(&self, run: &Segments, from: u64) -> Result<u64, DiskError> {
        let Some(segment) = run.find(from) else { return Ok(run.min()) };
        let mut head = Vec::new();
        let room = segment.end() - from;
        segment.read_append(&mut head, room.min(8) as usize, from)?;
        if let LogItem::NeedsMore { len_bytes } = log_item(&head, LogOffset(from), room) {
            head.clear();
            segment.read_append(&mut head, len_bytes as usize, from)?;
        }
        let is_record =
            matches!(log_item(&head, LogOffset(from), room), LogItem::Record(_) | LogItem::Damaged { .. });
        Ok(if is_record { from } else { segment.start })
    }

    /// Reads the record at `at` into `into`; `None` where none starts there. Its CRC is not checked.
    pub fn record_at<'a>(
        &self,
        at: LogOffset,
        into: &'a mut Vec<u8>,
    ) -> Result<Option<Record<'a>>, DiskError> {
        into.clear();
        let Some(segment) = self.run_of(at.0).and_then(|run| run.find(at.0)) else { return Ok(None) };
        let room = segment.end() - at.0;
        segment.read_append(into, room.min(8) as usize, at.0)?;
        let LogItem::NeedsMore { len_bytes } = log_item(into, at, room) else { return Ok(None) };
        into.clear();
        segment.read_append(into, len_bytes as usize, at.0)?;
        Ok(match log_item(into, at, room) {
            LogItem::Record(record) => Some(record),
            LogItem::Damaged { record, .. } => record,
            _ => None,
        })
    }
}

/// Where a thing that a walk found ends.
pub(super) fn end_of(found: &Found<'_>) -> u64 {
    match found {
        Found::Record(record) => record.fields.log_offset.0 + record.total_len as u64,
        Found::Damaged { at, len_bytes, .. } => at + len_bytes,
        Found::Unreadable { end, .. } => *end,
    }
}

/// The size that most have; the larger one of two that are as frequent, since a file may be cut short but not grow.
pub(super) fn common_size(sizes: impl Iterator<Item = u64>) -> Option<u64> {
    let mut counts = std::collections::BTreeMap::new();
    for size in sizes.filter(|size| *size > 0) {
        *counts.entry(size).or_insert(0u64) += 1;
    }
    counts.into_iter().max_by_key(|(size, count)| (*count, *size)).map(|(size, _)| size)
}
