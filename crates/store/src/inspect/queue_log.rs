//! The log that very many queues share, as it is found.

use super::directory::{InspectError, StoreDirectory};
use crate::{
    config::StoreConfig,
    consume_queue::QueueTable,
    error::OpenError,
    queue_log::Commit,
    recovery::{QueueLogFound, look_at_queue_log},
};

use eruca_message::LogOffset;

/// What the queue log of a directory comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueLogSurvey {
    /// It is used at start.
    Fits {
        /// Queues that it knows.
        queues: u64,
        /// Queues of which entries are there and not in their own files: a Java broker would make them anew.
        chained: u64,
        /// It holds for all messages before this.
        log_end: LogOffset,
    },
    /// It is not used: the queues would be made anew from the messages.
    Unusable {
        /// Why.
        why: String,
    },
}

/// A queue log that is used at start.
pub(super) struct LoggedQueues {
    pub(super) queues: QueueTable,
    pub(super) commit: Commit,
}

impl StoreDirectory {
    /// The queue log, where there is one; the error is the reason why it is of no use.
    pub(super) fn queue_log(&self) -> Result<Option<Result<LoggedQueues, String>>, InspectError> {
        let Some(segments) = self.runs.last() else { return Ok(None) };
        let config =
            StoreConfig { commit_log_dir: self.commit_log_dir.clone(), ..StoreConfig::new(&self.root) };
        match look_at_queue_log(&config, &self.disk, segments, self.checkpoint) {
            Ok((_, QueueLogFound::Nothing)) => Ok(None),
            Ok((_, QueueLogFound::Unusable(why))) => Ok(Some(Err(why))),
            Ok((queues, QueueLogFound::Fits(commit))) => Ok(Some(Ok(LoggedQueues { queues, commit }))),
            Err(OpenError::Disk(error)) => Err(error.into()),
            Err(error) => Ok(Some(Err(error.to_string()))),
        }
    }

    /// The same in numbers.
    pub(super) fn survey_queue_log(&self) -> Result<Option<QueueLogSurvey>, InspectError> {
        Ok(self.queue_log()?.map(|found| match found {
            Ok(LoggedQueues { queues, commit }) => QueueLogSurvey::Fits {
                queues: queues.len() as u64,
                chained: queues.chains(),
                log_end: LogOffset(commit.log_end),
            },
            Err(why) => QueueLogSurvey::Unusable { why },
        }))
    }
}
