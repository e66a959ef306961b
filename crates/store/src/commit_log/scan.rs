//! Walking through the log record by record, as recovery does.

use eruca_message::{LogOffset, Record, RecordError, RecordHeader, Timestamp};

use super::Segments;
use crate::disk::DiskError;

/// How much is read at a time.
const WINDOW_BYTES: usize = 1 << 20;
const RECORD_LEN_MIN: u64 = 91;
const LOG_OFFSET_AT: usize = 28;

/// What lies at a place of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogItem<'a> {
    /// A whole, undamaged record of this place.
    Record(Record<'a>),
    /// Frame and place are a record's, its content is damaged.
    Damaged {
        /// Its length in bytes, as its frame says.
        len_bytes: u64,
        /// The record as far as it can be read.
        record: Option<Record<'a>>,
        /// What is wrong.
        error: RecordError,
    },
    /// The filler that closes a segment.
    Filler,
    /// Zeros: nothing was written here.
    Nothing,
    /// More of the log is needed to tell.
    NeedsMore {
        /// How many bytes from here on.
        len_bytes: u64,
    },
    /// No record starts here.
    Garbage,
}

/// Tells what lies at log offset `at`, where `bytes` start and `room_bytes` are left in the segment.
pub fn log_item(bytes: &[u8], at: LogOffset, room_bytes: u64) -> LogItem<'_> {
    if room_bytes < 8 {
        return LogItem::Filler;
    }
    let Some(header) = RecordHeader::peek(bytes) else { return LogItem::NeedsMore { len_bytes: 8 } };
    if header.is_blank() {
        return LogItem::Filler;
    }
    if header.total_len == 0 && header.magic == 0 {
        return LogItem::Nothing;
    }
    let Ok(len_bytes) = u64::try_from(header.total_len) else { return LogItem::Garbage };
    if !header.is_record() || len_bytes < RECORD_LEN_MIN || len_bytes > room_bytes {
        return LogItem::Garbage;
    }
    if (bytes.len() as u64) < len_bytes {
        return LogItem::NeedsMore { len_bytes };
    }
    let place = bytes.get(LOG_OFFSET_AT..).and_then(|rest| rest.first_chunk::<8>());
    if place.map(|place| u64::from_be_bytes(*place)) != Some(at.0) {
        return LogItem::Garbage;
    }
    match Record::decode(bytes) {
        Ok(record) => match record.verify_whole() {
            Ok(()) => LogItem::Record(record),
            Err(error) => LogItem::Damaged { len_bytes, record: Some(record), error },
        },
        Err(error) => LogItem::Damaged { len_bytes, record: None, error },
    }
}

/// What a walk comes across.
#[derive(Debug)]
pub enum Found<'a> {
    /// A good record.
    Record(Record<'a>),
    /// A damaged record with good ones behind it.
    Damaged {
        /// Where it starts.
        at: u64,
        /// Its length.
        len_bytes: u64,
        /// The record as far as it can be read.
        record: Option<Record<'a>>,
        /// What is wrong.
        error: RecordError,
    },
    /// From here to the end of the segment nothing can be read, and a later segment can.
    Unreadable {
        /// Where it starts.
        at: u64,
        /// Where the next segment with records starts.
        end: u64,
    },
}

/// Where the log ends, and what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// The end, exclusive.
    pub at: u64,
    /// What is wrong with what follows; `None` where nothing does.
    pub torn: Option<String>,
}

/// What the visitor of a walk wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walk {
    /// The next one.
    On,
    /// No more.
    Stop,
}

/// Reads windows of the log and keeps the last one.
struct Window<'a> {
    segments: &'a Segments,
    bytes: Vec<u8>,
    start: u64,
}

impl Window<'_> {
    /// The bytes from `at` on: at least `needed`, where the segment has them.
    fn at(&mut self, at: u64, needed: u64) -> Result<Option<(&[u8], u64)>, DiskError> {
        let Some(segment) = self.segments.find(at) else { return Ok(None) };
        let room = segment.end() - at;
        let needed = needed.min(room);
        let have = at >= self.start && at + needed <= self.start + self.bytes.len() as u64;
        if !have {
            let len = needed.max((WINDOW_BYTES as u64).min(room));
            self.bytes.clear();
            self.start = at;
            segment.read_append(&mut self.bytes, len as usize, at)?;
        }
        let from = (at - self.start) as usize;
        // A window never reaches over its segment's end, see the length above.
        Ok(Some((self.bytes.get(from..).unwrap_or_default(), room)))
    }

    fn item(&mut self, at: u64) -> Result<Option<(LogItem<'_>, u64)>, DiskError> {
        let mut needed = 8;
        if let Some((bytes, room)) = self.at(at, needed)?
            && let LogItem::NeedsMore { len_bytes } = log_item(bytes, LogOffset(at), room)
        {
            needed = len_bytes;
        }
        Ok(self.at(at, needed)?.map(|(bytes, room)| (log_item(bytes, LogOffset(at), room), room)))
    }

    /// The good record at `at`, or behind the filler that stands there, and its store time.
    fn next_good(&mut self, at: u64) -> Result<Option<(u64, Timestamp)>, DiskError> {
        match self.item(at)? {
            Some((LogItem::Record(record), _)) => Ok(Some((at, record.fields.store_timestamp))),
            Some((LogItem::Filler, room)) => self.next_good_segment(at + room),
            _ => Ok(None),
        }
    }

    /// The first segment at or behind `from` that starts with a good record, and its store time.
    fn next_good_segment(&mut self, from: u64) -> Result<Option<(u64, Timestamp)>, DiskError> {
        let mut start = from;
        while let Some((item, room)) = self.item(start)? {
            if let LogItem::Record(record) = item {
                return Ok(Some((start, record.fields.store_timestamp)));
            }
            start += room;
        }
        Ok(None)
    }
}

