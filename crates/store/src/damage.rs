//! Records that cannot be given to a consumer: passed over, counted, and named in the log, but not without end.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use eruca_message::{LogOffset, QueueOffset, Record, RecordError, Timestamp};

use crate::{
    read::{is_head_at, is_record_at},
    store::MessageStore,
};

/// So many warnings are given within [`SPAN_MS`]; a rotten file has very many.
const WARNINGS_MAX: u32 = 20;
const SPAN_MS: i64 = 60_000;

/// Why a record is passed over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Length, magic or place are not those of the record that the queue's entry leads to.
    #[error("no record of the entry's length starts there")]
    Frame,
    /// Its parts do not fit together, or its body is not what was stored.
    #[error(transparent)]
    Content(#[from] RecordError),
}

/// Checks that `record` is the whole record at log offset `at`, and its body against the CRC.
pub(crate) fn check_record(record: &[u8], at: u64) -> Result<(), Unreadable> {
    if !is_record_at(record, at) {
        return Err(Unreadable::Frame);
    }
    Ok(Record::decode(record)?.verify_crc()?)
}

/// Checks that `head`, with which a record of `len_bytes` begins, is that of the one at log offset `at`.
pub(crate) fn check_head(head: &[u8], len_bytes: usize, at: u64) -> Result<(), Unreadable> {
    if is_head_at(head, len_bytes, at) { Ok(()) } else { Err(Unreadable::Frame) }
}

/// Where a damaged record lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DamagedAt<'a> {
    pub(crate) topic: &'a str,
    pub(crate) queue_id: i32,
    pub(crate) queue_offset: QueueOffset,
    pub(crate) log_offset: LogOffset,
    pub(crate) len_bytes: u64,
}

/// Counts what was passed over, and says when there may be a warning.
#[derive(Debug, Default)]
pub(crate) struct DamagedRecords {
    count: AtomicU64,
    warnings: Mutex<Warnings>,
}

#[derive(Debug, Default)]
struct Warnings {
    since: Timestamp,
    given: u32,
    withheld: u64,
}

impl DamagedRecords {
    /// One more; how many were counted without a warning before this one, or `None` where this one is to be too.
    fn add(&self, now: Timestamp) -> Option<u64> {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back must not keep warnings back.
        if !(0..SPAN_MS).contains(&now.ms_since(warnings.since)) {
            (warnings.since, warnings.given) = (now, 0);
        }
        if warnings.given == WARNINGS_MAX {
            warnings.withheld += 1;
            return None;
        }
        warnings.given += 1;
        Some(std::mem::take(&mut warnings.withheld))
    }
}

impl MessageStore {
    /// How often a damaged record was left out of what a consumer was given, since the store was opened.
    pub fn damaged_records_passed_over(&self) -> u64 {
        self.damaged.count.load(Ordering::Relaxed)
    }

    pub(crate) fn pass_over(&self, place: &DamagedAt<'_>, why: &Unreadable) {
        let Some(withheld) = self.damaged.add(self.clock.now()) else { return };
        let at = place.log_offset.0;
        let file = self.segments.find(at).map(|segment| segment.path.display().to_string());
        tracing::warn!(
            file = file.as_deref().unwrap_or("none"),
            log_offset = at,
            len_bytes = place.len_bytes,
            topic = place.topic,
            queue_id = place.queue_id,
            queue_offset = place.queue_offset.0,
            why = %why,
            withheld_warnings = withheld,
            "a damaged message is passed over, consumers will not get it: look at the disk, and at `eruca store verify`"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_counted_and_some_are_named() {
        let damaged = DamagedRecords::default();
        let now = Timestamp(1_700_000_000_000);
        let told = (0..100).filter(|_| damaged.add(now).is_some()).count();
        assert_eq!((told, damaged.count.load(Ordering::Relaxed)), (20, 100));
        assert_eq!(damaged.add(now.add_ms(SPAN_MS - 1)), None);
        assert_eq!(damaged.add(now.add_ms(SPAN_MS)), Some(81));
        assert_eq!(damaged.add(now.add_ms(SPAN_MS)), Some(0));
        // Set back by a year.
        let told = (0..100).filter(|_| damaged.add(Timestamp(now.0 - 31_536_000_000)).is_some()).count();
        assert_eq!(told, 20);
    }
}
