//! Half messages of a group that lost its master: the slave that stands in for it moves them to another group, whose master asks
//! their producers (Java: `TransactionalMessageServiceImpl.check`, `escapeMessage`).
//!
//! The slave's log takes no operations. That they are settled here is told by the offsets of `CID_RMQ_SYS_TRANS` alone.

use eruca_message::{LogOffset, Record, Timestamp, names::TRANS_HALF_TOPIC};
use eruca_store::AppendMessage;

use super::{
    check::{BATCH, NotDone, PROGRESS_PAUSE_MS, tell_passed_over},
    service::Transactions,
    table::{Closed, RETRY_MS},
};
use crate::delay::NextStep;

impl Transactions {
    /// Moves a batch of half messages, whenever they are due here: an end comes to nothing on a slave.
    pub(super) fn move_step(&self, now: Timestamp) -> NextStep {
        let halves = self.state().table.first_open(BATCH);
        for (offset, log_offset) in &halves {
            let Ok(key) = self.state().table.begin_end(*offset, *log_offset) else { continue };
            match self.move_one(*log_offset) {
                Ok(()) => {}
                Err(NotDone::Later) => {
                    self.state().table.reopen(key, now);
                    self.progress_step();
                    return NextStep::At(now.add_ms(RETRY_MS));
                }
                Err(NotDone::Never(why)) => tell_passed_over(*offset, *log_offset, &why),
            }
            self.state().table.close(key, Closed::Moved);
        }
        match (halves.len() == BATCH, self.progress_step()) {
            (true, _) => NextStep::Now,
            (false, true) => NextStep::At(now.add_ms(PROGRESS_PAUSE_MS)),
            (false, false) => NextStep::OnArrival,
        }
    }

    fn move_one(&self, at: LogOffset) -> Result<(), NotDone> {
        let bytes = self.look(at)?;
        let record = Record::decode(&bytes).map_err(|error| NotDone::Never(error.to_string()))?;
        let half = AppendMessage::moved(&record, TRANS_HALF_TOPIC, 0, record.fields.properties);
        let escape = self.escape.get().ok_or(NotDone::Later)?;
        escape.move_half(&half).map_err(|_| NotDone::Later)
    }
}

#[cfg(test)]
#[path = "moving_test.rs"]
mod tests;
