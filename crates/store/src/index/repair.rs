//! Putting an index file in order that was not closed: its pages got to the disk in any order, or not at all.
//!
//! Entries are written once and their order is known, so that they can be checked: offsets never go down, and each
//! leads to the one before it in its slot. What follows the first that does not fit is cut off, and indexed anew from
//! the log. The slots are then made anew from the entries.

use eruca_message::LogOffset;

use super::{
    file::IndexFile,
    layout::{ENTRY_LEN, IndexEntry, IndexHeader},
};
use crate::disk::DiskError;

/// Entries or slots read at once.
const AT_ONCE: u32 = 32 << 10;

/// Brings a file in order; `log_end`: where the log ends. Whether entries were cut off. The last message that is left
/// has all its entries.
pub(super) fn repair(file: &IndexFile, log_end: u64) -> Result<bool, DiskError> {
    let header = file.header();
    let mut slots = vec![0u32; file.layout.slots as usize];
    let mut whole = whole_entries(file, header.next_entry, log_end, &mut slots)?;
    let is_cut = whole.next_entry < header.next_entry;
    if let Some(last) = whole.last {
        // Entries of this message may be missing, whatever the header says: a write of it that failed may have left the new
        // end of what is indexed beside the old number of entries.
        whole.drop_message(file, last.log_offset, &mut slots)?;
    }
    let mut repaired = IndexHeader { next_entry: whole.next_entry, ..header };
    repaired.slots_used = slots.iter().filter(|number| **number != 0).count() as u32;
    match whole.last {
        None => repaired = IndexHeader::following(None),
        Some(last) => {
            repaired.end_log_offset = last.log_offset;
            repaired.end_timestamp = header.stored_between(whole.next_entry - 1, &last).1;
        }
    }
    file.zero_from(file.layout.entry_at(whole.next_entry))?;
    write_slots(file, &slots)?;
    file.set_header(repaired)?;
    file.sync()?;
    if is_cut {
        let cut = header.next_entry - whole.next_entry;
        tracing::warn!(file = %file.path.display(), entries = cut,
            "the end of an index file was not written completely, it is made anew from the log");
    }
    Ok(is_cut)
}

/// The entries that can be trusted.
struct Whole {
    /// Number behind the last of them.
    next_entry: u32,
    last: Option<IndexEntry>,
}

impl Whole {
    /// Takes the entries of the message at `log_offset`, which are the last ones, back.
    fn drop_message(
        &mut self,
        file: &IndexFile,
        log_offset: LogOffset,
        slots: &mut [u32],
    ) -> Result<(), DiskError> {
        while self.last.is_some_and(|last| last.log_offset == log_offset) {
            if let Some(last) = self.last
                && let Some(slot) = slots.get_mut(file.layout.slot_of(last.key_hash) as usize)
            {
                *slot = last.previous;
            }
            self.next_entry -= 1;
            self.last = match self.next_entry {
                ..=1 => None,
                next => file.entry(next - 1)?,
            };
        }
        Ok(())
    }
}

/// Checks the entries before `end`, and lets each slot lead to its newest one.
fn whole_entries(file: &IndexFile, end: u32, log_end: u64, slots: &mut [u32]) -> Result<Whole, DiskError> {
    let mut whole = Whole { next_entry: 1, last: None };
    let mut bytes = Vec::new();
    while whole.next_entry < end {
        let first = whole.next_entry;
        bytes.resize((end - first).min(AT_ONCE) as usize * ENTRY_LEN, 0);
        file.read(&mut bytes, file.layout.entry_at(first))?;
        for entry in bytes.as_chunks::<ENTRY_LEN>().0 {
            // Zeros were never written. (The first message of all may have an entry of zeros by chance: it is then
            // made anew at every repair.)
            let is_written = entry.iter().any(|byte| *byte != 0);
            let Some(entry) = IndexEntry::decode(entry).filter(|_| is_written) else { return Ok(whole) };
            let not_before = whole.last.map_or(LogOffset(0), |last| last.log_offset);
            let newest = slots.get_mut(file.layout.slot_of(entry.key_hash) as usize);
            let Some(newest) = newest.filter(|newest| **newest == entry.previous) else { return Ok(whole) };
            if entry.log_offset < not_before || entry.log_offset.0 >= log_end {
                return Ok(whole);
            }
            *newest = whole.next_entry;
            whole.last = Some(entry);
            whole.next_entry += 1;
        }
    }
    Ok(whole)
}

/// Writes those slots that are others in the file.
fn write_slots(file: &IndexFile, slots: &[u32]) -> Result<(), DiskError> {
    let (mut there, mut bytes) = (Vec::new(), Vec::new());
    for (slots, first) in slots.chunks(AT_ONCE as usize).zip((0..).step_by(AT_ONCE as usize)) {
        bytes.clear();
        slots.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
        there.resize(bytes.len(), 0);
        let at = file.layout.slot_at(first);
        file.read(&mut there, at)?;
        if there != bytes {
            file.write(&bytes, at)?;
        }
    }
    Ok(())
}
