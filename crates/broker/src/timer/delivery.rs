//! A message on its way out of the timer topic.

use std::io::Write;

use eruca_message::{
    Properties, Record, Timestamp,
    names::TIMER_TOPIC,
    properties::{
        self, MAX_PROPERTIES_LEN_BYTES, REAL_QUEUE_ID, REAL_TOPIC, TIMER_DEQUEUE_MS, TIMER_ENQUEUE_MS,
        TIMER_ROLL_TIMES,
    },
};
use eruca_store::AppendMessage;

/// What `TIMER_ENQUEUE_MS` says of a message that was due before it came into the wheel (Java: `Long.MAX_VALUE`).
const NEVER_ENQUEUED: i64 = i64::MAX;

/// Why a message can never be delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Undeliverable {
    #[error("it does not say where to (property {REAL_TOPIC})")]
    NoTopic,
    #[error("it does not say to which queue (property {REAL_QUEUE_ID})")]
    NoQueue,
    #[error("the topic that it is for is {TIMER_TOPIC} itself")]
    Circle,
}

/// What the properties of a parked message say, found in one walk. Of repeated ones the last counts.
#[derive(Debug, Default)]
struct Parked<'r> {
    topic: Option<&'r str>,
    queue_id: Option<i32>,
    /// It has times of taking in or out already.
    is_stamped: bool,
}

impl<'r> Parked<'r> {
    fn read(properties: &'r [u8]) -> Parked<'r> {
        let mut parked = Parked::default();
        for (name, value) in properties::raw_pairs(properties) {
            let text = || std::str::from_utf8(value).ok();
            if name == REAL_TOPIC.as_bytes() {
                parked.topic = text();
            } else if name == REAL_QUEUE_ID.as_bytes() {
                parked.queue_id = text().and_then(|id| id.parse().ok()).filter(|id| *id >= 0);
            } else if name == TIMER_ENQUEUE_MS.as_bytes() || name == TIMER_DEQUEUE_MS.as_bytes() {
                parked.is_stamped = true;
            }
        }
        parked
    }
}

/// The message of `record` as it is delivered: as it was parked, but for topic and queue. As in Java the properties keep
/// telling of the delay, and say when it was taken in and out. `encoded` is where they are put.
pub(super) fn deliver<'r>(
    record: &Record<'r>,
    written: Option<Timestamp>,
    now: Timestamp,
    encoded: &'r mut Vec<u8>,
) -> Result<AppendMessage<'r>, Undeliverable> {
    let parked = Parked::read(record.fields.properties);
    let topic = parked.topic.ok_or(Undeliverable::NoTopic)?;
    let queue_id = parked.queue_id.ok_or(Undeliverable::NoQueue)?;
    if topic == TIMER_TOPIC {
        return Err(Undeliverable::Circle);
    }
    stamp(record.fields.properties, parked.is_stamped, written, now, encoded);
    Ok(AppendMessage::moved(record, topic, queue_id, encoded))
}

/// The message of `record` as it is parked anew, because its time is still far away.
pub(super) fn roll<'r>(
    record: &Record<'r>,
    written: Timestamp,
    now: Timestamp,
    encoded: &'r mut Vec<u8>,
) -> AppendMessage<'r> {
    let parked = record.fields.properties;
    let times =
        properties::find_str(parked, TIMER_ROLL_TIMES).and_then(|times| times.parse().ok()).unwrap_or(0);
    let mut table = Properties::decode(parked);
    table.set(TIMER_ROLL_TIMES, i32::saturating_add(times, 1).to_string());
    table.remove(TIMER_ENQUEUE_MS);
    table.remove(TIMER_DEQUEUE_MS);
    stamp(&table.to_bytes(), false, Some(written), now, encoded);
    AppendMessage::moved(record, TIMER_TOPIC, record.fields.queue_id, encoded)
}

