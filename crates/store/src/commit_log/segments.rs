//! The files of the log: each holds `segment_size_bytes`, zero filled behind the last record.

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use crate::{
    disk::{Advice, Disk, DiskError, DiskFile},
    error::OpenError,
    segment::{file_path, list_files},
};

/// One file of the log. It stays readable as long as someone holds it, even when it was deleted meanwhile.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Log offset of its first byte.
    pub(crate) start: u64,
    /// Its length in bytes.
    pub(crate) len_bytes: u64,
    /// Where it lies.
    pub(crate) path: PathBuf,
    file: Arc<dyn DiskFile>,
}

impl Segment {
    /// Log offset behind its last byte.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.len_bytes
    }

    /// Appends `len` bytes from log offset `at` to `into`.
    pub(crate) fn read_append(&self, into: &mut Vec<u8>, len: usize, at: u64) -> Result<(), DiskError> {
        self.file.read_append(into, len, at - self.start).map_err(DiskError::at("read", &self.path))
    }

    /// The same without waiting for the disk; `false`, and nothing appended, where that had to be waited for.
    pub(crate) fn read_cached(&self, into: &mut Vec<u8>, len: usize, at: u64) -> Result<bool, DiskError> {
        self.file.read_cached(into, len, at - self.start).map_err(DiskError::at("read", &self.path))
    }

    /// Tells the kernel what becomes of the log from `from` to `to`.
    pub(crate) fn advise(&self, advice: Advice, from: u64, to: u64) {
        debug_assert!(from >= self.start && from <= to && to <= self.end());
        self.file.advise(advice, from - self.start, to - from);
    }

    /// Fills `into` from log offset `at`.
    pub(crate) fn read_exact(&self, into: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.file.read_exact_at(into, at - self.start).map_err(DiskError::at("read", &self.path))
    }

    /// Writes at log offset `at`.
    pub(crate) fn write(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        debug_assert!(at >= self.start && at + bytes.len() as u64 <= self.end());
        self.file.write_all_at(bytes, at - self.start).map_err(DiskError::at("write", &self.path))
    }

    /// Makes what was written survive a power cut.
    pub(crate) fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(DiskError::at("sync", &self.path))
    }

    /// Makes everything from log offset `at` zero.
    pub(crate) fn zero_from(&self, at: u64) -> Result<(), DiskError> {
        self.file.zero_from(at - self.start).map_err(DiskError::at("clear the end of", &self.path))
    }
}

/// The segments in order, without a gap. The last one may be prepared ahead and still empty.
#[derive(Debug)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    size: u64,
    list: RwLock<VecDeque<Arc<Segment>>>,
    /// Held while a file is created or the last one removed: the disk may take its time, and readers of the list do not wait
    /// for that.
    changing_end: Mutex<()>,
}

