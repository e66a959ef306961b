//! A message on its way into the schedule topic, and out of it.

use eruca_message::{
    Properties, Record,
    names::TRANS_HALF_TOPIC,
    properties::{self, DELAY_TIME_LEVEL, REAL_QUEUE_ID, REAL_TOPIC},
};
use eruca_store::AppendMessage;

/// Notes in the properties which delay the message has and where it goes then. The level is clamped to `level_max`;
/// what is returned is the queue of the schedule topic.
pub(super) fn park_level(
    properties: &mut Properties,
    level: i32,
    level_max: i32,
    topic: &str,
    queue_id: i32,
) -> i32 {
    let level = level.clamp(1, level_max.max(1));
    properties.set(DELAY_TIME_LEVEL, level.to_string());
    properties.set(REAL_TOPIC, topic);
    properties.set(REAL_QUEUE_ID, queue_id.to_string());
    level - 1
}

/// Why a message in the schedule topic cannot be delivered, ever.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undeliverable {
    #[error("it does not say where to (property {REAL_TOPIC})")]
    NoTopic,
    #[error("it does not say to which queue (property {REAL_QUEUE_ID})")]
    NoQueue,
    #[error("it is a half message")]
    HalfMessage,
}

/// The message as it is delivered. As in Java everything is as it was parked, but for topic and queue; the properties
/// keep telling of the delay.
pub(super) fn unpark<'r>(record: &Record<'r>) -> Result<AppendMessage<'r>, Undeliverable> {
    let fields = &record.fields;
    let topic = properties::find_str(fields.properties, REAL_TOPIC).ok_or(Undeliverable::NoTopic)?;
    let queue_id = properties::find_str(fields.properties, REAL_QUEUE_ID).and_then(|id| id.parse().ok());
    if topic == TRANS_HALF_TOPIC {
        return Err(Undeliverable::HalfMessage);
    }
    let queue_id = queue_id.filter(|id| *id >= 0).ok_or(Undeliverable::NoQueue)?;
    Ok(AppendMessage::moved(record, topic, queue_id, fields.properties))
}
