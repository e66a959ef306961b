//! Bodies of POP: acknowledgements of many messages at once.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Most bytes of a set of offsets: a pop has at most 32 messages, between which messages may have been passed over.
const BITS_MAX_BYTES: usize = 64 << 10;

/// Request of `BATCH_ACK_MESSAGE` (Java: `BatchAckMessageRequestBody`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BatchAckMessageRequestBody {
    /// The broker.
    pub broker_name: String,
    /// The acknowledgements, one of each pop and queue.
    pub acks: Vec<BatchAck>,
}

/// Acknowledges messages of one pop from one queue (Java: `BatchAck`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BatchAck {
    /// The group.
    #[serde(rename = "c", alias = "consumerGroup")]
    pub consumer_group: String,
    /// The topic, without what makes it a retry topic.
    #[serde(rename = "t", alias = "topic")]
    pub topic: String,
    /// From which topic: see [`crate::pop::PopTopic`].
    #[serde(rename = "r", alias = "retry")]
    pub retry: String,
    /// First offset of the pop.
    #[serde(rename = "so", alias = "startOffset")]
    pub start_offset: i64,
    /// The queue.
    #[serde(rename = "q", alias = "queueId")]
    pub queue_id: i32,
    /// Queue of the revive topic.
    #[serde(rename = "rq", alias = "reviveQueueId")]
    pub revive_queue_id: i32,
    /// When it was popped, in ms since 1970.
    #[serde(rename = "pt", alias = "popTime")]
    pub pop_time: i64,
    /// How long it is invisible then, in ms.
    #[serde(rename = "it", alias = "invisibleTime")]
    pub invisible_time: i64,
    /// Which messages: bit *i* is the offset `start_offset + i`.
    #[serde(rename = "b", alias = "bitSet")]
    pub bits: BitSet,
}

/// A set of small numbers (Java: `java.util.BitSet`): base64 of its bytes, lowest bit first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BitSet(Vec<u8>);

impl BitSet {
    /// The set of these numbers.
    pub fn of(numbers: impl IntoIterator<Item = usize>) -> Self {
        let mut bytes = Vec::new();
        for number in numbers.into_iter().filter(|number| *number < BITS_MAX_BYTES * 8) {
            let at = number / 8;
            if bytes.len() <= at {
                bytes.resize(at + 1, 0);
            }
            if let Some(byte) = bytes.get_mut(at) {
                *byte |= 1u8 << (number % 8);
            }
        }
        BitSet(bytes)
    }

    /// Its numbers, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let of_byte = |(at, byte): (usize, &u8)| {
            let byte = *byte;
            (0..8).filter(move |bit| byte & (1 << bit) != 0).map(move |bit| at * 8 + bit)
        };
        self.0.iter().enumerate().flat_map(of_byte)
    }
}

impl Serialize for BitSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for BitSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        if text.len() > BITS_MAX_BYTES / 3 * 4 {
            let len = text.len();
            return Err(D::Error::custom(format_args!(
                "the set of offsets has {len} characters, send fewer at once"
            )));
        }
        STANDARD
            .decode(&text)
            .map(BitSet)
            .map_err(|error| D::Error::custom(format_args!("the set of offsets is no base64 ({error})")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{from_json, to_json};

    #[test]
    fn javas_short_and_long_names_are_read() {
        let ack = BatchAck {
            consumer_group: "g".into(),
            topic: "T".into(),
            retry: "1".into(),
            start_offset: 5,
            queue_id: 2,
            revive_queue_id: 3,
            pop_time: 7,
            invisible_time: 9,
            bits: BitSet::of([0, 2, 9]),
        };
        let json = br#"{"acks":[{"b":"BQI=","c":"g","it":9,"pt":7,"q":2,"r":"1","rq":3,"so":5,"t":"T"}],"brokerName":"b"}"#;
        let body = BatchAckMessageRequestBody { broker_name: "b".into(), acks: vec![ack.clone()] };
        assert_eq!(to_json(&body), json);
        assert_eq!(from_json::<BatchAckMessageRequestBody>(json), Ok(body));
        let long = br#"{"consumerGroup":"g","topic":"T","retry":"1","startOffset":5,"queueId":2,"reviveQueueId":3,"popTime":7,"invisibleTime":9,"bitSet":"BQI="}"#;
        assert_eq!(from_json::<BatchAck>(long), Ok(ack));
    }

    #[test]
    fn a_set_that_is_no_base64_is_refused() {
        let error = from_json::<BatchAck>(br#"{"b":"?"}"#).unwrap_err().to_string();
        assert!(error.contains("no base64"), "{error}");
        assert_eq!(from_json::<BatchAck>(br#"{"b":null}"#).unwrap().bits, BitSet::default());
    }

    proptest::proptest! {
        #[test]
        fn a_set_comes_back_as_it_was(numbers in proptest::collection::btree_set(0..5000usize, 0..40)) {
            let set = BitSet::of(numbers.iter().copied());
            let again: BitSet = from_json(&to_json(&set)).unwrap();
            proptest::prop_assert_eq!(again.iter().collect::<std::collections::BTreeSet<_>>(), numbers);
        }
    }
}
