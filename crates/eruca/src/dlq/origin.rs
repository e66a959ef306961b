//! From a dead letter to the message that it was.

use eruca_client::{Message, StoredMessage};
use eruca_message::{names::retry_topic, properties};

/// Properties that belong to the life that ended: where the message was parked, how often it was tried, and that nobody waited
/// for the disk when it was sent back.
const OF_THE_OLD_LIFE: [&str; 13] = [
    properties::REAL_TOPIC,
    properties::REAL_QUEUE_ID,
    properties::DELAY_TIME_LEVEL,
    properties::RETRY_TOPIC,
    properties::RECONSUME_TIME,
    properties::MAX_RECONSUME_TIMES,
    properties::ORIGIN_MESSAGE_ID,
    properties::DLQ_ORIGIN_TOPIC,
    properties::DLQ_ORIGIN_MESSAGE_ID,
    properties::MIN_OFFSET,
    properties::MAX_OFFSET,
    properties::CONSUME_START_TIMESTAMP,
    properties::WAIT_STORE_MSG_OK,
];

/// The topic from which a dead letter came, where it says.
pub(super) fn original_topic(dead: &StoredMessage) -> Option<&str> {
    let properties = &dead.message.properties;
    properties.get(properties::DLQ_ORIGIN_TOPIC).or_else(|| properties.get(properties::RETRY_TOPIC))
}

/// The message as it was sent at first, with its id, for its topic; with `to_group` for the retry topic of that group,
/// whose consumers see the original topic.
pub(super) fn revive(dead: StoredMessage, to_group: Option<&str>) -> Option<Message> {
    let original = original_topic(&dead)?.to_owned();
    let mut message = dead.message;
    for name in OF_THE_OLD_LIFE {
        message.properties.remove(name);
    }
    message.properties.set(properties::WAIT_STORE_MSG_OK, "true");
    match to_group {
        Some(group) => {
            message.topic = retry_topic(group);
            message.properties.set(properties::RETRY_TOPIC, original);
        }
        None => message.topic = original,
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use eruca_message::{LogOffset, QueueOffset, Timestamp};

    use super::*;

    fn dead(message: Message) -> StoredMessage {
        StoredMessage {
            message,
            broker_name: "b".to_owned(),
            queue_id: 0,
            queue_offset: QueueOffset(3),
            log_offset: LogOffset(0),
            store_size_bytes: 0,
            sys_flag: 0,
            body_crc: 0,
            born_timestamp: Timestamp(1),
            born_host: ([127, 0, 0, 1], 1).into(),
            store_timestamp: Timestamp(2),
            store_host: ([127, 0, 0, 1], 2).into(),
            reconsume_times: 16,
            prepared_transaction_offset: 0,
        }
    }

    #[test]
    fn a_dead_letter_comes_back_as_what_it_was() {
        let message = Message::new("%DLQ%g", "body")
            .with_tag("a")
            .with_keys("k")
            .with_property(properties::UNIQUE_KEY, "id")
            .with_property(properties::RETRY_TOPIC, "orders")
            .with_property(properties::DELAY_TIME_LEVEL, "0")
            .with_property(properties::ORIGIN_MESSAGE_ID, "x")
            .with_property(properties::WAIT_STORE_MSG_OK, "false")
            .with_property("colour", "red");
        let revived = revive(dead(message.clone()), None).unwrap();
        let first = Message::new("orders", "body")
            .with_tag("a")
            .with_keys("k")
            .with_property(properties::UNIQUE_KEY, "id")
            .with_property("colour", "red")
            .with_property(properties::WAIT_STORE_MSG_OK, "true");
        assert_eq!(revived, first);
        let to_group = revive(dead(message), Some("g")).unwrap();
        assert_eq!(to_group.topic, "%RETRY%g");
        assert_eq!(to_group.properties.get(properties::RETRY_TOPIC), Some("orders"));
    }

    #[test]
    fn one_that_does_not_say_where_it_came_from_stays() {
        assert_eq!(revive(dead(Message::new("%DLQ%g", "body")), None), None);
    }
}
