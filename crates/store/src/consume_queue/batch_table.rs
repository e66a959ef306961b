//! All batch ConsumeQueues, and which topics have such queues instead of the ordinary ones.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{BatchQueue, TopicMap};
use crate::{
    disk::{Disk, DiskError},
    error::OpenError,
};

type Queues = BTreeMap<i32, Arc<BatchQueue>>;

/// Every batch queue of the store.
///
/// A topic is of this kind from its first queue directory on, which is made before its first message is taken: recovery
/// has nothing else that says so.
#[derive(Debug)]
pub(crate) struct BatchTable {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    file_size_bytes: u64,
    topics: RwLock<TopicMap<Queues>>,
    /// Whether there is any such topic: most stores have none.
    any: AtomicBool,
}

impl BatchTable {
    /// Loads the queues that `dir` holds; `declared` are topics that are of this kind, whatever it holds.
    pub(crate) fn load(
        disk: Arc<dyn Disk>,
        dir: PathBuf,
        file_size_bytes: u64,
        declared: &[String],
    ) -> Result<BatchTable, OpenError> {
        let mut topics: TopicMap<Queues> =
            declared.iter().map(|topic| (Arc::from(topic.as_str()), Queues::new())).collect();
        for topic in disk.list(&dir).map_err(DiskError::at("list", &dir))?.iter().filter(|entry| entry.is_dir)
        {
            let topic_dir = dir.join(&topic.name);
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let queues = topics.entry(Arc::clone(&name)).or_default();
            for entry in disk.list(&topic_dir).map_err(DiskError::at("list", &topic_dir))? {
                let queue_dir = topic_dir.join(&entry.name);
                let queue_id = entry.name.parse::<i32>().ok().filter(|id| *id >= 0 && entry.is_dir);
                let Some(queue_id) = queue_id else {
                    tracing::warn!(path = %queue_dir.display(), "not the directory of a queue: left alone");
                    continue;
                };
                let (disk, name) = (Arc::clone(&disk), Arc::clone(&name));
                let queue = BatchQueue::load(disk, queue_dir, file_size_bytes, name, queue_id)?;
                queues.insert(queue_id, Arc::new(queue));
            }
        }
        let any = AtomicBool::new(!topics.is_empty());
        Ok(BatchTable { disk, dir, file_size_bytes, topics: RwLock::new(topics), any })
    }

    fn topics(&self) -> RwLockReadGuard<'_, TopicMap<Queues>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn topics_mut(&self) -> RwLockWriteGuard<'_, TopicMap<Queues>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the topic's queues are of this kind.
    pub(crate) fn is_batch_topic(&self, topic: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.topics().contains_key(topic)
    }

    /// Makes the topic one of this kind.
    pub(crate) fn declare(&self, topic: &str) {
        if !self.is_batch_topic(topic) {
            self.topics_mut().entry(Arc::from(topic)).or_default();
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// The queue, where there is one.
    pub(crate) fn find(&self, topic: &str, queue_id: i32) -> Option<Arc<BatchQueue>> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        self.topics().get(topic)?.get(&queue_id).cloned()
    }

    /// The queue; an empty one where there was none, of which the directory is on the disk then.
    pub(crate) fn find_or_create(&self, topic: &str, queue_id: i32) -> Result<Arc<BatchQueue>, DiskError> {
        if let Some(queue) = self.find(topic, queue_id) {
            return Ok(queue);
        }
        let mut topics = self.topics_mut();
        let name = topics.get_key_value(topic).map_or_else(|| Arc::from(topic), |(name, _)| Arc::clone(name));
        let queues = topics.entry(Arc::clone(&name)).or_default();
        if let Some(queue) = queues.get(&queue_id) {
            return Ok(Arc::clone(queue));
        }
        let dir = self.dir.join(topic).join(queue_id.to_string());
        self.disk.create_dir_all(&dir).map_err(DiskError::at("create directory", &dir))?;
        for made in dir.ancestors().skip(1).take(3) {
            self.disk.sync_dir(made).map_err(DiskError::at("sync", made))?;
        }
        let loaded =
            BatchQueue::load(Arc::clone(&self.disk), dir.clone(), self.file_size_bytes, name, queue_id);
        let queue = loaded.map_err(|error| match error {
            OpenError::Disk(error) => error,
            // Files of another size, put there since the start.
            other => DiskError::at("read", &dir)(std::io::Error::other(other.to_string())),
        })?;
        let queue = Arc::new(queue);
        queues.insert(queue_id, Arc::clone(&queue));
        self.any.store(true, Ordering::Relaxed);
        Ok(queue)
    }

    /// Every queue.
    pub(crate) fn all(&self) -> Vec<Arc<BatchQueue>> {
        self.topics().values().flat_map(|queues| queues.values().cloned()).collect()
    }

    /// Every topic of this kind with its queue numbers.
    pub(crate) fn names(&self) -> Vec<(String, Vec<i32>)> {
        self.topics()
            .iter()
            .map(|(topic, queues)| (topic.to_string(), queues.keys().copied().collect()))
            .collect()
    }

    /// Takes one queue out of the table; its topic stays one of this kind.
    pub(crate) fn remove_one(&self, queue: &BatchQueue) {
        if let Some(queues) = self.topics_mut().get_mut(queue.topic()) {
            queues.remove(&queue.queue_id());
        }
    }

    /// Takes the queues of a topic out of the table, removes their files, and the directories as far as they are empty.
    /// Whether there was such a topic.
    pub(crate) fn delete(&self, topic: &str) -> Result<bool, DiskError> {
        let Some(queues) = self.topics_mut().remove(topic) else { return Ok(false) };
        let dir = self.dir.join(topic);
        for (queue_id, queue) in queues {
            queue.delete()?;
            self.remove_dir(&dir.join(queue_id.to_string()))?;
        }
        self.remove_dir(&dir)?;
        Ok(true)
    }

    fn remove_dir(&self, dir: &std::path::Path) -> Result<(), DiskError> {
        use std::io::ErrorKind::{DirectoryNotEmpty, NotFound};
        match self.disk.remove_dir(dir) {
            Err(error) if !matches!(error.kind(), NotFound | DirectoryNotEmpty) => {
                Err(DiskError::at("remove", dir)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes the entries behind whose records end at or before `log_end`, and brings them to the disk. How many. One
    /// caller at a time.
    pub(crate) fn write_behind(&self, log_end: u64) -> Result<u64, DiskError> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(0);
        }
        self.all().iter().try_fold(0, |written, queue| Ok(written + queue.write_behind(log_end)?))
    }
}
