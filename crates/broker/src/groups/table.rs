//! The table of consumer groups.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use eruca_message::{
    Clock, Timestamp,
    names::{is_lmq, is_system_group, validate_group},
};
use eruca_protocol::body::{self, DataVersion, SubscriptionGroupConfig, SubscriptionGroupWrapper};

use crate::persist::{Change, Forbid, PersistError, TableFile, note_delete, note_forbid, note_put};

/// Groups that every broker has (Java: those of `SubscriptionGroupManager.init`).
pub const SYSTEM_GROUPS: [&str; 8] = [
    "TOOLS_CONSUMER",
    "FILTERSRV_CONSUMER",
    "SELF_TEST_C_GROUP",
    "CID_ONS-HTTP-PROXY",
    "CID_ONSAPI_PULL",
    "CID_ONSAPI_PERMISSION",
    "CID_ONSAPI_OWNER",
    "CID_RMQ_SYS_TRANS",
];

/// Bit of what a group must not do with a topic: pull (Java: `PermName.INDEX_PERM_READ`).
pub(crate) const FORBIDDEN_READ: i32 = 1 << 2;

/// Most pairs of group and topic of which something is forbidden: an administrator types them, and every slave is sent all.
const FORBIDDEN_MAX: usize = 10_000;

/// Why nothing was forbidden.
#[derive(Debug, thiserror::Error)]
pub enum ForbidError {
    /// There is no more room.
    #[error(
        "{FORBIDDEN_MAX} pairs of group and topic are forbidden already, which is the limit: allow some again, or delete their groups"
    )]
    TooMany,
    /// It is not on the disk.
    #[error(transparent)]
    Persist(#[from] PersistError),
}

/// All consumer groups of the broker (Java: `SubscriptionGroupManager`).
#[derive(Debug)]
pub struct GroupTable {
    inner: RwLock<Inner>,
    file: TableFile,
    /// `autoCreateSubscriptionGroup`.
    auto_create: bool,
    /// `enableLmq`: groups named `%LMQ%...` need no configuration.
    lmq: bool,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Inner {
    groups: HashMap<String, Arc<SubscriptionGroupConfig>>,
    /// Group, topic, bits of what is forbidden. Kept as read.
    forbidden: BTreeMap<String, BTreeMap<String, i32>>,
    data_version: DataVersion,
}

impl GroupTable {
    /// Opens `subscriptionGroup.json` in `directory`, the store's `config`, and adds the system's groups.
    pub fn open(directory: &Path, auto_create: bool, clock: Arc<dyn Clock>) -> Result<Self, PersistError> {
        let (file, loaded) = TableFile::open(directory, "subscriptionGroup", |bytes| {
            body::from_json::<SubscriptionGroupWrapper>(bytes).map_err(|error| error.to_string())
        })?;
        let now = clock.now();
        let content = loaded.table.unwrap_or_else(|| SubscriptionGroupWrapper {
            data_version: DataVersion::new(now),
            ..SubscriptionGroupWrapper::default()
        });
        let mut inner = Inner {
            groups: HashMap::new(),
            forbidden: content.forbidden_table.unwrap_or_default(),
            data_version: content.data_version,
        };
        for (name, config) in content.subscription_group_table {
            inner.groups.insert(name, Arc::new(config));
        }
        for change in &loaded.changes {
            inner.replay(change, now);
        }
        let table = GroupTable { inner: RwLock::new(inner), file, auto_create, lmq: false, clock };
        for group in SYSTEM_GROUPS {
            table.create_if_absent(group);
        }
        Ok(table)
    }

    /// The same table, in which every group of light message queues (`%LMQ%...`) has Java's defaults without being in it.
    pub fn with_lmq(self, lmq: bool) -> Self {
        GroupTable { lmq, ..self }
    }

    /// The group's configuration.
    pub fn get(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        if self.lmq && is_lmq(group) {
            let group_name = group.to_owned();
            return Some(Arc::new(SubscriptionGroupConfig {
                group_name,
                ..SubscriptionGroupConfig::default()
            }));
        }
        self.read().groups.get(group).cloned()
    }

    /// The group, created with Java's defaults where it is missing and may be; `None` where automatic creation is off
    /// or the name is not allowed. Survives kill -9 from the next [`GroupTable::settle`] on.
    pub fn get_or_create(&self, group: &str) -> Option<Arc<SubscriptionGroupConfig>> {
        if let Some(config) = self.get(group) {
            return Some(config);
        }
        let may_create = (self.auto_create || is_system_group(group)) && validate_group(group).is_ok();
        may_create.then(|| {
            tracing::info!(group, "consumer group created by its first use");
            self.create_if_absent(group)
        })
    }

