//! A query by key finds every message that has it, once, in the order of the log, and no other.

use eruca_message::{Record, Timestamp, properties, sys_flag};
use eruca_store::{KeyKind, MessageQuery, MessageStore};

use super::{Verdict, expect};
use crate::model::{Model, ModelRecord};

const INVARIANT: &str = "queries by key find every message that has it";

/// The keys of a record, by the rules and not by the store's code: its unique id, and the words of `KEYS`. What was
/// rolled back has none.
pub fn keys_of(record: &ModelRecord) -> Vec<String> {
    let Ok(record) = Record::decode(&record.bytes) else { return Vec::new() };
    if sys_flag::transaction(record.fields.sys_flag) == sys_flag::TRANSACTION_ROLLBACK {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(record.fields.properties).into_owned();
    let pairs = text.split(char::from(properties::PROPERTY_SEPARATOR));
    let mut keys = Vec::new();
    for (name, value) in
        pairs.filter_map(|pair| pair.split_once(char::from(properties::NAME_VALUE_SEPARATOR)))
    {
        match name {
            properties::UNIQUE_KEY => keys.push(value.to_owned()),
            properties::KEYS => keys.extend(value.split_whitespace().map(str::to_owned)),
            _ => {}
        }
    }
    keys
}

/// Asks for all messages of a topic that have a key and were stored up to `end`, and compares. `lenient`: the index could
/// not be brought up to the log, so that some may be missing.
pub fn by_key(
    store: &MessageStore,
    model: &Model,
    (topic, key): (&str, &str),
    end: Timestamp,
    lenient: bool,
) -> Verdict {
    let query = MessageQuery {
        topic,
        key,
        kind: KeyKind::Key,
        begin: Timestamp(0),
        end,
        max_messages: usize::MAX,
        max_bytes: usize::MAX,
    };
    let found = store.query_by_key(&query);
    let expected: Vec<&ModelRecord> = model
        .log
        .iter()
        .filter(|record| record.at >= model.log_min && record.end <= model.written)
        .filter(|record| *record.key.0 == *topic && record.stored <= end)
        .filter(|record| keys_of(record).iter().any(|one| one == key))
        .collect();
    let bytes: Vec<u8> = expected.iter().flat_map(|record| record.bytes.iter().copied()).collect();
    let same = *found.records == *bytes && found.message_count == expected.len();
    let places = || expected.iter().map(|record| record.at).collect::<Vec<_>>();
    expect(
        INVARIANT,
        same || (lenient && found.message_count <= expected.len()),
        || format!("{key} of {topic}: records at {:?}", places()),
        || format!("{} records, {} bytes", found.message_count, found.records.len()),
    )
}
