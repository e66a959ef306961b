//! The two offsets of RocketMQ, as two types that cannot be mixed.

use std::fmt;

/// A position in the CommitLog, in bytes from its very beginning (Java: `commitLogOffset`, `physicalOffset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LogOffset(pub u64);

/// The index of a message in its queue, in messages (Java: `queueOffset`, `consumeQueueOffset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct QueueOffset(pub u64);

impl LogOffset {
    /// As the protocol and Java's files write it. No offset comes near the largest of them.
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The offset `bytes` further on.
    pub fn add_bytes(self, bytes: u64) -> LogOffset {
        LogOffset(self.0 + bytes)
    }
}

impl QueueOffset {
    /// As the protocol and Java's files write it. No offset comes near the largest of them.
    pub fn to_i64(self) -> i64 {
        i64::try_from(self.0).unwrap_or(i64::MAX)
    }

    /// The offset `messages` further on.
    pub fn add_messages(self, messages: u64) -> QueueOffset {
        QueueOffset(self.0 + messages)
    }
}

impl fmt::Display for LogOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for QueueOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
