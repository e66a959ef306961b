//! Every visible message is read back byte for byte at its queue offset, entries agree with the log, and nothing else
//! is there.

use eruca_message::{LogOffset, QueueOffset, StoredMessage};
use eruca_store::{EveryMessage, MessageStore, ReadLimits, ReadStatus};

use super::{Verdict, Violation, expect, expect_eq};
use crate::model::{Key, Model, ModelRecord, Queue};

const BYTES: &str = "an acknowledged message is read back byte for byte at its queue offset";
const ENTRIES: &str = "indexes agree with the log";
const NOTHING_ELSE: &str = "nothing is there that was not appended";

/// Compares everything that can be seen.
pub fn all_visible(store: &MessageStore, model: &Model) -> Verdict {
    for (key, queue) in &model.queues {
        queue_range(store, model, key, queue)?;
        entries(store, model, key, queue)?;
        messages(store, model, key, queue)?;
    }
    for (topic, queue_ids) in store.topics_with_queues() {
        for queue_id in queue_ids {
            let range = store.queue_range(&topic, queue_id);
            let known = model.queues.contains_key(&(topic.as_str().into(), queue_id));
            let found = || format!("{topic}/{queue_id}: {range:?}");
            expect(NOTHING_ELSE, known || range.max.0 == 0, || "no such queue".to_owned(), found)?;
        }
    }
    for record in model.log.iter().filter(|record| record.at >= model.log_min && record.end <= model.written)
    {
        record_at(store, record)?;
    }
    Ok(())
}

/// One record, by its place.
pub fn record_at(store: &MessageStore, record: &ModelRecord) -> Verdict {
    let found = store.record_at(LogOffset(record.at));
    let same = matches!(&found, Ok(Some(bytes)) if **bytes == *record.bytes);
    expect(BYTES, same, || describe(record), || format!("{found:?}"))
}

fn queue_range(store: &MessageStore, model: &Model, key: &Key, queue: &Queue) -> Verdict {
    let range = store.queue_range(&key.0, key.1);
    expect_eq(
        "queue offsets have no holes but those that expiry makes",
        format!("range of {}/{}", key.0, key.1),
        &(queue.min, model.visible(queue)),
        &(range.min.0, range.max.0),
    )
}

fn entries(store: &MessageStore, model: &Model, key: &Key, queue: &Queue) -> Verdict {
    let found: Vec<_> = store
        .queue_entries(&key.0, key.1, QueueOffset(0), usize::MAX)
        .iter()
        .map(|entry| (entry.log_offset.0, u64::from(entry.size_bytes), entry.tags_code))
        .collect();
    let expected: Vec<_> = (queue.min..model.visible(queue))
        .filter_map(|offset| model.message(queue, offset))
        .map(|record| (record.at, record.len_bytes(), record.tags_code))
        .collect();
    expect_eq(ENTRIES, format!("entries of {}/{}", key.0, key.1), &expected, &found)
}

fn messages(store: &MessageStore, model: &Model, key: &Key, queue: &Queue) -> Verdict {
    let (mut next, end) = (model.lowest(queue), model.visible(queue));
    while next < end {
        let read = store.read(&key.0, key.1, QueueOffset(next), &ReadLimits::default(), &EveryMessage);
        let what = || format!("{}/{} from {next}: {} to {end}", key.0, key.1, ReadStatus::Found as u8);
        expect(BYTES, read.status == ReadStatus::Found, what, || format!("{:?}", read.status))?;
        let mut rest = &*read.records;
        for _ in 0..read.message_count {
            let Some(record) = model.message(queue, next) else { break };
            let Some((bytes, later)) = rest.split_at_checked(record.bytes.len()) else {
                return Err(differs(record, rest));
            };
            if bytes != record.bytes {
                return Err(differs(record, bytes));
            }
            rest = later;
            next += 1;
        }
        expect_eq(BYTES, "next offset", &next, &read.next_offset.0)?;
        expect_eq(BYTES, "bytes left over", &0, &rest.len())?;
    }
    Ok(())
}

fn describe(record: &ModelRecord) -> String {
    let (key, offset) = (&record.key, record.queue_offset);
    format!("record {}..{} of {}/{} at {offset:?}", record.at, record.end, key.0, key.1)
}

fn differs(record: &ModelRecord, found: &[u8]) -> Violation {
    let first = record.bytes.iter().zip(found).position(|(expected, found)| expected != found);
    let found =
        format!("differs from byte {first:?}: {:?}", StoredMessage::decode(found).map(|_| "decodable"));
    Violation { invariant: BYTES, expected: describe(record), found }
}
