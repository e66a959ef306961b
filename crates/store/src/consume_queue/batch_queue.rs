//! One batch ConsumeQueue. Its entries have places (0, 1, 2 …) and stand for one or more messages each; the queue
//! offsets of messages rise from entry to entry, and may have holes.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use eruca_message::Timestamp;

use super::{BATCH_ENTRY_LEN_BYTES, BatchQueueEntry};
use crate::{
    disk::{Disk, DiskError, DiskFile},
    error::OpenError,
    query::Boundary,
    segment::{file_path, list_files},
};

const LEN: usize = BATCH_ENTRY_LEN_BYTES as usize;

/// A queue of inner batches (Java: `BatchConsumeQueue`).
#[derive(Debug)]
pub(crate) struct BatchQueue {
    topic: Arc<str>,
    queue_id: i32,
    dir: PathBuf,
    file_size_bytes: u64,
    disk: Arc<dyn Disk>,
    /// The next queue offset to give; belongs to the append lock.
    next: AtomicU64,
    state: Mutex<BatchState>,
    /// The file that was used last, by the place of its first entry.
    open: Mutex<Option<(u64, Arc<dyn DiskFile>)>>,
}

/// `files_from ≤ first ≤ stored`; the entries from `stored` on are in `tail`.
#[derive(Debug, Clone, Default)]
struct BatchState {
    /// Place of the first entry of the first file.
    files_from: u64,
    /// Place of the first entry whose record is in the log.
    first: u64,
    /// Entries before this place are in the files.
    stored: u64,
    /// The entries from `stored` on.
    tail: Vec<BatchQueueEntry>,
    /// Lowest queue offset, and end (exclusive).
    min: u64,
    max: u64,
    /// Start of the last record in the log that has an entry here.
    last_log_offset: Option<u64>,
    /// Whether its files are gone for good.
    deleted: bool,
}

impl BatchState {
    fn end(&self) -> u64 {
        self.stored + self.tail.len() as u64
    }
}

impl BatchQueue {
    /// The queue in `dir`, with what its files hold.
    pub(crate) fn load(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        file_size_bytes: u64,
        topic: Arc<str>,
        queue_id: i32,
    ) -> Result<BatchQueue, OpenError> {
        let mut queue = BatchQueue {
            topic,
            queue_id,
            dir,
            file_size_bytes,
            disk,
            next: AtomicU64::new(0),
            state: Mutex::default(),
            open: Mutex::default(),
        };
        let (files_from, stored) = queue.count_stored()?;
        let mut state = BatchState { files_from, first: files_from, stored, ..BatchState::default() };
        if stored > files_from {
            let first = queue.read_stored(files_from)?;
            let last = queue.read_stored(stored - 1)?;
            state.min = first.map_or(0, |entry| entry.base_offset.0);
            state.max = last.map_or(0, |entry| entry.end_offset().0);
            state.last_log_offset = last.map(|entry| entry.log_offset.0);
        }
        queue.next = AtomicU64::new(state.max);
        queue.state = Mutex::new(state);
        Ok(queue)
    }

    /// Places of the first entry and behind the last one in the files.
    fn count_stored(&self) -> Result<(u64, u64), OpenError> {
        let mut found = list_files(&*self.disk, &self.dir)?;
        if let Some(last) = found.pop_if(|last| last.len_bytes == 0) {
            // The trace of an interrupted creation.
            let path = file_path(&self.dir, last.start);
            self.disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
        }
        let mut expected = found.first().map_or(0, |file| file.start);
        for file in &found {
            let path = file_path(&self.dir, file.start);
            let (len_bytes, expected_bytes) = (file.len_bytes, self.file_size_bytes);
            if len_bytes != expected_bytes || !file.start.is_multiple_of(expected_bytes) {
                let key = "mapperFileSizeBatchConsumeQueue";
                return Err(OpenError::WrongFileSize { path, len_bytes, expected_bytes, key });
            }
            if file.start != expected {
                return Err(OpenError::MissingFile { path: file_path(&self.dir, expected) });
            }
            expected += expected_bytes;
        }
        let files_from = found.first().map_or(0, |file| file.start / BATCH_ENTRY_LEN_BYTES);
        for file in found.iter().rev() {
            let first = file.start / BATCH_ENTRY_LEN_BYTES;
            // Entries are written in order: the end is found by halves.
            let (mut low, mut high) = (first, first + self.entries_per_file());
            while low < high {
                let middle = low + (high - low) / 2;
                match self.read_stored(middle)? {
                    Some(_) => low = middle + 1,
                    None => high = middle,
                }
            }
            if low > first {
                return Ok((files_from, low));
            }
        }
        Ok((files_from, files_from))
    }

