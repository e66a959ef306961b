//! Taking over what the master told.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use eruca_message::names::is_lmq;
use eruca_protocol::body::{
    DataVersion, MessageRequestModeSerializeWrapper, SubscriptionGroupWrapper, TopicConfig,
};
use eruca_store::planted;

use crate::{
    assignment::MessageRequestModes,
    delay::DelaySchedule,
    dispatch::Settled,
    offsets::{OwnOffset, QueueOffsets},
    timer::TimerSchedule,
};

/// How far a broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Consumers: `topic@group`, queue, offset.
    pub(crate) consumers: Option<BTreeMap<String, QueueOffsets>>,
    /// Delay levels.
    pub(crate) delay: Option<BTreeMap<i32, i64>>,
    /// Java's `timercheck`.
    pub(crate) timers: Option<Bytes>,
    /// A log up to there has every message that this speaks of.
    pub(crate) log_end: u64,
}

/// What is taken over into. Its methods write files: for a thread that may wait for the disk.
#[derive(Debug, Clone)]
pub(crate) struct SlaveTables {
    pub(crate) settled: Settled,
    pub(crate) delay: Arc<DelaySchedule>,
    pub(crate) timers: Arc<TimerSchedule>,
    pub(crate) modes: Arc<MessageRequestModes>,
}

impl SlaveTables {
    /// Topics; what became of those that are not there any more.
    pub(super) fn follow_topics(&self, topics: BTreeMap<String, TopicConfig>, version: DataVersion) {
        let Settled { topics: table, offsets, store, .. } = &self.settled;
        for gone in table.follow(topics, version) {
            let topic = gone.topic_name.as_str();
            offsets.delete_topic(topic);
            // Else a topic of that name that is made anew would begin behind the old one's end.
            match store.delete_topic(topic) {
                Ok(_) => tracing::info!(topic, "the master has this topic no more, its queues are removed"),
                Err(error) => {
                    tracing::error!(topic, %error, "queues of a topic that is gone cannot be removed")
                }
            }
        }
        table.settle();
    }

    /// Groups.
    pub(super) fn follow_groups(&self, groups: SubscriptionGroupWrapper) {
        self.settled.groups.follow(groups);
        self.settled.groups.settle();
    }

    /// Request modes.
    pub(super) fn follow_modes(&self, modes: MessageRequestModeSerializeWrapper) {
        self.modes.follow(modes);
    }

    /// Whether the copy of the log has all that the progress speaks of: for good, as a log that is as long may end with what another master
    /// wrote, and be cut before it gets that.
    pub(crate) fn has_log_of(&self, progress: &Progress) -> bool {
        self.settled.store.confirmed().0 >= progress.log_end || planted!(ProgressBeforeLog)
    }

    /// As a master that was away: offsets of a slave that stood in, where they are further. How many consumer offsets.
    pub(crate) fn catch_up(&self, slave: &mut Progress) -> usize {
        let Settled { topics, offsets, store, .. } = &self.settled;
        let end = |topic: &str, queue_id| {
            // One that was deleted here, of which the slave has not heard, does not come back.
            (topics.contains(topic) || is_lmq(topic)).then(|| store.queue_range(topic, queue_id).max.0)
        };
        let taken = slave.consumers.take().map_or(0, |consumers| offsets.catch_up(consumers, end));
        offsets.settle();
        if let Some(delay) = slave.delay.take() {
            self.delay.follow(&delay);
        }
        taken
    }

    /// Offsets; those that consumers brought here and that are further, for the master.
    pub(crate) fn follow_progress(&self, progress: Progress) -> Vec<OwnOffset> {
        let Progress { consumers, delay, timers, .. } = progress;
        if let Some(delay) = &delay {
            self.delay.follow(delay);
        }
        if let Some(timers) = &timers
            && let Err(why) = self.timers.follow(timers, None)
        {
            tracing::warn!(why, "timers of the master are not followed, it is tried again");
        }
        let own = consumers.map(|consumers| self.settled.offsets.follow(consumers)).unwrap_or_default();
        self.settled.offsets.settle();
        own
    }
}
