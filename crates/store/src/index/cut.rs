//! Taking away what was indexed of a part of the log that is cut off.

use std::sync::MutexGuard;

use eruca_message::{LogOffset, Timestamp};

use super::{
    files::{Builder, KeyIndex},
    repair::repair,
};
use crate::{disk::DiskError, store::MessageStore};

impl MessageStore {
    /// Takes the entries of messages at or behind `log_end` out of the index files, on the disk. Nothing is indexed until what
    /// it gives back is dropped; to be called before the log is cut: an index that lacks something is made up for.
    pub(crate) fn cut_index(&self, log_end: u64) -> Result<MutexGuard<'_, Builder>, DiskError> {
        let mut builder = self.index.builder();
        self.load_index(&mut builder)?;
        self.index.cut_to(log_end, |at| self.record_len_at(at))?;
        Ok(builder)
    }
}

impl KeyIndex {
    fn cut_to(
        &self,
        log_end: u64,
        record_len: impl Fn(LogOffset) -> Result<Option<u64>, DiskError>,
    ) -> Result<(), DiskError> {
        if self.indexed() <= log_end {
            return Ok(());
        }
        for file in self.files().iter().rev() {
            let header = file.header();
            if header.is_empty() || file.first_entry_from(log_end)? <= 1 {
                self.remove(file)?;
                self.change_list(|list| list.retain(|other| other.number != file.number));
                continue;
            }
            if header.end_log_offset.0 >= log_end {
                repair(file, log_end)?;
            }
            break;
        }
        let left = self.files();
        // A file that was full gets other entries now: what ended before it is trusted and nothing else.
        let before = left.len().checked_sub(2).and_then(|place| left.get(place));
        self.take_back_sealed(before.map_or(Timestamp(0), |file| file.header().end_timestamp));
        self.go_on_behind(&left, record_len)
    }
}
