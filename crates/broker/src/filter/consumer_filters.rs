//! `config/consumerFilter.json`: the groups that filter by expressions.
//!
//! Java's broker reads its filters from there before consumers come back; Eruca has what each client asks for from its
//! heartbeats, and keeps the file so that a directory goes to and fro between both.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::body;
use serde::{Deserialize, Serialize};

use super::{
    Subscription,
    bloom::{Bloom, BloomFilterData},
};
use crate::persist::{PersistError, read_with_backup, replace};

/// Most entries; those that nobody uses go first.
const ENTRIES_MAX: usize = 10_000;
/// As Java: who is in the file when the broker starts was there until so long ago.
const DEAD_BEFORE_START_MS: i64 = 30_000;

/// One group's expression for one topic (Java: `ConsumerFilterData`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FilterData {
    bloom_filter_data: Option<BloomFilterData>,
    /// Since when it is known, in ms.
    born_time: i64,
    /// Version of the subscription.
    client_version: i64,
    consumer_group: String,
    /// Whether nobody uses it; follows from the two times.
    dead: bool,
    /// Since when nobody uses it, in ms; 0 while somebody does.
    dead_time: i64,
    expression: String,
    expression_type: String,
    topic: String,
}

/// Java: `FilterDataMapByTopic`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OfTopic {
    group_filter_data: BTreeMap<String, FilterData>,
    topic: String,
}

/// Java: `ConsumerFilterManager`, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Content {
    filter_data_by_topic: BTreeMap<String, OfTopic>,
}

/// The file and what is in it.
#[derive(Debug)]
pub struct ConsumerFilters {
    path: PathBuf,
    bloom: Bloom,
    keep_dead_ms: i64,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// By topic and group.
    entries: BTreeMap<(String, String), FilterData>,
    is_dirty: bool,
}

impl ConsumerFilters {
    /// Reads `consumerFilter.json` in `directory`, the store's `config`. What is not understood is said in the log and left
    /// out: consumers bring it again.
    ///
    /// `error_rate_percent` and `groups` are Java's `maxErrorRateOfBloomFilter` and `expectConsumerNumUseFilter`;
    /// `keep_dead_ms` is `filterDataCleanTimeSpan`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(
        directory: &Path,
        error_rate_percent: i32,
        groups: i32,
        keep_dead_ms: i64,
        now: Timestamp,
    ) -> Result<Self, PersistError> {
        let path = directory.join("consumerFilter.json");
        let parse = |bytes: &[u8]| body::from_json::<Content>(bytes).map_err(|error| error.to_string());
        let content = match read_with_backup(&path, parse) {
            Ok(found) => found.map(|(content, _)| content).unwrap_or_default(),
            Err(error @ PersistError::Damaged { .. }) => {
                tracing::warn!(%error, "the table of filters is left out, consumers bring them again");
                Content::default()
            }
            Err(error) => return Err(error),
        };
        let mut entries = BTreeMap::new();
        for (topic, of_topic) in content.filter_data_by_topic {
            for (group, mut data) in of_topic.group_filter_data {
                if data.dead_time == 0 {
                    data.dead_time = data.born_time.max(now.0 - DEAD_BEFORE_START_MS);
                }
                entries.insert((topic.clone(), group), data);
            }
        }
        let inner = Mutex::new(Inner { entries, is_dirty: false });
        Ok(ConsumerFilters { path, bloom: Bloom::new(error_rate_percent, groups), keep_dead_ms, inner })
    }

    /// Takes over what groups ask for now, and writes the file where that changed something.
    ///
    /// # Errors
    /// The file cannot be written; it is tried again with the next step.
    pub fn step(&self, live: &[(String, Arc<Subscription>)], now: Timestamp) -> Result<(), PersistError> {
        let content = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            inner.is_dirty |= inner.take_over(live, &self.bloom, now);
            inner.is_dirty |= inner.forget(self.keep_dead_ms, now);
            if !inner.is_dirty {
                return Ok(());
            }
            inner.is_dirty = false;
            inner.content()
        };
        let written = replace(&self.path, &body::to_json_pretty(&content));
        if written.is_err() {
            self.inner.lock().unwrap_or_else(PoisonError::into_inner).is_dirty = true;
        }
        written
    }
}

