//! The queues of lite topics in the store.

use std::sync::Arc;

use eruca_message::{lite::lite_parts, names::is_lmq};
use eruca_store::{DiskError, MessageStore};

use super::LiteRegistry;
use crate::offsets::OffsetTable;

/// Counts and deletes them, with what else is known of them.
#[derive(Debug, Clone)]
pub(crate) struct LiteQueues {
    pub(crate) store: Arc<MessageStore>,
    pub(crate) offsets: Arc<OffsetTable>,
    pub(crate) lite: Arc<LiteRegistry>,
}

impl LiteQueues {
    /// Deletes a lite topic.
    pub(crate) fn delete(&self, queue: &str) -> Result<(), DiskError> {
        self.offsets.delete_topic(queue);
        self.lite.forget_queue(queue);
        self.store.delete_topic(queue).map(drop)
    }

    /// Deletes all lite topics below `parent`.
    pub(crate) fn delete_all_of(&self, parent: &str) -> Result<(), DiskError> {
        lite_queues_of(&self.store, parent).try_for_each(|queue| self.delete(&queue))
    }
}

/// All queues of lite topics below `parent`.
pub(crate) fn lite_queues_of(store: &MessageStore, parent: &str) -> impl Iterator<Item = String> {
    let all = store.topics_with_queues().into_iter().map(|(name, _)| name);
    all.filter(move |queue| lite_parts(queue).is_some_and(|(of, _)| of == parent))
}

/// How many light message queues there are, of lite topics and others.
pub(crate) fn lmq_count(store: &MessageStore) -> usize {
    store.topics_with_queues().iter().filter(|(name, _)| is_lmq(name)).count()
}
