//! Records that lie one behind the other, read with one read for many.

use eruca_message::{LogOffset, Record};

use crate::{error::ReadError, read::is_record_at, store::MessageStore};

/// How far is read ahead where records were asked for one after the other.
const AHEAD_BYTES: u64 = 256 << 10;
/// So much between two records is read with them: a read more would cost as much.
const GAP_BYTES: u64 = 4 << 10;

/// A stretch of the log in memory. It holds at most 256 KiB, or one record that is larger.
#[derive(Debug, Default)]
pub struct RecordWindow {
    /// Log offset of the first byte.
    from: u64,
    bytes: Vec<u8>,
    /// End of the record that was asked for last.
    next: u64,
}

impl RecordWindow {
    /// What is in memory is read anew: a log may be cut, and go on with other records.
    pub fn forget(&mut self) {
        self.bytes.clear();
    }

    fn record(&self, at: u64, end: u64) -> Option<&[u8]> {
        let place = |at: u64| usize::try_from(at.checked_sub(self.from)?).ok();
        self.bytes.get(place(at)?..place(end)?)
    }

    /// Log offset behind the last byte.
    #[cfg(test)]
    pub(crate) fn end(&self) -> u64 {
        self.from + self.bytes.len() as u64
    }

    fn follows(&self, at: u64) -> bool {
        at.checked_sub(self.next).is_some_and(|gap| gap <= GAP_BYTES)
    }
}

impl MessageStore {
    /// The record of `len` bytes that starts at `at`; `None` where there is none. Its CRC is checked. Whoever asks for one after
    /// the other, in the order of the log, reads the file for few of them.
    ///
    /// # Errors
    /// As [`MessageStore::record_at`].
    pub fn record_near<'w>(
        &self,
        at: LogOffset,
        len: u32,
        window: &'w mut RecordWindow,
    ) -> Result<Option<Record<'w>>, ReadError> {
        let end = at.0.saturating_add(u64::from(len));
        if window.record(at.0, end).is_none() && !self.read_window(at.0, end, window)? {
            return Ok(None);
        }
        window.next = end;
        if !window.record(at.0, end).is_some_and(|record| is_record_at(record, at.0)) {
            // Whatever it is that was read, nobody is answered from it again.
            window.forget();
            return Ok(None);
        }
        let Some(bytes) = window.record(at.0, end) else { return Ok(None) };
        let checked = Record::decode(bytes).and_then(|record| record.verify_crc().map(|()| record));
        checked.map(Some).map_err(|source| ReadError::Damaged { at, source })
    }

    /// Reads from `at` to `end` at least; false where the log has less. After a read that failed the window is empty: what a
    /// read leaves behind is no part of the log, and would pass for a record that is gone.
    fn read_window(&self, at: u64, end: u64, window: &mut RecordWindow) -> Result<bool, ReadError> {
        let mut bytes = std::mem::take(&mut window.bytes);
        let Some(segment) = self.segments.find(at) else { return Ok(false) };
        // A queue has an entry a moment before it is told that the log is written so far, and whoever found the entry must find the
        // record. What is behind both may be on its way still: it is not read ahead.
        if end > segment.end().min(self.progress.appended()) {
            return Ok(false);
        }
        let room = segment.end().min(self.progress.written());
        let mut read = |end: u64| {
            bytes.clear();
            bytes.shrink_to(AHEAD_BYTES as usize);
            segment.read_append(&mut bytes, (end - at) as usize, at)
        };
        let ahead = room.min(at + AHEAD_BYTES).max(end);
        // A part of the disk that cannot be read may lie behind the record.
        if !(window.follows(at) && read(ahead).is_ok()) {
            read(end)?;
        }
        (window.from, window.bytes) = (at, bytes);
        Ok(true)
    }
}
