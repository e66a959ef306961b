//! The queues of lite topics in the store.

use std::sync::Arc;

use eruca_message::lite::lite_parts;
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
        self.all_of(parent).iter().try_for_each(|queue| self.delete(queue))
    }

    /// All queues of lite topics below `parent`.
    pub(crate) fn all_of(&self, parent: &str) -> Vec<String> {
        let all = self.store.topics_with_queues().into_iter().map(|(name, _)| name);
        all.filter(|queue| lite_parts(queue).is_some_and(|(of, _)| of == parent)).collect()
    }
}
