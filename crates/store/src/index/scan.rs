//! Reading the log for its keys: heads, topics and properties, and as little of the bodies as possible.
//!
//! Nothing is checked that recovery or a reader of messages checks; damage is passed over.

use eruca_message::{LogOffset, MAGIC_V2, RecordHeader, Timestamp, sys_flag};

use super::key::key_hashes;
use crate::{commit_log::Segments, disk::DiskError};

/// How much is read at a time: it stays in the second cache of a core.
const WINDOW_BYTES: u64 = 256 << 10;
/// How much is read at a time where bodies are passed over.
const SMALL_WINDOW_BYTES: u64 = 4 << 10;
/// A record of this size is not read whole: two small reads cost less.
const LARGE_RECORD_BYTES: u64 = 16 << 10;
/// Up to the length of the body, behind hosts of either kind.
const HEAD_LEN_MAX: u64 = 112;
const HEAD_LEN_MIN: u64 = 88;

/// One key of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MessageKey {
    /// See [`super::key`].
    pub(super) hash: u32,
    /// Where the message lies.
    pub(super) log_offset: u64,
    /// When it was stored.
    pub(super) stored: Timestamp,
}

/// Keys in the order of the log.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) list: Vec<MessageKey>,
    /// Place and store time of the last record that was looked at, with or without keys.
    pub(super) last: Option<(LogOffset, Timestamp)>,
}

/// Bounds of one scan.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScanLimits {
    /// End of the log as readers see it.
    pub(super) log_end: u64,
    /// Bytes of the log to pass, about.
    pub(super) bytes: u64,
    /// Keys to take, about.
    pub(super) keys: usize,
}

/// Reads the log from `from`, the start of a record, and adds the keys of its messages to `keys`. Where to go on.
pub(super) fn scan_keys(
    segments: &Segments,
    from: u64,
    limits: ScanLimits,
    keys: &mut Keys,
) -> Result<u64, DiskError> {
    let mut window = Window { segments, memory: Vec::new(), start: 0, filled: 0, len_bytes: WINDOW_BYTES };
    let mut at = from;
    while at < limits.log_end && at - from < limits.bytes && keys.list.len() < limits.keys {
        let Some(segment) = segments.find(at) else {
            // Expired meanwhile; nothing before the log's start is worth an entry.
            match segments.min() {
                min if min > at => at = min,
                _ => break,
            }
            continue;
        };
        let room = segment.end().min(limits.log_end) - at;
        match window.record(at, room, keys)? {
            Some(len) => at += len,
            // The filler, or damage: records start again with the next segment at the latest.
            None => at = segment.end(),
        }
    }
    Ok(at.min(limits.log_end.max(from)))
}

/// A part of the log in memory.
struct Window<'a> {
    segments: &'a Segments,
    /// Not shortened, so that it need not be cleared for the next read.
    memory: Vec<u8>,
    /// Log offset of its first byte.
    start: u64,
    /// How much of it was read.
    filled: usize,
    /// How much is read at a time.
    len_bytes: u64,
}

impl Window<'_> {
    /// The `len` bytes at `at`; fewer where a segment ends.
    fn get(&mut self, at: u64, len: u64) -> Result<&[u8], DiskError> {
        let have = at >= self.start && at + len <= self.start + self.filled as u64;
        if !have {
            (self.start, self.filled) = (at, 0);
            if let Some(segment) = self.segments.find(at) {
                let wanted = len.max(self.len_bytes).min(segment.end() - at) as usize;
                self.memory.resize(self.memory.len().max(wanted), 0);
                segment.read_exact(self.memory.get_mut(..wanted).unwrap_or_default(), at)?;
                self.filled = wanted;
            }
        }
        let from = (at - self.start) as usize;
        let to = (from + len as usize).min(self.filled);
        Ok(self.memory.get(from..to).unwrap_or_default())
    }

    /// Takes the keys of the record at `at`, its length in bytes; `None` where no record starts there.
    fn record(&mut self, at: u64, room: u64, keys: &mut Keys) -> Result<Option<u64>, DiskError> {
        let Some(head) = Head::read(self.get(at, room.min(HEAD_LEN_MAX))?, at, room) else { return Ok(None) };
        self.len_bytes = if head.len > LARGE_RECORD_BYTES { SMALL_WINDOW_BYTES } else { WINDOW_BYTES };
        let tail = self.get(at + head.tail_at, head.len - head.tail_at)?;
        let (log_offset, stored) = (LogOffset(at), head.stored);
        keys.last = Some((log_offset, stored));
        match topic_and_properties(tail, head.is_v2) {
            Some((topic, properties)) => key_hashes(topic, head.sys_flags, properties, |hash| {
                keys.list.push(MessageKey { hash, log_offset: at, stored });
            }),
            None => tracing::warn!(log_offset = at, "a damaged record is not indexed"),
        }
        Ok(Some(head.len))
    }
}

