//! Reading everything that a store holds, and comparing it: records with their checksums, queue entries with records.

use std::{collections::HashMap, path::PathBuf};

use eruca_message::{LogOffset, Record};

use super::{
    directory::{InspectError, StoreDirectory, end_of},
    queue_log::LoggedQueues,
    queues::{AnyEntry, QueueFileKind, QueueReader},
};
use crate::{
    commit_log::{Found, Walk},
    config::StoreConfig,
    consume_queue::ConsumeQueueEntry,
    dispatch::{has_queue_entry, inner_batch_base, is_inner_batch, multi_dispatched},
};

/// Queues of which entries are held at once.
const QUEUES_HELD_MAX: usize = 2048;
/// Entries held of each.
const ENTRIES_HELD: u64 = 128;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The file.
    pub path: PathBuf,
    /// Where in it, in bytes.
    pub at_bytes: u64,
    /// The log offset of the record at issue.
    pub log_offset: Option<LogOffset>,
    /// Topic, queue and queue offset, where they can be told.
    pub message: Option<(String, i32, u64)>,
    /// What is wrong.
    pub why: String,
}

/// What [`StoreDirectory::verify`] read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    /// Good records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Queues that were compared.
    pub queues: u64,
    /// Entries that lead to their record.
    pub entries: u64,
    /// Good records of queues that are not there: their topics were deleted.
    pub records_without_queue: u64,
    /// Things that are not as they should be.
    pub defects: u64,
    /// Where the log ends.
    pub log_end: LogOffset,
    /// What is wrong behind its end: left by a process that was killed while it wrote, or damage of the last record.
    pub torn_tail: Option<String>,
}

/// Entries of one queue, for records that come in the order of the log.
struct Held<'a> {
    /// `None` where the queue is not there.
    reader: Option<QueueReader<'a>>,
    range: (u64, u64),
    entries: Vec<AnyEntry>,
}

struct Comparison<'a, D> {
    store: &'a StoreDirectory,
    /// Queues of which entries are in the log that they share.
    logged: Option<LoggedQueues>,
    config: StoreConfig,
    /// Records up to here have an entry on the disk; all, where the store was closed.
    entries_until: EntriesUntil,
    held: HashMap<String, HashMap<i32, Held<'a>>>,
    held_count: usize,
    /// Entries that lead to their record.
    matched: HashMap<String, HashMap<i32, u64>>,
    verified: Verified,
    tell: D,
}

/// Which records must have their queue entry on the disk.
#[derive(Debug, Clone, Copy)]
enum EntriesUntil {
    All,
    Offset(LogOffset),
    Time(eruca_message::Timestamp),
}

impl StoreDirectory {
    /// Reads the whole log and all queues. `defect` is told each thing that is wrong, as it is found; `progress` the bytes
    /// of the log that were read so far.
    ///
    /// # Errors
    /// Where a file cannot be read at all.
    pub fn verify(
        &self,
        mut defect: impl FnMut(Defect),
        mut progress: impl FnMut(u64),
    ) -> Result<Verified, InspectError> {
        let abort = self.root.join("abort");
        let was_closed = !self.disk.exists(&abort).map_err(crate::disk::DiskError::at("look for", &abort))?;
        let entries_until = match self.checkpoint {
            _ if was_closed => EntriesUntil::All,
            Some(known) if known.queue_log_offset.0 > 0 => EntriesUntil::Offset(known.queue_log_offset),
            known => EntriesUntil::Time(known.unwrap_or_default().safe_timestamp()),
        };
        let config = StoreConfig { multi_dispatch: true, lmq: true, ..StoreConfig::new(&self.root) };
        let logged = self.queue_log()?.and_then(Result::ok);
        let mut comparison = Comparison {
            store: self,
            logged,
            config,
            entries_until,
            held: HashMap::new(),
            held_count: 0,
            matched: HashMap::new(),
            verified: Verified::default(),
            tell: |found: Defect| defect(found),
        };
        let start = self.log_start();
        let end = self.walk::<InspectError>(start, |found| {
            progress(end_of(&found).saturating_sub(start.0));
            comparison.found(&found)?;
            Ok(Walk::On)
        })?;
        comparison.verified.log_end = LogOffset(end.at);
        comparison.verified.torn_tail = end.torn;
        comparison.held.clear();
        comparison.queues()?;
        comparison.queue_log()?;
        Ok(comparison.verified)
    }
}

impl<'a, D: FnMut(Defect)> Comparison<'a, D> {
    fn defect(&mut self, defect: Defect) {
        self.verified.defects += 1;
        (self.tell)(defect);
    }

