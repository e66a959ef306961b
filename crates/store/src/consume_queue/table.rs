//! All ConsumeQueues, by topic and queue number.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{ConsumeQueue, QueueFiles, TouchedFiles, load::load_queue, queue::QueueState};
use crate::{disk::DiskError, error::OpenError};

type Queues = Vec<Arc<ConsumeQueue>>;

/// Every queue of the store, and which of them have entries to write.
#[derive(Debug)]
pub(crate) struct QueueTable {
    /// The queues of a topic in the order of their numbers.
    topics: RwLock<HashMap<Arc<str>, RwLock<Queues>>>,
    next_number: AtomicU64,
    /// Queues with entries that are not in their files.
    unwritten: Mutex<Queues>,
    unwritten_entries: AtomicU64,
    files: QueueFiles,
}

impl QueueTable {
    /// Loads the queues that the directory holds.
    pub(crate) fn load(files: QueueFiles) -> Result<QueueTable, OpenError> {
        let table = QueueTable {
            topics: RwLock::default(),
            next_number: AtomicU64::new(0),
            unwritten: Mutex::default(),
            unwritten_entries: AtomicU64::new(0),
            files,
        };
        let dir = table.files.dir().to_owned();
        let disk = table.files.disk();
        for topic in disk.list(&dir).map_err(DiskError::at("list", &dir))?.iter().filter(|entry| entry.is_dir)
        {
            let topic_dir = dir.join(&topic.name);
            for entry in disk.list(&topic_dir).map_err(DiskError::at("list", &topic_dir))? {
                let queue_dir = topic_dir.join(&entry.name);
                let queue_id = entry.name.parse::<i32>().ok().filter(|id| *id >= 0 && entry.is_dir);
                let Some(queue_id) = queue_id else {
                    tracing::warn!(path = %queue_dir.display(), "not the directory of a queue: left alone");
                    continue;
                };
                let state = load_queue(&table.files, &queue_dir)?;
                table.insert(&topic.name, queue_id, state);
            }
        }
        Ok(table)
    }

    pub(crate) fn files(&self) -> &QueueFiles {
        &self.files
    }

    fn topics(&self) -> RwLockReadGuard<'_, HashMap<Arc<str>, RwLock<Queues>>> {
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
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        // One copy of the name for all queues of the topic.
        let name: Arc<str> =
            topics.get_key_value(topic).map_or_else(|| topic.into(), |(name, _)| Arc::clone(name));
        let queues =
            topics.entry(Arc::clone(&name)).or_default().get_mut().unwrap_or_else(PoisonError::into_inner);
        match queues.binary_search_by_key(&queue_id, |queue| queue.queue_id()) {
            Ok(place) => Arc::clone(&queues[place]),
            Err(place) => {
                let number = self.next_number.fetch_add(1, Ordering::Relaxed);
                let queue = Arc::new(ConsumeQueue::new(number, name, queue_id, state));
                queues.insert(place, Arc::clone(&queue));
                queue
            }
        }
    }

    /// Whether there is no queue at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.topics().is_empty()
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
        queues.unwrap_or_default()
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

    /// Writes the entries behind whose records end at or before `log_end`. On an error the rest stays listed.
    /// One caller at a time.
    pub(crate) fn write_behind(&self, log_end: u64, touched: &mut TouchedFiles) -> Result<u64, DiskError> {
        let listed = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
        let mut written = 0;
        let mut left = Vec::new();
        let mut result = Ok(());
        for queue in listed {
            if result.is_err() {
                left.push(queue);
                continue;
            }
            match queue.write_behind(&self.files, log_end, touched) {
                Ok((count, more)) => {
                    written += count;
                    if more {
                        left.push(queue);
                    }
                }
                Err(error) => {
                    left.push(queue);
                    result = Err(error);
                }
            }
        }
        self.unwritten_entries.fetch_sub(written, Ordering::Relaxed);
        if !left.is_empty() {
            self.unwritten.lock().unwrap_or_else(PoisonError::into_inner).append(&mut left);
        }
        result.map(|()| written)
    }
}
