//! The end of lite topics, and of the subscriptions of clients that do not come back.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use eruca_message::{QueueOffset, Timestamp, lite::lite_parts};
use eruca_store::DiskError;

use super::LiteQueues;
use crate::{
    pop::{PopService, QueueKey},
    settings::Settings,
    topics::{TopicTable, is_lite_parent, lite_expiration_minutes},
};

const MINUTE_MS: i64 = 60_000;

/// Deletes lite topics that got no message for as long as their parent says.
pub(crate) struct LiteExpiry {
    queues: LiteQueues,
    topics: Arc<TopicTable>,
    pop: Arc<PopService>,
    settings: Arc<Settings>,
    /// When the broker started, and when is looked next: for old lite topics, and for silent clients.
    times: Mutex<Times>,
}

#[derive(Debug, Clone, Copy)]
struct Times {
    started: Timestamp,
    topics: Timestamp,
    clients: Timestamp,
}

impl LiteExpiry {
    pub(crate) fn new(
        queues: LiteQueues,
        topics: Arc<TopicTable>,
        pop: Arc<PopService>,
        settings: Arc<Settings>,
        now: Timestamp,
    ) -> Self {
        let times = Mutex::new(Times { started: now, topics: now, clients: now });
        LiteExpiry { queues, topics, pop, settings, times }
    }

    /// Does what is due. To be called every few seconds.
    pub(crate) fn step(&self, now: Timestamp) {
        let config = self.settings.now();
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        if now.ms_since(times.clients) >= config.lite_subscription_check_interval {
            times.clients = now;
            let gone = self.queues.lite.remove_silent(config.lite_subscription_check_timeout_mills, now);
            if gone > 0 {
                tracing::info!(
                    clients = gone,
                    timeout_ms = config.lite_subscription_check_timeout_mills,
                    "subscriptions to lite topics removed, their clients did not renew them"
                );
            }
        }
        // As in Java: after a start nothing is deleted until clients had the time to come back.
        if now.ms_since(times.started) < config.min_lite_ttl
            || now.ms_since(times.topics) < config.lite_ttl_check_interval
        {
            return;
        }
        times.topics = now;
        drop(times);
        self.delete_expired(now);
    }

    fn delete_expired(&self, now: Timestamp) {
        let mut deleted = 0usize;
        for (queue, _) in self.queues.store.topics_with_queues() {
            let Some((parent, _)) = lite_parts(&queue) else { continue };
            if !self.is_expired(parent, &queue, now) {
                continue;
            }
            match self.delete(&queue) {
                Ok(()) => deleted += 1,
                Err(error) => {
                    tracing::warn!(queue, %error, "expired lite topic not deleted, it is tried again")
                }
            }
        }
        if deleted > 0 {
            tracing::info!(deleted, "lite topics deleted that got no message for long");
        }
    }

    /// Only sends keep a lite topic alive, not what consumers have left to do, as in Java.
    fn is_expired(&self, parent: &str, queue: &str, now: Timestamp) -> bool {
        let Some(topic) = self.topics.get(parent).filter(|topic| is_lite_parent(topic)) else { return false };
        let Some(minutes) = lite_expiration_minutes(&topic).filter(|minutes| *minutes > 0) else {
            return false;
        };
        let range = self.queues.store.queue_range(queue, 0);
        let Some(last) = range.max.0.checked_sub(1) else { return false };
        let Some(stored) = self.queues.store.store_time_at(queue, 0, QueueOffset(last)) else {
            // Its last message is not in the log any more.
            return range.min == range.max;
        };
        let idle_ms = now.ms_since(stored);
        idle_ms >= self.settings.now().min_lite_ttl && idle_ms > minutes.saturating_mul(MINUTE_MS)
    }

    /// Deletes a lite topic, and what is in flight of it.
    fn delete(&self, queue: &str) -> Result<(), DiskError> {
        for group in self.queues.offsets.groups_of(queue) {
            self.pop.forget_in_order(&QueueKey::new(queue, group.as_str(), 0));
        }
        self.queues.delete(queue)
    }
}

impl fmt::Debug for LiteExpiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteExpiry").finish_non_exhaustive()
    }
}