impl Inner {
    /// Whether anything changed.
    fn take_over(&mut self, live: &[(String, Arc<Subscription>)], bloom: &Bloom, now: Timestamp) -> bool {
        let mut is_changed = false;
        let mut seen = std::collections::BTreeSet::new();
        for (group, subscription) in live {
            let data = &subscription.data;
            let key = (data.topic.clone(), group.clone());
            let new = FilterData {
                bloom_filter_data: Some(bloom.bits(group, &data.topic)),
                born_time: now.0,
                client_version: data.sub_version,
                consumer_group: group.clone(),
                dead: false,
                dead_time: 0,
                expression: data.sub_string.clone(),
                expression_type: data.expression_type.clone().unwrap_or_default(),
                topic: data.topic.clone(),
            };
            if let Some(known) = self.entries.get_mut(&key) {
                is_changed |= known.become_like(new);
            } else if self.entries.len() < ENTRIES_MAX || self.make_room() {
                self.entries.insert(key.clone(), new);
                is_changed = true;
            } else {
                continue;
            }
            seen.insert(key);
        }
        for (key, data) in &mut self.entries {
            if data.dead_time == 0 && !seen.contains(key) {
                data.dead_time = now.0.max(data.born_time);
                is_changed = true;
            }
        }
        is_changed
    }

    fn make_room(&mut self) -> bool {
        let dead = self.entries.iter().filter(|(_, data)| data.dead_time != 0);
        let first = dead.min_by_key(|(_, data)| data.dead_time).map(|(key, _)| key.clone());
        first.is_some_and(|key| self.entries.remove(&key).is_some())
    }

    fn forget(&mut self, keep_dead_ms: i64, now: Timestamp) -> bool {
        let before = self.entries.len();
        self.entries
            .retain(|_, data| data.dead_time == 0 || now.ms_since(Timestamp(data.dead_time)) < keep_dead_ms);
        self.entries.len() < before
    }

    fn content(&self) -> Content {
        let mut content = Content::default();
        for ((topic, group), data) in &self.entries {
            let of_topic = content.filter_data_by_topic.entry(topic.clone()).or_default();
            of_topic.topic.clone_from(topic);
            let dead = data.dead_time >= data.born_time;
            of_topic.group_filter_data.insert(group.clone(), FilterData { dead, ..data.clone() });
        }
        content
    }
}

impl FilterData {
    /// Whether it changed. The time since which an expression is known stays while the expression does.
    fn become_like(&mut self, new: FilterData) -> bool {
        let is_same = self.expression == new.expression
            && self.expression_type == new.expression_type
            && self.bloom_filter_data == new.bloom_filter_data;
        let born_time = if is_same { self.born_time } else { new.born_time };
        let new = FilterData { born_time, ..new };
        let is_changed = *self != new;
        *self = new;
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::SubscriptionData;

    use super::*;
    use crate::filter::CompiledFilters;

    const HOUR: i64 = 3_600_000;

    fn open(directory: &Path, now: i64) -> ConsumerFilters {
        ConsumerFilters::open(directory, 20, 32, 24 * HOUR, Timestamp(now)).unwrap()
    }

    fn asks(group: &str, topic: &str, expression: &str, sub_version: i64) -> (String, Arc<Subscription>) {
        let data = SubscriptionData {
            topic: topic.to_owned(),
            sub_string: expression.to_owned(),
            expression_type: Some("SQL92".to_owned()),
            sub_version,
            ..SubscriptionData::default()
        };
        (group.to_owned(), Arc::new(Subscription::new(data, &CompiledFilters::default())))
    }

    fn entry(filters: &ConsumerFilters, group: &str) -> Option<FilterData> {
        filters.inner.lock().unwrap().entries.get(&("T".to_owned(), group.to_owned())).cloned()
    }

    #[test]
    fn a_file_of_a_java_broker_is_read_and_written_again_as_it_was() {
        let java = include_bytes!("../../tests/data/consumerFilter.json");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("consumerFilter.json"), java).unwrap();
        let content: Content = body::from_json(java).unwrap();
        let filters = open(dir.path(), 0);
        let (topic, of_topic) = content.filter_data_by_topic.first_key_value().unwrap();
        let (group, data) = of_topic.group_filter_data.first_key_value().unwrap();
        let same = asks(group, topic, &data.expression, data.client_version);
        filters.step(&[same], Timestamp(data.born_time + 5)).unwrap();
        let ours = std::fs::read(dir.path().join("consumerFilter.json")).unwrap();
        assert_eq!(body::from_json::<Content>(&ours).unwrap(), content);
    }

