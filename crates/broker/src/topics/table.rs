//! The table of topics.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::{
    Clock, NameMap, Timestamp,
    names::{dlq_topic, is_dlq_topic, is_lmq, is_retry_topic, retry_topic},
};
use eruca_protocol::body::{self, DataVersion, TopicConfig, TopicConfigSerializeWrapper};
use tokio::sync::Notify;

use super::perm;
use crate::persist::{Change, PersistError, TableFile, note_delete, note_put};

const READ_WRITE: i32 = perm::READ | perm::WRITE;
/// Bounds of the table.
#[derive(Debug, Clone, Copy)]
pub struct TopicLimits {
    /// Whether a first send creates a topic (`autoCreateTopicEnable`).
    pub auto_create: bool,
    /// Most queues that automatic creation gives a topic.
    pub auto_create_queue_nums_max: i32,
    /// Whether every light message queue (`%LMQ%...`) is a topic, without being in the table (`enableLmq`).
    pub lmq: bool,
}

impl Default for TopicLimits {
    fn default() -> Self {
        TopicLimits { auto_create: true, auto_create_queue_nums_max: 1024, lmq: false }
    }
}

/// All topics of the broker (Java: `TopicConfigManager`).
///
/// A lookup takes a shared lock for the time of one hash lookup and allocates nothing. Changes are noted in a journal
/// (see [`TopicTable::settle`]) and wake whoever waits on [`TopicTable::changes`].
#[derive(Debug)]
pub struct TopicTable {
    inner: RwLock<Inner>,
    file: TableFile,
    limits: TopicLimits,
    clock: Arc<dyn Clock>,
    changes: Arc<Notify>,
}

#[derive(Debug)]
struct Inner {
    topics: NameMap<String, Arc<TopicConfig>>,
    data_version: DataVersion,
}

impl TopicTable {
    /// Opens `topics.json` in `directory`, the store's `config`.
    pub fn open(
        directory: &Path,
        limits: TopicLimits,
        clock: Arc<dyn Clock>,
    ) -> Result<TopicTable, PersistError> {
        let (file, loaded) = TableFile::open(directory, "topics", |bytes| {
            body::from_json::<TopicConfigSerializeWrapper>(bytes).map_err(|error| error.to_string())
        })?;
        let now = clock.now();
        let (configs, data_version) = match loaded.table {
            Some(table) => (table.topic_config_table, table.data_version),
            None => (BTreeMap::new(), DataVersion::new(now)),
        };
        let mut inner = Inner { topics: NameMap::default(), data_version };
        for (name, config) in configs {
            inner.topics.insert(name, Arc::new(config));
        }
        for change in &loaded.changes {
            inner.replay(change, now);
        }
        let changes = Arc::new(Notify::new());
        Ok(TopicTable { inner: RwLock::new(inner), file, limits, clock, changes })
    }

    /// The topic's configuration.
    pub fn get(&self, topic: &str) -> Option<Arc<TopicConfig>> {
        if self.is_lmq(topic) {
            return Some(Arc::new(TopicConfig { perm: READ_WRITE, ..TopicConfig::new(topic, 1) }));
        }
        self.read().topics.get(topic).cloned()
    }

    /// Whether the topic exists.
    pub fn contains(&self, topic: &str) -> bool {
        self.is_lmq(topic) || self.read().topics.contains_key(topic)
    }

    fn is_lmq(&self, topic: &str) -> bool {
        self.limits.lmq && is_lmq(topic)
    }

    /// All topics, in no order.
    pub fn all(&self) -> Vec<Arc<TopicConfig>> {
        self.read().topics.values().cloned().collect()
    }

