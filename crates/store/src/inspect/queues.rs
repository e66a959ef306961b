//! Consume queues as their files show them, one after the other: however many there are, one is looked at at a time.

use std::{ops::ControlFlow, path::PathBuf, sync::Arc};

use eruca_message::{LogOffset, QueueOffset};

use super::directory::{InspectError, StoreDirectory, common_size};
use crate::{
    consume_queue::{BATCH_ENTRY_LEN_BYTES, BatchQueueEntry, ConsumeQueueEntry, ENTRY_LEN_BYTES},
    disk::{DiskError, DiskFile},
    segment::{FoundFile, file_path, list_files},
};

/// Entries read at a time.
const BLOCK_ENTRIES: u64 = 4096;

/// A kind of consume queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueFileKind {
    /// One entry a message, in `consumequeue`.
    Simple,
    /// One entry a record that may hold several, in `batchconsumequeue`.
    Batch,
}

impl QueueFileKind {
    pub(super) fn dir_name(self) -> &'static str {
        match self {
            QueueFileKind::Simple => "consumequeue",
            QueueFileKind::Batch => "batchconsumequeue",
        }
    }

    /// Length of an entry in bytes.
    pub fn entry_len_bytes(self) -> u64 {
        match self {
            QueueFileKind::Simple => ENTRY_LEN_BYTES,
            QueueFileKind::Batch => BATCH_ENTRY_LEN_BYTES,
        }
    }
}

/// What the files of one queue hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSummary {
    /// Its kind.
    pub kind: QueueFileKind,
    /// Topic name.
    pub topic: String,
    /// Queue number.
    pub queue_id: i32,
    /// Its directory.
    pub dir: PathBuf,
    /// How many files it has.
    pub files: usize,
    /// Their size; `None` where they have different ones.
    pub file_size_bytes: Option<u64>,
    /// A file between others that is not there.
    pub missing_file: Option<PathBuf>,
    /// Queue offset of its first entry, and the end (exclusive).
    pub offsets: (QueueOffset, QueueOffset),
    /// How many entries it has.
    pub entries: u64,
    /// Where the records of its first and its last entry start, where it has any.
    pub log_offsets: Option<(LogOffset, LogOffset)>,
}

/// An entry of either kind, with what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AnyEntry {
    /// Queue offset of its (first) message.
    pub(super) queue_offset: u64,
    /// How many messages.
    pub(super) messages: u64,
    pub(super) log_offset: LogOffset,
    pub(super) size_bytes: u32,
    /// Stands for no message.
    pub(super) is_blank: bool,
}

/// One queue's files, to be read in order.
pub(super) struct QueueReader<'a> {
    store: &'a StoreDirectory,
    kind: QueueFileKind,
    dir: PathBuf,
    files: Vec<FoundFile>,
}

