//! One index file: putting batches of keys in, and following the entries of a key.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::{LogOffset, Timestamp};

use super::{
    layout::{ENTRY_LEN, HEADER_LEN, IndexEntry, IndexHeader, IndexLayout},
    scan::MessageKey,
};
use crate::disk::{Disk, DiskError, DiskFile};

/// Slots that lie no farther apart are read and written at once: cheaper than another two calls.
const SLOTS_GAP_MAX: u32 = 1024;
/// Slots read and written at once at most: 256 KiB.
const SLOTS_AT_ONCE: u32 = 64 << 10;
/// Entries that one read brings when a key's entries are followed.
const ENTRIES_AT_ONCE: u32 = 64;

/// One index file. Its lock keeps queries out while a batch is put in, so that they see all of it or nothing.
#[derive(Debug)]
pub(super) struct IndexFile {
    /// Its name.
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) layout: IndexLayout,
    file: Arc<dyn DiskFile>,
    header: RwLock<IndexHeader>,
}

/// Memory that batches share.
#[derive(Debug, Default)]
pub(super) struct BatchScratch {
    /// Slot and place in the batch.
    order: Vec<u64>,
    entries: Vec<u8>,
    slots: Vec<u8>,
}

impl IndexFile {
    pub(super) fn new(
        number: u64,
        path: PathBuf,
        layout: IndexLayout,
        file: Arc<dyn DiskFile>,
        header: IndexHeader,
    ) -> IndexFile {
        IndexFile { number, path, layout, file, header: RwLock::new(header) }
    }

    /// Creates a file of zeros with this header. Its name is durable then.
    pub(super) fn create(
        disk: &dyn Disk,
        number: u64,
        path: PathBuf,
        layout: IndexLayout,
        header: IndexHeader,
    ) -> Result<IndexFile, DiskError> {
        let file = disk.create(&path, layout.file_len_bytes()).map_err(DiskError::at("create", &path))?;
        file.write_all_at(&header.encode(), 0).map_err(DiskError::at("write", &path))?;
        if let Some(dir) = path.parent() {
            disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
        }
        Ok(IndexFile::new(number, path, layout, file, header))
    }

    /// Opens a file that is there; `None` where its header cannot be.
    pub(super) fn open(
        disk: &dyn Disk,
        number: u64,
        path: PathBuf,
        layout: IndexLayout,
    ) -> Result<Option<IndexFile>, DiskError> {
        let file = disk.open(&path).map_err(DiskError::at("open", &path))?;
        let mut bytes = [0; HEADER_LEN];
        file.read_exact_at(&mut bytes, 0).map_err(DiskError::at("read", &path))?;
        let header = IndexHeader::decode(&bytes).filter(|header| header.next_entry <= layout.entries);
        Ok(header.map(|header| IndexFile::new(number, path, layout, file, header)))
    }

    /// What the header says.
    pub(super) fn header(&self) -> IndexHeader {
        *self.read_lock()
    }

    fn read_lock(&self) -> RwLockReadGuard<'_, IndexHeader> {
        self.header.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_lock(&self) -> RwLockWriteGuard<'_, IndexHeader> {
        self.header.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no more entries fit.
    pub(super) fn is_full(&self) -> bool {
        self.header().next_entry >= self.layout.entries
    }