    #[test]
    fn a_filter_is_kept_for_a_day_after_its_group_left() {
        let dir = tempfile::tempdir().unwrap();
        let filters = open(dir.path(), 0);
        filters.step(&[], Timestamp(500)).unwrap();
        assert!(!dir.path().join("consumerFilter.json").exists());
        filters.step(&[asks("g", "T", "a > 5", 1)], Timestamp(1_000)).unwrap();
        filters.step(&[asks("g", "T", "a > 5", 2)], Timestamp(2_000)).unwrap();
        let data = entry(&filters, "g").unwrap();
        assert_eq!((data.born_time, data.client_version, data.dead_time), (1_000, 2, 0));
        filters.step(&[asks("g", "T", "a > 6", 3)], Timestamp(3_000)).unwrap();
        assert_eq!(entry(&filters, "g").unwrap().born_time, 3_000);
        filters.step(&[], Timestamp(4_000)).unwrap();
        let again = open(dir.path(), 10_000);
        assert_eq!(entry(&again, "g").unwrap().dead_time, 4_000);
        again.step(&[], Timestamp(4_000 + 24 * HOUR - 1)).unwrap();
        assert!(entry(&again, "g").is_some());
        again.step(&[], Timestamp(4_000 + 24 * HOUR)).unwrap();
        assert!(entry(&again, "g").is_none());
    }

    #[test]
    fn who_was_there_at_the_end_is_dead_at_the_start_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), 0).step(&[asks("g", "T", "a > 5", 1)], Timestamp(1_000)).unwrap();
        let filters = open(dir.path(), 100_000);
        assert_eq!(entry(&filters, "g").unwrap().dead_time, 70_000);
        filters.step(&[asks("g", "T", "a > 5", 1)], Timestamp(200_000)).unwrap();
        let data = entry(&filters, "g").unwrap();
        assert_eq!((data.dead_time, data.born_time), (0, 1_000));
    }

    #[test]
    fn a_damaged_file_stops_no_one_and_a_full_table_lets_the_dead_go() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("consumerFilter.json"), b"{").unwrap();
        let filters = open(dir.path(), 0);
        let many: Vec<_> = (0..ENTRIES_MAX).map(|n| asks(&format!("g{n}"), "T", "a > 5", 1)).collect();
        filters.step(&many, Timestamp(1)).unwrap();
        filters.step(&many[1..], Timestamp(2)).unwrap();
        let one_more = [&many[1..], &[asks("new", "T", "a", 1)]].concat();
        filters.step(&one_more, Timestamp(3)).unwrap();
        assert!(entry(&filters, "g0").is_none() && entry(&filters, "new").is_some());
        filters.step(&[&one_more[..], &[asks("too many", "T", "a", 1)]].concat(), Timestamp(4)).unwrap();
        assert!(entry(&filters, "too many").is_none());
    }
}
