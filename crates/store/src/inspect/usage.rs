//! Who fills the log.

use std::collections::HashMap;

use eruca_message::Timestamp;

use super::directory::{InspectError, StoreDirectory};
use crate::{
    commit_log::{Found, Walk},
    dispatch::{inner_batch_count, is_inner_batch},
};

/// What one topic has in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicUsage {
    /// Topic name.
    pub topic: String,
    /// Bytes of its records.
    pub bytes: u64,
    /// Its messages.
    pub messages: u64,
    /// When the oldest of them was stored.
    pub oldest: Timestamp,
    /// When the newest of them was stored.
    pub newest: Timestamp,
}

/// What all topics have in the log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Usage {
    /// By topic, the largest first.
    pub topics: Vec<TopicUsage>,
    /// Bytes of the log's files, used or not.
    pub files_bytes: u64,
    /// Bytes of records, of all topics.
    pub records_bytes: u64,
    /// Bytes that cannot be read.
    pub damaged_bytes: u64,
}

impl StoreDirectory {
    /// Reads the log and adds up. `progress` is told the bytes that were read so far.
    pub fn usage(&self, mut progress: impl FnMut(u64)) -> Result<Usage, InspectError> {
        let mut topics: HashMap<String, TopicUsage> = HashMap::new();
        let mut usage = Usage { files_bytes: self.log_files_bytes(), ..Usage::default() };
        let start = self.log_start();
        self.walk::<InspectError>(start, |found| {
            progress(super::directory::end_of(&found).saturating_sub(start.0));
            let record = match found {
                Found::Record(record) => record,
                Found::Damaged { len_bytes, .. } => {
                    usage.damaged_bytes += len_bytes;
                    return Ok(Walk::On);
                }
                Found::Unreadable { at, end } => {
                    usage.damaged_bytes += end - at;
                    return Ok(Walk::On);
                }
            };
            let fields = &record.fields;
            if !topics.contains_key(fields.topic) {
                let topic = fields.topic.to_owned();
                let (oldest, newest) = (fields.store_timestamp, fields.store_timestamp);
                topics.insert(topic.clone(), TopicUsage { topic, bytes: 0, messages: 0, oldest, newest });
            }
            if let Some(topic) = topics.get_mut(fields.topic) {
                topic.bytes += record.total_len as u64;
                topic.messages += match is_inner_batch(fields.sys_flag) {
                    true => u64::from(inner_batch_count(fields.properties).unwrap_or(1)),
                    false => 1,
                };
                topic.oldest = topic.oldest.min(fields.store_timestamp);
                topic.newest = topic.newest.max(fields.store_timestamp);
            }
            usage.records_bytes += record.total_len as u64;
            Ok(Walk::On)
        })?;
        usage.topics = topics.into_values().collect();
        usage.topics.sort_by(|one, other| (other.bytes, &one.topic).cmp(&(one.bytes, &other.topic)));
        Ok(usage)
    }
}
