//! All ConsumeQueues, by topic and queue number.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    },
};

use super::{ConsumeQueue, QueueFiles, TopicMap, files::remove_dir, load::load_queue, queue::QueueState};
use crate::{
    disk::DiskError,
    error::OpenError,
    queue_log::{QueueNews, Restored, restore},
};

pub(super) type Queues = Vec<Arc<ConsumeQueue>>;

/// Every queue of the store, and which of them have entries to write.
#[derive(Debug)]
pub(crate) struct QueueTable {
    /// The queues of a topic in the order of their numbers.
    topics: RwLock<TopicMap<RwLock<Queues>>>,
    next_number: AtomicU64,
    count: AtomicUsize,
    /// Queues with entries in memory only.
    unwritten: Mutex<Queues>,
    unwritten_entries: AtomicU64,
    /// Queues with entries in the queue log only.
    chains: AtomicI64,
    /// No queue begins with a record before this log offset.
    trimmed_to: AtomicU64,
    files: QueueFiles,
}

impl QueueTable {
    fn new(files: QueueFiles) -> QueueTable {
        QueueTable {
            topics: RwLock::default(),
            next_number: AtomicU64::new(0),
            count: AtomicUsize::new(0),
            unwritten: Mutex::default(),
            unwritten_entries: AtomicU64::new(0),
            chains: AtomicI64::new(0),
            trimmed_to: AtomicU64::new(0),
            files,
        }
    }

    /// The queues that the queue log knows, and what it says. Their directories are not looked at. The log of messages
    /// starts at `log_min`.
    pub(crate) fn restore(files: QueueFiles, log_min: u64) -> Result<(QueueTable, Restored), OpenError> {
        let table = QueueTable::new(files);
        let mut known: HashMap<u64, Arc<ConsumeQueue>> = HashMap::new();
        let restored = restore(table.files.queue_log(), log_min, |news| match news {
            QueueNews::Queue(queue) => {
                let state = QueueState::logged(&queue);
                let fits = queue.queue_id >= 0 && table.find(queue.topic, queue.queue_id).is_none();
                let made = table.insert_numbered(queue.number, queue.topic, queue.queue_id, state);
                fits && known.insert(queue.number, made).is_none()
            }
            QueueNews::Chunk { number, first, count, position } => {
                known.get(&number).is_some_and(|queue| queue.restore_chunk(first, count, position))
            }
            QueueNews::Stored { number, stored } => {
                known.get(&number).is_some_and(|queue| queue.restore_stored(stored))
            }
            QueueNews::Deleted { number } => {
                known.remove(&number).map(|queue| table.remove_one(&queue)).is_some()
            }
        })?;
        table.next_number.store(known.keys().max().map_or(0, |max| max + 1), Ordering::Relaxed);
        let chains = known.values().filter(|queue| queue.is_chained()).count();
        table.chains.store(i64::try_from(chains).unwrap_or(0), Ordering::Relaxed);
        Ok((table, restored))
    }

    /// Gives back the files, for another way of loading.
    pub(crate) fn into_files(self) -> QueueFiles {
        // The queues get other numbers, by which open files are known.
        self.files.close_all();
        self.files
    }

    /// Loads the queues that the directory holds; `was_closed`: whether the last run ended in order.
    pub(crate) fn load(files: QueueFiles, was_closed: bool) -> Result<QueueTable, OpenError> {
        let table = QueueTable::new(files);
        for (topic, queue_id, dir) in queue_dirs(&table.files)? {
            if let Some(state) = load_queue(&table.files, &dir, was_closed)? {
                table.insert(&topic, queue_id, state);
            }
        }
        Ok(table)
    }

    /// Removes the files of queues that have none, or are not in the table: the queue log did not know them any more when
    /// they should have gone.
    pub(crate) fn remove_strays(&self) -> Result<(), DiskError> {
        for (topic, queue_id, dir) in queue_dirs(&self.files)? {
            if self.find(&topic, queue_id).is_none_or(|queue| !queue.has_files()) {
                self.files.remove_all(&dir)?;
                remove_dir(self.files.disk(), &dir)?;
                remove_dir(self.files.disk(), &self.files.dir().join(topic))?;
            }
        }
        Ok(())
    }

