//! Bugs planted on purpose, one at a time, to show that the simulation finds them.
//!
//! Only with the feature `sim`: without it [`planted!`] is `false` for the compiler, and nothing of this is in the
//! binary. With it a plant holds for the thread that planted it, and for none before.

#[cfg(feature = "sim")]
use std::cell::Cell;

/// A bug that can be planted.
#[cfg(feature = "sim")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A flush does not sync the log.
    LogSyncSkipped,
    /// A failed sync of the log passes for a good one.
    FailedSyncIgnored,
    /// The filler that closes a segment finds one byte less than it needs.
    SegmentEndOffByOne,
    /// The checkpoint moves before the queues are on the disk.
    QueueSyncSkipped,
    /// Deleting a topic leaves the checkpoint where it was.
    StaleCheckpoint,
    /// Messages are visible before they are written.
    DispatchBeforeAppend,
    /// What a failed write dropped is acknowledged.
    DroppedAcknowledged,
    /// Recovery takes a record whose checksum is wrong.
    TornRecordTaken,
    /// Recovery does not clear what stands behind the end of the log.
    TailNotCleared,
    /// A segment counts as old by its first record instead of its last.
    ExpiryTooEarly,
    /// A segment expires whose queue entries are not on the disk.
    ExpiryOfSegmentInUse,
    /// Recovery reads the log from the last segment on, wherever the checkpoint is.
    QueueRebuiltFromWrongPlace,
    /// A queue that was cut gives its last offset again.
    OffsetReusedAfterTruncation,
    /// A copy does not note which queue offsets its master gave, and as a master gives them again.
    CopiedOffsetsForgotten,
    /// A master of a group takes its own word for that of the in-sync set.
    MasterTrustsItself,
    /// A master goes on acknowledging alone, however long ago it heard from a controller.
    LeaseIgnored,
    /// A slave that has become master acknowledges its own log to the master before it, on a connection that lives on.
    OwnLogAcknowledged,
    /// Brokers of a group show consumers what may be cut off again.
    UnconfirmedShown,
    /// A master does not write its epoch down before the log gets bytes of it.
    ReignEpochNotKept,
    /// A new master looks for half messages from the end of their queue on: those of the former master are stuck.
    HalfQueueFromItsEnd,
    /// A slave takes over what its master says of offsets before its log has got there.
    ProgressBeforeLog,
    /// A master notes that it delivered what was delayed, and settled half messages, while the log that says so may be cut off again.
    ProgressBeforeConfirmed,
}

#[cfg(feature = "sim")]
impl Plant {
    /// All that show in a store by itself.
    pub const ALL: [Plant; 13] = [
        Plant::LogSyncSkipped,
        Plant::FailedSyncIgnored,
        Plant::SegmentEndOffByOne,
        Plant::QueueSyncSkipped,
        Plant::StaleCheckpoint,
        Plant::DispatchBeforeAppend,
        Plant::DroppedAcknowledged,
        Plant::TornRecordTaken,
        Plant::TailNotCleared,
        Plant::ExpiryTooEarly,
        Plant::ExpiryOfSegmentInUse,
        Plant::QueueRebuiltFromWrongPlace,
        Plant::OffsetReusedAfterTruncation,
    ];

    /// Plants it on this thread; `None` takes away what was planted.
    pub fn on_this_thread(plant: Option<Plant>) {
        PLANTED.set(plant);
    }

    /// Whether it is planted on this thread.
    pub fn is_planted(self) -> bool {
        PLANTED.get() == Some(self)
    }
}

#[cfg(feature = "sim")]
thread_local! {
    static PLANTED: Cell<Option<Plant>> = const { Cell::new(None) };
}

/// Whether a bug is planted here.
#[cfg(feature = "sim")]
#[macro_export]
macro_rules! planted {
    ($plant:ident) => {
        $crate::Plant::is_planted($crate::Plant::$plant)
    };
}
/// Whether a bug is planted here: never.
#[cfg(not(feature = "sim"))]
#[macro_export]
macro_rules! planted {
    ($plant:ident) => {
        false
    };
}
