//! Which index files there are, in which order, and which of them can be trusted.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

use eruca_message::{LogOffset, Timestamp};

use super::{
    file::{BatchScratch, IndexFile},
    layout::{IndexHeader, IndexLayout},
    name::{file_name, next_number, parse_file_name},
    repair::repair,
    scan::Keys,
};
use crate::{
    config::StoreConfig,
    disk::{Disk, DiskError},
};

/// The index of keys: all its files, and how far it has got.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    pub(super) dir: PathBuf,
    pub(super) layout: IndexLayout,
    disk: Arc<dyn Disk>,
    utc_offset_s: i32,
    /// Oldest first; only the last one is written.
    list: RwLock<Vec<Arc<IndexFile>>>,
    builder: Mutex<Builder>,
    /// Messages before this are indexed.
    indexed: AtomicU64,
    /// Store time up to which full files are on the disk.
    sealed: AtomicI64,
    /// Whether the builder failed the last time.
    failing: AtomicBool,
}

/// What the one who puts entries in works with.
#[derive(Debug)]
pub(crate) struct Builder {
    /// What the files hold, not looked at yet.
    unloaded: Option<Unloaded>,
    /// Whether a batch was put in halfway.
    is_half_put: bool,
    pub(super) keys: Keys,
    pub(super) scratch: BatchScratch,
}

/// What is known of the files before they are looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unloaded {
    /// Whether the last run closed the store in order.
    was_closed: bool,
    /// Files that end at or before this time are whole, whatever happened (Java: `indexMsgTimestamp`).
    sealed: Timestamp,
    /// Where the log ended when the store was opened.
    log_end: u64,
}

impl KeyIndex {
    /// The index of a store whose log ends at `log_end`. Files are looked at when the index is first used.
    pub(crate) fn new(
        config: &StoreConfig,
        disk: &Arc<dyn Disk>,
        was_closed: bool,
        sealed: Timestamp,
        log_end: u64,
    ) -> KeyIndex {
        KeyIndex {
            dir: config.index_dir(),
            layout: IndexLayout { slots: config.index_slots, entries: config.index_entries },
            disk: Arc::clone(disk),
            utc_offset_s: config.utc_offset_s,
            list: RwLock::default(),
            builder: Mutex::new(Builder {
                unloaded: Some(Unloaded { was_closed, sealed, log_end }),
                is_half_put: false,
                keys: Keys::default(),
                scratch: BatchScratch::default(),
            }),
            indexed: AtomicU64::new(0),
            sealed: AtomicI64::new(sealed.0),
            failing: AtomicBool::new(false),
        }
    }

