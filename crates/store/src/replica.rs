//! The log as a copy of another store's: bytes come in pieces as the network cut them, whole records go to the disk.
//!
//! The copy is the original byte for byte: the same offsets, the same segments, the same filler at a segment's end. What
//! is no record of its place is refused, so that nothing gets into this log that recovery would cut off again.
//!
//! Locks, in this order: `shrinking`, `copying`, `writing`, `append`, `queue_flush`, `flushing`, a queue's state.

use std::sync::PoisonError;

use eruca_message::{LogOffset, Record};

use crate::{
    arrival::Arrival,
    commit_log::{LogItem, log_item},
    error::CopyError,
    store::MessageStore,
    watermark::LogTip,
    write_state::WriteStopped,
};

/// What a copy keeps of a large record that came in pieces.
const KEPT_CAPACITY_BYTES: usize = 1 << 20;

/// Where a copy stands.
#[derive(Debug, Default)]
pub(crate) struct Copying {
    /// Where the next bytes belong; `None` before [`MessageStore::begin_copy`].
    pub(crate) next: Option<u64>,
    /// The beginning of a record whose rest did not come yet. It ends at `next`.
    pub(crate) held: Vec<u8>,
}

/// The records of one segment that came together.
struct Part<'b> {
    at: u64,
    end: u64,
    bytes: &'b [u8],
    records: Vec<Record<'b>>,
}

/// Bytes of the log that were cut into parts, and how many of them that were.
struct Parts<'b> {
    parts: Vec<Part<'b>>,
    used: usize,
}

impl MessageStore {
    /// Begins (or begins again) to copy another store's log into this one: where the first byte belongs that is wanted. 0 for
    /// an empty store, which takes a log from the start of any segment on.
    ///
    /// # Errors
    /// The store takes messages of its own, or none at all.
    pub fn begin_copy(&self) -> Result<LogOffset, CopyError> {
        let mut copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        *copying = Copying::default();
        self.check_copy()?;
        let end = self.progress.written();
        copying.next = Some(end);
        Ok(LogOffset(end))
    }

    /// Takes bytes of the other log that belong to `at`, wherever they are cut: whole records are written with one write a
    /// segment and become visible, the rest of the last one is kept in memory until it comes. Where the log ends now: behind
    /// the last whole record. One caller at a time; [`MessageStore::on_flushed`] says when it is on the disk.
    ///
    /// # Errors
    /// [`CopyError`]; nothing of what is wrong is in the log, and [`MessageStore::begin_copy`] has to be called again.
    pub fn append_copy(&self, at: LogOffset, bytes: &[u8]) -> Result<LogOffset, CopyError> {
        let mut copying = self.copying.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arrivals = Vec::new();
        let copied = self.copy(&mut copying, at.0, bytes, &mut arrivals);
        if copied.is_err() {
            *copying = Copying::default();
        }
        drop(copying);
        self.tell_arrivals(&arrivals);
        self.tell_written();
        copied.map(LogOffset)
    }

    /// What a copy needs: no messages of its own, and a disk that takes something.
    pub(crate) fn check_copy(&self) -> Result<(), CopyError> {
        match self.gate.check() {
            Err(WriteStopped::Replica) => Ok(()),
            Err(why) => Err(why.into()),
            Ok(()) => Err(CopyError::NotAReplica),
        }
    }