    /// Creates or replaces a group, durably: when this returns, it survives a power loss.
    pub fn put(&self, config: SubscriptionGroupConfig) -> Result<(), PersistError> {
        if self.lmq && is_lmq(&config.group_name) {
            return Ok(());
        }
        {
            let mut inner = self.write();
            if inner.groups.get(&config.group_name).is_some_and(|old| **old == config) {
                return Ok(());
            }
            self.insert(&mut inner, Arc::new(config));
        }
        self.file.sync()
    }

    /// Deletes a group, durably. False if there was none.
    pub fn delete(&self, group: &str) -> Result<bool, PersistError> {
        let removed = {
            let mut inner = self.write();
            let removed = inner.groups.remove(group).is_some();
            inner.forbidden.remove(group);
            if removed {
                inner.data_version = inner.data_version.next(self.clock.now());
                note_delete(&self.file, group);
            }
            removed
        };
        if removed {
            self.file.sync()?;
        }
        Ok(removed)
    }

    /// All groups, in no order.
    pub fn all(&self) -> Vec<Arc<SubscriptionGroupConfig>> {
        self.read().groups.values().cloned().collect()
    }

    /// The bits of what `group` must not do with `topic` (Java: `forbiddenTable`); 0 for nothing.
    pub fn forbidden(&self, group: &str, topic: &str) -> i32 {
        self.read().forbidden_bits(group, topic)
    }

    /// Sets or clears a bit of what `group` must not do with `topic`, durably: when this returns, it survives a power loss.
    ///
    /// # Errors
    /// [`ForbidError`]: the table is full, and nothing is changed; or the disk refuses it.
    pub fn forbid(&self, group: &str, topic: &str, bit: i32, is_forbidden: bool) -> Result<(), ForbidError> {
        {
            let mut inner = self.write();
            let before = inner.forbidden_bits(group, topic);
            let bits = if is_forbidden { before | bit } else { before & !bit };
            if bits == before {
                return Ok(());
            }
            if before == 0 && inner.forbidden.values().map(BTreeMap::len).sum::<usize>() >= FORBIDDEN_MAX {
                return Err(ForbidError::TooMany);
            }
            let forbid = Forbid { group: group.to_owned(), topic: topic.to_owned(), bits };
            note_forbid(&self.file, &forbid);
            inner.forbid(forbid);
            inner.data_version = inner.data_version.next(self.clock.now());
        }
        Ok(self.file.sync()?)
    }

    /// The whole table of what is forbidden: group, topic, bits.
    pub fn forbidden_table(&self) -> BTreeMap<String, BTreeMap<String, i32>> {
        self.read().forbidden.clone()
    }

    /// The version of the table; every change makes a new one.
    pub fn data_version(&self) -> DataVersion {
        self.read().data_version
    }

    /// Becomes the table of a slave's master, with its version. What is done survives kill -9 from the next
    /// [`GroupTable::settle`] on, what is forbidden from the next [`GroupTable::persist_step`] on.
    pub(crate) fn follow(&self, master: SubscriptionGroupWrapper) {
        let SubscriptionGroupWrapper { data_version, forbidden_table, subscription_group_table } = master;
        let mut inner = self.write();
        let gone = inner.groups.extract_if(|group, _| !subscription_group_table.contains_key(group));
        gone.for_each(|(group, _)| note_delete(&self.file, &group));
        for (group, mut config) in subscription_group_table {
            config.group_name.clone_from(&group);
            if inner.groups.get(&group).is_some_and(|old| **old == config) {
                continue;
            }
            note_put(&self.file, &config);
            inner.groups.insert(group, Arc::new(config));
        }
        let forbidden = forbidden_table.unwrap_or_default();
        if inner.data_version != data_version || inner.forbidden != forbidden {
            self.file.mark_dirty();
            (inner.data_version, inner.forbidden) = (data_version, forbidden);
        }
    }

    /// Hands all changes so far to the kernel, so that kill -9 does not lose them.
    pub fn settle(&self) {
        self.file.settle();
    }

    /// Writes `subscriptionGroup.json` if it is out of date. For the schedule.
    pub fn persist_step(&self) -> Result<(), PersistError> {
        if !self.file.is_dirty() {
            return Ok(());
        }
        let content = {
            let inner = self.read();
            self.file.begin()?;
            SubscriptionGroupWrapper {
                data_version: inner.data_version,
                forbidden_table: Some(inner.forbidden.clone()),
                subscription_group_table: inner
                    .groups
                    .iter()
                    .map(|(name, config)| (name.clone(), (**config).clone()))
                    .collect(),
            }
        };
        self.file.write_json(&body::to_json_pretty(&content))
    }

