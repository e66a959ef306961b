//! Send requests, made of prepared bytes: a head for each topic, and one body for all.

use std::hash::{BuildHasher, RandomState};

use bytes::BytesMut;
use eruca_message::{
    BatchEntry, encode_batch_entry,
    names::AUTO_CREATE_TOPIC,
    properties::{KEYS, TAGS, UNIQUE_KEY, WAIT_STORE_MSG_OK, encode_property},
};
use eruca_protocol::{
    ExtFields, HeaderEncoding, HeaderFields, RemotingCommand, RequestCode, request::SendMessageRequestV2,
};

use crate::{error::BenchError, frame_template::Place};

/// In whose name is sent.
pub(crate) const PRODUCER_GROUP: &str = "eruca_bench";
/// Hexadecimal digits of a unique key that are the same for all messages of a process, and that count.
const UNIQUE_PREFIX_LEN: usize = 16;
const UNIQUE_COUNT_LEN: usize = 16;

/// What all messages of a load have in common.
#[derive(Debug, Clone)]
pub(crate) struct MessageShape {
    /// Bytes of a body.
    pub(crate) size: u32,
    /// Messages of a request.
    pub(crate) batch: u32,
    /// Different keys; 0: none.
    pub(crate) keys: u32,
    /// Different tags; 0: none.
    pub(crate) tags: u32,
    /// Form of the headers.
    pub(crate) encoding: HeaderEncoding,
}

/// The requests of a load to one broker.
#[derive(Debug)]
pub(crate) struct SendFrames {
    shape: MessageShape,
    heads: Vec<Head>,
    body: Vec<u8>,
    /// Of a batch: what changes in each of its messages.
    entries: Vec<PropertyPlaces>,
}

/// A frame up to its body.
#[derive(Debug)]
struct Head {
    bytes: Vec<u8>,
    opaque: Place,
    queue_id: Place,
    born_timestamp: Place,
    properties: PropertyPlaces,
}

#[derive(Debug, Clone, Copy)]
struct PropertyPlaces {
    unique: Place,
    key: Option<Place>,
    tag: Option<Place>,
}

/// Which message is sent next on a connection: makes unique keys, keys and tags.
#[derive(Debug)]
pub(crate) struct Sequence(u64);

impl Sequence {
    /// The sequence of connection `number`, apart from those of all others.
    pub(crate) fn of_connection(number: u32) -> Sequence {
        Sequence(u64::from(number) << 40)
    }

    fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// One request's values that no other has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addressed {
    /// Index of the topic.
    pub(crate) topic: usize,
    /// The queue.
    pub(crate) queue_id: i32,
    /// Number of the request.
    pub(crate) opaque: i32,
    /// Milliseconds since 1970.
    pub(crate) born_ms: i64,
}

impl SendFrames {
    /// Frames for `topics` of the broker `broker_name`, with queues below `queue_ids_end`.
    ///
    /// # Errors
    /// Messages so large or so many that they fit no frame.
    pub(crate) fn new(
        shape: &MessageShape,
        topics: &[String],
        broker_name: &str,
        queue_ids_end: i32,
    ) -> Result<SendFrames, BenchError> {
        let mut body = Vec::new();
        let mut entries = Vec::new();
        let payload = payload(shape.size as usize);
        if shape.batch == 1 {
            body.extend_from_slice(&payload);
        }
        for _ in 1..=shape.batch {
            if shape.batch == 1 {
                break;
            }
            let places = property_places(shape, |values| {
                let mut entry = Vec::new();
                let properties = properties(values);
                encode_batch_entry(
                    &BatchEntry { flag: 0, body: &payload, properties: properties.as_bytes() },
                    &mut entry,
                )?;
                Ok(entry)
            })?;
            let start = body.len();
            let properties = properties(&PropertyValues::new(shape, b'0'));
            encode_batch_entry(
                &BatchEntry { flag: 0, body: &payload, properties: properties.as_bytes() },
                &mut body,
            )?;
            entries.push(places.behind(start));
        }
        let heads = topics
            .iter()
            .map(|topic| Head::new(shape, topic, broker_name, queue_ids_end, &body))
            .collect::<Result<_, _>>()?;
        Ok(SendFrames { shape: shape.clone(), heads, body, entries })
    }