impl StoreDirectory {
    /// Shows every queue, topics in the order of their names. Queues without a file are left out.
    pub fn queues<E: From<InspectError>>(
        &self,
        mut visit: impl FnMut(QueueSummary) -> Result<(), E>,
    ) -> Result<(), E> {
        for kind in [QueueFileKind::Simple, QueueFileKind::Batch] {
            let dir = self.root.join(kind.dir_name());
            for topic in self.list_dirs(&dir)? {
                for queue_id in self.queue_ids(kind, &topic)? {
                    if let Some(summary) = self.queue(kind, &topic, queue_id)? {
                        visit(summary)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn list_dirs(&self, dir: &std::path::Path) -> Result<Vec<String>, InspectError> {
        let entries = self.disk.list(dir).map_err(DiskError::at("list", dir))?;
        Ok(entries.into_iter().filter(|entry| entry.is_dir).map(|entry| entry.name).collect())
    }

    /// The numbers of a topic's queues of one kind.
    pub fn queue_ids(&self, kind: QueueFileKind, topic: &str) -> Result<Vec<i32>, InspectError> {
        let names = self.list_dirs(&self.root.join(kind.dir_name()).join(topic))?;
        let mut ids: Vec<i32> =
            names.iter().filter_map(|name| name.parse().ok()).filter(|id| *id >= 0).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// Shows the queue offset and the place in the log of every message of a queue from an offset on (of every batch from
    /// the one on that holds it), until `visit` breaks off.
    pub fn each_message<E: From<InspectError>>(
        &self,
        kind: QueueFileKind,
        topic: &str,
        queue_id: i32,
        from: u64,
        mut visit: impl FnMut(u64, LogOffset) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let reader = self.queue_reader(kind, topic, queue_id)?;
        let range = reader.entry_range()?;
        let first = reader.first_with_offset(range, from)?;
        let mut entries = Vec::new();
        let mut place = first;
        while place < range.1 {
            entries.clear();
            reader.block(place, BLOCK_ENTRIES, &mut entries)?;
            if entries.is_empty() {
                break;
            }
            for entry in &entries {
                if !entry.is_blank && visit(entry.queue_offset, entry.log_offset)?.is_break() {
                    return Ok(());
                }
            }
            place += entries.len() as u64;
        }
        Ok(())
    }

    /// One queue; `None` where it has no file.
    pub fn queue(
        &self,
        kind: QueueFileKind,
        topic: &str,
        queue_id: i32,
    ) -> Result<Option<QueueSummary>, InspectError> {
        let reader = self.queue_reader(kind, topic, queue_id)?;
        if reader.files.is_empty() {
            return Ok(None);
        }
        let range = reader.entry_range()?;
        let first = reader.first_real(range)?;
        let last = if range.1 > range.0 { reader.entry(range.1 - 1)? } else { None };
        let offset_of =
            |entry: Option<AnyEntry>, fallback| entry.map_or(fallback, |entry| entry.queue_offset);
        let end = last.map_or(range.0, |entry| entry.queue_offset + entry.messages);
        Ok(Some(QueueSummary {
            kind,
            topic: topic.to_owned(),
            queue_id,
            missing_file: reader.missing_file(),
            files: reader.files.len(),
            file_size_bytes: reader.size(),
            offsets: (QueueOffset(offset_of(first, end)), QueueOffset(end)),
            entries: range.1 - range.0,
            log_offsets: first.zip(last).map(|(first, last)| (first.log_offset, last.log_offset)),
            dir: reader.dir,
        }))
    }

    pub(super) fn queue_reader(
        &self,
        kind: QueueFileKind,
        topic: &str,
        queue_id: i32,
    ) -> Result<QueueReader<'_>, InspectError> {
        let dir = self.root.join(kind.dir_name()).join(topic).join(queue_id.to_string());
        let mut files = list_files(&*self.disk, &dir)?;
        if files.last().is_some_and(|last| last.len_bytes == 0) {
            // The trace of an interrupted creation.
            files.pop();
        }
        Ok(QueueReader { store: self, kind, dir, files })
    }
}

impl QueueReader<'_> {
    fn size(&self) -> Option<u64> {
        let size = common_size(self.files.iter().map(|file| file.len_bytes))?;
        self.files.iter().all(|file| file.len_bytes == size).then_some(size)
    }

    fn missing_file(&self) -> Option<PathBuf> {
        let size = common_size(self.files.iter().map(|file| file.len_bytes))?;
        let gap = self
            .files
            .iter()
            .zip(self.files.iter().skip(1))
            .find(|(one, next)| one.start + size != next.start);
        gap.map(|(one, _)| file_path(&self.dir, one.start + size))
    }

    fn open(&self, file: &FoundFile) -> Result<Arc<dyn DiskFile>, DiskError> {
        let path = file_path(&self.dir, file.start);
        self.store.disk.open(&path).map_err(DiskError::at("open", &path))
    }

    /// Places of the first entry and behind the last one.
    pub(super) fn entry_range(&self) -> Result<(u64, u64), InspectError> {
        let len = self.kind.entry_len_bytes();
        let first = self.files.first().map_or(0, |file| file.start / len);
        for file in self.files.iter().rev() {
            let open = self.open(file)?;
            let (mut low, mut high) = (0, file.len_bytes / len);
            // Entries are written in order: the end is found by halves.
            while low < high {
                let middle = low + (high - low) / 2;
                match self.read_at(&*open, file, middle)? {
                    Some(_) => low = middle + 1,
                    None => high = middle,
                }
            }
            if low > 0 {
                return Ok((first, file.start / len + low));
            }
        }
        Ok((first, first))
    }

    fn read_at(
        &self,
        open: &dyn DiskFile,
        file: &FoundFile,
        index: u64,
    ) -> Result<Option<AnyEntry>, DiskError> {
        let len = self.kind.entry_len_bytes();
        let mut bytes = vec![0; len as usize];
        let path = file_path(&self.dir, file.start);
        open.read_exact_at(&mut bytes, index * len).map_err(DiskError::at("read", &path))?;
        Ok(self.decode(&bytes, file.start / len + index).next())
    }

    /// The entry at a place; `None` where none was written.
    pub(super) fn entry(&self, place: u64) -> Result<Option<AnyEntry>, InspectError> {
        let at = place * self.kind.entry_len_bytes();
        let file = self.files.iter().find(|file| file.start <= at && at < file.start + file.len_bytes);
        let Some(file) = file else { return Ok(None) };
        let index = place - file.start / self.kind.entry_len_bytes();
        Ok(self.read_at(&*self.open(file)?, file, index)?)
    }

    /// Whether there is any file.
    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    /// Whether its entries stand for records that may hold several messages.
    pub(super) fn is_batch(&self) -> bool {
        self.kind == QueueFileKind::Batch
    }

    /// The first place in `first..end` whose record starts at or behind `log_offset`.
    pub(super) fn first_behind(
        &self,
        first: u64,
        end: u64,
        log_offset: LogOffset,
    ) -> Result<u64, InspectError> {
        self.partition((first, end), |entry| entry.is_blank || entry.log_offset < log_offset)
    }

    /// The first place in `range` whose entry holds the message at `offset` or a later one.
    pub(super) fn first_with_offset(&self, range: (u64, u64), offset: u64) -> Result<u64, InspectError> {
        self.partition(range, |entry| entry.queue_offset + entry.messages <= offset)
    }

    fn partition(
        &self,
        (first, end): (u64, u64),
        before: impl Fn(&AnyEntry) -> bool,
    ) -> Result<u64, InspectError> {
        let (mut low, mut high) = (first, end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)? {
                Some(entry) if !before(&entry) => high = middle,
                Some(_) | None => low = middle + 1,
            }
        }
        Ok(low)
    }

    /// Appends up to `count` entries from place `from` to `into`; fewer where a file ends.
    pub(super) fn block(&self, from: u64, count: u64, into: &mut Vec<AnyEntry>) -> Result<(), InspectError> {
        let len = self.kind.entry_len_bytes();
        let at = from * len;
        let file = self.files.iter().find(|file| file.start <= at && at < file.start + file.len_bytes);
        let Some(file) = file else { return Ok(()) };
        let count = count.min((file.start + file.len_bytes - at) / len);
        let mut bytes = vec![0; (count * len) as usize];
        let path = file_path(&self.dir, file.start);
        self.open(file)?.read_exact_at(&mut bytes, at - file.start).map_err(DiskError::at("read", &path))?;
        into.extend(self.decode(&bytes, from));
        Ok(())
    }

    /// The first entry that stands for a message.
    fn first_real(&self, (first, end): (u64, u64)) -> Result<Option<AnyEntry>, InspectError> {
        // Blank ones stand before the first one of the first file.
        self.entry(self.partition((first, end), |entry| entry.is_blank)?)
    }

    fn decode<'b>(&self, bytes: &'b [u8], first: u64) -> Box<dyn Iterator<Item = AnyEntry> + 'b> {
        match self.kind {
            QueueFileKind::Simple => {
                Box::new(ConsumeQueueEntry::decode_all(bytes).zip(first..).map(|(entry, place)| AnyEntry {
                    queue_offset: place,
                    messages: 1,
                    log_offset: entry.log_offset,
                    size_bytes: entry.size_bytes,
                    is_blank: entry.is_blank(),
                }))
            }
            QueueFileKind::Batch => Box::new(BatchQueueEntry::decode_all(bytes).map(|entry| AnyEntry {
                queue_offset: entry.base_offset.0,
                messages: u64::from(entry.message_count),
                log_offset: entry.log_offset,
                size_bytes: entry.size_bytes,
                is_blank: false,
            })),
        }
    }

    /// Shows the entries from place `from` to the end.
    pub(super) fn each<E: From<InspectError>>(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, AnyEntry) -> Result<(), E>,
    ) -> Result<(), E> {
        let len = self.kind.entry_len_bytes();
        for file in &self.files {
            let (first, count) = (file.start / len, file.len_bytes / len);
            if first + count <= from {
                continue;
            }
            let open = self.open(file).map_err(InspectError::from)?;
            let mut place = from.max(first);
            while place < first + count {
                let wanted = BLOCK_ENTRIES.min(first + count - place);
                let mut bytes = vec![0; (wanted * len) as usize];
                let path = file_path(&self.dir, file.start);
                let read = open.read_exact_at(&mut bytes, (place - first) * len);
                read.map_err(DiskError::at("read", &path)).map_err(InspectError::from)?;
                let before = place;
                for entry in self.decode(&bytes, place) {
                    visit(place, entry)?;
                    place += 1;
                }
                if place - before < wanted {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The file that holds the entry at a place, and where in it.
    pub(super) fn place_of(&self, place: u64) -> (PathBuf, u64) {
        let at = place * self.kind.entry_len_bytes();
        let file = self.files.iter().find(|file| file.start <= at && at < file.start + file.len_bytes);
        match file {
            Some(file) => (file_path(&self.dir, file.start), at - file.start),
            None => (self.dir.clone(), at),
        }
    }
}
