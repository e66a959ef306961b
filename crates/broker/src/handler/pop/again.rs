//! Messages that come again lie in a retry topic, and are given out as if they came from the topic itself.

use bytes::BytesMut;
use eruca_message::{
    Record, RecordError, RecordFields, encode_record,
    properties::{POP_CHECK_POINT, PROPERTY_SEPARATOR, encode_property, find},
};
use eruca_protocol::pop::{PopTopic, ReceiptHandle};

use super::plan::Plan;

/// Adds the records to `out` with the topic of the pop and, as a property, the receipt handle by which they are
/// acknowledged, which tells of the retry topic.
pub(super) fn rewrite(
    records: &[u8],
    plan: &Plan,
    handle: &ReceiptHandle,
    out: &mut BytesMut,
) -> Result<(), RecordError> {
    let mut rest = records;
    let mut encoded = Vec::new();
    while !rest.is_empty() {
        let record = Record::decode(rest)?;
        let (whole, behind) = rest.split_at_checked(record.total_len).unwrap_or((rest, &[]));
        rest = behind;
        let mut properties = record.fields.properties.to_vec();
        if properties.last().is_some_and(|last| *last != PROPERTY_SEPARATOR) {
            // Java leaves it out after the last one at times.
            properties.push(PROPERTY_SEPARATOR);
        }
        if find(&properties, POP_CHECK_POINT).is_none() {
            let queue_offset = record.fields.queue_offset.to_i64();
            let handle = ReceiptHandle { queue_offset, ..handle.clone() };
            encode_property(&mut properties, POP_CHECK_POINT, &handle.to_string());
        }
        encoded.clear();
        let fields = RecordFields { topic: &plan.topic, properties: &properties, ..record.fields };
        match encode_record(&fields, &mut encoded) {
            Ok(_) => out.extend_from_slice(&encoded),
            // There is no room for the handle. As it lies the record tells its retry topic itself.
            Err(RecordError::PropertiesTooLong { .. }) => out.extend_from_slice(whole),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The handle of a pop from a queue, without the place of a message.
pub(super) fn handle(
    topic: &str,
    queue_id: i32,
    start: i64,
    pop_time: i64,
    invisible_ms: i64,
    revive_queue_id: i32,
    broker_name: &str,
) -> ReceiptHandle {
    ReceiptHandle {
        start_offset: start,
        pop_time,
        invisible_time: invisible_ms,
        revive_queue_id,
        topic: PopTopic::of(topic),
        broker_name: broker_name.to_owned(),
        queue_id,
        queue_offset: -1,
    }
}
