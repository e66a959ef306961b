//! The compressed form of a registration: not the JSON compressed, but a form of its own, then zlib.
//!
//! Each part is a length in 4 bytes, big-endian, and that many bytes; lists have the number of their parts first,
//! in 4 bytes.
//!
//! | part | content |
//! |---|---|
//! | data version | JSON |
//! | list of topics | text `name reads writes perm filter attributes`, attributes as JSON, absent before 5.0 |
//! | filter servers | JSON array |
//! | list of static topics | JSON each; the list is absent before 5.0 |

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::{BodyError, RegisterBrokerBody, TopicConfig, TopicConfigSerializeWrapper, TopicQueueMappingInfo};
use super::{from_json, to_json};

/// From 3.0.11 on the JSON form is a `RegisterBrokerBody`; before, it is its topics alone.
const VERSION_3_0_11: i32 = 37;
/// What a body may unfold to. A name server's frame limit is 16 MB, and topics as text shrink to about a fifth.
const UNFOLDED_LEN_MAX: usize = 128 << 20;

/// Why a registration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RegisterBodyError {
    /// It is not the JSON that it should be.
    #[error(transparent)]
    Json(#[from] BodyError),
    /// It is no zlib stream.
    #[error("the compressed registration of {len} bytes cannot be unfolded: {source}")]
    Unfold {
        /// Its length in bytes.
        len: usize,
        /// What zlib said.
        source: std::io::Error,
    },
    /// It unfolds to more than is read.
    #[error("the compressed registration of {len} bytes unfolds to more than {max} bytes")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// What is read, in bytes.
        max: usize,
    },
    /// It ends too early.
    #[error("the compressed registration's {part} needs {needed} bytes, {had} are left")]
    Ends {
        /// The part under way.
        part: &'static str,
        /// Bytes that it needs; negative where its length is.
        needed: i64,
        /// Bytes that are left.
        had: usize,
    },
    /// A topic's text is not what it should be.
    #[error("the registered topic '{text}' must be 'name reads writes perm filter [attributes]'")]
    Topic {
        /// The text, cut where it is long.
        text: String,
    },
}

impl RegisterBrokerBody {
    /// Reads the body of a registration that a broker of this version sent. An empty body registers nothing.
    pub fn decode(bytes: &[u8], compressed: bool, version: i32) -> Result<Self, RegisterBodyError> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        if compressed {
            return Self::decode_compressed(bytes);
        }
        if version >= VERSION_3_0_11 {
            return Ok(from_json(bytes)?);
        }
        let topics: TopicConfigSerializeWrapper = from_json(bytes)?;
        let mut body = Self::default();
        body.topic_config_serialize_wrapper.topic_config_table = topics.topic_config_table;
        body.topic_config_serialize_wrapper.data_version = topics.data_version;
        Ok(body)
    }

    /// The body in its compressed form.
    pub fn encode_compressed(&self) -> Vec<u8> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
        zlib.write_all(&self.unfolded())
            .and_then(|()| zlib.finish())
            .expect("a Vec takes all that is written")
    }

    /// Checksum of a body as sent, in either form, for the header's `bodyCrc32`; there, 0 means: not checked.
    pub fn crc32(sent: &[u8]) -> i32 {
        (crc32fast::hash(sent) & 0x7FFF_FFFF) as i32
    }

    fn unfolded(&self) -> Vec<u8> {
        let wrapper = &self.topic_config_serialize_wrapper;
        let mut out = Vec::new();
        put_part(&to_json(&wrapper.data_version), &mut out);
        put_count(wrapper.topic_config_table.len(), &mut out);
        for topic in wrapper.topic_config_table.values() {
            put_part(topic_text(topic).as_bytes(), &mut out);
        }
        put_part(&to_json(&self.filter_server_list), &mut out);
        put_count(wrapper.topic_queue_mapping_info_map.len(), &mut out);
        for mapping in wrapper.topic_queue_mapping_info_map.values() {
            put_part(&to_json(mapping), &mut out);
        }
        out
    }

    fn decode_compressed(bytes: &[u8]) -> Result<Self, RegisterBodyError> {
        let len = bytes.len();
        let mut unfolded = Vec::new();
        let limit = UNFOLDED_LEN_MAX as u64 + 1;
        let read = ZlibDecoder::new(bytes).take(limit).read_to_end(&mut unfolded);
        read.map_err(|source| RegisterBodyError::Unfold { len, source })?;
        if unfolded.len() > UNFOLDED_LEN_MAX {
            return Err(RegisterBodyError::TooLong { len, max: UNFOLDED_LEN_MAX });
        }
        Self::decode_unfolded(&unfolded)
    }

    fn decode_unfolded(bytes: &[u8]) -> Result<Self, RegisterBodyError> {
        let mut parts = Parts { rest: bytes };
        let mut body = Self::default();
        let wrapper = &mut body.topic_config_serialize_wrapper;
        wrapper.data_version = from_json(parts.part("data version")?)?;
        for _ in 0..parts.count("number of topics")? {
            let topic = topic_of_text(&String::from_utf8_lossy(parts.part("topic")?))?;
            wrapper.topic_config_table.insert(topic.topic_name.clone(), topic);
        }
        body.filter_server_list = from_json(parts.part("list of filter servers")?)?;
        if parts.rest.is_empty() {
            return Ok(body);
        }
        for _ in 0..parts.count("number of static topics")? {
            let mapping: TopicQueueMappingInfo = from_json(parts.part("static topic")?)?;
            let topic = mapping.topic.clone().unwrap_or_default();
            wrapper.topic_queue_mapping_info_map.insert(topic, mapping);
        }
        Ok(body)
    }
}