    /// How many topics there are.
    pub fn len(&self) -> usize {
        self.read().topics.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All topics with the version that they are.
    pub fn snapshot(&self) -> TopicConfigSerializeWrapper {
        let inner = self.read();
        TopicConfigSerializeWrapper {
            topic_config_table: inner.topics.iter().map(|(n, c)| (n.clone(), (**c).clone())).collect(),
            data_version: inner.data_version,
        }
    }

    /// The version of the table; every change makes a new one.
    pub fn data_version(&self) -> DataVersion {
        self.read().data_version
    }

    /// Creates or replaces a topic, durably: when this returns, it survives a power loss. A light message queue is what
    /// it is.
    pub fn put(&self, config: TopicConfig) -> Result<(), PersistError> {
        if self.is_lmq(&config.topic_name) {
            return Ok(());
        }
        let replaced = {
            let mut inner = self.write();
            if inner.topics.get(&config.topic_name).is_some_and(|old| **old == config) {
                return Ok(());
            }
            self.insert(&mut inner, Arc::new(config))
        };
        drop(replaced);
        self.file.sync()
    }

    /// The topic, created by the rules of automatic creation where it is missing; `None` where they do not allow it.
    ///
    /// The template `default_topic` must exist and be inheritable; the new topic has at most as many queues as the
    /// template, and as the client wishes (`queue_nums_hint`; negative: none). The name must have been checked.
    pub fn create_by_default(
        &self,
        topic: &str,
        default_topic: &str,
        queue_nums_hint: i32,
        topic_sys_flag: i32,
    ) -> Option<Arc<TopicConfig>> {
        let template = self.get(default_topic)?;
        if !self.limits.auto_create || !perm::is_inherited(template.perm) {
            return None;
        }
        let queue_nums =
            queue_nums_hint.min(template.write_queue_nums).clamp(0, self.limits.auto_create_queue_nums_max);
        let created = self.create_if_absent(TopicConfig {
            topic_name: topic.to_owned(),
            read_queue_nums: queue_nums,
            write_queue_nums: queue_nums,
            perm: template.perm & !perm::INHERIT,
            topic_filter_type: template.topic_filter_type,
            topic_sys_flag,
            ..TopicConfig::default()
        });
        tracing::info!(topic, default_topic, queue_nums, "topic created by its first message");
        Some(created)
    }

    /// The retry topic of `group`, created with one queue where it is missing.
    pub fn ensure_retry(&self, group: &str) -> Arc<TopicConfig> {
        self.ensure(&retry_topic(group), 1)
    }

    /// The dead letter topic of `group`, created with one queue where it is missing.
    pub fn ensure_dlq(&self, group: &str) -> Arc<TopicConfig> {
        self.ensure(&dlq_topic(group), 1)
    }

    /// The topic, created readable and writeable with `queue_nums` queues where it is missing.
    pub fn ensure(&self, topic: &str, queue_nums: i32) -> Arc<TopicConfig> {
        self.get(topic).unwrap_or_else(|| {
            self.create_if_absent(TopicConfig {
                topic_name: topic.to_owned(),
                read_queue_nums: queue_nums,
                write_queue_nums: queue_nums,
                perm: READ_WRITE,
                ..TopicConfig::default()
            })
        })
    }

    /// The topic as it is, or as `config` says where it is missing. Survives kill -9 from the next
    /// [`TopicTable::settle`] on.
    pub fn create_if_absent(&self, config: TopicConfig) -> Arc<TopicConfig> {
        let mut inner = self.write();
        if let Some(existing) = inner.topics.get(&config.topic_name) {
            return existing.clone();
        }
        let config = Arc::new(config);
        self.insert(&mut inner, config.clone());
        config
    }

    /// Deletes a topic, durably. False if there was none.
    pub fn delete(&self, topic: &str) -> Result<bool, PersistError> {
        let removed = {
            let mut inner = self.write();
            let removed = inner.topics.remove(topic).is_some();
            if removed {
                inner.data_version = inner.data_version.next(self.clock.now());
                note_delete(&self.file, topic);
                self.changes.notify_one();
            }
            removed
        };
        if removed {
            self.file.sync()?;
        }
        Ok(removed)
    }

    /// Becomes the table of a slave's master, with its version: the topics that are not in it any more. What is done
    /// survives kill -9 from the next [`TopicTable::settle`] on.
    pub(crate) fn follow(
        &self,
        master: BTreeMap<String, TopicConfig>,
        data_version: DataVersion,
    ) -> Vec<Arc<TopicConfig>> {
        let mut inner = self.write();
        let gone: Vec<String> =
            inner.topics.keys().filter(|topic| !master.contains_key(*topic)).cloned().collect();
        let gone: Vec<Arc<TopicConfig>> =
            gone.iter().filter_map(|topic| inner.topics.remove(topic)).collect();
        gone.iter().for_each(|topic| note_delete(&self.file, &topic.topic_name));
        let mut is_changed = !gone.is_empty();
        for (topic, mut config) in master {
            // Java's table has them by name, too.
            config.topic_name.clone_from(&topic);
            if inner.topics.get(&topic).is_some_and(|old| **old == config) {
                continue;
            }
            is_changed = true;
            note_put(&self.file, &config);
            inner.topics.insert(topic, Arc::new(config));
        }
        if is_changed || inner.data_version != data_version {
            self.file.mark_dirty();
            inner.data_version = data_version;
            self.changes.notify_one();
        }
        gone
    }

    /// Creates what the store has queues of but the table does not know, after a table was lost or replaced by an
    /// older one, or its master was; and gives topics the queues that hold messages.
    pub fn adopt_queues(&self, queues: &[(String, Vec<i32>)]) {
        for (topic, ids) in queues {
            let queue_nums = ids.iter().max().map_or(1, |max| max.saturating_add(1));
            match self.get(topic) {
                Some(_) => {}
                // A light message queue is no topic of its own.
                None if is_lmq(topic) => {}
                None if is_retry_topic(topic) || is_dlq_topic(topic) => {
                    self.ensure(topic, queue_nums);
                    tracing::warn!(%topic, "a topic that has messages was not in the table, created again");
                }
                None => {
                    let queue_nums = queue_nums.max(4);
                    self.ensure(topic, queue_nums);
                    tracing::warn!(
                        %topic,
                        queue_nums,
                        "a topic that has messages was not in the table, created again"
                    );
                }
            }
        }
    }

    /// Is notified (once for many changes at once) when a topic was created, changed or deleted.
    pub fn changes(&self) -> &Arc<Notify> {
        &self.changes
    }

    /// Hands all changes so far to the kernel, so that kill -9 does not lose them.
    pub fn settle(&self) {
        self.file.settle();
    }

    /// Writes `topics.json` if it is out of date. For the schedule.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let snapshot = {
            let inner = self.read();
            self.file.begin()?;
            TopicConfigSerializeWrapper {
                topic_config_table: inner.topics.iter().map(|(n, c)| (n.clone(), (**c).clone())).collect(),
                data_version: inner.data_version,
            }
        };
        self.file.write_json(&body::to_json_pretty(&snapshot))
    }

    fn insert(&self, inner: &mut Inner, config: Arc<TopicConfig>) -> Option<Arc<TopicConfig>> {
        inner.data_version = inner.data_version.next(self.clock.now());
        note_put(&self.file, &*config);
        self.changes.notify_one();
        inner.topics.insert(config.topic_name.clone(), config)
    }

    fn read(&self) -> RwLockReadGuard<'_, Inner> {
        // Every change leaves the table whole before anything can panic.
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn replay(&mut self, change: &[u8], now: Timestamp) {
        match Change::<TopicConfig>::read(change) {
            Some(Change::Put(config)) => {
                drop(self.topics.insert(config.topic_name.clone(), Arc::new(config)))
            }
            Some(Change::Delete(name)) => drop(self.topics.remove(&name)),
            Some(Change::Forbid(_)) => {}
            None => {}
        }
        self.data_version = self.data_version.next(now);
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::{ManualClock, names::AUTO_CREATE_TOPIC};

    use super::*;

    fn open(dir: &Path) -> TopicTable {
        open_with(dir, TopicLimits::default())
    }

    fn open_with(dir: &Path, limits: TopicLimits) -> TopicTable {
        TopicTable::open(dir, limits, Arc::new(ManualClock::new(Timestamp(1_000)))).unwrap()
    }

    fn template(table: &TopicTable, perm: i32) {
        table
            .put(TopicConfig {
                topic_name: AUTO_CREATE_TOPIC.to_owned(),
                read_queue_nums: 8,
                write_queue_nums: 8,
                perm,
                ..TopicConfig::default()
            })
            .unwrap();
    }

    #[test]
    fn automatic_creation_follows_the_template() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        assert!(table.create_by_default("T", AUTO_CREATE_TOPIC, 4, 0).is_none(), "no template");
        template(&table, 6);
        assert!(table.create_by_default("T", AUTO_CREATE_TOPIC, 4, 0).is_none(), "not inheritable");
        template(&table, 7);
        let created = table.create_by_default("T", AUTO_CREATE_TOPIC, 4, 0).unwrap();
        assert_eq!((created.read_queue_nums, created.write_queue_nums, created.perm), (4, 4, 6));
        assert_eq!(table.create_by_default("Many", AUTO_CREATE_TOPIC, 99, 0).unwrap().write_queue_nums, 8);
        assert_eq!(table.create_by_default("None", AUTO_CREATE_TOPIC, -1, 0).unwrap().write_queue_nums, 0);
    }

    #[test]
    fn switched_off_nothing_is_created() {
        let dir = tempfile::tempdir().unwrap();
        let table = open_with(dir.path(), TopicLimits { auto_create: false, ..TopicLimits::default() });
        template(&table, 7);
        assert!(table.create_by_default("T", AUTO_CREATE_TOPIC, 4, 0).is_none());
    }

    #[test]
    fn every_change_survives_a_kill_and_makes_a_new_version() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        table.ensure_retry("g");
        table.persist_step().unwrap();
        template(&table, 7);
        table.create_by_default("T", AUTO_CREATE_TOPIC, 4, 0);
        assert!(table.delete("%RETRY%g").unwrap());
        assert!(!table.delete("%RETRY%g").unwrap());
        table.settle();
        let before = (table.data_version(), table.snapshot());
        drop(table);
        let table = open(dir.path());
        assert_eq!(table.data_version().counter, before.0.counter);
        assert_eq!(table.snapshot().topic_config_table, before.1.topic_config_table);
        assert!(table.get("T").is_some() && table.get("%RETRY%g").is_none());
    }

    #[test]
    fn what_is_put_again_unchanged_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        template(&table, 7);
        let version = table.data_version();
        template(&table, 7);
        assert_eq!(table.data_version(), version);
    }

    #[test]
    fn light_message_queues_are_topics_that_nobody_configures() {
        let dir = tempfile::tempdir().unwrap();
        let table = open_with(dir.path(), TopicLimits { lmq: true, ..TopicLimits::default() });
        let config = table.get("%LMQ%a").unwrap();
        assert_eq!((config.read_queue_nums, config.write_queue_nums, config.perm), (1, 1, 6));
        table.put(TopicConfig::new("%LMQ%a", 8)).unwrap();
        table.adopt_queues(&[("%LMQ%b".to_owned(), vec![0])]);
        assert!(table.contains("%LMQ%b") && table.is_empty());
        let table = open(tempfile::tempdir().unwrap().path());
        table.adopt_queues(&[("%LMQ%b".to_owned(), vec![0])]);
        assert!(!table.contains("%LMQ%b"));
    }

    #[test]
    fn queues_without_a_topic_are_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path());
        table.adopt_queues(&[("T".to_owned(), vec![6]), ("%RETRY%g".to_owned(), vec![0])]);
        assert_eq!(table.get("T").unwrap().read_queue_nums, 7);
        assert_eq!(table.get("%RETRY%g").unwrap().read_queue_nums, 1);
    }
}