    /// Appends a request to `out`; the number of its messages.
    pub(crate) fn append(&self, to: Addressed, sequence: &mut Sequence, out: &mut Vec<u8>) -> u32 {
        let Some(head) = self.heads.get(to.topic) else { return 0 };
        let start = out.len();
        out.extend_from_slice(&head.bytes);
        if let Some(frame) = out.get_mut(start..) {
            match self.shape.encoding {
                HeaderEncoding::Json => head.opaque.put_decimal(frame, to.opaque as u64),
                HeaderEncoding::Binary => head.opaque.put_bytes(frame, to.opaque),
            }
            head.queue_id.put_decimal(frame, to.queue_id as u64);
            head.born_timestamp.put_decimal(frame, to.born_ms as u64);
            self.put_properties(&head.properties, frame, sequence.next());
        }
        let body_start = out.len();
        out.extend_from_slice(&self.body);
        if let Some(body) = out.get_mut(body_start..) {
            for places in &self.entries {
                self.put_properties(places, body, sequence.next());
            }
        }
        self.shape.batch
    }

    fn put_properties(&self, places: &PropertyPlaces, bytes: &mut [u8], number: u64) {
        places.unique.put_hex(bytes, number);
        if let Some(key) = places.key {
            key.put_decimal(bytes, number % u64::from(self.shape.keys.max(1)));
        }
        if let Some(tag) = places.tag {
            tag.put_decimal(bytes, number % u64::from(self.shape.tags.max(1)));
        }
    }
}

impl Head {
    fn new(
        shape: &MessageShape,
        topic: &str,
        broker_name: &str,
        queue_ids_end: i32,
        body: &[u8],
    ) -> Result<Head, BenchError> {
        let queue_digits = digits(queue_ids_end as u64);
        let low = HeadValues {
            opaque: 1_000_000_000,
            queue_id: "0".repeat(queue_digits),
            born_timestamp: 1_000_000_000_000,
            properties: PropertyValues::new(shape, b'0'),
        };
        let encode = |values: &HeadValues| encode_head(shape, topic, broker_name, values, body);
        let bytes = encode(&low)?;
        let place = |values: &HeadValues| Ok::<_, BenchError>(place(&bytes, &encode(values)?));
        Ok(Head {
            opaque: place(&HeadValues { opaque: 2_111_111_111, ..low.clone() })?,
            queue_id: place(&HeadValues { queue_id: "9".repeat(queue_digits), ..low.clone() })?,
            born_timestamp: place(&HeadValues { born_timestamp: 2_111_111_111_111, ..low.clone() })?,
            properties: property_places(shape, |properties| {
                encode(&HeadValues { properties: properties.clone(), ..low.clone() })
            })?,
            bytes,
        })
    }
}

impl PropertyPlaces {
    fn behind(self, len: usize) -> PropertyPlaces {
        PropertyPlaces {
            unique: self.unique.behind(len),
            key: self.key.map(|key| key.behind(len)),
            tag: self.tag.map(|tag| tag.behind(len)),
        }
    }
}

#[derive(Debug, Clone)]
struct HeadValues {
    opaque: i32,
    queue_id: String,
    born_timestamp: i64,
    properties: PropertyValues,
}

#[derive(Debug, Clone)]
struct PropertyValues {
    unique: String,
    key: Option<String>,
    tag: Option<String>,
}

impl PropertyValues {
    /// Every digit that changes is `digit`.
    fn new(shape: &MessageShape, digit: u8) -> PropertyValues {
        let repeated = |name: &str, values: u32| {
            let digits = digits(u64::from(values));
            (values > 0).then(|| format!("{name}{}", char::from(digit).to_string().repeat(digits)))
        };
        PropertyValues {
            unique: unique(digit),
            key: repeated("key", shape.keys),
            tag: repeated("tag", shape.tags),
        }
    }
}