fn topic_text(topic: &TopicConfig) -> String {
    format!(
        "{} {} {} {} {} {}",
        topic.topic_name,
        topic.read_queue_nums,
        topic.write_queue_nums,
        topic.perm,
        topic.topic_filter_type,
        String::from_utf8_lossy(&to_json(&topic.attributes)),
    )
}

fn topic_of_text(text: &str) -> Result<TopicConfig, RegisterBodyError> {
    let mut words = text.splitn(6, ' ');
    let mut parse = || {
        Some(TopicConfig {
            topic_name: words.next()?.to_owned(),
            read_queue_nums: words.next()?.parse().ok()?,
            write_queue_nums: words.next()?.parse().ok()?,
            perm: words.next()?.parse().ok()?,
            topic_filter_type: words.next()?.parse().ok()?,
            // Java leaves out attributes that it cannot read.
            attributes: words.next().and_then(|json| from_json(json.as_bytes()).ok()).unwrap_or_default(),
            ..TopicConfig::default()
        })
    };
    parse().ok_or_else(|| RegisterBodyError::Topic { text: text.chars().take(64).collect() })
}

/// Numbers and lengths in this form are Java's `int`s; a body that does not fit them does not fit a frame either.
fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as u32).to_be_bytes());
}

fn put_part(part: &[u8], out: &mut Vec<u8>) {
    put_count(part.len(), out);
    out.extend_from_slice(part);
}

struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn count(&mut self, part: &'static str) -> Result<i32, RegisterBodyError> {
        let ends = RegisterBodyError::Ends { part, needed: 4, had: self.rest.len() };
        let (number, rest) = self.rest.split_first_chunk().ok_or(ends)?;
        self.rest = rest;
        Ok(i32::from_be_bytes(*number))
    }

    fn part(&mut self, part: &'static str) -> Result<&'a [u8], RegisterBodyError> {
        let len = self.count(part)?;
        let ends = RegisterBodyError::Ends { part, needed: i64::from(len), had: self.rest.len() };
        let split = usize::try_from(len).ok().and_then(|len| self.rest.split_at_checked(len));
        let (taken, rest) = split.ok_or(ends)?;
        self.rest = rest;
        Ok(taken)
    }
}
