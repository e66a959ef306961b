//! From where the log has to be read.

use eruca_message::{LogOffset, Timestamp};

use crate::{
    checkpoint::Checkpoint,
    commit_log::{LogItem, Segments, log_item},
    disk::DiskError,
};

/// Java reads the last three files after an orderly stop where nothing better is known.
const SEGMENTS_AFTER_ORDERLY_STOP: usize = 3;

/// A place from which the log is read: everything before it is on the disk, with its queue entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) at: u64,
    /// Whether the record that starts there has its queue entry on the disk, too.
    pub(super) has_entry: bool,
}

/// Chooses the place.
pub(crate) fn choose_start(
    segments: &Segments,
    checkpoint: Option<&Checkpoint>,
    was_closed: bool,
) -> Result<Start, DiskError> {
    let log_start = segments.min();
    let without_entry = |at| Start { at, has_entry: false };
    if let Some(checkpoint) = checkpoint {
        let place = checkpoint.queue_log_offset.0;
        // 0 is what versions before 5.4 leave there.
        let place = if planted!(QueueRebuiltFromWrongPlace) {
            segments.all().last().map_or(place, |last| last.start.max(place))
        } else {
            place
        };
        if place > 0 && place >= log_start && is_start(segments, place)? {
            return Ok(Start { at: place, has_entry: true });
        }
    }
    let all = segments.all();
    if was_closed {
        let from = all.len().saturating_sub(SEGMENTS_AFTER_ORDERLY_STOP);
        return Ok(without_entry(all.get(from).map_or(log_start, |segment| segment.start)));
    }
    let safe = checkpoint.map_or(Timestamp(0), Checkpoint::safe_timestamp);
    if safe > Timestamp(0) {
        for segment in all.iter().rev() {
            if let Some(stored) = store_time_at(segments, segment.start)?
                && stored <= safe
            {
                return Ok(without_entry(segment.start));
            }
        }
    }
    Ok(without_entry(log_start))
}

/// Whether a record starts at `at`.
pub(super) fn is_start(segments: &Segments, at: u64) -> Result<bool, DiskError> {
    let Some(segment) = segments.find(at) else { return Ok(false) };
    let room = segment.end() - at;
    let mut bytes = Vec::new();
    segment.read_append(&mut bytes, room.min(8) as usize, at)?;
    if let LogItem::NeedsMore { len_bytes } = log_item(&bytes, LogOffset(at), room) {
        bytes.clear();
        segment.read_append(&mut bytes, len_bytes as usize, at)?;
    }
    Ok(matches!(log_item(&bytes, LogOffset(at), room), LogItem::Record(_)))
}

/// Store time of the record that starts at `at`; `None` where none does.
pub(crate) fn store_time_at(segments: &Segments, at: u64) -> Result<Option<Timestamp>, DiskError> {
    /// Up to the end of the store time, behind a born host of either kind.
    const HEAD_LEN: u64 = 76;
    let Some(segment) = segments.find(at) else { return Ok(None) };
    if segment.end() - at < HEAD_LEN {
        return Ok(None);
    }
    let mut head = [0; HEAD_LEN as usize];
    segment.read_exact(&mut head, at)?;
    Ok(store_time_in(&head, at))
}

/// The same, from the record's first 76 bytes.
fn store_time_in(head: &[u8], at: u64) -> Option<Timestamp> {
    let header = eruca_message::RecordHeader::peek(head)?;
    let int = |at: usize| head.get(at..)?.first_chunk::<4>().map(|b| i32::from_be_bytes(*b));
    let long = |at: usize| head.get(at..)?.first_chunk::<8>().map(|b| i64::from_be_bytes(*b));
    if !header.is_record() || u64::try_from(long(28)?).ok()? != at {
        return None;
    }
    let born_v6 = int(36)? & eruca_message::sys_flag::BORN_HOST_V6 != 0;
    long(if born_v6 { 68 } else { 56 }).map(Timestamp)
}
