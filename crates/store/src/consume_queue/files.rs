//! The files of all ConsumeQueues: `consumequeue/TOPIC/QUEUE_ID/START`, opened on demand.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use super::{ConsumeQueue, ConsumeQueueEntry, ENTRY_LEN_BYTES};
use crate::{
    disk::{Disk, DiskError, DiskFile},
    queue_log::QueueLog,
    segment::{file_path, list_files},
};

/// With more touched files than this one sync of the whole file system is cheaper.
const SINGLE_SYNCS_MAX: usize = 128;

/// Opens files, keeps the last used ones open, and knows how entries lie in them.
#[derive(Debug)]
pub(crate) struct QueueFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_size_bytes: u64,
    open: Mutex<OpenFiles>,
    open_max: usize,
    queue_log: QueueLog,
}

/// By queue (its number in the table) and index of the file's first entry.
type FileKey = (u64, u64);

#[derive(Debug)]
struct OpenFile {
    file: Arc<dyn DiskFile>,
    /// When it was used the last time.
    used: u64,
    /// Whether its name is on the disk, or is among what the next sync brings there. Where the queue log is in use, the
    /// names that a dead process left are not looked at when the store is opened.
    is_named: bool,
}

#[derive(Debug, Default)]
struct OpenFiles {
    files: HashMap<FileKey, OpenFile>,
    /// Counts the uses, to tell old from new.
    uses: u64,
}

/// Files and directories that changed and have to be synced.
#[derive(Debug, Default)]
pub(crate) struct TouchedFiles {
    files: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    dirs: BTreeSet<PathBuf>,
    too_many: bool,
    /// Whether the names of files that were found have to be synced, too.
    found_names: bool,
}

impl TouchedFiles {
    /// For a recovery: the process that created a file may have died before it synced the name.
    pub(crate) fn with_found_names() -> TouchedFiles {
        TouchedFiles { found_names: true, ..TouchedFiles::default() }
    }

    fn file(&mut self, path: PathBuf, file: Arc<dyn DiskFile>) {
        if self.found_names
            && let Some(dir) = path.parent()
        {
            self.created_in(dir, 2);
        }
        if self.files.len() >= SINGLE_SYNCS_MAX {
            self.too_many = true;
            self.files.clear();
        }
        if !self.too_many {
            self.files.push((path, file));
        }
    }

    fn created_in(&mut self, dir: &Path, above: usize) {
        if !self.too_many {
            self.dirs.extend(dir.ancestors().take(above + 1).map(Path::to_owned));
        }
    }
}

