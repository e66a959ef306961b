//! From a user's message to what goes into a request.

use bytes::Bytes;
use eruca_message::{
    Message, Properties, PropertiesError,
    lite::validate_lite_topic,
    names, properties,
    properties::{MAX_PROPERTIES_LEN_BYTES, NAME_VALUE_SEPARATOR, PROPERTY_SEPARATOR},
};

use super::{SendError, request::REPLY};
use crate::Compression;

/// How bodies are treated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyRules {
    pub(crate) max_message_bytes: usize,
    /// Larger bodies are compressed.
    pub(crate) compress_over_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) compression_level: u32,
}

/// A message, ready for a request.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) topic: String,
    pub(crate) flag: i32,
    pub(crate) sys_flag: i32,
    pub(crate) properties: String,
    pub(crate) body: Bytes,
    pub(crate) message_id: String,
    pub(crate) is_batch: bool,
    /// An answer to a request message.
    pub(crate) is_reply: bool,
    /// The lite topic that it is for, which says the queue.
    pub(crate) lite_topic: Option<String>,
}

/// Checks `message`, gives it the id `new_id` unless it has one, and compresses a large body.
pub(crate) fn prepare(
    mut message: Message,
    rules: &BodyRules,
    new_id: String,
) -> Result<Prepared, SendError> {
    check(&message, rules)?;
    let is_reply = message.properties.get(properties::MESSAGE_TYPE) == Some(REPLY);
    let lite_topic = message.lite_topic().map(str::to_owned);
    let message_id = identify(&mut message.properties, new_id);
    let properties = encode_properties(&message.properties)?;
    let (body, sys_flag) = match compress(&message.body, rules) {
        Some(packed) => (packed, rules.compression.sys_flag()),
        None => (message.body, 0),
    };
    Ok(Prepared {
        topic: message.topic,
        flag: message.flag,
        sys_flag,
        properties,
        body: body.into(),
        message_id,
        is_batch: false,
        is_reply,
        lite_topic,
    })
}

/// Checks what a broker would refuse anyway.
pub(crate) fn check(message: &Message, rules: &BodyRules) -> Result<(), SendError> {
    names::validate_topic(&message.topic)?;
    if let Some(lite) = message.lite_topic() {
        validate_lite_topic(lite)?;
    }
    if names::is_send_forbidden(&message.topic) {
        return Err(SendError::ForbiddenTopic { topic: message.topic.clone() });
    }
    if message.body.is_empty() {
        return Err(SendError::EmptyBody { topic: message.topic.clone() });
    }
    if message.body.len() > rules.max_message_bytes {
        let (topic, len) = (message.topic.clone(), message.body.len());
        return Err(SendError::TooLarge { topic, len, limit: rules.max_message_bytes });
    }
    Ok(())
}

/// Gives the message `new_id`, unless it has an id: a message sent again keeps its own. The id.
pub(crate) fn identify(properties: &mut Properties, new_id: String) -> String {
    if let Some(id) = properties.get(properties::UNIQUE_KEY) {
        return id.to_owned();
    }
    properties.set(properties::UNIQUE_KEY, new_id.clone());
    if properties.get(properties::WAIT_STORE_MSG_OK).is_none() {
        properties.set(properties::WAIT_STORE_MSG_OK, "true");
    }
    new_id
}

/// The encoded properties; separators inside of them would make the broker see other ones.
pub(crate) fn encode_properties(properties: &Properties) -> Result<String, SendError> {
    let is_bad = |text: &str| {
        text.is_empty() || text.bytes().any(|b| b == NAME_VALUE_SEPARATOR || b == PROPERTY_SEPARATOR)
    };
    if let Some((name, _)) = properties.iter().find(|(name, value)| is_bad(name) || is_bad(value)) {
        return Err(SendError::BadProperty { name: name.to_owned() });
    }
    let bytes = properties.to_bytes();
    if bytes.len() > MAX_PROPERTIES_LEN_BYTES {
        return Err(PropertiesError::TooLong { len: bytes.len() }.into());
    }
    // Made of texts and two ASCII separators.
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

/// The compressed body, where it is large enough and becomes smaller.
fn compress(body: &[u8], rules: &BodyRules) -> Option<Vec<u8>> {
    if body.len() < rules.compress_over_bytes {
        return None;
    }
    match rules.compression.compress(body, rules.compression_level) {
        Ok(packed) => (packed.len() < body.len()).then_some(packed),
        Err(error) => {
            tracing::warn!(%error, "body not compressed, it is sent as it is");
            None
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use eruca_message::sys_flag;

    use super::*;

    pub(crate) const RULES: BodyRules = BodyRules {
        max_message_bytes: 10_000,
        compress_over_bytes: 4_096,
        compression: Compression::Zlib,
        compression_level: 5,
    };

    fn prepared(message: Message) -> Result<Prepared, SendError> {
        prepare(message, &RULES, "ID".into())
    }

    #[test]
    fn a_message_gets_an_id_and_keeps_its_own() {
        let message = prepared(Message::new("t", "x").with_tag("a")).unwrap();
        assert_eq!(message.message_id, "ID");
        assert_eq!(message.properties, "TAGS\u{1}a\u{2}UNIQ_KEY\u{1}ID\u{2}WAIT\u{1}true\u{2}");
        let again = prepared(Message::new("t", "x").with_property("UNIQ_KEY", "OLD")).unwrap();
        assert_eq!(again.message_id, "OLD");
    }

    #[test]
    fn large_bodies_are_compressed_where_it_helps() {
        let large = prepared(Message::new("t", vec![b'a'; 5_000])).unwrap();
        assert_eq!(large.sys_flag, sys_flag::COMPRESSED | sys_flag::COMPRESSION_ZLIB);
        assert!(large.body.len() < 100);
        let small = prepared(Message::new("t", vec![b'a'; 4_095])).unwrap();
        assert_eq!((small.sys_flag, small.body.len()), (0, 4_095));
        let noise: Vec<u8> = (0u32..5_000).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let packed = prepared(Message::new("t", noise)).unwrap();
        assert!(packed.body.len() <= 5_000);
    }

    #[test]
    fn what_a_broker_would_refuse_is_refused_here() {
        assert!(matches!(prepared(Message::new("a b", "x")), Err(SendError::Name(_))));
        assert!(matches!(prepared(Message::new("t", "")), Err(SendError::EmptyBody { .. })));
        let forbidden = prepared(Message::new("SCHEDULE_TOPIC_XXXX", "x"));
        assert!(matches!(forbidden, Err(SendError::ForbiddenTopic { .. })));
        let large = prepared(Message::new("t", vec![0; 10_001]));
        assert!(matches!(large, Err(SendError::TooLarge { len: 10_001, limit: 10_000, .. })));
        let long = prepared(Message::new("t", "x").with_property("p", "v".repeat(40_000)));
        assert!(matches!(long, Err(SendError::Properties(_))));
        for (name, value) in [("a\u{1}", "v"), ("a", "v\u{2}"), ("a", ""), ("", "v")] {
            let bad = prepared(Message::new("t", "x").with_property(name, value));
            assert!(matches!(bad, Err(SendError::BadProperty { .. })), "{name:?} {value:?}");
        }
    }
}