    pub(super) fn builder(&self) -> MutexGuard<'_, Builder> {
        self.builder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, oldest first.
    pub(super) fn files(&self) -> Vec<Arc<IndexFile>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn newest(&self) -> Option<Arc<IndexFile>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    pub(super) fn change_list(&self, change: impl FnOnce(&mut Vec<Arc<IndexFile>>)) {
        change(&mut self.list.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Messages before this are indexed.
    pub(super) fn indexed(&self) -> u64 {
        self.indexed.load(Ordering::Acquire)
    }

    pub(super) fn set_indexed(&self, end: u64) {
        self.indexed.store(end, Ordering::Release);
    }

    /// Up to which store time full files are on the disk: what the checkpoint says.
    pub(crate) fn sealed(&self) -> Timestamp {
        Timestamp(self.sealed.load(Ordering::Acquire))
    }

    /// Full files that end later than this are not trusted any more.
    pub(super) fn take_back_sealed(&self, stored: Timestamp) {
        self.sealed.fetch_min(stored.0, Ordering::AcqRel);
    }

    /// Notes whether the builder failed; whether that is news.
    pub(super) fn note_failing(&self, is_failing: bool) -> bool {
        self.failing.swap(is_failing, Ordering::Relaxed) != is_failing
    }

    /// Looks at the files, where that was not done yet, and brings those in order that were not closed. `skip`: how
    /// long the record is that starts at an offset.
    pub(super) fn load(
        &self,
        builder: &mut Builder,
        record_len: impl Fn(LogOffset) -> Result<Option<u64>, DiskError>,
    ) -> Result<(), DiskError> {
        if builder.is_half_put {
            if let Some(newest) = self.newest() {
                repair(&newest, u64::MAX)?;
            }
            builder.is_half_put = false;
            return self.go_on_behind(&self.files(), record_len);
        }
        let Some(unloaded) = builder.unloaded else { return Ok(()) };
        let mut good = Vec::new();
        let mut found = self.find()?.into_iter();
        while let Some(file) = found.next() {
            let header = file.header();
            let is_newest = found.len() == 0;
            let is_sealed = !is_newest && file.is_full() && header.end_timestamp <= unloaded.sealed;
            let needs_repair = match unloaded.was_closed {
                true => header.end_log_offset.0 >= unloaded.log_end,
                false => !is_sealed,
            };
            let is_cut = needs_repair && repair(&file, unloaded.log_end)?;
            // The last message of a file may have entries in the next one, too: without those here it is indexed again.
            let is_shorter = file.header().next_entry < header.next_entry;
            good.push(Arc::new(file));
            if is_cut || (is_shorter && !is_newest) {
                break;
            }
        }
        // What comes behind a file that was cut is made anew.
        for file in found {
            self.remove(&file)?;
        }
        self.go_on_behind(&good, record_len)?;
        self.change_list(|list| *list = good);
        builder.unloaded = None;
        Ok(())
    }

    /// Messages behind what these files hold are to be indexed next.
    pub(super) fn go_on_behind(
        &self,
        files: &[Arc<IndexFile>],
        record_len: impl Fn(LogOffset) -> Result<Option<u64>, DiskError>,
    ) -> Result<(), DiskError> {
        let mut end = LogOffset(0);
        if let Some(last) = files.iter().rev().map(|file| file.header()).find(|header| !header.is_empty()) {
            end = last.end_log_offset;
            // Its last message has all its entries, unless the rest of them lay in a later file.
            if files.last().is_some_and(|file| !file.header().is_empty()) {
                end.0 += record_len(end)?.unwrap_or(0);
            }
        }
        self.set_indexed(end.0);
        Ok(())
    }

    /// Cuts entries off that lead behind the end of the log, which lost its tail in a crash: what comes to lie there has
    /// to be indexed again, also if the next crash comes before the index is looked at.
    pub(crate) fn cut_to_log(&self) -> Result<(), DiskError> {
        let Some(Unloaded { log_end, was_closed: false, .. }) = self.builder().unloaded else {
            return Ok(());
        };
        for file in self.find()?.into_iter().rev() {
            let header = file.header();
            if header.is_empty() {
                continue;
            }
            if header.end_log_offset.0 < log_end {
                break;
            }
            // Not only to the first entry behind the end: after a power cut some before that may never have been written.
            repair(&file, log_end)?;
        }
        Ok(())
    }

    /// Opens the files that are there, oldest first. Those that cannot be read as index files are left alone.
    fn find(&self) -> Result<Vec<IndexFile>, DiskError> {
        let names = self.disk.list(&self.dir).map_err(DiskError::at("list", &self.dir))?;
        let mut found = Vec::new();
        for entry in names.iter().filter(|entry| !entry.is_dir) {
            let path = self.dir.join(&entry.name);
            let Some(number) = parse_file_name(&entry.name) else {
                tracing::warn!(file = %path.display(), "not an index file: left alone");
                continue;
            };
            if entry.len_bytes == 0 {
                // The trace of an interrupted creation.
                self.disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
                continue;
            }
            let (len_bytes, expected_bytes) = (entry.len_bytes, self.layout.file_len_bytes());
            if len_bytes != expected_bytes {
                tracing::warn!(file = %path.display(), len_bytes, expected_bytes,
                    "an index file of another size is left alone, its messages are indexed anew: to use it set \
                    maxHashSlotNum and maxIndexNum to what it was made with");
                continue;
            }
            match IndexFile::open(&*self.disk, number, path.clone(), self.layout)? {
                Some(file) => found.push(file),
                None => tracing::warn!(file = %path.display(),
                    "the header of an index file is damaged: left alone, remove it"),
            }
        }
        found.sort_by_key(|file| file.number);
        Ok(found)
    }

    /// Puts the keys in that the builder holds, in as many files as they need.
    pub(super) fn put(&self, builder: &mut Builder, now: Timestamp) -> Result<(), DiskError> {
        let Builder { keys, scratch, is_half_put, .. } = builder;
        let mut rest = keys.list.as_slice();
        while !rest.is_empty() {
            let file = self.file_with_room(now)?;
            let count = file.put(rest, scratch).inspect_err(|_| *is_half_put = true)?;
            rest = rest.get(count..).unwrap_or_default();
        }
        if let (Some(last), Some(newest)) = (builder.keys.last, self.newest()) {
            newest.note_scanned(last)?;
        }
        Ok(())
    }

    /// The newest file, or a new one where that is full.
    fn file_with_room(&self, now: Timestamp) -> Result<Arc<IndexFile>, DiskError> {
        let newest = self.newest();
        if let Some(newest) = &newest
            && !newest.is_full()
        {
            return Ok(Arc::clone(newest));
        }
        if !self.disk.exists(&self.dir).map_err(DiskError::at("look for", &self.dir))? {
            self.disk.create_dir_all(&self.dir).map_err(DiskError::at("create directory", &self.dir))?;
            if let Some(above) = self.dir.parent() {
                self.disk.sync_dir(above).map_err(DiskError::at("sync", above))?;
            }
        }
        if let Some(newest) = &newest {
            // A file that has a successor is on the disk.
            self.seal(newest)?;
        }
        let number = next_number(now, self.utc_offset_s, newest.as_ref().map(|newest| newest.number));
        let header = IndexHeader::following(newest.map(|newest| newest.header()).as_ref());
        let path = self.dir.join(file_name(number));
        let file = IndexFile::create(&*self.disk, number, path, self.layout, header)?;
        let file = Arc::new(file);
        self.change_list(|list| list.push(Arc::clone(&file)));
        Ok(file)
    }

    /// Forces a full file to the disk; from now on it is trusted.
    fn seal(&self, file: &IndexFile) -> Result<(), DiskError> {
        file.sync()?;
        self.sealed.fetch_max(file.header().end_timestamp.0, Ordering::AcqRel);
        Ok(())
    }

    /// Forces the newest file to the disk.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        self.newest().map_or(Ok(()), |newest| newest.sync())
    }

    /// Removes the files whose messages all lie before `log_min`, but never the newest one.
    pub(crate) fn expire(&self, log_min: u64) -> Result<(), DiskError> {
        loop {
            let oldest = {
                let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
                match list.first() {
                    Some(file) if list.len() > 1 && file.header().end_log_offset.0 < log_min => {
                        Arc::clone(file)
                    }
                    _ => return Ok(()),
                }
            };
            self.remove(&oldest)?;
            self.change_list(|list| list.retain(|file| file.number != oldest.number));
            tracing::info!(file = %oldest.path.display(), log_min, "an old index file is deleted");
        }
    }

    pub(super) fn remove(&self, file: &IndexFile) -> Result<(), DiskError> {
        match self.disk.remove_file(&file.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(DiskError::at("remove", &file.path))?,
        }
        self.disk.sync_dir(&self.dir).map_err(DiskError::at("sync", &self.dir))
    }
}
