//! The files of the queue log: `queuelog/START`, each beginning with the whole state of all queues.
//!
//! A step is written as blocks, synced, and holds from then on; what was written of a step that failed is written over.
//! Positions count from the beginning of the log over all files; a file is named by that of its first byte.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use super::format::{self, BlockHead, CHUNK_HEAD_LEN, Commit, FLAG_COMMIT, QueueRecord};
use crate::{
    consume_queue::{ConsumeQueueEntry, ENTRY_LEN_BYTES},
    disk::{Disk, DiskError, DiskFile},
    segment::{file_path, list_files},
};

/// Payload at which a block is written, though its step goes on.
const BLOCK_FULL_BYTES: usize = 1 << 20;
/// Entries that the first look at a chunk brings: most have few.
const FIRST_LOOK_ENTRIES: usize = 16;

/// Where the log is, and how large its files get.
#[derive(Debug, Clone)]
pub(crate) struct QueueLogSettings {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// What comes behind the state at the start of a file before the next file is begun, in bytes; and never less
    /// than twice that state.
    pub(crate) roll_bytes: u64,
}

/// The log. It has no file until the first [`QueueLog::begin_file`].
#[derive(Debug)]
pub(crate) struct QueueLog {
    disk: Arc<dyn Disk>,
    settings: QueueLogSettings,
    files: RwLock<Vec<Arc<LogFile>>>,
    writer: Mutex<Writer>,
    /// The state has to be written anew: lowest indexes moved.
    is_outdated: AtomicBool,
}

#[derive(Debug)]
pub(super) struct LogFile {
    pub(super) start: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    /// End of what is written, as a position of the log.
    pub(super) end: AtomicU64,
    /// All entries in it are of records before this log offset.
    pub(super) live_until: AtomicU64,
}

/// A place behind a block.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) at: u64,
    /// CRC of the block before; 0 at the start of a file.
    pub(super) crc: u32,
}

#[derive(Debug, Default)]
struct Writer {
    /// Payload of the block that is being made.
    block: Vec<u8>,
    place: Place,
    /// Behind the last step that holds.
    committed: Place,
    /// Where the state ends with which the file starts.
    state_end: u64,
    /// The file was begun in this step.
    is_new_file: bool,
}

impl QueueLog {
    /// A log without files.
    pub(crate) fn new(disk: Arc<dyn Disk>, settings: QueueLogSettings) -> QueueLog {
        QueueLog {
            disk,
            settings,
            files: RwLock::default(),
            writer: Mutex::default(),
            is_outdated: AtomicBool::new(false),
        }
    }

    /// Takes over the files that restoring found; the last step that holds ends at `place`.
    pub(super) fn resume(&self, files: Vec<Arc<LogFile>>, place: Place, state_end: u64) {
        *self.files_mut() = files;
        let mut writer = self.writer();
        *writer = Writer { place, committed: place, state_end, ..Writer::default() };
    }

    /// Makes durable what restoring found: the process that wrote the last step may have died before it synced it, or the
    /// file's name. Then removes what was begun in vain, or had expired when the power went.
    pub(crate) fn take_over(&self) -> Result<(), DiskError> {
        let files = self.files();
        let Some(last) = files.last() else { return Ok(()) };
        last.file.sync_data().map_err(DiskError::at("sync", &last.path))?;
        let dir = self.dir();
        for dir in [Some(dir), dir.parent()].into_iter().flatten() {
            self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        }
        for found in list_files(&*self.disk, dir)? {
            if files.iter().all(|file| file.start != found.start) {
                let path = file_path(dir, found.start);
                self.disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
            }
        }
        Ok(())
    }

    fn files(&self) -> RwLockReadGuard<'_, Vec<Arc<LogFile>>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn files_mut(&self) -> RwLockWriteGuard<'_, Vec<Arc<LogFile>>> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.settings.dir
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// Whether it is in use.
    pub(crate) fn is_active(&self) -> bool {
        !self.files().is_empty()
    }

    /// Has the next step write the state of all queues anew.
    pub(crate) fn set_outdated(&self) {
        self.is_outdated.store(true, Ordering::Relaxed);
    }

    /// Whether the next step should begin a file. `has_entries`: it has entries to write; one without must not, as a
    /// recovery that finds everything in order changes nothing.
    pub(crate) fn wants_new_file(&self, has_entries: bool) -> bool {
        if !self.is_active() || self.is_outdated.load(Ordering::Relaxed) {
            return true;
        }
        let writer = self.writer();
        let start = self.files().last().map_or(0, |file| file.start);
        let state_len = writer.state_end.saturating_sub(start);
        let rest = writer.committed.at.saturating_sub(writer.state_end);
        has_entries && rest > self.settings.roll_bytes.max(2 * state_len)
    }