    fn copy(
        &self,
        copying: &mut Copying,
        at: u64,
        bytes: &[u8],
        arrivals: &mut Vec<Arrival>,
    ) -> Result<u64, CopyError> {
        let next = copying.next.ok_or(CopyError::NotBegun)?;
        if next != at {
            self.begin_elsewhere(at, next)?;
            copying.next = Some(at);
        }
        let end = at + bytes.len() as u64;
        let Copying { held, .. } = copying;
        let mut rest = bytes;
        while !held.is_empty() && !rest.is_empty() {
            // What is missing of the record that was begun, and no more: the others are written as they lie.
            let begun_at = end - (held.len() + rest.len()) as u64;
            let (completing, later) = rest.split_at(self.missing_of(held, begun_at).min(rest.len()));
            held.extend_from_slice(completing);
            rest = later;
            let used = self.copy_whole(held, begun_at, arrivals)?;
            held.drain(..used);
        }
        if held.is_empty() {
            let used = self.copy_whole(rest, end - rest.len() as u64, arrivals)?;
            held.extend_from_slice(rest.get(used..).unwrap_or_default());
        }
        if held.is_empty() {
            held.shrink_to(KEPT_CAPACITY_BYTES);
        }
        copying.next = Some(end);
        Ok(self.progress.written())
    }

    /// How many bytes `held`, the beginning of a record at `at`, lacks as far as it says so; never 0.
    fn missing_of(&self, held: &[u8], at: u64) -> usize {
        let size = self.segments.segment_size();
        match log_item(held, LogOffset(at), size - at % size) {
            LogItem::NeedsMore { len_bytes } => {
                usize::try_from(len_bytes).unwrap_or(usize::MAX).saturating_sub(held.len()).max(1)
            }
            _ => 1,
        }
    }

    /// An empty store takes a log from the start of any segment on.
    fn begin_elsewhere(&self, at: u64, expected: u64) -> Result<(), CopyError> {
        let size_bytes = self.segments.segment_size();
        if expected != 0 || self.progress.written() != 0 {
            return Err(CopyError::Elsewhere { at: LogOffset(at), expected: LogOffset(expected) });
        }
        if !at.is_multiple_of(size_bytes) {
            return Err(CopyError::NotASegment { at: LogOffset(at), size_bytes });
        }
        let mut state = self.append_lock();
        let begun = self.segments.begin_at(at);
        begun.map_err(|error| CopyError::Stopped(self.stop_for(&error)))?;
        state.log_end = at;
        self.progress.set_appended(at);
        self.progress.set_written(LogTip { end: at, ..LogTip::default() });
        self.progress.set_flushed(at);
        tracing::info!(log_offset = at, "this empty store begins in the middle of the other log");
        Ok(())
    }

    /// Writes the whole records of `buffer`, which belongs to `at`, and makes them visible; how many bytes they are.
    fn copy_whole(&self, buffer: &[u8], at: u64, arrivals: &mut Vec<Arrival>) -> Result<usize, CopyError> {
        let mut used = 0;
        // The rest of a filler, behind which this log ends already.
        let log_end = self.progress.written();
        if log_end > at {
            let len = usize::try_from(log_end - at).unwrap_or(usize::MAX).min(buffer.len());
            let (filler, _) = buffer.split_at(len);
            self.copy_filler(filler, at)?;
            used = len;
        }
        let rest = buffer.get(used..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(used);
        }
        let cut = self.cut(rest, at + used as u64)?;
        for part in &cut.parts {
            self.copy_part(part, arrivals)?;
        }
        Ok(used + cut.used)
    }

    /// Most fillers are zeros, as the file is; some are what was in the memory of the one who wrote them.
    fn copy_filler(&self, bytes: &[u8], at: u64) -> Result<(), CopyError> {
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_copy()?;
        self.write_part(bytes, at).map_err(|error| CopyError::Stopped(self.stop_for(&error)))
    }