    fn found(&mut self, found: &Found<'_>) -> Result<(), InspectError> {
        let (at, why, record) = match found {
            Found::Record(record) => return self.record(record),
            Found::Damaged { at, error, record, .. } => (*at, error.to_string(), record.as_ref()),
            Found::Unreadable { at, end } => {
                (*at, format!("no record starts here; the log can be read again at {end}"), None)
            }
        };
        let message = record.map(|record| {
            (record.fields.topic.to_owned(), record.fields.queue_id, record.fields.queue_offset.0)
        });
        let (path, at_bytes) = self.store.place_of(LogOffset(at));
        self.defect(Defect { path, at_bytes, log_offset: Some(LogOffset(at)), message, why });
        Ok(())
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), InspectError> {
        let fields = &record.fields;
        self.verified.records += 1;
        self.verified.bytes += record.total_len as u64;
        if !has_queue_entry(fields.sys_flag) || fields.queue_id < 0 {
            return Ok(());
        }
        let base = match is_inner_batch(fields.sys_flag) {
            true => inner_batch_base(fields.properties).unwrap_or(fields.queue_offset.0),
            false => fields.queue_offset.0,
        };
        self.entry_of(record, fields.topic, fields.queue_id, base, true)?;
        for (queue, offset) in
            multi_dispatched(&self.config, fields.topic, fields.queue_id, fields.properties)
        {
            self.entry_of(record, queue.name, queue.queue_id, offset, false)?;
        }
        Ok(())
    }

    /// Compares the entry that a record has in a queue.
    fn entry_of(
        &mut self,
        record: &Record<'_>,
        topic: &str,
        queue_id: i32,
        offset: u64,
        is_own: bool,
    ) -> Result<(), InspectError> {
        let at = record.fields.log_offset;
        let must_be_there = match self.entries_until {
            EntriesUntil::All => true,
            EntriesUntil::Offset(until) => at <= until,
            EntriesUntil::Time(until) => record.fields.store_timestamp <= until,
        };
        let held = self.hold(topic, queue_id)?;
        let Some(reader) = &held.reader else {
            let is_logged =
                self.logged.as_ref().is_some_and(|log| log.queues.find(topic, queue_id).is_some());
            self.verified.records_without_queue += u64::from(is_own && !is_logged);
            return Ok(());
        };
        let is_batch = reader.is_batch();
        let entry = match held.find(offset)? {
            Some(entry) => entry,
            None => {
                // Before the first entry: expired, or of a topic of this name that was deleted.
                let is_missing = must_be_there && is_own && !is_batch && offset >= held.range.1;
                if is_missing {
                    let (path, at_bytes) = self.store.place_of(at);
                    let why = format!(
                        "the record has no entry in its queue, which ends at {}",
                        held_end(self, topic, queue_id)
                    );
                    let message = Some((topic.to_owned(), queue_id, offset));
                    self.defect(Defect { path, at_bytes, log_offset: Some(at), message, why });
                }
                return Ok(());
            }
        };
        if entry.log_offset == at && entry.size_bytes as usize == record.total_len {
            self.verified.entries += 1;
            let matched = self.matched.entry(topic.to_owned()).or_default();
            *matched.entry(queue_id).or_default() += 1;
        }
        Ok(())
    }

    /// The queue's entries; those of many other queues are let go when there are too many.
    fn hold(&mut self, topic: &str, queue_id: i32) -> Result<&mut Held<'a>, InspectError> {
        let is_held = self.held.get(topic).is_some_and(|queues| queues.contains_key(&queue_id));
        if !is_held {
            if self.held_count >= QUEUES_HELD_MAX {
                self.held.clear();
                self.held_count = 0;
            }
            let held = Held::open(self.store, topic, queue_id)?;
            self.held.entry(topic.to_owned()).or_default().insert(queue_id, held);
            self.held_count += 1;
        }
        let queues = self.held.entry(topic.to_owned()).or_default();
        Ok(queues.entry(queue_id).or_insert(Held::NONE))
    }

    /// Compares the queues of which not every entry was met by its record.
    fn queues(&mut self) -> Result<(), InspectError> {
        let store = self.store;
        let (log_start, log_end) = (store.log_start(), self.verified.log_end);
        store.queues::<InspectError>(|queue| {
            self.verified.queues += 1;
            if let Some(missing) = &queue.missing_file {
                let why = "the file is missing between others".to_owned();
                let path = missing.clone();
                let message = Some((queue.topic.clone(), queue.queue_id, 0));
                self.defect(Defect { path, at_bytes: 0, log_offset: None, message, why });
            }
            let reader = store.queue_reader(queue.kind, &queue.topic, queue.queue_id)?;
            let (first, end) = reader.entry_range()?;
            let begin = reader.first_behind(first, end, log_start)?;
            let matched = self.matched.get(&queue.topic).and_then(|ids| ids.get(&queue.queue_id)).copied();
            if matched.unwrap_or(0) == end - begin {
                return Ok(());
            }
            let mut bytes = Vec::new();
            reader.each::<InspectError>(begin, |place, entry| {
                if entry.is_blank || entry.log_offset >= log_end {
                    // A message that is not there; or one that was written since we looked.
                    return Ok(());
                }
                let found = store.record_at(entry.log_offset, &mut bytes)?;
                let why = match found {
                    None => Some("the entry leads to no record".to_owned()),
                    Some(record) => mismatch(&record, &queue.topic, queue.queue_id, &entry),
                };
                if let Some(why) = why {
                    let (path, at_bytes) = reader.place_of(place);
                    let message = Some((queue.topic.clone(), queue.queue_id, entry.queue_offset));
                    let log_offset = Some(entry.log_offset);
                    self.defect(Defect { path, at_bytes, log_offset, message, why });
                }
                Ok(())
            })
        })
    }
}

