//! What can go wrong, one enum per operation.

use std::path::PathBuf;

use eruca_message::{LogOffset, RecordError};

use crate::{config::StoreConfigError, disk::DiskError, write_state::WriteStopped};

/// Why a store directory cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] StoreConfigError),
    /// Another process works with the directory.
    #[error(
        "the data directory {} is in use by another broker (its file 'lock' is held): stop that one or choose another directory",
        root.display()
    )]
    InUse {
        /// The directory.
        root: PathBuf,
    },
    /// A file of the log does not have the configured size.
    #[error(
        "{} has {len_bytes} bytes, {key} says {expected_bytes}: set {key} to the size that the directory was made with, or move the file away if it is damaged",
        path.display()
    )]
    WrongFileSize {
        /// The file.
        path: PathBuf,
        /// Its length.
        len_bytes: u64,
        /// What the configuration says.
        expected_bytes: u64,
        /// The key that says so.
        key: &'static str,
    },
    /// The timer wheel was made with slots of another length.
    #[error(
        "{} says that the timer wheel has slots of {found_ms} ms, timerPrecisionMs says {configured_ms}: set timerPrecisionMs={found_ms}; \
         another value needs a directory in which no timer waits",
        path.display()
    )]
    TimerPrecision {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found_ms: u32,
        /// What the configuration says.
        configured_ms: i64,
    },
    /// Files of a log do not follow each other.
    #[error(
        "{} is missing: the files before and after it are there; bring it back from a copy, or move the files before it away to go on without them",
        path.display()
    )]
    MissingFile {
        /// The file that should be there.
        path: PathBuf,
    },
    /// The directory holds what this version does not read, and leaving it aside could lose something.
    #[error("{} holds {what}, which this version does not read: {remedy}", path.display())]
    Unsupported {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        what: &'static str,
        /// What helps.
        remedy: &'static str,
    },
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Writing stopped while the store was put in order.
    #[error(transparent)]
    Stopped(#[from] WriteStopped),
}

/// Why a message was not appended. Nothing of it is in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Larger than allowed.
    #[error(
        "the message body has {len_bytes} bytes, maxMessageSize is {limit_bytes}: send less or compress it"
    )]
    BodyTooLarge {
        /// Length in bytes.
        len_bytes: usize,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// A record or batch larger than allowed, or than a segment.
    #[error("the message needs {len_bytes} bytes in the log, the limit is {limit_bytes}: send less at once")]
    RecordTooLarge {
        /// Length in bytes.
        len_bytes: usize,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// Fields that no record can hold.
    #[error(transparent)]
    Illegal(#[from] RecordError),
    /// A topic that cannot be the name of a directory.
    #[error("the topic {topic:?} cannot be stored: a name has no '/', is not empty, '.' or '..'")]
    IllegalTopic {
        /// The name, cut where it is very long.
        topic: String,
    },
    /// A queue number below 0.
    #[error("queue {queue_id} of topic {topic} cannot be: queue ids start at 0")]
    IllegalQueueId {
        /// Topic name.
        topic: String,
        /// Queue number.
        queue_id: i32,
    },
    /// Messages of one batch have different topics or queues.
    #[error("a batch goes to one queue of one topic: split it")]
    MixedBatch,
    /// An inner batch for a topic with ordinary queues.
    #[error(
        "the record is an inner batch, and topic {topic} has no batch consume queues: send its messages one by one, or to a topic with queue.type=BatchCQ"
    )]
    NoBatchQueue {
        /// Topic name.
        topic: String,
    },
    /// An inner batch that does not say how many messages it holds.
    #[error("the inner batch for topic {topic} lacks the property INNER_NUM, a number from 1 to 32767")]
    NoInnerCount {
        /// Topic name.
        topic: String,
    },
    /// Writing is stopped.
    #[error(transparent)]
    Stopped(#[from] WriteStopped),
}

/// Why bytes of another store's log were not taken, or not given.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CopyError {
    /// [`crate::MessageStore::begin_copy`] was not called, or something failed since.
    #[error("no copy is under way: begin it again")]
    NotBegun,
    /// The store takes messages of its own.
    #[error("this broker takes messages of its own, its log cannot be a copy: make it a slave first")]
    NotAReplica,
    /// The bytes do not follow what is here.
    #[error(
        "the master sends its log from offset {at} on, this log ends at {expected}: the one is no continuation of the other. \
         If this broker has what the master has not, keep its directory and start it empty; else restart both"
    )]
    Elsewhere {
        /// Where the bytes belong.
        at: LogOffset,
        /// What is wanted.
        expected: LogOffset,
    },
    /// The log would begin within a segment.
    #[error(
        "the master's log begins at offset {at}, which is no multiple of mappedFileSizeCommitLog={size_bytes}: set it to the \
         master's value"
    )]
    NotASegment {
        /// Where it would begin.
        at: LogOffset,
        /// Size of a segment in bytes.
        size_bytes: u64,
    },
    /// The bytes are not a record.
    #[error(
        "what the master sent for log offset {at} is no whole record ({why}): nothing of it is taken. Look at the master's log \
         (`eruca store verify`), and that mappedFileSizeCommitLog is the same on both"
    )]
    NoRecord {
        /// The place.
        at: LogOffset,
        /// What is wrong.
        why: String,
    },
    /// A record that this store would not take from a client.
    #[error(
        "the record at log offset {at} has {len_bytes} bytes, maxMessageSize allows {limit_bytes} here: set it to the master's \
         value or higher"
    )]
    RecordTooLarge {
        /// The place.
        at: LogOffset,
        /// Its length in bytes.
        len_bytes: u64,
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// The log does not reach back that far.
    #[error(
        "log offset {at} is wanted, the log begins at {min}: what lies before was deleted. Start the slave with an empty \
         directory"
    )]
    Behind {
        /// What is wanted.
        at: LogOffset,
        /// Where the log begins.
        min: LogOffset,
    },
    /// The log does not reach that far.
    #[error(
        "log offset {at} is wanted, the log ends at {max}: the slave has what its master has not. Keep the slave's directory, \
         and start it with an empty one, or make the slave the master"
    )]
    Ahead {
        /// What is wanted.
        at: LogOffset,
        /// Where the log ends.
        max: LogOffset,
    },
    /// The log cannot be cut there.
    #[error(
        "the log cannot be cut at offset {at}, which is within what begins at {before}: it is cut between two records only. \
         Look at both logs (`eruca store verify`); to copy everything anew start this broker with an empty directory"
    )]
    WithinRecord {
        /// Where it should end.
        at: LogOffset,
        /// The last place before at which it could.
        before: LogOffset,
    },
    /// Nothing is written.
    #[error(transparent)]
    Stopped(#[from] WriteStopped),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Why a record could not be read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// The record at this place is damaged.
    #[error("the record at log offset {at} is damaged: {source}")]
    Damaged {
        /// Where it starts.
        at: LogOffset,
        /// What is wrong with it.
        source: RecordError,
    },
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