/// Decimal digits of the numbers below `end`.
fn digits(end: u64) -> usize {
    end.saturating_sub(1).max(1).ilog10() as usize + 1
}

fn unique(digit: u8) -> String {
    use std::sync::OnceLock;
    static PREFIX: OnceLock<u64> = OnceLock::new();
    // The randomness of hash tables is enough to tell the messages of two runs apart.
    let prefix = PREFIX.get_or_init(|| RandomState::new().hash_one(std::process::id()));
    let count = char::from(digit).to_string().repeat(UNIQUE_COUNT_LEN);
    format!("{prefix:0UNIQUE_PREFIX_LEN$X}{count}")
}

/// The encoded properties of a message, as Java's client sends them.
fn properties(values: &PropertyValues) -> String {
    let mut bytes = Vec::new();
    if let Some(key) = &values.key {
        encode_property(&mut bytes, KEYS, key);
    }
    encode_property(&mut bytes, UNIQUE_KEY, &values.unique);
    encode_property(&mut bytes, WAIT_STORE_MSG_OK, "true");
    if let Some(tag) = &values.tag {
        encode_property(&mut bytes, TAGS, tag);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where unique key, key and tag stand in what `encode` makes of them.
fn property_places(
    shape: &MessageShape,
    encode: impl Fn(&PropertyValues) -> Result<Vec<u8>, BenchError>,
) -> Result<PropertyPlaces, BenchError> {
    let low = PropertyValues::new(shape, b'0');
    let high = PropertyValues::new(shape, b'9');
    let bytes = encode(&low)?;
    let place = |values: &PropertyValues| Ok::<_, BenchError>(place(&bytes, &encode(values)?));
    Ok(PropertyPlaces {
        unique: place(&PropertyValues { unique: high.unique.clone(), ..low.clone() })?,
        key: match &high.key {
            Some(key) => Some(place(&PropertyValues { key: Some(key.clone()), ..low.clone() })?),
            None => None,
        },
        tag: match &high.tag {
            Some(tag) => Some(place(&PropertyValues { tag: Some(tag.clone()), ..low.clone() })?),
            None => None,
        },
    })
}

fn place(low: &[u8], high: &[u8]) -> Place {
    // Values of one width whose digits all differ: there is such a place.
    Place::between(low, high).unwrap_or_else(|| unreachable!("two values of one field are encoded alike"))
}

fn encode_head(
    shape: &MessageShape,
    topic: &str,
    broker_name: &str,
    values: &HeadValues,
    body: &[u8],
) -> Result<Vec<u8>, BenchError> {
    let is_batch = shape.batch > 1;
    let header = SendMessageRequestV2 {
        producer_group: PRODUCER_GROUP.to_owned(),
        topic: topic.to_owned(),
        default_topic: AUTO_CREATE_TOPIC.to_owned(),
        default_topic_queue_nums: 4,
        born_timestamp: values.born_timestamp,
        properties: Some(properties(&values.properties)),
        reconsume_times: Some(0),
        unit_mode: Some(false),
        batch: Some(is_batch),
        broker_name: Some(broker_name.to_owned()),
        ..SendMessageRequestV2::default()
    };
    let code = if is_batch { RequestCode::SEND_BATCH_MESSAGE } else { RequestCode::SEND_MESSAGE_V2 };
    let mut command = RemotingCommand::request_without_header(code);
    let mut fields = ExtFields::new();
    header.encode_to(&mut fields);
    // With leading zeros, so that all queues have the same width.
    command.ext_fields = fields
        .iter()
        .map(|(name, value)| (name, if name == "e" { values.queue_id.as_str() } else { value }))
        .collect();
    (command.encoding, command.opaque) = (shape.encoding, values.opaque);
    let command = command.with_body(body.to_vec());
    let mut frame = BytesMut::new();
    command.encode(&mut frame)?;
    frame.truncate(frame.len() - body.len());
    Ok(frame.to_vec())
}

/// Bytes that do not compress, and are the same in every run.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| next()).collect();
    bytes.truncate(len);
    bytes
}

#[cfg(test)]
mod tests {
    use eruca_message::{Properties, decode_batch};
    use eruca_protocol::{FrameDecoder, request::SendMessageRequest};

    use super::*;

    fn shape(batch: u32, encoding: HeaderEncoding) -> MessageShape {
        MessageShape { size: 100, batch, keys: 1000, tags: 3, encoding }
    }

    fn topics() -> Vec<String> {
        vec!["a".to_owned(), "longer".to_owned()]
    }

    fn frames(shape: &MessageShape, requests: &[Addressed]) -> Vec<RemotingCommand> {
        let frames = SendFrames::new(shape, &topics(), "broker-a", 1000).unwrap();
        let (mut sequence, mut out) = (Sequence::of_connection(2), Vec::new());
        for request in requests {
            assert_eq!(frames.append(*request, &mut sequence, &mut out), shape.batch);
        }
        let mut wire = BytesMut::from(&out[..]);
        let commands =
            std::iter::from_fn(|| FrameDecoder::default().decode(&mut wire).unwrap()).collect::<Vec<_>>();
        assert!(wire.is_empty());
        commands
    }

    const REQUESTS: [Addressed; 2] = [
        Addressed { topic: 0, queue_id: 7, opaque: 1_234_567_890, born_ms: 1_700_000_000_001 },
        Addressed { topic: 1, queue_id: 123, opaque: 1_234_567_891, born_ms: 1_700_000_000_002 },
    ];

    #[test]
    fn every_request_has_its_own_values() {
        for encoding in [HeaderEncoding::Json, HeaderEncoding::Binary] {
            let commands = frames(&shape(1, encoding), &REQUESTS);
            assert_eq!(commands.len(), 2);
            let mut unique = Vec::new();
            for ((command, request), topic) in commands.iter().zip(REQUESTS).zip(topics()) {
                assert_eq!(command.request_code(), RequestCode::SEND_MESSAGE_V2);
                assert_eq!((command.encoding, command.opaque), (encoding, request.opaque));
                let header = SendMessageRequest::decode_any(command).unwrap();
                assert_eq!((header.topic, header.queue_id), (topic, request.queue_id));
                assert_eq!(header.born_timestamp, request.born_ms);
                assert_eq!(header.batch, Some(false));
                let properties = Properties::decode(header.properties.unwrap().as_bytes());
                unique.push(properties.get(UNIQUE_KEY).unwrap().to_owned());
                assert_eq!(properties.get(UNIQUE_KEY).unwrap().len(), 32);
                assert_eq!(properties.get(KEYS).unwrap().len(), "key000".len());
                assert!(["tag0", "tag1", "tag2"].contains(&properties.get(TAGS).unwrap()));
                assert_eq!(command.body, payload(100));
            }
            assert_ne!(unique[0], unique[1]);
        }
    }

    #[test]
    fn every_message_of_a_batch_has_its_own_properties() {
        let commands = frames(&shape(3, HeaderEncoding::Json), &REQUESTS);
        let mut unique = Vec::new();
        for command in &commands {
            assert_eq!(command.request_code(), RequestCode::SEND_BATCH_MESSAGE);
            let header = SendMessageRequest::decode_any(command).unwrap();
            assert_eq!(header.batch, Some(true));
            for entry in decode_batch(&command.body).unwrap() {
                assert_eq!(entry.body, payload(100));
                let properties = Properties::decode(entry.properties);
                unique.push(properties.get(UNIQUE_KEY).unwrap().to_owned());
                assert_eq!(properties.len(), 4);
            }
        }
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 6);
    }

    #[test]
    fn a_body_does_not_repeat_itself() {
        assert_eq!(payload(13).len(), 13);
        let bytes = payload(4096);
        assert!(bytes.chunks(8).collect::<std::collections::BTreeSet<_>>().len() == 512);
    }
}
