//! Several messages in one request.

use eruca_message::{BatchEntry, Message, Properties, encode_batch_entry, names, properties};

use super::{
    SendError,
    prepare::{BodyRules, Prepared, check, encode_properties, identify},
};

/// Puts `messages` into one request. They must be of one topic and agree on whether to wait for the store; none may
/// be delayed. Bodies are not compressed, as a batch is split by the broker.
pub(crate) fn prepare_batch(
    messages: Vec<Message>,
    rules: &BodyRules,
    mut new_id: impl FnMut() -> String,
) -> Result<Prepared, SendError> {
    let first = messages.first().ok_or(SendError::BadBatch { why: "it has no messages" })?;
    let topic = first.topic.clone();
    let waits = first.properties.get(properties::WAIT_STORE_MSG_OK).map(str::to_owned);
    if names::is_retry_topic(&topic) {
        return Err(SendError::BadBatch { why: "its topic is a retry topic" });
    }
    let (mut body, mut ids) = (Vec::new(), Vec::with_capacity(messages.len()));
    for mut message in messages {
        check(&message, rules)?;
        check_member(&message, &topic, waits.as_deref())?;
        ids.push(identify(&mut message.properties, new_id()));
        let properties = encode_properties(&message.properties)?;
        let entry = BatchEntry { flag: message.flag, body: &message.body, properties: properties.as_bytes() };
        encode_batch_entry(&entry, &mut body)
            .map_err(|_| SendError::BadBatch { why: "a message's properties are too long" })?;
    }
    if body.len() > rules.max_message_bytes {
        return Err(SendError::TooLarge { topic, len: body.len(), limit: rules.max_message_bytes });
    }
    let mut shared = Properties::new();
    identify(&mut shared, new_id());
    if let Some(waits) = waits {
        shared.set(properties::WAIT_STORE_MSG_OK, waits);
    }
    Ok(Prepared {
        topic,
        flag: 0,
        sys_flag: 0,
        properties: encode_properties(&shared)?,
        body: body.into(),
        message_id: ids.join(","),
        is_batch: true,
        is_reply: false,
        lite_topic: None,
    })
}

fn check_member(message: &Message, topic: &str, waits: Option<&str>) -> Result<(), SendError> {
    const DELAYS: [&str; 4] = [
        properties::DELAY_TIME_LEVEL,
        properties::TIMER_DELAY_SEC,
        properties::TIMER_DELAY_MS,
        properties::TIMER_DELIVER_MS,
    ];
    let why = if message.topic != topic {
        "its messages have different topics"
    } else if message.properties.get(properties::WAIT_STORE_MSG_OK) != waits {
        "its messages do not agree on whether to wait for the store (property WAIT)"
    } else if message.lite_topic().is_some() {
        "it has a message for a lite topic: send those one by one"
    } else if DELAYS.iter().any(|name| message.properties.get(name).is_some()) {
        "it has a delayed message"
    } else {
        return Ok(());
    };
    Err(SendError::BadBatch { why })
}

#[cfg(test)]
mod tests {
    use eruca_message::decode_batch;

    use super::*;
    use crate::producer::prepare::tests::RULES;

    fn batch(messages: Vec<Message>) -> Result<Prepared, SendError> {
        let mut count = 0;
        prepare_batch(messages, &RULES, || {
            count += 1;
            format!("ID{count}")
        })
    }

    #[test]
    fn each_message_keeps_its_properties_and_gets_an_id() {
        let prepared = batch(vec![Message::new("t", "a").with_keys("k"), Message::new("t", "b")]).unwrap();
        assert_eq!(prepared.message_id, "ID1,ID2");
        let entries = decode_batch(&prepared.body).unwrap();
        assert_eq!(entries[1].body, b"b");
        let properties = Properties::decode(entries[0].properties);
        assert_eq!((properties.get("KEYS"), properties.get("UNIQ_KEY")), (Some("k"), Some("ID1")));
        assert_eq!(prepared.properties, "UNIQ_KEY\u{1}ID3\u{2}WAIT\u{1}true\u{2}");
    }

    #[test]
    fn what_cannot_be_one_batch_is_refused() {
        let message = || Message::new("t", "a");
        for messages in [
            vec![],
            vec![message(), Message::new("other", "a")],
            vec![message(), message().with_property("WAIT", "false")],
            vec![message().with_property("DELAY", "3")],
            vec![Message::new("%RETRY%g", "a")],
        ] {
            assert!(matches!(batch(messages), Err(SendError::BadBatch { .. })));
        }
        let large = batch(vec![Message::new("t", vec![0; 6_000]), Message::new("t", vec![0; 6_000])]);
        assert!(matches!(large, Err(SendError::TooLarge { .. })));
    }
}
