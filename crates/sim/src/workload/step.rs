//! One step of a run.

use crate::{random::Random, scenario::Scenario};

/// What is done. Steps stand for what threads do at once: appends of several senders lie between their settles, with
/// flushes, expiry and reads in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Appends one message.
    Append,
    /// Appends several to one queue, all or none.
    AppendBatch,
    /// Settles, and acknowledges what was appended.
    Settle,
    /// Waits for a flush, without stopping for it.
    OnFlushed,
    /// Forces the log to the disk.
    Flush,
    /// Forces log, queues and checkpoint to the disk.
    QueueFlush,
    /// Looks for room.
    Space,
    /// Lets old segments go, as every ten seconds.
    Retention,
    /// Lets expired segments go at any hour.
    DeleteExpired,
    /// Removes a topic's queues.
    DeleteTopic,
    /// Reads a queue from anywhere.
    Read,
    /// Reads a record by its place.
    ReadRecord,
    /// Looks for an offset by time.
    ReadTime,
    /// Brings the index of keys up to the log, or a part of the way.
    Index,
    /// Looks for messages by key.
    Query,
    /// Compares all that is visible.
    ReadAll,
    /// Another program fills the disk.
    FillDisk,
    /// And makes room again.
    FreeDisk,
    /// Closes and opens.
    Reopen,
    /// The process is killed.
    Kill,
    /// The power goes.
    PowerCut,
    /// The process dies, or the power goes, within one of the next operations on the disk.
    CrashSoon,
}

impl Step {
    /// Draws the next one.
    pub fn draw(random: &mut Random, scenario: &Scenario) -> Step {
        let full = if scenario.capacity.is_some() { 2 } else { 0 };
        random.weighted(&[
            (300, Step::Append),
            (60, Step::AppendBatch),
            (170, Step::Settle),
            (40, Step::OnFlushed),
            (60, Step::Flush),
            (40, Step::QueueFlush),
            (15, Step::Space),
            (30, Step::Retention),
            (10, Step::DeleteExpired),
            (8, Step::DeleteTopic),
            (80, Step::Read),
            (20, Step::ReadRecord),
            (20, Step::ReadTime),
            (8, Step::ReadAll),
            (25, Step::Index),
            (20, Step::Query),
            (4 + 4 * full, Step::FillDisk),
            (8 + 4 * full, Step::FreeDisk),
            (10, Step::Reopen),
            (14, Step::Kill),
            (18, Step::PowerCut),
            (20, Step::CrashSoon),
        ])
    }
}
