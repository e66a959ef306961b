//! Looks at pulls, tells of queues that are stuck.

use std::{
    collections::HashSet,
    fmt::Write,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use eruca_message::Timestamp;
use eruca_protocol::body::MessageModel;
use eruca_store::MessageStore;

use super::state::{Event, GroupQueue, LastSeen, State};
use crate::{
    clients::ConsumerTable,
    handler::ParkedPull,
    long_poll::PullHold,
    offsets::OffsetTable,
    settings::Settings,
    topics::{TopicTable, perm},
};

/// Lines of the log for one look, however many queues are concerned.
const LINES_MAX: usize = 20;
/// Queues that are listed by name.
const LISTED_MAX: usize = 50;

/// Queues of online groups that nobody pulls for longer than `stuckConsumerSeconds`.
///
/// Looked at are queues that the broker and the topic let be read, of topics that the group subscribes to and pulled
/// from since the broker started. Groups whose members each get all messages (broadcasting) have no shares that
/// could be stuck.
#[derive(Debug)]
pub struct StuckQueues {
    store: Arc<MessageStore>,
    topics: Arc<TopicTable>,
    offsets: Arc<OffsetTable>,
    consumers: Arc<ConsumerTable>,
    hold: Arc<PullHold<ParkedPull>>,
    settings: Arc<Settings>,
    state: Mutex<State>,
}

impl StuckQueues {
    /// Looks at these.
    pub fn new(
        store: Arc<MessageStore>,
        topics: Arc<TopicTable>,
        offsets: Arc<OffsetTable>,
        consumers: Arc<ConsumerTable>,
        hold: Arc<PullHold<ParkedPull>>,
        settings: Arc<Settings>,
    ) -> Self {
        StuckQueues { store, topics, offsets, consumers, hold, settings, state: Mutex::default() }
    }

    /// Looks, and tells in the log what changed. For the schedule.
    pub fn step(&self, now: Timestamp) {
        let threshold_ms = self.settings.now().stuck_consumer_seconds.saturating_mul(1_000);
        let mut online = HashSet::new();
        let mut queues = Vec::new();
        if threshold_ms > 0 {
            for group in self.consumers.groups() {
                if self.consumers.message_model(&group) == Some(MessageModel::Clustering) {
                    self.queues_of(&group, &mut queues);
                    online.insert(group);
                }
            }
        }
        let events = self.state().step(now, threshold_ms, &online, queues);
        for event in events.iter().take(LINES_MAX) {
            self.tell(event, now);
        }
        if let Some(more) = events.len().checked_sub(LINES_MAX).filter(|more| *more > 0) {
            tracing::warn!(more, "more queues became stuck or free: brokerStatus has stuckConsumerQueues");
        }
    }

    /// How many queues are stuck, and the first of them as text: `group topic queue (seconds, messages behind)`.
    pub fn summary(&self, now: Timestamp) -> (usize, String) {
        let state = self.state();
        let mut text = String::new();
        for (queue, seen) in state.stuck().iter().take(LISTED_MAX) {
            let separator = if text.is_empty() { "" } else { "; " };
            let GroupQueue { group, topic, queue_id } = queue;
            let (seconds, lag) = (now.ms_since(seen.at) / 1_000, self.lag(queue));
            // Writing to a text does not fail.
            let _ = write!(text, "{separator}{group} {topic} {queue_id} ({seconds} s, {lag} behind)");
        }
        (state.stuck().len(), text)
    }

    fn queues_of(&self, group: &str, queues: &mut Vec<(GroupQueue, LastSeen)>) {
        for (topic, pulls) in self.offsets.pulls_of(group) {
            let Some(config) = self.topics.get(&topic).filter(|config| perm::is_readable(config.perm)) else {
                continue;
            };
            if self.consumers.subscription(group, &topic).is_none() {
                continue;
            }
            for queue_id in 0..config.read_queue_nums {
                let is_of_group = |pull: &ParkedPull| pull.group() == group;
                if self.hold.any(&topic, queue_id, is_of_group) {
                    continue;
                }
                let seen = match pulls.queues.get(&queue_id) {
                    Some(pull) => LastSeen { at: pull.at, by: Some(pull.by) },
                    None => LastSeen { at: pulls.first, by: None },
                };
                let queue = GroupQueue { group: group.to_owned(), topic: topic.clone(), queue_id };
                queues.push((queue, seen));
            }
        }
    }

    /// Messages that the group has not committed.
    fn lag(&self, queue: &GroupQueue) -> i64 {
        let range = self.store.queue_range(&queue.topic, queue.queue_id);
        let max = range.max.to_i64();
        let min = range.min.to_i64();
        let committed = self.offsets.committed(&queue.group, &queue.topic, queue.queue_id);
        max.saturating_sub(committed.unwrap_or(min).max(min))
    }

    fn tell(&self, event: &Event, now: Timestamp) {
        match event {
            Event::Stuck(queue, seen) => {
                let last_puller = seen.by.map_or_else(|| "nobody".to_owned(), |by| by.to_string());
                tracing::warn!(
                    group = %queue.group,
                    topic = %queue.topic,
                    queue_id = queue.queue_id,
                    messages_behind = self.lag(queue),
                    seconds = now.ms_since(seen.at) / 1_000,
                    last_puller,
                    "a queue of a group that is online is not pulled: its consumer hangs or is too slow, is paused, or no \
                     member has the queue (other subscriptions or another allocation strategy?); `consumerStatus -g` \
                     shows what its members do"
                );
            }
            Event::Free(queue, seen) => tracing::info!(
                group = %queue.group,
                topic = %queue.topic,
                queue_id = queue.queue_id,
                seconds = now.ms_since(seen.at) / 1_000,
                "a queue that was stuck is pulled again, or its group is gone"
            ),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A step leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use eruca_protocol::body::{ConsumerData, SubscriptionData};

    use super::*;
    use crate::handler::test_parts::TestParts;

    fn subscriber(topic: &str, model: MessageModel) -> ConsumerData {
        ConsumerData {
            group_name: "g".into(),
            message_model: model,
            subscription_data_set: vec![SubscriptionData {
                topic: topic.into(),
                ..SubscriptionData::default()
            }],
            ..ConsumerData::default()
        }
    }

    #[test]
    fn a_queue_without_pulls_is_found_with_its_backlog() {
        let parts = TestParts::new();
        parts.topic("T", 2);
        let (caller, _outbox) = parts.connect();
        parts.consume(&caller, "c", &subscriber("T", MessageModel::Clustering));
        let stuck = parts.stuck();
        let look = |at: i64| {
            stuck.step(Timestamp(at));
            stuck.summary(Timestamp(at))
        };
        let pull = |queue_id: i32, at: i64| {
            parts.offsets.note_pulled("g", "T", queue_id, 0, caller.peer_addr(), Timestamp(at));
        };
        assert_eq!(look(1_000_000).0, 0);
        assert_eq!(look(2_000_000).0, 0, "nobody ever pulled: it may consume in another way");
        pull(0, 2_000_000);
        pull(1, 2_000_000);
        parts.store("T", 1, "x", b"");
        pull(0, 2_100_000);
        assert_eq!(look(2_125_000), (1, "g T 1 (125 s, 1 behind)".to_owned()));
        pull(1, 2_126_000);
        assert_eq!(look(2_127_000).0, 0);
        pull(0, 2_127_000);
        parts.offsets.note_popped("g", "T");
        assert_eq!(look(2_299_000).0, 0, "switched to pops");
        pull(0, 2_127_000);
        pull(1, 2_126_000);
        assert_eq!(look(2_300_000).0, 2);
        parts.consume(&caller, "c", &subscriber("T", MessageModel::Broadcasting));
        assert_eq!(look(2_301_000).0, 0);
    }
}