    pub(crate) fn files(&self) -> &QueueFiles {
        &self.files
    }

    fn topics(&self) -> RwLockReadGuard<'_, TopicMap<RwLock<Queues>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the topic has queues.
    pub(crate) fn contains(&self, topic: &str) -> bool {
        self.topics().contains_key(topic)
    }

    /// The queue, where there is one.
    pub(crate) fn find(&self, topic: &str, queue_id: i32) -> Option<Arc<ConsumeQueue>> {
        let topics = self.topics();
        let queues = topics.get(topic)?.read().unwrap_or_else(PoisonError::into_inner);
        let place = queues.binary_search_by_key(&queue_id, |queue| queue.queue_id()).ok()?;
        queues.get(place).cloned()
    }

    /// The queue; an empty one where there was none.
    pub(crate) fn find_or_create(&self, topic: &str, queue_id: i32) -> Arc<ConsumeQueue> {
        match self.find(topic, queue_id) {
            Some(queue) => queue,
            None => self.insert(topic, queue_id, QueueState::default()),
        }
    }

    fn insert(&self, topic: &str, queue_id: i32, state: QueueState) -> Arc<ConsumeQueue> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        self.insert_numbered(number, topic, queue_id, state)
    }

    fn insert_numbered(
        &self,
        number: u64,
        topic: &str,
        queue_id: i32,
        state: QueueState,
    ) -> Arc<ConsumeQueue> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        // One copy of the name for all queues of the topic.
        let name: Arc<str> =
            topics.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| Arc::clone(name));
        let queues =
            topics.entry(Arc::clone(&name)).or_default().get_mut().unwrap_or_else(PoisonError::into_inner);
        match queues.binary_search_by_key(&queue_id, |queue| queue.queue_id()) {
            Ok(place) => Arc::clone(&queues[place]),
            Err(place) => {
                let queue = Arc::new(ConsumeQueue::new(number, name, queue_id, state));
                queues.insert(place, Arc::clone(&queue));
                self.count.fetch_add(1, Ordering::Relaxed);
                queue
            }
        }
    }

    /// Whether there is no queue at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics().is_empty()
    }

    /// Whether a queue has files of its own.
    pub(crate) fn have_files(&self) -> bool {
        self.all().iter().any(|queue| queue.has_files())
    }

    /// Every queue.
    pub(crate) fn all(&self) -> Queues {
        let topics = self.topics();
        let mut all = Vec::new();
        for queues in topics.values() {
            all.extend(queues.read().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        }
        all
    }

    /// Every topic with its queue numbers, sorted.
    pub(crate) fn names(&self) -> Vec<(String, Vec<i32>)> {
        let topics = self.topics();
        let mut names: Vec<_> = topics
            .iter()
            .map(|(topic, queues)| {
                let queues = queues.read().unwrap_or_else(PoisonError::into_inner);
                (topic.to_string(), queues.iter().map(|queue| queue.queue_id()).collect())
            })
            .collect();
        names.sort();
        names
    }

    /// Takes the queues of a topic out of the table.
    pub(crate) fn remove(&self, topic: &str) -> Queues {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let queues =
            topics.remove(topic).map(|queues| queues.into_inner().unwrap_or_else(PoisonError::into_inner));
        let queues = queues.unwrap_or_default();
        self.count.fetch_sub(queues.len(), Ordering::Relaxed);
        queues
    }

    /// Takes one queue out of the table.
    pub(crate) fn remove_one(&self, queue: &ConsumeQueue) {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let Some(queues) = topics.get_mut(queue.topic()) else { return };
        let queues = queues.get_mut().unwrap_or_else(PoisonError::into_inner);
        let before = queues.len();
        queues.retain(|other| other.number() != queue.number());
        self.count.fetch_sub(before - queues.len(), Ordering::Relaxed);
        if queues.is_empty() {
            topics.remove(queue.topic());
        }
    }

    /// Notes that an entry was added to a queue; `list` where the queue was not listed yet.
    pub(crate) fn entry_added(&self, queue: &Arc<ConsumeQueue>, list: bool) {
        self.unwritten_entries.fetch_add(1, Ordering::Relaxed);
        if list {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(queue));
        }
    }

    /// Counts anew: recovery adds and cuts in its own way.
    pub(crate) fn recount_unwritten(&self) {
        let count = self.all().iter().map(|queue| queue.unwritten()).sum();
        self.unwritten_entries.store(count, Ordering::Relaxed);
    }

    /// Notes that entries were dropped without being written.
    pub(crate) fn entries_dropped(&self, count: u64) {
        self.unwritten_entries.fetch_sub(count, Ordering::Relaxed);
    }

    /// How many entries are not in their files.
    pub(crate) fn unwritten_entries(&self) -> u64 {
        self.unwritten_entries.load(Ordering::Relaxed)
    }

    /// Takes the list of queues with entries to write.
    pub(super) fn take_unwritten(&self) -> Queues {
        std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts queues back on the list of those with entries to write.
    pub(super) fn list_again(&self, mut queues: Queues) {
        if !queues.is_empty() {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).append(&mut queues);
        }
    }

    /// Lists all queues with entries in the queue log only.
    pub(crate) fn list_chained(&self) {
        let mut chained = self.all();
        chained.retain(|queue| queue.is_chained());
        self.list_again(chained);
    }

    /// Takes all entries that are in the queue log only back into memory: that log is removed next. No step runs meanwhile.
    pub(crate) fn unchain(&self) -> Result<(), DiskError> {
        let mut listed = Vec::new();
        let unchained = self.all().into_iter().try_for_each(|queue| {
            if queue.unchain(&self.files)? {
                listed.push(queue);
            }
            Ok(())
        });
        self.list_again(listed);
        let chains = self.all().iter().filter(|queue| queue.is_chained()).count();
        self.chains.store(i64::try_from(chains).unwrap_or(0), Ordering::Relaxed);
        self.recount_unwritten();
        unchained
    }

    /// Adds to the number of queues with entries in the queue log only.
    pub(super) fn chains_changed(&self, by: i64) {
        self.chains.fetch_add(by, Ordering::Relaxed);
    }

    /// How many queues have entries in the queue log only.
    pub(crate) fn chains(&self) -> u64 {
        u64::try_from(self.chains.load(Ordering::Relaxed)).unwrap_or(0)
    }

    /// Notes that all queues begin at their first record at or behind `log_min`.
    pub(crate) fn set_trimmed_to(&self, log_min: u64) {
        self.trimmed_to.store(log_min, Ordering::Release);
    }

    /// Where the log of messages began when all queues were last trimmed; behind its start where that failed.
    pub(crate) fn trimmed_to(&self) -> u64 {
        self.trimmed_to.load(Ordering::Acquire)
    }

    /// How many queues there are.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }
}

/// Every directory of a queue: topic, queue number, path.
fn queue_dirs(files: &QueueFiles) -> Result<Vec<(String, i32, PathBuf)>, DiskError> {
    let (dir, disk) = (files.dir(), files.disk());
    let mut found = Vec::new();
    for topic in disk.list(dir).map_err(DiskError::at("list", dir))?.iter().filter(|entry| entry.is_dir) {
        let topic_dir = dir.join(&topic.name);
        for entry in disk.list(&topic_dir).map_err(DiskError::at("list", &topic_dir))? {
            let queue_dir = topic_dir.join(&entry.name);
            let queue_id = entry.name.parse::<i32>().ok().filter(|id| *id >= 0 && entry.is_dir);
            match queue_id {
                Some(queue_id) => found.push((topic.name.clone(), queue_id, queue_dir)),
                None => {
                    tracing::warn!(path = %queue_dir.display(), "not the directory of a queue: left alone")
                }
            }
        }
    }
    Ok(found)
}