    fn state(&self) -> MutexGuard<'_, BatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn topic(&self) -> &Arc<str> {
        &self.topic
    }

    pub(crate) fn queue_id(&self) -> i32 {
        self.queue_id
    }

    fn entries_per_file(&self) -> u64 {
        self.file_size_bytes / BATCH_ENTRY_LEN_BYTES
    }

    fn file_of(&self, place: u64) -> u64 {
        place - place % self.entries_per_file()
    }

    fn path(&self, first: u64) -> PathBuf {
        file_path(&self.dir, first * BATCH_ENTRY_LEN_BYTES)
    }

    /// The queue offset that is given next. Under the append lock only.
    pub(crate) fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Gives out `count` queue offsets; the first of them. Under the append lock only.
    pub(crate) fn assign(&self, count: u64) -> u64 {
        let first = self.next.load(Ordering::Relaxed);
        self.next.store(first + count, Ordering::Relaxed);
        first
    }

    /// Takes back the queue offsets from `from` on. Under the append lock only.
    pub(crate) fn take_back(&self, from: u64) {
        self.next.store(from, Ordering::Relaxed);
    }

    /// Lowest queue offset, and end (exclusive).
    pub(crate) fn range(&self) -> (u64, u64) {
        let state = self.state();
        (state.min, state.max)
    }

    /// Makes an entry visible. The end of the queue with it.
    pub(crate) fn publish(&self, entry: BatchQueueEntry) -> u64 {
        let mut state = self.state();
        if state.deleted {
            return state.max;
        }
        debug_assert!(
            entry.base_offset.0 >= state.max,
            "entries become visible in the order of their offsets"
        );
        if state.first == state.end() {
            state.min = entry.base_offset.0;
        }
        state.max = entry.end_offset().0;
        state.last_log_offset = Some(entry.log_offset.0);
        state.tail.push(entry);
        state.max
    }

    /// Up to `count` entries from the one on that holds the message at queue offset `from`, or the next one that there
    /// is. None where `from` is behind the end.
    pub(crate) fn read(&self, from: u64, count: usize) -> Result<Vec<BatchQueueEntry>, DiskError> {
        let (first, end, max) = {
            let state = self.state();
            (state.first, state.end(), state.max)
        };
        if from >= max {
            return Ok(Vec::new());
        }
        let place = self.partition(first, end, |entry| entry.end_offset().0 <= from)?;
        let mut entries = Vec::new();
        for place in place..end.min(place.saturating_add(count as u64)) {
            let Some(entry) = self.entry(place)? else { break };
            entries.push(entry);
        }
        Ok(entries)
    }

    /// The queue offset at a time: of the first entry stored then or later, or the last one stored then or before; where
    /// all are older, of the last one (Java: `getOffsetInQueueByTime`).
    pub(crate) fn offset_by_time(&self, time: Timestamp, boundary: Boundary) -> Result<u64, DiskError> {
        let (first, end) = {
            let state = self.state();
            (state.first, state.end())
        };
        if first == end {
            return Ok(0);
        }
        let place = match boundary {
            Boundary::Lower => self.partition(first, end, |entry| entry.store_timestamp < time)?.min(end - 1),
            Boundary::Upper => self
                .partition(first, end, |entry| entry.store_timestamp <= time)?
                .saturating_sub(1)
                .max(first),
        };
        Ok(self.entry(place)?.map_or(0, |entry| entry.base_offset.0))
    }

    /// The first place whose entry is not `before`.
    fn partition(
        &self,
        first: u64,
        end: u64,
        before: impl Fn(&BatchQueueEntry) -> bool,
    ) -> Result<u64, DiskError> {
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            // An entry that is not there any more is an old one.
            match self.entry(middle)? {
                Some(entry) if !before(&entry) => high = middle,
                Some(_) | None => low = middle + 1,
            }
        }
        Ok(low)
    }

    fn entry(&self, place: u64) -> Result<Option<BatchQueueEntry>, DiskError> {
        {
            let state = self.state();
            if place < state.files_from || place >= state.end() {
                return Ok(None);
            }
            if let Some(index) = place.checked_sub(state.stored) {
                return Ok(state.tail.get(usize::try_from(index).unwrap_or(usize::MAX)).copied());
            }
        }
        match self.read_stored(place) {
            // Expired or deleted since we looked: nothing there.
            Err(error) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            result => result,
        }
    }

    fn read_stored(&self, place: u64) -> Result<Option<BatchQueueEntry>, DiskError> {
        let first = self.file_of(place);
        let file = self.open(first)?;
        let mut bytes = [0; LEN];
        file.read_exact_at(&mut bytes, (place - first) * BATCH_ENTRY_LEN_BYTES)
            .map_err(|error| DiskError::at("read", &self.path(first))(error))?;
        Ok(BatchQueueEntry::decode(&bytes))
    }

    fn last_open(&self) -> MutexGuard<'_, Option<(u64, Arc<dyn DiskFile>)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, first: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        if let Some((of, file)) = &*self.last_open()
            && *of == first
        {
            return Ok(Arc::clone(file));
        }
        let path = self.path(first);
        let file = self.disk.open(&path).map_err(DiskError::at("open", &path))?;
        *self.last_open() = Some((first, Arc::clone(&file)));
        Ok(file)
    }

    /// Start of the last record that has an entry here.
    pub(crate) fn last_log_offset(&self) -> Option<u64> {
        self.state().last_log_offset
    }

    /// Writes those entries behind whose records end at or before `log_end`, and brings them to the disk. How many.
    /// One caller at a time.
    pub(crate) fn write_behind(&self, log_end: u64) -> Result<u64, DiskError> {
        let (from, entries) = {
            let state = self.state();
            if state.deleted {
                return Ok(0);
            }
            let ready = state.tail.iter().take_while(|entry| entry.log_offset_end().0 <= log_end).count();
            (state.stored, state.tail.get(..ready).unwrap_or_default().to_vec())
        };
        if entries.is_empty() {
            return Ok(0);
        }
        // Without the lock: a slow disk must not hold up those who publish.
        let mut place = from;
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let first = self.file_of(place);
            let room = usize::try_from(first + self.entries_per_file() - place).unwrap_or(usize::MAX);
            let (now, later) = rest.split_at(room.min(rest.len()));
            let bytes: Vec<u8> = now.iter().flat_map(BatchQueueEntry::encode).collect();
            let path = self.path(first);
            let file = self.open_or_create(first)?;
            let at = (place - first) * BATCH_ENTRY_LEN_BYTES;
            file.write_all_at(&bytes, at).map_err(DiskError::at("write", &path))?;
            file.sync_data().map_err(DiskError::at("sync", &path))?;
            place += now.len() as u64;
            rest = later;
        }
        let mut state = self.state();
        if state.stored == from && !state.deleted {
            state.stored = place;
            state.tail.drain(..entries.len());
        }
        Ok(entries.len() as u64)
    }

    fn open_or_create(&self, first: u64) -> Result<Arc<dyn DiskFile>, DiskError> {
        let path = self.path(first);
        if self.disk.exists(&path).map_err(DiskError::at("look for", &path))? {
            return self.open(first);
        }
        let dir = &self.dir;
        self.disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
        let created = self.disk.create(&path, self.file_size_bytes).map_err(|error| {
            // Half created it would be taken for damaged; if it cannot be removed, the open will say so.
            let _ = self.disk.remove_file(&path);
            DiskError::at("create", &path)(error)
        })?;
        for dir in dir.ancestors().take(3) {
            self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        }
        *self.last_open() = Some((first, Arc::clone(&created)));
        Ok(created)
    }

    /// Adds the entry of a record that recovery found in the log.
    pub(crate) fn restore(&self, entry: BatchQueueEntry) {
        let mut state = self.state();
        if state.first == state.end() {
            state.min = entry.base_offset.0;
        }
        state.max = entry.end_offset().0;
        state.last_log_offset = Some(entry.log_offset.0);
        state.tail.push(entry);
        self.next.store(state.max, Ordering::Relaxed);
    }

    /// Cuts the entries of the records that start at or behind log offset `from`, and whatever stands behind them in the
    /// files, be it half written. How many.
    pub(crate) fn cut_from(&self, from: u64) -> Result<u64, DiskError> {
        self.cut(|entry| entry.log_offset.0 < from, true)
    }

    /// Cuts the entries whose records reach beyond log offset `log_end`; `clear`: whatever else stands behind the last
    /// entry goes, too. How many.
    pub(crate) fn cut_beyond(&self, log_end: u64, clear: bool) -> Result<u64, DiskError> {
        self.cut(|entry| entry.log_offset_end().0 <= log_end, clear)
    }

    fn cut(&self, keeps: impl Fn(&BatchQueueEntry) -> bool, clear: bool) -> Result<u64, DiskError> {
        let (first, end) = {
            let state = self.state();
            (state.first, state.end())
        };
        let keep = self.partition(first, end, keeps)?;
        if keep == end && !clear {
            return Ok(0);
        }
        let last = if keep > first { self.entry(keep - 1)? } else { None };
        let mut state = self.state();
        state.max = last.map_or(state.min, |entry| entry.end_offset().0);
        state.last_log_offset = last.map(|entry| entry.log_offset.0);
        self.next.store(state.max, Ordering::Relaxed);
        if let Some(index) = keep.checked_sub(state.stored) {
            state.tail.truncate(usize::try_from(index).unwrap_or(usize::MAX));
        } else {
            state.tail.clear();
            state.stored = keep;
        }
        let (files_from, stored) = (state.files_from, state.stored);
        drop(state);
        self.clear_from(files_from, stored)?;
        Ok(end - keep)
    }

    fn clear_from(&self, files_from: u64, place: u64) -> Result<(), DiskError> {
        let files = list_files(&*self.disk, &self.dir)?;
        for file in files.iter().rev() {
            let first = file.start / BATCH_ENTRY_LEN_BYTES;
            if first >= place && first > files_from {
                self.remove(first)?;
            } else if first + self.entries_per_file() > place {
                let path = self.path(first);
                let open = self.open(first)?;
                let at = place.saturating_sub(first) * BATCH_ENTRY_LEN_BYTES;
                open.zero_from(at).map_err(DiskError::at("clear the end of", &path))?;
                open.sync_data().map_err(DiskError::at("sync", &path))?;
            }
        }
        Ok(())
    }

    fn remove(&self, first: u64) -> Result<(), DiskError> {
        *self.last_open() = None;
        let path = self.path(first);
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            removed => removed.map_err(DiskError::at("remove", &path))?,
        }
        self.disk.sync_dir(&self.dir).map_err(DiskError::at("sync", &self.dir))
    }

    /// Lets the queue begin at the first entry whose record is at or behind `log_min`, and removes the files that are
    /// no longer needed.
    pub(crate) fn expire(&self, log_min: u64) -> Result<(), DiskError> {
        let (first, end, stored, max) = {
            let state = self.state();
            (state.first, state.end(), state.stored, state.max)
        };
        let begin = self.partition(first, end, |entry| entry.log_offset.0 < log_min)?;
        let min = self.entry(begin)?.map(|entry| entry.base_offset.0);
        // The file of the last stored entry stays: it says where the queue ends.
        let keep = self.file_of(begin).min(self.file_of(stored.saturating_sub(1)));
        let mut gone = {
            let mut state = self.state();
            // The end may have been cut off since.
            state.first = begin.min(state.end());
            state.min = min.unwrap_or(max).min(state.max);
            let files_from = state.files_from;
            state.files_from = files_from.max(keep);
            files_from
        };
        while gone < keep {
            if let Err(error) = self.remove(gone) {
                // Still there, for the next try.
                let mut state = self.state();
                state.files_from = state.files_from.min(gone);
                return Err(error);
            }
            gone += self.entries_per_file();
        }
        Ok(())
    }

    /// Marks the queue as deleted and removes its files. No `write_behind` runs meanwhile.
    pub(crate) fn delete(&self) -> Result<(), DiskError> {
        {
            let mut state = self.state();
            state.deleted = true;
            state.tail.clear();
        }
        for file in list_files(&*self.disk, &self.dir)? {
            self.remove(file.start / BATCH_ENTRY_LEN_BYTES)?;
        }
        Ok(())
    }
}