    /// Whether something was put since the last step that holds.
    pub(crate) fn is_step_begun(&self) -> bool {
        let writer = self.writer();
        !writer.block.is_empty() || writer.place.at != writer.committed.at || writer.is_new_file
    }

    /// Begins a file. The caller puts every queue into it with [`QueueLog::put_queue`], then calls
    /// [`QueueLog::end_state`].
    pub(crate) fn begin_file(&self) -> Result<(), DiskError> {
        let mut writer = self.writer();
        let start = writer.committed.at;
        let dir = &self.settings.dir;
        self.disk.create_dir_all(dir).map_err(DiskError::at("create directory", dir))?;
        let path = file_path(dir, start);
        // What an earlier try left.
        match self.disk.remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(DiskError::at("remove", &path)(error));
            }
            _ => {}
        }
        let file = self.disk.create(&path, 0).map_err(DiskError::at("create", &path))?;
        writer.place = Place { at: start, crc: 0 };
        writer.block.clear();
        writer.is_new_file = true;
        let mut files = self.files_mut();
        for old in files.iter() {
            format::put_old_file(&mut writer.block, old.start, old.live_until.load(Ordering::Relaxed));
        }
        files.push(Arc::new(LogFile {
            start,
            path,
            file,
            end: AtomicU64::new(start),
            live_until: AtomicU64::new(0),
        }));
        Ok(())
    }

    /// Says that the state of all queues is in the file that was begun.
    pub(crate) fn end_state(&self) -> Result<(), DiskError> {
        let mut writer = self.writer();
        self.write_block(&mut writer, 0)?;
        writer.state_end = writer.place.at;
        Ok(())
    }

    /// Adds a queue as a whole.
    pub(crate) fn put_queue(&self, queue: &QueueRecord<'_>) -> Result<(), DiskError> {
        self.put(|block| format::put_queue(block, queue)).map(drop)
    }

    /// Adds entries of a queue from index `first` on, behind its chunk at `before`. Where they will stand.
    pub(crate) fn put_chunk(
        &self,
        number: u64,
        first: u64,
        before: u64,
        entries: &[ConsumeQueueEntry],
    ) -> Result<u64, DiskError> {
        if let Some(file) = self.files().last() {
            let until =
                entries.iter().filter(|entry| !entry.is_blank()).map(|entry| entry.log_offset_end().0);
            file.live_until.fetch_max(until.max().unwrap_or(0), Ordering::Relaxed);
        }
        self.put(|block| format::put_chunk(block, number, first, before, entries))
    }

    /// Notes that the entries before `stored` are in the queue's own files, synced.
    pub(crate) fn put_stored(&self, number: u64, stored: u64) -> Result<(), DiskError> {
        self.put(|block| format::put_stored(block, number, stored)).map(drop)
    }

    /// Notes that a queue is no more.
    pub(crate) fn put_deleted(&self, number: u64) -> Result<(), DiskError> {
        self.put(|block| format::put_deleted(block, number)).map(drop)
    }

    /// Where the record will stand.
    fn put(&self, record: impl FnOnce(&mut Vec<u8>)) -> Result<u64, DiskError> {
        let mut writer = self.writer();
        if writer.block.len() >= BLOCK_FULL_BYTES {
            self.write_block(&mut writer, 0)?;
        }
        let position = writer.place.at + (format::BLOCK_HEAD_LEN + writer.block.len()) as u64;
        record(&mut writer.block);
        Ok(position)
    }

    fn write_block(&self, writer: &mut Writer, flags: u32) -> Result<(), DiskError> {
        if writer.block.is_empty() {
            return Ok(());
        }
        let Some(last) = self.files().last().cloned() else { return Ok(()) };
        let head = BlockHead::of(&writer.block, flags, writer.place.crc);
        last.file
            .write_all_vectored_at(&[&head.encode(), &writer.block], writer.place.at - last.start)
            .map_err(DiskError::at("write", &last.path))?;
        writer.place.at += (format::BLOCK_HEAD_LEN + writer.block.len()) as u64;
        writer.place.crc = head.crc;
        last.end.fetch_max(writer.place.at, Ordering::Release);
        writer.block.clear();
        writer.block.shrink_to(BLOCK_FULL_BYTES / 4);
        Ok(())
    }

    /// Ends the step: what was put since the last one holds, also after a power cut.
    ///
    /// # Errors
    /// The caller calls [`QueueLog::abandon`] then, and may try the step again.
    pub(crate) fn commit(&self, commit: &Commit) -> Result<(), DiskError> {
        let mut writer = self.writer();
        format::put_commit(&mut writer.block, commit);
        self.write_block(&mut writer, FLAG_COMMIT)?;
        let Some(last) = self.files().last().cloned() else { return Ok(()) };
        last.file.sync_data().map_err(DiskError::at("sync", &last.path))?;
        if writer.is_new_file {
            let dir = &self.settings.dir;
            for dir in [Some(dir.as_path()), dir.parent()].into_iter().flatten() {
                self.disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
            }
            self.is_outdated.store(false, Ordering::Relaxed);
        }
        writer.committed = writer.place;
        writer.is_new_file = false;
        Ok(())
    }

    /// Forgets what was put since the last step that holds. The next step writes the whole state: which queues the
    /// log knows is not looked up.
    pub(crate) fn abandon(&self) {
        let mut writer = self.writer();
        writer.block.clear();
        writer.place = writer.committed;
        self.set_outdated();
        if std::mem::take(&mut writer.is_new_file)
            && let Some(begun) = self.files_mut().pop()
            && let Err(error) = self.disk.remove_file(&begun.path)
        {
            // The next one is begun at the same place and replaces it.
            tracing::warn!(file = %begun.path.display(), %error, "a file that was begun in vain is left");
        }
    }

    /// Removes files that hold only entries of records before `log_min`. After a step that holds.
    pub(crate) fn expire(&self, log_min: u64) -> Result<(), DiskError> {
        loop {
            let first = {
                let mut files = self.files_mut();
                let is_dead = |file: &Arc<LogFile>| file.live_until.load(Ordering::Relaxed) <= log_min;
                if files.len() < 2 || !files.first().is_some_and(is_dead) {
                    return Ok(());
                }
                files.remove(0)
            };
            self.disk.remove_file(&first.path).map_err(DiskError::at("remove", &first.path))?;
        }
    }

    /// Removes the whole log: it is no longer needed, or does not fit the rest of the directory.
    pub(crate) fn remove(&self) -> Result<(), DiskError> {
        let _writer = self.writer();
        self.files_mut().clear();
        super::restore::remove_files(&*self.disk, &self.settings.dir)
    }

    /// Entries of a queue from index `from` up to `to` (exclusive), where its last chunk starts at `chain`. `None`
    /// where the log does not hold them (any more).
    pub(crate) fn read_chain(
        &self,
        number: u64,
        chain: u64,
        from: u64,
        to: u64,
    ) -> Result<Option<Vec<ConsumeQueueEntry>>, DiskError> {
        let mut backwards = Vec::new();
        let (mut at, mut end) = (chain, None);
        loop {
            let Some((first, before, entries)) = self.read_chunk(number, at)? else { return Ok(None) };
            let chunk_end = first + entries.len() as u64;
            // Chunks of a chain join; the last one ends the queue's part of this log, or we would not look here.
            if end.is_some_and(|end| end != chunk_end) || (end.is_none() && chunk_end < to) {
                return Ok(None);
            }
            backwards.push((first, entries));
            if first <= from {
                break;
            }
            (at, end) = (before, Some(first));
        }
        let mut all = Vec::new();
        for (first, entries) in backwards.into_iter().rev() {
            let skip = usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX);
            let take = usize::try_from(to.saturating_sub(first)).unwrap_or(usize::MAX);
            all.extend(entries.into_iter().take(take).skip(skip));
        }
        Ok(Some(all))
    }

    /// The chunk at `at`: index of its first entry, the chunk before it, the entries.
    fn read_chunk(
        &self,
        number: u64,
        at: u64,
    ) -> Result<Option<(u64, u64, Vec<ConsumeQueueEntry>)>, DiskError> {
        let file = {
            let files = self.files();
            let behind = files.partition_point(|file| file.start <= at);
            let Some(file) = behind.checked_sub(1).and_then(|place| files.get(place)).cloned() else {
                return Ok(None);
            };
            file
        };
        let room = usize::try_from(file.end.load(Ordering::Acquire).saturating_sub(at)).unwrap_or(usize::MAX);
        let entry_len = ENTRY_LEN_BYTES as usize;
        let look = |len: usize| -> Result<Vec<u8>, DiskError> {
            let mut bytes = Vec::new();
            let read = file.file.read_append(&mut bytes, len.min(room), at - file.start);
            read.map_err(DiskError::at("read", &file.path)).map(|()| bytes)
        };
        let mut found = look(CHUNK_HEAD_LEN + FIRST_LOOK_ENTRIES * entry_len)?;
        let Some(head) = format::chunk_head(&found).filter(|head| head.number == number) else {
            return Ok(None);
        };
        let whole = CHUNK_HEAD_LEN + head.count as usize * entry_len;
        if found.len() < whole {
            found = look(whole)?;
        }
        let entries =
            found.get(CHUNK_HEAD_LEN..whole).map(|bytes| ConsumeQueueEntry::decode_all(bytes).collect());
        let entries: Vec<ConsumeQueueEntry> = entries.unwrap_or_default();
        let is_whole = entries.len() == head.count as usize;
        Ok(is_whole.then_some((head.first, head.before, entries)))
    }
}