impl<D: FnMut(Defect)> Comparison<'_, D> {
    /// Compares the entries that are in the log which queues share.
    fn queue_log(&mut self) -> Result<(), InspectError> {
        let Some(LoggedQueues { queues, .. }) = self.logged.take() else { return Ok(()) };
        let (store, dir) = (self.store, queues.files().queue_log().dir().to_owned());
        let (log_start, log_end) = (store.log_start(), self.verified.log_end);
        let mut bytes = Vec::new();
        for queue in queues.all().iter().filter(|queue| queue.is_chained()) {
            let (first, entries) = match queue.chained_entries(queues.files()) {
                Ok(chained) => chained,
                Err(error) => {
                    let message = Some((queue.topic().to_string(), queue.queue_id(), queue.range().0));
                    let why = error.to_string();
                    self.defect(Defect { path: dir.clone(), at_bytes: 0, log_offset: None, message, why });
                    continue;
                }
            };
            self.verified.queues += u64::from(first == 0);
            for (queue_offset, entry) in (first..).zip(entries) {
                let ConsumeQueueEntry { log_offset, size_bytes, .. } = entry;
                if entry.is_blank() || log_offset < log_start || log_offset >= log_end {
                    continue;
                }
                let entry = AnyEntry { queue_offset, messages: 1, log_offset, size_bytes, is_blank: false };
                let why = match store.record_at(log_offset, &mut bytes)? {
                    None => Some("the entry leads to no record".to_owned()),
                    Some(record) => mismatch(&record, queue.topic(), queue.queue_id(), &entry),
                };
                match why {
                    None => self.verified.entries += 1,
                    Some(why) => {
                        let message = Some((queue.topic().to_string(), queue.queue_id(), queue_offset));
                        let log_offset = Some(log_offset);
                        self.defect(Defect { path: dir.clone(), at_bytes: 0, log_offset, message, why });
                    }
                }
            }
        }
        Ok(())
    }
}

fn held_end<D>(comparison: &Comparison<'_, D>, topic: &str, queue_id: i32) -> u64 {
    comparison.held.get(topic).and_then(|queues| queues.get(&queue_id)).map_or(0, |held| held.range.1)
}

/// What does not fit between an entry and the record that it leads to.
fn mismatch(record: &Record<'_>, topic: &str, queue_id: i32, entry: &AnyEntry) -> Option<String> {
    let fields = &record.fields;
    if entry.size_bytes as usize != record.total_len {
        return Some(format!(
            "the entry says {} bytes, the record has {}",
            entry.size_bytes, record.total_len
        ));
    }
    if (fields.topic, fields.queue_id) != (topic, queue_id) {
        // A message may be in queues of other names, too.
        let names = eruca_message::properties::find_str(
            fields.properties,
            eruca_message::properties::INNER_MULTI_DISPATCH,
        );
        let is_named = names.unwrap_or_default().split(',').any(|name| name == topic);
        return (!is_named).then(|| {
            format!("the entry leads to a message of topic {} queue {}", fields.topic, fields.queue_id)
        });
    }
    let offset = match is_inner_batch(fields.sys_flag) {
        true => inner_batch_base(fields.properties).unwrap_or(fields.queue_offset.0),
        false => fields.queue_offset.0,
    };
    (offset != entry.queue_offset).then(|| format!("the entry leads to the message at offset {offset}"))
}

impl<'a> Held<'a> {
    const NONE: Held<'a> = Held { reader: None, range: (0, 0), entries: Vec::new() };

    fn open(store: &'a StoreDirectory, topic: &str, queue_id: i32) -> Result<Held<'a>, InspectError> {
        for kind in [QueueFileKind::Simple, QueueFileKind::Batch] {
            let reader = store.queue_reader(kind, topic, queue_id)?;
            if reader.has_files() {
                let range = reader.entry_range()?;
                return Ok(Held { reader: Some(reader), range, entries: Vec::new() });
            }
        }
        Ok(Held::NONE)
    }

    /// The entry of the message at a queue offset.
    fn find(&mut self, offset: u64) -> Result<Option<AnyEntry>, InspectError> {
        let Some(reader) = &self.reader else { return Ok(None) };
        if let Some(entry) = self.entries.iter().find(|entry| entry.queue_offset == offset) {
            return Ok(Some(*entry));
        }
        let place = match reader.is_batch() {
            false => offset,
            true => reader.first_with_offset(self.range, offset)?,
        };
        if place < self.range.0 || place >= self.range.1 {
            return Ok(None);
        }
        self.entries.clear();
        reader.block(place, ENTRIES_HELD, &mut self.entries)?;
        Ok(self.entries.iter().find(|entry| entry.queue_offset == offset).copied())
    }
}