    fn cut<'b>(&self, bytes: &'b [u8], at: u64) -> Result<Parts<'b>, CopyError> {
        let segment_size = self.segments.segment_size();
        let limit_bytes = self.config.record_size_max_bytes() as u64;
        let mut parts: Vec<Part<'b>> = Vec::new();
        let (mut used, mut from) = (0, 0);
        let mut records = Vec::new();
        loop {
            let here = at + used as u64;
            let room = segment_size - here % segment_size;
            let rest = bytes.get(used..).unwrap_or_default();
            let refused = |why: String| CopyError::NoRecord { at: LogOffset(here), why };
            match log_item(rest, LogOffset(here), room) {
                LogItem::Record(record) => {
                    used += record.total_len;
                    records.push(record);
                }
                LogItem::Filler => {
                    let len = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
                    used += len;
                    let bytes = bytes.get(from..used).unwrap_or_default();
                    let records = std::mem::take(&mut records);
                    parts.push(Part { at: at + from as u64, end: here + room, bytes, records });
                    from = used;
                    if (len as u64) < room {
                        return Ok(Parts { parts, used });
                    }
                }
                LogItem::NeedsMore { len_bytes } => {
                    if len_bytes > limit_bytes {
                        return Err(CopyError::RecordTooLarge {
                            at: LogOffset(here),
                            len_bytes,
                            limit_bytes,
                        });
                    }
                    break;
                }
                LogItem::Nothing => {
                    return Err(refused("there are zeros where a record should be".to_owned()));
                }
                LogItem::Garbage => {
                    return Err(refused(
                        "these are not the first bytes of a record of this place".to_owned(),
                    ));
                }
                LogItem::Damaged { error, .. } => return Err(refused(error.to_string())),
            }
        }
        if used > from {
            let bytes = bytes.get(from..used).unwrap_or_default();
            parts.push(Part { at: at + from as u64, end: at + used as u64, bytes, records });
        }
        Ok(Parts { parts, used })
    }

    fn copy_part(&self, part: &Part<'_>, arrivals: &mut Vec<Arrival>) -> Result<(), CopyError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the same lock the store becomes one that takes messages: from then on nothing is copied.
        let mut state = self.append_lock();
        self.check_copy()?;
        if state.log_end != part.at {
            let (at, expected) = (LogOffset(part.at), LogOffset(state.log_end));
            return Err(CopyError::Elsewhere { at, expected });
        }
        if let Err(error) = self.write_part(part.bytes, part.at) {
            let why = self.stop_for(&error);
            // As where a message cannot be written: what is left behind the end must not be there after a power cut.
            if let Some(segment) = self.segments.find(part.at)
                && let Err(error) = segment.zero_from(part.at).and_then(|()| segment.sync())
            {
                self.stop(WriteStopped::from_io(&error));
            }
            return Err(why.into());
        }
        let mut tip = LogTip { end: part.end, ..self.progress.tip() };
        for record in &part.records {
            self.enter_copied(record, arrivals).map_err(|error| self.stop_for(&error))?;
            tip.last_record = record.fields.log_offset.0;
            tip.store_timestamp = tip.store_timestamp.max(record.fields.store_timestamp);
        }
        state.log_end = part.end;
        state.last_store_timestamp = tip.store_timestamp;
        self.progress.set_appended(part.end);
        // After the entries, so that whoever flushes up to here finds them all in their queues.
        self.progress.set_written(tip);
        Ok(())
    }

    /// Appends bytes of the log as they lie, from `at` on, to `into`: at most `max_bytes`, never across a segment's end. How
    /// many: 0 at the log's end.
    ///
    /// # Errors
    /// The log does not reach back that far, or not that far ahead; the file cannot be read.
    pub fn read_raw_log(
        &self,
        at: LogOffset,
        max_bytes: usize,
        into: &mut Vec<u8>,
    ) -> Result<usize, CopyError> {
        let (min, max) = self.log_range();
        if at > max {
            return Err(CopyError::Ahead { at, max });
        }
        let Some(segment) = self.segments.find(at.0) else {
            return match at == max {
                true => Ok(0),
                false => Err(CopyError::Behind { at, min }),
            };
        };
        let end = max.0.min(segment.end());
        let len = usize::try_from(end - at.0).unwrap_or(usize::MAX).min(max_bytes);
        segment.read_append(into, len, at.0)?;
        Ok(len)
    }
}
