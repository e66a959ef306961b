//! The CommitLog record: how a message lies in the log, on the wire of a pull and in the HA stream.
//!
//! All integers are big-endian and signed. Source: the Java system's `CommitLog`/`MessageDecoder`, version 5.5.
//!
//! | field | bytes | note |
//! |---|---|---|
//! | totalSize | 4 | whole record |
//! | magic | 4 | [`MAGIC_V1`], [`MAGIC_V2`]; [`BLANK_MAGIC`] closes a segment |
//! | bodyCRC | 4 | CRC-32 (IEEE) of the body, `& 0x7FFFFFFF` |
//! | queueId | 4 | |
//! | flag | 4 | the user's |
//! | queueOffset | 8 | offset 20 |
//! | physicalOffset | 8 | offset 28; the record's own [`LogOffset`] |
//! | sysFlag | 4 | see [`crate::sys_flag`] |
//! | bornTimestamp | 8 | ms |
//! | bornHost | 8 or 20 | IP, port as 4 bytes |
//! | storeTimestamp | 8 | ms |
//! | storeHost | 8 or 20 | |
//! | reconsumeTimes | 4 | |
//! | preparedTransactionOffset | 8 | |
//! | body | 4 + n | |
//! | topic | 1 + n, in v2 2 + n | |
//! | properties | 2 + n | |

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{LogOffset, QueueOffset, Timestamp, names::MAX_TOPIC_LEN_BYTES, properties, sys_flag};

/// Magic of a record whose topic length takes one byte.
pub const MAGIC_V1: u32 = 0xDAA3_20A7;
/// Magic of a record whose topic length takes two bytes.
pub const MAGIC_V2: u32 = 0xDAA3_20AB;
/// Magic of the filler that closes a segment.
pub const BLANK_MAGIC: u32 = 0xCBD4_3194;

const FIXED_LEN: usize = 91;
const QUEUE_OFFSET_AT: usize = 20;
const LOG_OFFSET_AT: usize = 28;
const SYS_FLAG_AT: usize = 36;
const BORN_HOST_AT: usize = 48;
/// What a disk writes whole or not at all.
const SECTOR_LEN: usize = 512;
/// No record is smaller.
const MIN_RECORD_LEN: usize = FIXED_LEN;

/// Why bytes are not a record, or fields cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the record needs.
    #[error("record cut short: needs {needed} bytes, has {available}")]
    Truncated {
        /// Bytes needed.
        needed: usize,
        /// Bytes there.
        available: usize,
    },
    /// Not a record's magic.
    #[error("not a record: magic {magic:#010x}")]
    BadMagic {
        /// What stands there.
        magic: u32,
    },
    /// A length that contradicts the record's size.
    #[error("record field {field} has length {len}, which does not fit a record of {total} bytes")]
    BadLength {
        /// Name of the field.
        field: &'static str,
        /// Its length as read.
        len: i64,
        /// The record's size in bytes.
        total: usize,
    },
    /// A part of the record was never written.
    #[error("record was not written completely: {field} has zeros where they cannot be")]
    Torn {
        /// Name of the field.
        field: &'static str,
    },
    /// The body's checksum is wrong.
    #[error("record body is damaged: CRC {expected:#010x} expected, {actual:#010x} found")]
    BadCrc {
        /// CRC in the record.
        expected: u32,
        /// CRC of the body.
        actual: u32,
    },
    /// Properties longer than a record can hold.
    #[error(
        "properties have {len} bytes, the limit is {limit}: send less in properties or move it to the body"
    )]
    PropertiesTooLong {
        /// Length in bytes.
        len: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Topic longer than a record can hold.
    #[error("topic has {len} bytes, the limit is {limit}: choose a shorter name")]
    TopicTooLong {
        /// Length in bytes.
        len: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// Body longer than a record can say.
    #[error("body has {len} bytes, a record holds at most {limit}: send less at once")]
    BodyTooLong {
        /// Length in bytes.
        len: usize,
        /// Limit in bytes.
        limit: usize,
    },
}

/// What a record is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFields<'a> {
    /// Topic name.
    pub topic: &'a str,
    /// Queue number.
    pub queue_id: i32,
    /// The user's flag.
    pub flag: i32,
    /// See [`crate::sys_flag`]; the two host bits are set by [`encode_record`] from the hosts.
    pub sys_flag: i32,
    /// Index in the queue.
    pub queue_offset: QueueOffset,
    /// Position in the log.
    pub log_offset: LogOffset,
    /// When the producer made it.
    pub born_timestamp: Timestamp,
    /// Where it came from.
    pub born_host: SocketAddr,
    /// When the broker stored it.
    pub store_timestamp: Timestamp,
    /// Which broker stored it.
    pub store_host: SocketAddr,
    /// How often it was sent back.
    pub reconsume_times: i32,
    /// Log offset of the half message of a committed one, else 0.
    pub prepared_transaction_offset: i64,
    /// Body as sent, possibly compressed.
    pub body: &'a [u8],
    /// Encoded properties (see [`crate::properties`]).
    pub properties: &'a [u8],
}

