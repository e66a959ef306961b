//! Who pulled what, and when: only for statistics and for finding queues that nobody pulls; lost with the process.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use eruca_message::Timestamp;

use super::change::Change;

/// The last pull of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastPull {
    /// Where it was told to go on.
    pub next: i64,
    /// When it was answered.
    pub at: Timestamp,
    /// Whose it was.
    pub by: SocketAddr,
}

/// The pulls of a group in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPulls {
    /// When the first one of any queue was answered.
    pub first: Timestamp,
    /// The last one, by queue.
    pub queues: BTreeMap<i32, LastPull>,
}

/// The pulls by group and topic.
#[derive(Debug, Default)]
pub(super) struct Pulls {
    groups: Mutex<HashMap<String, HashMap<String, TopicPulls>>>,
}

impl Pulls {
    pub(super) fn note(&self, group: &str, topic: &str, queue_id: i32, pull: LastPull) {
        let mut groups = self.groups();
        match groups.get_mut(group).and_then(|topics| topics.get_mut(topic)) {
            Some(pulls) => drop(pulls.queues.insert(queue_id, pull)),
            None => {
                let topics = groups.entry(group.to_owned()).or_default();
                let pulls = TopicPulls { first: pull.at, queues: BTreeMap::from([(queue_id, pull)]) };
                topics.insert(topic.to_owned(), pulls);
            }
        }
    }

    pub(super) fn last(&self, group: &str, topic: &str, queue_id: i32) -> Option<LastPull> {
        self.groups().get(group)?.get(topic)?.queues.get(&queue_id).copied()
    }

    pub(super) fn of_group(&self, group: &str) -> Vec<(String, TopicPulls)> {
        let groups = self.groups();
        let topics = groups.get(group).into_iter().flatten();
        topics.map(|(topic, pulls)| (topic.clone(), pulls.clone())).collect()
    }

    /// Forgets what is forgotten of offsets.
    pub(super) fn apply(&self, change: Change<'_>) {
        let mut groups = self.groups();
        match change {
            Change::Commit { .. } => {}
            Change::ForgetGroup { group } => drop(groups.remove(group)),
            Change::ForgetTopic { topic } => {
                groups.values_mut().for_each(|topics| drop(topics.remove(topic)));
            }
            Change::ForgetGroupTopic { group, topic } => {
                if let Some(topics) = groups.get_mut(group) {
                    topics.remove(topic);
                }
            }
        }
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<String, HashMap<String, TopicPulls>>> {
        // Every change leaves the table whole.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
