//! Offsets in memory, and where they are kept for the next start.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use eruca_message::MessageQueue;

use super::{OffsetFile, OffsetFileError, broker::BrokerOffsets};
use crate::{CallError, client::Session, lock::lock};

/// Why offsets were not persisted, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PersistError {
    #[error(transparent)]
    Call(#[from] CallError),
    #[error(transparent)]
    File(#[from] OffsetFileError),
}

impl PersistError {
    /// Whether a broker did not answer at all.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(self, PersistError::Call(error) if error.is_silence())
    }
}

/// The offsets of one consumer (Java: `OffsetStore`).
///
/// An offset here is the next one to consume: all messages before it are done with.
pub(crate) struct OffsetStore {
    memory: Mutex<HashMap<MessageQueue, i64>>,
    backing: Backing,
}

enum Backing {
    /// A cluster shares its progress: the broker keeps it.
    Broker(BrokerOffsets),
    /// A broadcasting consumer has a progress of its own: it keeps it.
    File(Mutex<OffsetFile>),
}

impl OffsetStore {
    /// Offsets that brokers keep for `group`.
    pub(crate) fn on_brokers(session: Arc<Session>, group: &str) -> Self {
        Self::with(Backing::Broker(BrokerOffsets::new(session, group)))
    }

    /// Offsets that are kept in a file; those that are there are taken over.
    pub(crate) fn in_file(file: OffsetFile) -> Result<Self, OffsetFileError> {
        let offsets = file.load()?;
        let store = Self::with(Backing::File(Mutex::new(file)));
        lock(&store.memory).extend(offsets);
        Ok(store)
    }

    fn with(backing: Backing) -> Self {
        OffsetStore { memory: Mutex::new(HashMap::new()), backing }
    }

    /// Notes `offset`, forwards or backwards.
    pub(crate) fn set(&self, queue: &MessageQueue, offset: i64) {
        lock(&self.memory).insert(queue.clone(), offset);
    }

    /// Notes `offset` where it is higher than the known one.
    pub(crate) fn advance(&self, queue: &MessageQueue, offset: i64) {
        let mut memory = lock(&self.memory);
        match memory.get_mut(queue) {
            Some(known) => *known = offset.max(*known),
            None => {
                memory.insert(queue.clone(), offset);
            }
        }
    }

    /// The offset in memory.
    pub(crate) fn known(&self, queue: &MessageQueue) -> Option<i64> {
        lock(&self.memory).get(queue).copied()
    }

    /// All offsets in memory.
    pub(crate) fn all_known(&self) -> BTreeMap<MessageQueue, i64> {
        lock(&self.memory).iter().map(|(queue, offset)| (queue.clone(), *offset)).collect()
    }

    /// The offset that lasts; `None` where the group has none.
    pub(crate) async fn read(&self, queue: &MessageQueue) -> Result<Option<i64>, PersistError> {
        match &self.backing {
            Backing::Broker(broker) => Ok(broker.read(queue).await?),
            Backing::File(file) => Ok(lock(file).load()?.get(queue).copied()),
        }
    }

    /// Makes the offsets of `queues` last. Tries all whose brokers answer, and returns the last error.
    pub(crate) async fn persist(&self, queues: &BTreeSet<MessageQueue>) -> Result<(), PersistError> {
        let offsets: BTreeMap<MessageQueue, i64> = {
            let memory = lock(&self.memory);
            queues.iter().filter_map(|queue| Some((queue.clone(), *memory.get(queue)?))).collect()
        };
        match &self.backing {
            Backing::Broker(broker) => {
                let mut result = Ok(());
                // A broker that does not answer costs one time-out, not one for each of its queues.
                let mut silent = BTreeSet::new();
                for (queue, offset) in &offsets {
                    if silent.contains(&queue.broker_name) {
                        continue;
                    }
                    if let Err(error) = broker.write(queue, *offset).await {
                        let error = PersistError::from(error);
                        if error.is_silence() {
                            silent.insert(&queue.broker_name);
                        }
                        result = Err(error);
                    }
                }
                result
            }
            Backing::File(file) => Ok(lock(file).merge(&offsets)?),
        }
    }

    /// Forgets a queue that went to another member. A file goes on to hold it.
    pub(crate) fn forget(&self, queue: &MessageQueue) {
        if matches!(self.backing, Backing::Broker(_)) {
            lock(&self.memory).remove(queue);
        }
    }
}

#[cfg(test)]
#[path = "conformance_test.rs"]
mod tests;