/// A decoded record: its fields, borrowed, and what only the encoded form knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Whole length in bytes.
    pub total_len: usize,
    /// CRC of the body as written.
    pub body_crc: u32,
    /// Everything else.
    pub fields: RecordFields<'a>,
}

/// The first eight bytes of whatever lies at a log offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeader {
    /// Length of record or filler in bytes, as written.
    pub total_len: i32,
    /// Its magic.
    pub magic: u32,
}

impl RecordHeader {
    /// Reads the first eight bytes; `None` where there are fewer.
    pub fn peek(bytes: &[u8]) -> Option<RecordHeader> {
        let (total_len, rest) = bytes.split_first_chunk::<4>()?;
        let (magic, _) = rest.split_first_chunk::<4>()?;
        Some(RecordHeader { total_len: i32::from_be_bytes(*total_len), magic: u32::from_be_bytes(*magic) })
    }

    /// Whether a record of a known version starts here.
    pub fn is_record(self) -> bool {
        self.magic == MAGIC_V1 || self.magic == MAGIC_V2
    }

    /// Whether the filler at the end of a segment starts here.
    pub fn is_blank(self) -> bool {
        self.magic == BLANK_MAGIC
    }
}

/// CRC of a body as records and registrations carry it.
pub(crate) fn body_crc(body: &[u8]) -> u32 {
    crc32fast::hash(body) & 0x7FFF_FFFF
}

/// How many bytes [`encode_record`] will write for these fields.
pub fn encoded_record_len(fields: &RecordFields<'_>) -> usize {
    FIXED_LEN
        + if fields.born_host.is_ipv6() { 12 } else { 0 }
        + if fields.store_host.is_ipv6() { 12 } else { 0 }
        + if fields.topic.len() > MAX_TOPIC_LEN_BYTES { 1 } else { 0 }
        + fields.body.len()
        + fields.topic.len()
        + fields.properties.len()
}

/// Appends the record to `out`; its length in bytes. Nothing is appended on an error.
pub fn encode_record(fields: &RecordFields<'_>, out: &mut Vec<u8>) -> Result<usize, RecordError> {
    let total_len = encoded_record_len(fields);
    let limit = properties::MAX_PROPERTIES_LEN_BYTES;
    let properties_len = i16::try_from(fields.properties.len())
        .map_err(|_| RecordError::PropertiesTooLong { len: fields.properties.len(), limit })?;
    let topic_len = u16::try_from(fields.topic.len())
        .ok()
        .filter(|len| *len <= 255)
        .ok_or(RecordError::TopicTooLong { len: fields.topic.len(), limit: 255 })?;
    let total = i32::try_from(total_len)
        .map_err(|_| RecordError::BodyTooLong { len: fields.body.len(), limit: i32::MAX as usize })?;
    let mut flags = fields.sys_flag & !(sys_flag::BORN_HOST_V6 | sys_flag::STORE_HOST_V6);
    if fields.born_host.is_ipv6() {
        flags |= sys_flag::BORN_HOST_V6;
    }
    if fields.store_host.is_ipv6() {
        flags |= sys_flag::STORE_HOST_V6;
    }
    let v2 = fields.topic.len() > MAX_TOPIC_LEN_BYTES;

    out.reserve(total_len);
    out.extend_from_slice(&total.to_be_bytes());
    out.extend_from_slice(&(if v2 { MAGIC_V2 } else { MAGIC_V1 }).to_be_bytes());
    out.extend_from_slice(&body_crc(fields.body).to_be_bytes());
    out.extend_from_slice(&fields.queue_id.to_be_bytes());
    out.extend_from_slice(&fields.flag.to_be_bytes());
    out.extend_from_slice(&fields.queue_offset.0.to_be_bytes());
    out.extend_from_slice(&fields.log_offset.0.to_be_bytes());
    out.extend_from_slice(&flags.to_be_bytes());
    out.extend_from_slice(&fields.born_timestamp.0.to_be_bytes());
    encode_host(out, fields.born_host);
    out.extend_from_slice(&fields.store_timestamp.0.to_be_bytes());
    encode_host(out, fields.store_host);
    out.extend_from_slice(&fields.reconsume_times.to_be_bytes());
    out.extend_from_slice(&fields.prepared_transaction_offset.to_be_bytes());
    // The body's length fits, because the total, which is greater, does.
    out.extend_from_slice(&(fields.body.len() as u32).to_be_bytes());
    out.extend_from_slice(fields.body);
    if v2 {
        out.extend_from_slice(&topic_len.to_be_bytes());
    } else {
        out.push(topic_len.to_be_bytes()[1]);
    }
    out.extend_from_slice(fields.topic.as_bytes());
    out.extend_from_slice(&properties_len.to_be_bytes());
    out.extend_from_slice(fields.properties);
    Ok(total_len)
}