/// Puts encoded properties into `encoded`, with the times of taking in and out, in place of those that they have.
fn stamp(parked: &[u8], is_stamped: bool, written: Option<Timestamp>, now: Timestamp, encoded: &mut Vec<u8>) {
    encoded.clear();
    if is_stamped {
        let mut table = Properties::decode(parked);
        table.remove(TIMER_ENQUEUE_MS);
        table.remove(TIMER_DEQUEUE_MS);
        table.encode(encoded);
    } else {
        encoded.extend_from_slice(parked);
        if encoded.last().is_some_and(|last| *last != properties::PROPERTY_SEPARATOR) {
            encoded.push(properties::PROPERTY_SEPARATOR);
        }
    }
    let len = encoded.len();
    let written = written.map_or(NEVER_ENQUEUED, |written| written.0);
    for (name, time) in [(TIMER_ENQUEUE_MS, written), (TIMER_DEQUEUE_MS, now.0)] {
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(properties::NAME_VALUE_SEPARATOR);
        // Into memory: it cannot fail.
        let _ = write!(encoded, "{time}");
        encoded.push(properties::PROPERTY_SEPARATOR);
    }
    if encoded.len() > MAX_PROPERTIES_LEN_BYTES {
        // Better without than not at all.
        encoded.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::properties::encode_property;

    use super::*;
    use crate::handler::test_parts::TestParts;

    fn delivered(properties: &[u8]) -> Result<(String, i32, String), Undeliverable> {
        let parts = TestParts::new();
        let at = parts.store(TIMER_TOPIC, 0, "body", properties).log_offset;
        let bytes = parts.store.record_at(at).unwrap().unwrap();
        let record = Record::decode(&bytes).unwrap();
        let mut encoded = b"what was there before".to_vec();
        let message = deliver(&record, Some(Timestamp(5)), Timestamp(9), &mut encoded)?;
        let text = String::from_utf8_lossy(message.properties).replace('\u{1}', "=").replace('\u{2}', " ");
        assert_eq!((message.body, message.flag), (&b"body"[..], 7));
        Ok((message.topic.to_owned(), message.queue_id, text))
    }

    #[test]
    fn a_message_goes_where_it_was_for_and_tells_of_its_time() {
        let parked = b"a\x01b\x02REAL_TOPIC\x01T\x02REAL_QID\x013\x02TIMER_OUT_MS\x017";
        let (topic, queue_id, properties) = delivered(parked).unwrap();
        assert_eq!((topic.as_str(), queue_id), ("T", 3));
        assert_eq!(
            properties,
            "a=b REAL_TOPIC=T REAL_QID=3 TIMER_OUT_MS=7 TIMER_ENQUEUE_MS=5 TIMER_DEQUEUE_MS=9 "
        );
        let again = b"TIMER_ENQUEUE_MS\x011\x02REAL_TOPIC\x01T\x02TIMER_DEQUEUE_MS\x012\x02REAL_QID\x010\x02";
        let (_, _, properties) = delivered(again).unwrap();
        assert_eq!(properties, "REAL_TOPIC=T REAL_QID=0 TIMER_ENQUEUE_MS=5 TIMER_DEQUEUE_MS=9 ");
    }

    #[test]
    fn a_message_with_as_many_properties_as_there_may_be_is_delivered_all_the_same() {
        let mut parked = b"REAL_TOPIC\x01T\x02REAL_QID\x010\x02".to_vec();
        let rest = MAX_PROPERTIES_LEN_BYTES - parked.len() - 3;
        encode_property(&mut parked, "k", &"v".repeat(rest));
        let (_, _, properties) = delivered(&parked).unwrap();
        assert_eq!(properties.len(), MAX_PROPERTIES_LEN_BYTES);
    }

    #[test]
    fn what_cannot_be_delivered_is_told() {
        assert_eq!(delivered(b"").unwrap_err(), Undeliverable::NoTopic);
        assert_eq!(delivered(b"REAL_TOPIC\x01T\x02").unwrap_err(), Undeliverable::NoQueue);
        let circle = b"REAL_TOPIC\x01rmq_sys_wheel_timer\x02REAL_QID\x010\x02";
        assert_eq!(delivered(circle).unwrap_err(), Undeliverable::Circle);
    }

    #[test]
    fn what_is_parked_anew_counts_the_times() {
        let parts = TestParts::new();
        let at =
            parts.store(TIMER_TOPIC, 0, "body", b"TIMER_ROLL_TIMES\x014\x02TIMER_OUT_MS\x017\x02").log_offset;
        let bytes = parts.store.record_at(at).unwrap().unwrap();
        let mut encoded = Vec::new();
        let message = roll(&Record::decode(&bytes).unwrap(), Timestamp(5), Timestamp(9), &mut encoded);
        assert_eq!((message.topic, message.queue_id), (TIMER_TOPIC, 0));
        assert_eq!(properties::find_str(message.properties, TIMER_ROLL_TIMES), Some("5"));
        assert_eq!(properties::find_str(message.properties, "TIMER_OUT_MS"), Some("7"));
    }
}