impl QueueFiles {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        file_size_bytes: u64,
        open_max: usize,
        queue_log: QueueLog,
    ) -> QueueFiles {
        QueueFiles { disk, dir, file_size_bytes, open: Mutex::default(), open_max, queue_log }
    }

    /// What holds the entries of very many queues instead.
    pub(crate) fn queue_log(&self) -> &QueueLog {
        &self.queue_log
    }

    pub(crate) fn disk(&self) -> &dyn Disk {
        &*self.disk
    }

    /// The directory of all queues.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn file_size_bytes(&self) -> u64 {
        self.file_size_bytes
    }

    pub(crate) fn entries_per_file(&self) -> u64 {
        self.file_size_bytes / ENTRY_LEN_BYTES
    }

    /// Index of the first entry of the file that holds entry `index`.
    pub(crate) fn file_of(&self, index: u64) -> u64 {
        index - index % self.entries_per_file()
    }

    pub(crate) fn queue_dir(&self, topic: &str, queue_id: i32) -> PathBuf {
        self.dir.join(topic).join(queue_id.to_string())
    }

    /// Path of the file whose first entry is `first`.
    pub(crate) fn path(&self, queue: &ConsumeQueue, first: u64) -> PathBuf {
        file_path(&self.queue_dir(queue.topic(), queue.queue_id()), first * ENTRY_LEN_BYTES)
    }

    fn cached(&self, key: FileKey) -> Option<Arc<dyn DiskFile>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.uses += 1;
        let uses = open.uses;
        let open = open.files.get_mut(&key)?;
        open.used = uses;
        Some(Arc::clone(&open.file))
    }

    /// Whether the name of an open file has to be synced with what is written to it now; then it counts as synced.
    fn must_sync_name(&self, key: FileKey) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let is_named = open.files.get_mut(&key).map(|open| std::mem::replace(&mut open.is_named, true));
        self.queue_log.is_active() && is_named == Some(false)
    }

    fn keep(&self, key: FileKey, file: &Arc<dyn DiskFile>, is_named: bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.files.len() >= self.open_max {
            // A quarter at once, so that the search for the oldest is paid for by many openings.
            let mut uses: Vec<u64> = open.files.values().map(|open| open.used).collect();
            let quarter = uses.len() / 4;
            let (_, oldest_kept, _) = uses.select_nth_unstable(quarter);
            let oldest_kept = *oldest_kept;
            open.files.retain(|_, open| open.used >= oldest_kept);
        }
        open.uses += 1;
        let uses = open.uses;
        open.files.insert(key, OpenFile { file: Arc::clone(file), used: uses, is_named });
    }

    fn forget(&self, key: FileKey) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).files.remove(&key);
    }

    /// Keeps none open.
    pub(super) fn close_all(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).files.clear();
    }

    fn open(&self, queue: &ConsumeQueue, first: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        let key = (queue.number(), first);
        if let Some(file) = self.cached(key) {
            return Ok(file);
        }
        let path = self.path(queue, first);
        let file = self.disk.open(&path).map_err(DiskError::at("open", &path))?;
        self.keep(key, &file, false);
        Ok(file)
    }

    fn open_or_create(
        &self,
        queue: &ConsumeQueue,
        first: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(Arc<dyn DiskFile>, bool), DiskError> {
        let key = (queue.number(), first);
        let dir = self.queue_dir(queue.topic(), queue.queue_id());
        if let Some(file) = self.cached(key) {
            if self.must_sync_name(key) {
                touched.created_in(&dir, 2);
            }
            return Ok((file, false));
        }
        let path = self.path(queue, first);
        if self.disk.exists(&path).map_err(DiskError::at("look for", &path))? {
            let file = self.open(queue, first)?;
            if file.len().map_err(DiskError::at("measure", &path))? > 0 {
                if self.must_sync_name(key) {
                    touched.created_in(&dir, 2);
                }
                return Ok((file, false));
            }
            // A power cut took its length. Where the queue log is in use, nobody has looked.
            self.remove(queue, first)?;
        }
        self.disk.create_dir_all(&dir).map_err(DiskError::at("create directory", &dir))?;
        let created = self.disk.create(&path, self.file_size_bytes);
        let file = created.map_err(|error| {
            // Half created it would be taken for damaged; if it cannot be removed, the open will say so.
            let _ = self.disk.remove_file(&path);
            DiskError::at("create", &path)(error)
        })?;
        // The topic's directory and the one above it may be new, too.
        touched.created_in(&dir, 2);
        self.keep(key, &file, true);
        Ok((file, true))
    }

    /// Reads up to `count` entries from `index`, not over the end of a file; fewer where there are fewer.
    pub(crate) fn read(
        &self,
        queue: &ConsumeQueue,
        index: u64,
        count: u64,
        into: &mut Vec<ConsumeQueueEntry>,
    ) -> Result<(), DiskError> {
        let first = self.file_of(index);
        let count = count.min(first + self.entries_per_file() - index);
        let file = self.open(queue, first)?;
        let mut bytes = vec![0; usize::try_from(count * ENTRY_LEN_BYTES).unwrap_or(0)];
        let at = (index - first) * ENTRY_LEN_BYTES;
        file.read_exact_at(&mut bytes, at)
            .map_err(|error| DiskError::at("read", &self.path(queue, first))(error))?;
        into.extend(ConsumeQueueEntry::decode_all(&bytes));
        Ok(())
    }

    /// Whether [`QueueFiles::read`] would not wait for the disk.
    pub(crate) fn is_cached(&self, queue: &ConsumeQueue, index: u64, count: u64) -> Result<bool, DiskError> {
        let first = self.file_of(index);
        let count = count.min(first + self.entries_per_file() - index);
        let file = self.open(queue, first)?;
        let len = usize::try_from(count * ENTRY_LEN_BYTES).unwrap_or(0);
        let at = (index - first) * ENTRY_LEN_BYTES;
        file.read_cached(&mut Vec::new(), len, at)
            .map_err(|error| DiskError::at("read", &self.path(queue, first))(error))
    }

    /// Writes entries from `index` on; files are created, and entries before the first one of a new file
    /// are blank.
    pub(crate) fn write(
        &self,
        queue: &ConsumeQueue,
        index: u64,
        entries: &[ConsumeQueueEntry],
        touched: &mut TouchedFiles,
    ) -> Result<(), DiskError> {
        let mut index = index;
        let mut rest = entries;
        let mut bytes = Vec::new();
        while !rest.is_empty() {
            let first = self.file_of(index);
            let room = usize::try_from(first + self.entries_per_file() - index).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            let (file, created) = self.open_or_create(queue, first, touched)?;
            bytes.clear();
            let mut at = index;
            if created {
                (first..index).for_each(|_| bytes.extend_from_slice(&ConsumeQueueEntry::BLANK.encode()));
                at = first;
            }
            now.iter().for_each(|entry| bytes.extend_from_slice(&entry.encode()));
            let written = file.write_all_at(&bytes, (at - first) * ENTRY_LEN_BYTES);
            let path = self.path(queue, first);
            if let Err(error) = written {
                if created {
                    // Else the next try would find the file and not write the blank entries.
                    self.remove(queue, first)?;
                }
                return Err(DiskError::at("write", &path)(error));
            }
            touched.file(path, file);
            index += now.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Clears everything from `index` to the end of its file and removes the files after it.
    pub(crate) fn truncate(
        &self,
        queue: &ConsumeQueue,
        index: u64,
        files_end: u64,
        touched: &mut TouchedFiles,
    ) -> Result<(), DiskError> {
        let first = self.file_of(index);
        // From the last on, so that whenever this ends no file is missing between others.
        let mut later = self.file_of(files_end.saturating_sub(1));
        while later > first {
            self.remove(queue, later)?;
            later -= self.entries_per_file();
        }
        let path = self.path(queue, first);
        if first < files_end && self.disk.exists(&path).map_err(DiskError::at("look for", &path))? {
            let file = self.open(queue, first)?;
            let at = (index - first) * ENTRY_LEN_BYTES;
            file.zero_from(at).map_err(DiskError::at("clear the end of", &path))?;
            touched.file(path, file);
        }
        Ok(())
    }

    /// Removes the file whose first entry is `first`, for good; that there is none is no error.
    pub(crate) fn remove(&self, queue: &ConsumeQueue, first: u64) -> Result<(), DiskError> {
        self.forget((queue.number(), first));
        let path = self.path(queue, first);
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(DiskError::at("remove", &path))?,
        }
        // Else a power cut could bring this file back and not its neighbour.
        let dir = self.queue_dir(queue.topic(), queue.queue_id());
        self.disk.sync_dir(&dir).map_err(DiskError::at("sync", &dir))
    }

    /// Removes all files of a queue that has none as far as its state says.
    pub(crate) fn remove_strays(&self, queue: &ConsumeQueue) -> Result<(), DiskError> {
        let dir = self.queue_dir(queue.topic(), queue.queue_id());
        for stray in list_files(self.disk(), &dir)? {
            self.remove(queue, stray.start / ENTRY_LEN_BYTES)?;
        }
        Ok(())
    }

    /// Removes all files of queues in a directory, of which none is open.
    pub(crate) fn remove_all(&self, dir: &Path) -> Result<(), DiskError> {
        for stray in list_files(self.disk(), dir)? {
            let path = file_path(dir, stray.start);
            self.disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
            // Else a power cut could bring this file back and not its neighbour.
            self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        }
        Ok(())
    }

    /// Makes what was touched durable. After an error the rest is still noted.
    pub(crate) fn sync(&self, touched: &mut TouchedFiles) -> Result<(), DiskError> {
        if touched.too_many {
            self.disk.sync_file_system(&self.dir).map_err(DiskError::at("sync", &self.dir))?;
            *touched = TouchedFiles::default();
            return Ok(());
        }
        while let Some((path, file)) = touched.files.first() {
            file.sync_data().map_err(DiskError::at("sync", path))?;
            touched.files.remove(0);
        }
        while let Some(dir) = touched.dirs.first() {
            self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
            touched.dirs.pop_first();
        }
        touched.found_names = false;
        Ok(())
    }
}

/// Removes a directory; that it is not there, or holds what is not ours, is no error.
pub(crate) fn remove_dir(disk: &dyn Disk, dir: &Path) -> Result<(), DiskError> {
    use std::io::ErrorKind::{DirectoryNotEmpty, NotFound};
    match disk.remove_dir(dir) {
        Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty) => {
            Err(DiskError::at("remove", dir)(error))
        }
        _ => Ok(()),
    }
}