    fn create_if_absent(&self, group: &str) -> Arc<SubscriptionGroupConfig> {
        let mut inner = self.write();
        if let Some(existing) = inner.groups.get(group) {
            return existing.clone();
        }
        let config = Arc::new(SubscriptionGroupConfig { group_name: group.to_owned(), ..Default::default() });
        self.insert(&mut inner, config.clone());
        config
    }

    fn insert(&self, inner: &mut Inner, config: Arc<SubscriptionGroupConfig>) {
        inner.data_version = inner.data_version.next(self.clock.now());
        note_put(&self.file, &*config);
        inner.groups.insert(config.group_name.clone(), config);
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
        match Change::<SubscriptionGroupConfig>::read(change) {
            Some(Change::Put(config)) => {
                drop(self.groups.insert(config.group_name.clone(), Arc::new(config)))
            }
            Some(Change::Delete(name)) => {
                self.groups.remove(&name);
                self.forbidden.remove(&name);
            }
            Some(Change::Forbid(forbid)) => self.forbid(forbid),
            None => {}
        }
        self.data_version = self.data_version.next(now);
    }

    fn forbidden_bits(&self, group: &str, topic: &str) -> i32 {
        self.forbidden.get(group).and_then(|topics| topics.get(topic)).copied().unwrap_or(0)
    }

    fn forbid(&mut self, Forbid { group, topic, bits }: Forbid) {
        if bits != 0 {
            self.forbidden.entry(group).or_default().insert(topic, bits);
            return;
        }
        if let Some(topics) = self.forbidden.get_mut(&group) {
            topics.remove(&topic);
            if topics.is_empty() {
                self.forbidden.remove(&group);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use eruca_message::ManualClock;

    use super::*;

    fn open(dir: &Path, auto_create: bool) -> GroupTable {
        GroupTable::open(dir, auto_create, Arc::new(ManualClock::new(Timestamp(1_000)))).unwrap()
    }

    #[test]
    fn groups_are_created_by_use_where_that_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path(), true);
        assert!(table.get("g").is_none());
        assert_eq!(table.get_or_create("g").unwrap().retry_max_times, 16);
        assert!(table.get_or_create("bad name").is_none());
        let other = tempfile::tempdir().unwrap();
        let table = open(other.path(), false);
        assert!(table.get_or_create("g").is_none());
        assert!(table.get_or_create("TOOLS_CONSUMER").is_some());
        assert!(table.get_or_create("CID_RMQ_SYS_x").is_some(), "the system's own are always allowed");
    }

    #[test]
    fn every_change_survives_a_kill() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path(), true);
        table.get_or_create("kept");
        table.persist_step().unwrap();
        table.get_or_create("auto");
        table
            .put(SubscriptionGroupConfig {
                group_name: "put".into(),
                consume_enable: false,
                ..Default::default()
            })
            .unwrap();
        table.delete("kept").unwrap();
        table.settle();
        let version = table.data_version();
        drop(table);
        let table = open(dir.path(), false);
        assert!(table.get("auto").is_some() && table.get("kept").is_none());
        assert!(!table.get("put").unwrap().consume_enable);
        assert_eq!(table.data_version().counter, version.counter);
    }

    #[test]
    fn what_is_forbidden_survives_a_kill_and_goes_with_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path(), true);
        table.get_or_create("g");
        table.forbid("g", "t", 4, true).unwrap();
        table.forbid("g", "other", 4, true).unwrap();
        table.forbid("g", "t", 1, true).unwrap();
        table.forbid("g", "other", 4, false).unwrap();
        table.forbid("h", "t", 4, true).unwrap();
        let version = table.data_version();
        drop(table);
        let table = open(dir.path(), true);
        assert_eq!((table.forbidden("g", "t"), table.forbidden("g", "other")), (5, 0));
        assert_eq!((table.forbidden("h", "t"), table.data_version().counter), (4, version.counter));
        table.persist_step().unwrap();
        table.delete("g").unwrap();
        drop(table);
        assert_eq!(open(dir.path(), true).forbidden_table().into_keys().collect::<Vec<_>>(), ["h"]);
    }

    #[test]
    fn only_so_much_is_forbidden() {
        let dir = tempfile::tempdir().unwrap();
        let table = open(dir.path(), true);
        let topics = (0..FORBIDDEN_MAX).map(|n| (format!("t{n}"), 4)).collect();
        table.write().forbidden.insert("g".to_owned(), topics);
        assert!(matches!(table.forbid("g", "more", 4, true), Err(ForbidError::TooMany)));
        table.forbid("g", "t7", 1, true).unwrap();
        table.forbid("g", "t8", 4, false).unwrap();
        table.forbid("g", "more", 4, true).unwrap();
        assert_eq!(table.forbidden("g", "more"), 4);
    }
}