    /// Makes everything written survive a power cut.
    pub(super) fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(DiskError::at("sync", &self.path))
    }

    pub(super) fn read(&self, into: &mut [u8], at: u64) -> Result<(), DiskError> {
        self.file.read_exact_at(into, at).map_err(DiskError::at("read", &self.path))
    }

    pub(super) fn write(&self, bytes: &[u8], at: u64) -> Result<(), DiskError> {
        self.file.write_all_at(bytes, at).map_err(DiskError::at("write", &self.path))
    }

    /// Makes everything from `at` on zero.
    pub(super) fn zero_from(&self, at: u64) -> Result<(), DiskError> {
        self.file.zero_from(at).map_err(DiskError::at("clear the end of", &self.path))
    }

    /// Replaces the header.
    pub(super) fn set_header(&self, header: IndexHeader) -> Result<(), DiskError> {
        let mut place = self.write_lock();
        self.write(&header.encode(), 0)?;
        *place = header;
        Ok(())
    }

    /// Notes that the log was read up to the record at `last`, whether that has keys or not.
    pub(super) fn note_scanned(&self, last: (LogOffset, Timestamp)) -> Result<(), DiskError> {
        let header = self.header();
        if last.0 <= header.end_log_offset {
            return Ok(());
        }
        self.set_header(IndexHeader { end_log_offset: last.0, end_timestamp: last.1, ..header })
    }

    /// Puts keys in, in their order, as many as fit: how many. After an error the slots in the file may lead to
    /// entries that are not counted: `repair` before the next batch.
    pub(super) fn put(&self, keys: &[MessageKey], scratch: &mut BatchScratch) -> Result<usize, DiskError> {
        let mut place = self.write_lock();
        let mut header = *place;
        let room = self.layout.entries.saturating_sub(header.next_entry) as usize;
        let keys = keys.get(..keys.len().min(room)).unwrap_or(keys);
        let first = header.next_entry;
        let BatchScratch { order, entries, slots } = scratch;
        order.clear();
        entries.clear();
        for (key, number) in keys.iter().zip(0u32..) {
            order.push(u64::from(self.layout.slot_of(key.hash)) << 32 | u64::from(number));
            let log_offset = LogOffset(key.log_offset);
            let seconds = header.push(log_offset, key.stored);
            let entry = IndexEntry { key_hash: key.hash, log_offset, seconds, previous: 0 };
            entries.extend_from_slice(&entry.encode());
        }
        order.sort_unstable();
        let mut rest = order.as_slice();
        while let Some(run) = first_run(rest) {
            let (now, later) = rest.split_at(run);
            header.slots_used += self.link(now, first, entries, slots)?;
            rest = later;
        }
        self.write(entries, self.layout.entry_at(first))?;
        self.write(&header.encode(), 0)?;
        *place = header;
        Ok(keys.len())
    }

    /// Lets the slots of neighbouring keys lead to their new entries, and those to the ones before. How many slots
    /// were empty.
    fn link(
        &self,
        run: &[u64],
        first: u32,
        entries: &mut [u8],
        slots: &mut Vec<u8>,
    ) -> Result<u32, DiskError> {
        let (Some(low), Some(high)) = (run.first(), run.last()) else { return Ok(0) };
        let (low, high) = ((low >> 32) as u32, (high >> 32) as u32);
        slots.clear();
        slots.resize((high - low + 1) as usize * 4, 0);
        let at = self.layout.slot_at(low);
        self.read(slots, at)?;
        let mut new = 0;
        for one in run {
            let (slot, number) = ((one >> 32) as u32, *one as u32);
            let place = slots.get_mut((slot - low) as usize * 4..).and_then(<[u8]>::first_chunk_mut::<4>);
            let entry = entries.get_mut(number as usize * ENTRY_LEN..);
            let previous = entry.and_then(|entry| entry.get_mut(16..)?.first_chunk_mut::<4>());
            let (Some(place), Some(previous)) = (place, previous) else { continue };
            let before = u32::from_be_bytes(*place);
            // A number that is not given yet is none: Java's rule, too.
            let is_new = before == 0 || before >= first + number;
            new += u32::from(is_new);
            if !is_new {
                *previous = *place;
            }
            *place = (first + number).to_be_bytes();
        }
        self.write(slots, at)?;
        Ok(new)
    }

    /// One entry; `None` where a value cannot be.
    pub(super) fn entry(&self, number: u32) -> Result<Option<IndexEntry>, DiskError> {
        let mut bytes = [0; ENTRY_LEN];
        self.read(&mut bytes, self.layout.entry_at(number))?;
        Ok(IndexEntry::decode(&bytes))
    }

    /// Number of the first entry whose message lies at or behind `log_offset`.
    pub(super) fn first_entry_from(&self, log_offset: u64) -> Result<u32, DiskError> {
        let (mut low, mut high) = (1, self.header().next_entry);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)? {
                Some(entry) if entry.log_offset.0 < log_offset => low = middle + 1,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Follows the entries in the slot of `key_hash`, newest first, and gives those of this hash whose messages may
    /// have been stored from `begin` to `end` to `found`, until it says `false`. `steps` bounds how many are looked at,
    /// and is what is left of it afterwards.
    pub(super) fn follow(
        &self,
        key_hash: u32,
        (begin, end): (Timestamp, Timestamp),
        steps: &mut u32,
        mut found: impl FnMut(LogOffset) -> bool,
    ) -> Result<(), DiskError> {
        let header = self.read_lock();
        let mut slot = [0; 4];
        self.read(&mut slot, self.layout.slot_at(self.layout.slot_of(key_hash)))?;
        let mut number = u32::from_be_bytes(slot);
        let mut block = Block { file: self, first: 0, bytes: Vec::new() };
        // Numbers only go down, so that this ends however damaged the file is.
        let mut before = header.next_entry;
        while number > 0 && number < before && *steps > 0 {
            *steps -= 1;
            let Some(entry) = block.entry(number)? else {
                tracing::warn!(file = %self.path.display(), number, "an index entry is damaged, those before it are not found");
                break;
            };
            let (earliest, latest) = header.stored_between(number, &entry);
            if latest < begin {
                break;
            }
            if entry.key_hash == key_hash && earliest <= end && !found(entry.log_offset) {
                break;
            }
            (before, number) = (number, entry.previous);
        }
        Ok(())
    }
}

/// How many keys at the start of `order` have slots near enough to each other.
fn first_run(order: &[u64]) -> Option<usize> {
    let slot = |key: &u64| (key >> 32) as u32;
    let low = slot(order.first()?);
    let near = |pair: &[u64]| match pair {
        [one, next] => slot(next) - slot(one) <= SLOTS_GAP_MAX && slot(next) - low < SLOTS_AT_ONCE,
        _ => false,
    };
    Some(1 + order.windows(2).take_while(|pair| near(pair)).count())
}

/// Entries in memory, those before the one that was asked for last.
struct Block<'a> {
    file: &'a IndexFile,
    first: u32,
    bytes: Vec<u8>,
}

impl Block<'_> {
    /// An entry; `None` where a value cannot be.
    fn entry(&mut self, number: u32) -> Result<Option<IndexEntry>, DiskError> {
        let have = self.bytes.len() / ENTRY_LEN;
        if number < self.first || (number - self.first) as usize >= have {
            // Those to come lie before this one.
            self.first = (number + 1).saturating_sub(ENTRIES_AT_ONCE).max(1);
            self.bytes.resize((number + 1 - self.first) as usize * ENTRY_LEN, 0);
            let at = self.file.layout.entry_at(self.first);
            if let Err(error) = self.file.read(&mut self.bytes, at) {
                self.bytes.clear();
                return Err(error);
            }
        }
        let at = (number - self.first) as usize * ENTRY_LEN;
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<ENTRY_LEN>());
        Ok(bytes.and_then(IndexEntry::decode))
    }
}