/// Writes the values that are known only at append time into an encoded record.
/// Does nothing where `record` is too short to hold them.
pub fn patch_offsets(
    record: &mut [u8],
    queue_offset: QueueOffset,
    log_offset: LogOffset,
    store_timestamp: Timestamp,
) {
    let born_v6 =
        record.get(SYS_FLAG_AT + 3).is_some_and(|low| i32::from(*low) & sys_flag::BORN_HOST_V6 != 0);
    let store_timestamp_at = BORN_HOST_AT + if born_v6 { 20 } else { 8 };
    let mut put = |at: usize, value: [u8; 8]| {
        if let Some(place) = record.get_mut(at..at + 8) {
            place.copy_from_slice(&value);
        }
    };
    put(QUEUE_OFFSET_AT, queue_offset.0.to_be_bytes());
    put(LOG_OFFSET_AT, log_offset.0.to_be_bytes());
    put(store_timestamp_at, store_timestamp.0.to_be_bytes());
}

/// Adds encoded properties to those of the encoded record that is all of `record`: those that only the broker knows,
/// and only when it gives the record its place. Nothing is changed on an error.
pub fn append_properties(record: &mut Vec<u8>, encoded: &[u8]) -> Result<(), RecordError> {
    let decoded = Record::decode(record)?;
    if decoded.total_len != record.len() {
        let len = decoded.total_len as i64;
        return Err(RecordError::BadLength { field: "totalSize", len, total: record.len() });
    }
    let before = decoded.fields.properties;
    // Java leaves the separator after the last property out at times.
    let separated = before.last().is_none_or(|last| *last == properties::PROPERTY_SEPARATOR);
    let (before_len, added) = (before.len(), encoded.len() + usize::from(!separated));
    let limit = properties::MAX_PROPERTIES_LEN_BYTES;
    let len = before_len + added;
    let properties_len = i16::try_from(len).map_err(|_| RecordError::PropertiesTooLong { len, limit })?;
    let total = i32::try_from(record.len() + added)
        .map_err(|_| RecordError::BodyTooLong { len: record.len(), limit: i32::MAX as usize })?;
    let len_at = record.len() - before_len - 2;
    if !separated {
        record.push(properties::PROPERTY_SEPARATOR);
    }
    record.extend_from_slice(encoded);
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = record.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(0, &total.to_be_bytes());
    put(len_at, &properties_len.to_be_bytes());
    Ok(())
}

fn encode_host(out: &mut Vec<u8>, host: SocketAddr) {
    match host.ip() {
        IpAddr::V4(ip) => out.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => out.extend_from_slice(&ip.octets()),
    }
    out.extend_from_slice(&u32::from(host.port()).to_be_bytes());
}

