//! How far half messages and operations are settled: the offsets of the group `CID_RMQ_SYS_TRANS`, which Java reads, too.
//!
//! All half messages before the one offset are settled. The other must be so that every operation on a half message from there
//! on comes at it or after it. An operation is written after its half message; so the end of the op queue when a half message
//! came is such an offset. It is noted now and then.

use std::collections::VecDeque;

use eruca_message::{LogOffset, QueueOffset};

/// So many half messages come between two notes.
const STRIDE: u64 = 1_024;

/// Where a start begins to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Settled {
    /// In the half queue.
    pub(super) half: QueueOffset,
    /// In the op queue.
    pub(super) op: QueueOffset,
}

/// What is to be committed, and when it may be.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// End of the op queue when a half message came; both ascend, the first is not after what is settled.
    marks: VecDeque<Settled>,
    committed: Settled,
    /// What is settled when the log up to there is on the disk: after a power cut it must not lack what is told to be settled.
    next: Option<(Settled, LogOffset)>,
}

impl Progress {
    /// Goes on where the offsets say.
    pub(super) fn new(committed: Settled) -> Progress {
        Progress { marks: [committed].into(), committed, next: None }
    }

    /// A half message comes at `half`, while the op queue ends at what `op_end` says.
    pub(super) fn note(&mut self, half: QueueOffset, op_end: impl FnOnce() -> QueueOffset) {
        if self.marks.back().is_none_or(|last| half.0 >= last.half.0 + STRIDE) {
            self.marks.push_back(Settled { half, op: op_end() });
        }
    }

    /// Half messages before `half` are settled, of which the log is written up to `written` and on the disk up to
    /// `flushed`. What is to be committed now, if anything is.
    pub(super) fn advance(
        &mut self,
        half: QueueOffset,
        written: LogOffset,
        flushed: LogOffset,
    ) -> Option<Settled> {
        let ready = self.next.filter(|(_, at)| *at <= flushed).map(|(settled, _)| settled);
        if ready.is_some() {
            self.next = None;
        }
        if self.next.is_none() {
            while self.marks.get(1).is_some_and(|second| second.half <= half) {
                self.marks.pop_front();
            }
            let op = self.marks.front().map_or(self.committed.op, |mark| mark.op);
            let settled = Settled { half, op };
            if settled != ready.unwrap_or(self.committed) {
                self.next = Some((settled, written));
            }
        }
        let ready = ready.filter(|settled| *settled != self.committed)?;
        self.committed = ready;
        Some(ready)
    }

    /// Whether something waits for the disk.
    pub(super) fn is_behind(&self) -> bool {
        self.next.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(half: u64, op: u64) -> Settled {
        Settled { half: QueueOffset(half), op: QueueOffset(op) }
    }

    #[test]
    fn what_is_committed_is_on_the_disk_and_names_all_operations() {
        let mut progress = Progress::new(settled(5, 3));
        progress.note(QueueOffset(5), || panic!("not yet"));
        progress.note(QueueOffset(5 + STRIDE), || QueueOffset(10));
        let advance = |progress: &mut Progress, half: u64, written, flushed| {
            progress.advance(QueueOffset(half), LogOffset(written), LogOffset(flushed))
        };
        assert_eq!(advance(&mut progress, 7, 100, 50), None);
        assert!(progress.is_behind());
        assert_eq!(advance(&mut progress, 900, 200, 99), None);
        assert_eq!(advance(&mut progress, 900, 200, 100), Some(settled(7, 3)));
        assert_eq!(advance(&mut progress, 2_000, 300, 250), Some(settled(900, 3)));
        assert_eq!(advance(&mut progress, 2_000, 300, 300), Some(settled(2_000, 10)));
        assert_eq!(advance(&mut progress, 2_000, 400, 400), None);
        assert!(!progress.is_behind());
    }
}
