//! The unit of distribution: one queue of one topic on one broker group.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::LMQ_PREFIX;

/// One queue of a topic on one broker group (Java: `MessageQueue`).
///
/// With serde it has the shape that it has in JSON bodies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MessageQueue {
    /// Topic name.
    pub topic: String,
    /// Name of the broker group that holds the queue.
    pub broker_name: String,
    /// Number of the queue within topic and broker group, from 0.
    pub queue_id: i32,
}

impl MessageQueue {
    /// The queue `queue_id` of `topic` on `broker_name`.
    pub fn new(topic: impl Into<String>, broker_name: impl Into<String>, queue_id: i32) -> Self {
        MessageQueue { topic: topic.into(), broker_name: broker_name.into(), queue_id }
    }

    /// The light message queue `name` on `broker_name`: each broker of a topic has its own of that name.
    pub fn light(name: &str, broker_name: impl Into<String>) -> Self {
        MessageQueue::new(format!("{LMQ_PREFIX}{name}"), broker_name, 0)
    }
}

impl fmt::Display for MessageQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.topic, self.broker_name, self.queue_id)
    }
}