impl Segments {
    /// Opens all files of `dir`. An empty last one is the trace of an interrupted creation and removed.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: PathBuf, size: u64) -> Result<Segments, OpenError> {
        let mut files = list_files(&*disk, &dir)?;
        if let Some(last) = files.last().copied()
            && last.len_bytes == 0
        {
            let path = file_path(&dir, last.start);
            disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
            files.pop();
        }
        let mut list: VecDeque<Arc<Segment>> = VecDeque::new();
        for found in files {
            let path = file_path(&dir, found.start);
            if found.len_bytes != size {
                let (len_bytes, expected_bytes) = (found.len_bytes, size);
                let key = "mappedFileSizeCommitLog";
                return Err(OpenError::WrongFileSize { path, len_bytes, expected_bytes, key });
            }
            if let Some(before) = list.back()
                && before.end() != found.start
            {
                return Err(OpenError::MissingFile { path: file_path(&dir, before.end()) });
            }
            let file = disk.open(&path).map_err(DiskError::at("open", &path))?;
            list.push_back(Arc::new(Segment { start: found.start, len_bytes: size, path, file }));
        }
        Ok(Segments { disk, dir, size, list: RwLock::new(list), changing_end: Mutex::default() })
    }

    /// Opens files that follow each other and are of one size, for someone who only looks: nothing is changed.
    pub(crate) fn look(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        size: u64,
        starts: &[u64],
    ) -> Result<Segments, DiskError> {
        let mut list: VecDeque<Arc<Segment>> = VecDeque::new();
        for start in starts.iter().copied() {
            let path = file_path(&dir, start);
            let file = disk.open(&path).map_err(DiskError::at("open", &path))?;
            list.push_back(Arc::new(Segment { start, len_bytes: size, path, file }));
        }
        Ok(Segments { disk, dir, size, list: RwLock::new(list), changing_end: Mutex::default() })
    }

    fn read(&self) -> RwLockReadGuard<'_, VecDeque<Arc<Segment>>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, VecDeque<Arc<Segment>>> {
        self.list.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn changing_end(&self) -> MutexGuard<'_, ()> {
        self.changing_end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Length of every segment in bytes.
    pub(crate) fn segment_size(&self) -> u64 {
        self.size
    }

    /// Where the log starts; 0 where there is no file.
    pub(crate) fn min(&self) -> u64 {
        self.read().front().map_or(0, |segment| segment.start)
    }

    /// Where the last file ends, exclusive; 0 where there is none.
    pub(crate) fn end(&self) -> u64 {
        self.read().back().map_or(0, |segment| segment.end())
    }

    /// The segment that holds log offset `at`.
    pub(crate) fn find(&self, at: u64) -> Option<Arc<Segment>> {
        let list = self.read();
        let since = at.checked_sub(list.front()?.start)?;
        list.get(usize::try_from(since / self.size).ok()?).cloned()
    }

    /// The segments that hold bytes of `from..to`.
    pub(crate) fn overlapping(&self, from: u64, to: u64) -> Vec<Arc<Segment>> {
        self.read().iter().filter(|segment| segment.start < to && segment.end() > from).cloned().collect()
    }

    /// All segments.
    pub(crate) fn all(&self) -> Vec<Arc<Segment>> {
        self.read().iter().cloned().collect()
    }

    /// The segment that holds `at`; created where it would be the next one. Its name is durable then.
    pub(crate) fn find_or_create(&self, at: u64) -> Result<Arc<Segment>, DiskError> {
        if let Some(segment) = self.find(at) {
            return Ok(segment);
        }
        // Two that roll at once would both create the file.
        let _changing_end = self.changing_end();
        if let Some(segment) = self.find(at) {
            return Ok(segment);
        }
        let start = self.read().back().map_or(at - at % self.size, |segment| segment.end());
        debug_assert_eq!(start, at - at % self.size, "segments follow each other");
        let path = file_path(&self.dir, start);
        let file = self.disk.create(&path, self.size).map_err(DiskError::at("create", &path))?;
        let synced = file.sync_data().map_err(DiskError::at("sync", &path));
        if let Err(error) = synced.and_then(|()| self.sync_names()) {
            // The next try, if there is one, begins anew. A file that stays is found by the next start.
            let _ = self.disk.remove_file(&path);
            return Err(error);
        }
        let segment = Arc::new(Segment { start, len_bytes: self.size, path, file });
        self.write().push_back(Arc::clone(&segment));
        Ok(segment)
    }

    /// Removes the first segment, unless it is the only one; its file goes when the last reader lets it go, and for good with
    /// [`Segments::sync_names`], which has to come before the next one is removed.
    pub(crate) fn remove_first(&self) -> Result<Option<Arc<Segment>>, DiskError> {
        let first = {
            let mut list = self.write();
            if list.len() < 2 {
                return Ok(None);
            }
            list.pop_front()
        };
        if let Some(segment) = &first {
            let removed = self.disk.remove_file(&segment.path);
            if let Err(error) = removed {
                // Still there: back to its place, so that the list says what the directory says.
                self.write().push_front(Arc::clone(segment));
                return Err(DiskError::at("remove", &segment.path)(error));
            }
        }
        Ok(first)
    }

    /// Lets a log without records begin at `at`, the start of a segment: its files give way to a new one.
    pub(crate) fn begin_at(&self, at: u64) -> Result<(), DiskError> {
        while !self.read().is_empty() {
            self.remove_last()?;
        }
        self.find_or_create(at).map(drop)
    }

    /// Takes away everything from `end` on, from the last segment to the first, so that at every moment what is there is
    /// a log. It is on the disk then.
    pub(crate) fn cut_to(&self, end: u64) -> Result<(), DiskError> {
        while self.read().back().is_some_and(|last| last.start >= end) && self.read().len() > 1 {
            self.remove_last()?;
        }
        let Some(segment) = self.find(end) else { return Ok(()) };
        // The beginning first: whatever a power cut leaves behind it is no part of the log.
        let head = [0; 8];
        let len = (segment.end() - end).min(head.len() as u64) as usize;
        segment.write(head.get(..len).unwrap_or_default(), end)?;
        segment.sync()?;
        segment.zero_from(end)?;
        segment.sync()
    }

    /// Removes the last segment: recovery's way with files behind the end.
    pub(crate) fn remove_last(&self) -> Result<(), DiskError> {
        let _changing_end = self.changing_end();
        let Some(segment) = self.write().pop_back() else { return Ok(()) };
        self.disk.remove_file(&segment.path).map_err(DiskError::at("remove", &segment.path))?;
        self.sync_names()
    }

    /// A power cut must not bring a file back without its neighbour.
    pub(crate) fn sync_names(&self) -> Result<(), DiskError> {
        self.disk.sync_dir(&self.dir).map_err(DiskError::at("sync", &self.dir))
    }

    /// Appends `len` bytes from `at` to `into`; `false` where the log does not hold them in one segment.
    pub(crate) fn read_append(&self, into: &mut Vec<u8>, len: usize, at: u64) -> Result<bool, DiskError> {
        match self.find(at) {
            Some(segment) if at + len as u64 <= segment.end() => {
                segment.read_append(into, len, at).map(|()| true)
            }
            Some(_) | None => Ok(false),
        }
    }
}