impl<'a> Record<'a> {
    /// Records that lie back to back, as a pull returns them. The first error ends it.
    pub fn decode_all(mut bytes: &'a [u8]) -> impl Iterator<Item = Result<Record<'a>, RecordError>> {
        std::iter::from_fn(move || {
            let decoded = (!bytes.is_empty()).then(|| Record::decode(bytes))?;
            let len = decoded.as_ref().map_or(bytes.len(), |record| record.total_len);
            bytes = bytes.get(len..).unwrap_or_default();
            Some(decoded)
        })
    }

    /// Decodes the record at the start of `bytes` (more may follow). The body's CRC is not checked:
    /// see [`Record::verify_crc`].
    pub fn decode(bytes: &'a [u8]) -> Result<Record<'a>, RecordError> {
        let truncated = |needed: usize| RecordError::Truncated { needed, available: bytes.len() };
        let header = RecordHeader::peek(bytes).ok_or_else(|| truncated(8))?;
        if !header.is_record() {
            return Err(RecordError::BadMagic { magic: header.magic });
        }
        let total_len = usize::try_from(header.total_len).ok().filter(|len| *len >= MIN_RECORD_LEN).ok_or(
            RecordError::BadLength {
                field: "totalSize",
                len: i64::from(header.total_len),
                total: bytes.len(),
            },
        )?;
        let mut reader = Reader { bytes: bytes.get(..total_len).ok_or_else(|| truncated(total_len))?, at: 8 };
        let body_crc = reader.u32("bodyCRC")?;
        let queue_id = reader.i32("queueId")?;
        let flag = reader.i32("flag")?;
        let queue_offset = QueueOffset(reader.u64("queueOffset")?);
        let log_offset = LogOffset(reader.u64("physicalOffset")?);
        let flags = reader.i32("sysFlag")?;
        let born_timestamp = Timestamp(reader.i64("bornTimestamp")?);
        let born_host = reader.host("bornHost", flags & sys_flag::BORN_HOST_V6 != 0)?;
        let store_timestamp = Timestamp(reader.i64("storeTimestamp")?);
        let store_host = reader.host("storeHost", flags & sys_flag::STORE_HOST_V6 != 0)?;
        let reconsume_times = reader.i32("reconsumeTimes")?;
        let prepared_transaction_offset = reader.i64("preparedTransactionOffset")?;
        let body_len = reader.i32("bodyLength")?;
        let body = reader.slice("body", i64::from(body_len))?;
        let topic_len = if header.magic == MAGIC_V2 {
            i64::from(u16::from_be_bytes(reader.array("topicLength")?))
        } else {
            i64::from(reader.array::<1>("topicLength")?[0])
        };
        let topic = reader.slice("topic", topic_len)?;
        let topic = std::str::from_utf8(topic).map_err(|_| RecordError::BadLength {
            field: "topic",
            len: topic_len,
            total: total_len,
        })?;
        let properties_len = i16::from_be_bytes(reader.array("propertiesLength")?);
        let properties = reader.slice("properties", i64::from(properties_len))?;
        // Java refuses a record whose parts are less than the whole, too.
        if reader.at != total_len {
            let len = i64::from(header.total_len);
            return Err(RecordError::BadLength { field: "totalSize", len, total: reader.at });
        }
        Ok(Record {
            total_len,
            body_crc,
            fields: RecordFields {
                topic,
                queue_id,
                flag,
                sys_flag: flags,
                queue_offset,
                log_offset,
                born_timestamp,
                born_host,
                store_timestamp,
                store_host,
                reconsume_times,
                prepared_transaction_offset,
                body,
                properties,
            },
        })
    }

    /// Checks what shows that the record was written whole, as far as its format can tell: the body against its
    /// CRC; and that the fields behind the body, which have no CRC, do not end in the zeros of an unwritten file, nor
    /// lack a sector in their middle, which a power cut may lose while it keeps what is behind it.
    pub fn verify_whole(&self) -> Result<(), RecordError> {
        self.verify_crc()?;
        if self.fields.topic.is_empty() || self.fields.topic.contains('\0') {
            return Err(RecordError::Torn { field: "topic" });
        }
        let properties = self.fields.properties;
        // Wherever sectors begin: one that is lost in the middle covers one of these chunks at least.
        let lost = properties.as_chunks::<{ SECTOR_LEN / 2 }>().0.contains(&[0; SECTOR_LEN / 2]);
        if lost || properties.last() == Some(&0) {
            return Err(RecordError::Torn { field: "properties" });
        }
        Ok(())
    }

    /// Checks the body against its CRC.
    pub fn verify_crc(&self) -> Result<(), RecordError> {
        let actual = body_crc(self.fields.body);
        if actual == self.body_crc {
            Ok(())
        } else {
            Err(RecordError::BadCrc { expected: self.body_crc, actual })
        }
    }
}

/// Reads fields one after the other and names the one that does not fit.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn slice(&mut self, field: &'static str, len: i64) -> Result<&'a [u8], RecordError> {
        let bad = RecordError::BadLength { field, len, total: self.bytes.len() };
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let slice = end.and_then(|end| self.bytes.get(self.at..end)).ok_or(bad)?;
        self.at += slice.len();
        Ok(slice)
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], RecordError> {
        let slice = self.slice(field, N as i64)?;
        let mut array = [0; N];
        array.copy_from_slice(slice);
        Ok(array)
    }

    fn u32(&mut self, field: &'static str) -> Result<u32, RecordError> {
        self.array(field).map(u32::from_be_bytes)
    }

    fn i32(&mut self, field: &'static str) -> Result<i32, RecordError> {
        self.array(field).map(i32::from_be_bytes)
    }

    fn u64(&mut self, field: &'static str) -> Result<u64, RecordError> {
        self.array(field).map(u64::from_be_bytes)
    }

    fn i64(&mut self, field: &'static str) -> Result<i64, RecordError> {
        self.array(field).map(i64::from_be_bytes)
    }

    fn host(&mut self, field: &'static str, v6: bool) -> Result<SocketAddr, RecordError> {
        let ip = if v6 {
            IpAddr::V6(Ipv6Addr::from(self.array::<16>(field)?))
        } else {
            IpAddr::V4(Ipv4Addr::from(self.array::<4>(field)?))
        };
        // Java writes the port as an int; only its low 16 bits are a port.
        Ok(SocketAddr::new(ip, (self.u32(field)? & 0xFFFF) as u16))
    }
}

#[cfg(test)]
#[path = "record_test.rs"]
mod tests;