/// Walks from `from`, which must be the start of a record or of a segment, to the end of the log.
///
/// Damage ends the log as a torn write does, unless there are good records behind it and `is_middle` says so, given
/// the place of the damage and the store time of the next good record.
pub(crate) fn walk_log<E: From<DiskError>>(
    segments: &Segments,
    from: u64,
    is_middle: impl Fn(u64, Timestamp) -> bool,
    mut visit: impl FnMut(Found<'_>) -> Result<Walk, E>,
) -> Result<LogEnd, E> {
    let mut window = Window { segments, bytes: Vec::new(), start: 0 };
    let mut at = from;
    loop {
        let Some((item, room)) = window.item(at)? else { return Ok(LogEnd { at, torn: None }) };
        let segment_end = at + room;
        let stopped = Ok(LogEnd { at, torn: None });
        let (torn, frame_len) = match item {
            LogItem::Record(record) => {
                at += record.total_len as u64;
                if visit(Found::Record(record))? == Walk::Stop {
                    return stopped;
                }
                continue;
            }
            LogItem::Filler => {
                at = segment_end;
                continue;
            }
            LogItem::Damaged { len_bytes, record: Some(record), .. } if planted!(TornRecordTaken) => {
                at += len_bytes;
                visit(Found::Record(record))?;
                continue;
            }
            LogItem::Nothing => (None, None),
            LogItem::Damaged { len_bytes, error, .. } => (Some(error.to_string()), Some(len_bytes)),
            LogItem::NeedsMore { .. } | LogItem::Garbage => (Some("no record starts here".to_owned()), None),
        };
        if let Some(len_bytes) = frame_len
            && let Some((_, stored)) = window.next_good(at + len_bytes)?
            && is_middle(at, stored)
        {
            if let Some((LogItem::Damaged { record, error, .. }, _)) = window.item(at)?
                && visit(Found::Damaged { at, len_bytes, record, error })? == Walk::Stop
            {
                return stopped;
            }
            at += len_bytes;
            continue;
        }
        match window.next_good_segment(segment_end)? {
            Some((next, stored)) if is_middle(at, stored) => {
                if visit(Found::Unreadable { at, end: next })? == Walk::Stop {
                    return stopped;
                }
                at = next;
            }
            _ => return Ok(LogEnd { at, torn }),
        }
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::{RecordFields, encode_record};
    use proptest::prelude::*;

    use super::*;

    fn record(at: u64) -> Vec<u8> {
        let fields = RecordFields {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            queue_offset: eruca_message::QueueOffset(0),
            log_offset: LogOffset(at),
            born_timestamp: Timestamp(1),
            born_host: "127.0.0.1:1".parse().unwrap(),
            store_timestamp: Timestamp(2),
            store_host: "127.0.0.1:2".parse().unwrap(),
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"body",
            properties: b"",
        };
        let mut out = Vec::new();
        encode_record(&fields, &mut out).unwrap();
        out
    }

    #[test]
    fn a_record_counts_only_at_its_own_place() {
        let bytes = record(500);
        assert!(matches!(log_item(&bytes, LogOffset(500), 1000), LogItem::Record(_)));
        assert_eq!(log_item(&bytes, LogOffset(501), 1000), LogItem::Garbage);
        assert_eq!(log_item(&bytes, LogOffset(500), 50), LogItem::Garbage);
        assert_eq!(log_item(&bytes[..40], LogOffset(500), 1000), LogItem::NeedsMore { len_bytes: 96 });
        assert_eq!(log_item(&[0; 8], LogOffset(0), 1000), LogItem::Nothing);
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), at: u64, room: u64) {
            let _ = log_item(&bytes, LogOffset(at), room);
        }

        #[test]
        fn any_damage_never_passes_for_another_place(at in 0usize..96, value: u8, cut in 0usize..97) {
            let mut bytes = record(500);
            bytes[at] = value;
            let bytes = &bytes[..cut.min(bytes.len())];
            prop_assert!(!matches!(log_item(bytes, LogOffset(400), 1000), LogItem::Record(_)));
            let _ = log_item(bytes, LogOffset(500), 1000);
        }
    }
}