/// What stands before a record's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    len: u64,
    is_v2: bool,
    sys_flags: i32,
    stored: Timestamp,
    /// Where the length of the topic stands, from the start of the record.
    tail_at: u64,
}

impl Head {
    /// Reads the head of the record at log offset `at`, for which there are `room` bytes.
    fn read(bytes: &[u8], at: u64, room: u64) -> Option<Head> {
        let header = RecordHeader::peek(bytes).filter(|header| header.is_record())?;
        let len = u64::try_from(header.total_len).ok().filter(|len| (HEAD_LEN_MIN..=room).contains(len))?;
        let int = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|bytes| i32::from_be_bytes(*bytes));
        let long = |at: usize| bytes.get(at..)?.first_chunk::<8>().map(|bytes| i64::from_be_bytes(*bytes));
        if u64::try_from(long(28)?).ok()? != at {
            return None;
        }
        let sys_flags = int(36)?;
        let host_len = |flag: i32| if sys_flags & flag != 0 { 20 } else { 8 };
        let stored_at = 48 + host_len(sys_flag::BORN_HOST_V6);
        let body_len_at = stored_at + 8 + host_len(sys_flag::STORE_HOST_V6) + 12;
        let body_len = u64::try_from(int(body_len_at)?).ok()?;
        let tail_at = body_len_at as u64 + 4 + body_len;
        let stored = Timestamp(long(stored_at)?);
        (tail_at < len).then_some(Head { len, is_v2: header.magic == MAGIC_V2, sys_flags, stored, tail_at })
    }
}

/// What stands behind a record's body.
fn topic_and_properties(tail: &[u8], is_v2: bool) -> Option<(&[u8], &[u8])> {
    let (topic_len, rest) = match is_v2 {
        true => {
            tail.split_first_chunk::<2>().map(|(len, rest)| (usize::from(u16::from_be_bytes(*len)), rest))?
        }
        false => tail.split_first().map(|(len, rest)| (usize::from(*len), rest))?,
    };
    let (topic, rest) = rest.split_at_checked(topic_len)?;
    let (properties_len, rest) = rest.split_first_chunk::<2>()?;
    let properties = rest.get(..usize::from(u16::from_be_bytes(*properties_len)))?;
    Some((topic, properties))
}

#[cfg(test)]
mod tests {
    use eruca_message::{QueueOffset, Record, RecordFields, encode_record};
    use proptest::prelude::*;

    use super::*;

    fn record(at: u64, topic: &str, hosts: [&str; 2], body: &[u8]) -> Vec<u8> {
        let fields = RecordFields {
            topic,
            queue_id: 1,
            flag: 2,
            sys_flag: 8,
            queue_offset: QueueOffset(3),
            log_offset: LogOffset(at),
            born_timestamp: Timestamp(4),
            born_host: hosts[0].parse().unwrap(),
            store_timestamp: Timestamp(5),
            store_host: hosts[1].parse().unwrap(),
            reconsume_times: 6,
            prepared_transaction_offset: 7,
            body,
            properties: b"TAGS\x01t\x02",
        };
        let mut bytes = Vec::new();
        encode_record(&fields, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn head_and_tail_are_where_the_decoder_finds_them() {
        let long_topic = "t".repeat(200);
        for topic in ["T", &long_topic] {
            for hosts in [["1.2.3.4:5", "1.2.3.4:6"], ["[::1]:5", "1.2.3.4:6"], ["[::1]:5", "[::2]:6"]] {
                let bytes = record(1000, topic, hosts, b"body");
                let decoded = Record::decode(&bytes).unwrap();
                let room = bytes.len() as u64;
                let head = Head::read(&bytes, 1000, room).unwrap();
                assert_eq!((head.len, head.stored), (room, Timestamp(5)));
                assert_eq!(head.sys_flags, decoded.fields.sys_flag);
                let tail = &bytes[head.tail_at as usize..];
                let (found, properties) = topic_and_properties(tail, head.is_v2).unwrap();
                assert_eq!((found, properties), (topic.as_bytes(), decoded.fields.properties));
                assert_eq!(Head::read(&bytes, 1001, room), None, "a record of another place");
                assert_eq!(Head::read(&bytes, 1000, room - 1), None, "no room for it");
            }
        }
    }

    proptest! {
        #[test]
        fn any_damage_never_panics(at in 0usize..112, value: u8, cut in 0usize..112) {
            let mut bytes = record(1000, "T", ["1.2.3.4:5", "1.2.3.4:6"], b"body");
            if let Some(place) = bytes.get_mut(at) {
                *place = value;
            }
            let bytes = &bytes[..cut.min(bytes.len())];
            if let Some(head) = Head::read(bytes, 1000, 500) {
                prop_assert!(head.tail_at < head.len && head.len <= 500);
                let tail = bytes.get(head.tail_at as usize..).unwrap_or_default();
                let _ = topic_and_properties(tail, head.is_v2);
            }
        }
    }
}
