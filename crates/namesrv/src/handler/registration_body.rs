//! The three bodies that a registration may have: JSON, the JSON of the oldest brokers, and a compressed binary form.

use std::{collections::BTreeMap, io::Read};

use eruca_protocol::{
    RemotingCommand,
    body::{
        self, BodyError, DataVersion, RegisterBrokerBody, TopicConfig, TopicConfigSerializeWrapper,
        TopicQueueMappingInfo,
    },
};
use flate2::read::ZlibDecoder;

use super::answer::Refusal;

/// From 3.0.11 on the body is a `RegisterBrokerBody`; before, it is its topic part alone.
const VERSION_3_0_11: i32 = 37;
/// From 5.0.0 on the compressed form ends with the static topics.
const VERSION_5_0_0: i32 = 413;
/// Most bytes that a compressed body may unfold to, so that a small frame cannot fill the memory.
const MAX_UNFOLDED_LEN_BYTES: u64 = 256 << 20;

/// What a broker sends besides its header.
#[derive(Debug, Default)]
pub(super) struct RegistrationBody {
    pub(super) data_version: DataVersion,
    pub(super) topics: Vec<TopicConfig>,
    pub(super) mappings: BTreeMap<String, TopicQueueMappingInfo>,
    pub(super) filter_servers: Option<Vec<String>>,
}

/// Why a compressed body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompressedBodyError {
    #[error("the compressed registration cannot be unfolded (limit {MAX_UNFOLDED_LEN_BYTES} bytes): {0}")]
    Unfold(#[from] std::io::Error),
    #[error("the compressed registration says that {what} has {len} bytes, it has {left} left")]
    Length { what: &'static str, len: i32, left: usize },
    #[error(
        "the compressed registration has the topic '{text}', it must be 'name reads writes perm filter [attributes]'"
    )]
    Topic { text: String },
    #[error(transparent)]
    Json(#[from] BodyError),
}

/// Reads the body of a registration. An empty body registers no topics.
pub(super) fn decode(request: &RemotingCommand, is_compressed: bool) -> Result<RegistrationBody, Refusal> {
    if request.body.is_empty() {
        return Ok(RegistrationBody::default());
    }
    if request.version < VERSION_3_0_11 {
        let wrapper: TopicConfigSerializeWrapper = body::from_json(&request.body)?;
        return Ok(RegistrationBody {
            data_version: wrapper.data_version,
            topics: named(wrapper.topic_config_table),
            ..RegistrationBody::default()
        });
    }
    if is_compressed {
        return Ok(decode_compressed(&request.body, request.version >= VERSION_5_0_0)?);
    }
    let content: RegisterBrokerBody = body::from_json(&request.body)?;
    let wrapper = content.topic_config_serialize_wrapper;
    Ok(RegistrationBody {
        data_version: wrapper.data_version,
        topics: named(wrapper.topic_config_table),
        mappings: wrapper.topic_queue_mapping_info_map,
        filter_servers: Some(content.filter_server_list),
    })
}

/// The topics of a table; a topic is called as its entry says, or else as its key.
fn named(table: BTreeMap<String, TopicConfig>) -> Vec<TopicConfig> {
    let with_name = |(name, mut topic): (String, TopicConfig)| {
        if topic.topic_name.is_empty() {
            topic.topic_name = name;
        }
        topic
    };
    table.into_iter().map(with_name).collect()
}

/// Layout, after zlib: each part is a length (4 bytes, big-endian) and that many bytes; lists have their count first:
/// data version (JSON); topics (text); filter servers (JSON array); static topics (JSON each).
fn decode_compressed(bytes: &[u8], has_mappings: bool) -> Result<RegistrationBody, CompressedBodyError> {
    let mut unfolded = Vec::new();
    ZlibDecoder::new(bytes).take(MAX_UNFOLDED_LEN_BYTES + 1).read_to_end(&mut unfolded)?;
    if unfolded.len() as u64 > MAX_UNFOLDED_LEN_BYTES {
        return Err(std::io::Error::from(std::io::ErrorKind::FileTooLarge).into());
    }
    let mut parts = Parts(&unfolded);
    let data_version = body::from_json(parts.part("the data version")?)?;
    let mut topics = Vec::new();
    for _ in 0..parts.count("the number of topics")? {
        topics.push(parse_topic(&String::from_utf8_lossy(parts.part("a topic")?))?);
    }
    let filter_servers = body::from_json(parts.part("the list of filter servers")?)?;
    let mut mappings = BTreeMap::new();
    if has_mappings {
        for _ in 0..parts.count("the number of static topics")? {
            let mapping: TopicQueueMappingInfo = body::from_json(parts.part("a static topic")?)?;
            mappings.insert(mapping.topic.clone().unwrap_or_default(), mapping);
        }
    }
    Ok(RegistrationBody { data_version, topics, mappings, filter_servers: Some(filter_servers) })
}

/// `name reads writes perm filter [attributes]`; only the first four matter to routes.
fn parse_topic(text: &str) -> Result<TopicConfig, CompressedBodyError> {
    let mut words = text.split(' ');
    let topic = (|| {
        let topic_name = words.next()?.to_owned();
        let mut number = || words.next()?.parse::<i32>().ok();
        let (read_queue_nums, write_queue_nums, perm) = (number()?, number()?, number()?);
        words.next()?;
        Some(TopicConfig { topic_name, read_queue_nums, write_queue_nums, perm, ..TopicConfig::default() })
    })();
    topic.ok_or_else(|| CompressedBodyError::Topic { text: text.chars().take(64).collect() })
}

/// Parts that follow each other.
struct Parts<'b>(&'b [u8]);

impl<'b> Parts<'b> {
    fn count(&mut self, what: &'static str) -> Result<i32, CompressedBodyError> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or(CompressedBodyError::Length {
            what,
            len: 4,
            left: self.0.len(),
        })?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*number))
    }

    fn part(&mut self, what: &'static str) -> Result<&'b [u8], CompressedBodyError> {
        let len = self.count(what)?;
        let left = self.0.len();
        let (part, rest) = usize::try_from(len)
            .ok()
            .and_then(|len| self.0.split_at_checked(len))
            .ok_or(CompressedBodyError::Length { what, len, left })?;
        self.0 = rest;
        Ok(part)
    }
}
