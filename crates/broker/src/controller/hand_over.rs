//! A planned change of the master: it takes no messages until its successor has all of its log, topics, groups and offsets, and is
//! elected.
//!
//! The controller asks the master first, then the successor. Java elects at once, and what only the old master had is cut off.

use std::{fmt, time::Duration};

use tokio::time::Instant;

use super::manager::{ReplicasManager, blocking};

/// A successor in sync lacks milliseconds. The controller, and an administrator behind it who gives up after 3 s, wait for this.
const CATCH_UP: Duration = Duration::from_secs(1);
/// The successor asks for the tables within this time, or goes without what came since the last time.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// Then controllers agree within 5 s or not at all: until then nothing may be taken that the successor would not have.
const ELECTION: Duration = Duration::from_secs(8);

/// What a controller asks for.
pub(crate) struct HandOver {
    /// The successor; this broker, where that is asked and not the master.
    pub(crate) to: i64,
    /// The epoch that is to end.
    pub(crate) epoch: i32,
    /// Told how many bytes the successor lacks; `None`: this broker is neither the master of that epoch nor the successor.
    pub(crate) answer: Box<dyn FnOnce(Option<u64>) + Send>,
}

impl fmt::Debug for HandOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HandOver").field("to", &self.to).field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

impl ReplicasManager {
    /// Returns when the news of the election were heeded, or none are to be expected any more.
    pub(super) async fn do_hand_over(&self, HandOver { to, epoch, answer }: HandOver) {
        if self.group().id() == Some(to) {
            if !self.slave_sync().last_look(LAST_LOOK).await {
                tracing::warn!(
                    "the master that hands over did not tell its topics, groups and offsets in time: they are those of up to 3 s ago"
                );
            }
            return answer(Some(0));
        }
        let role = self.role().clone();
        let paused = match self.group().last_epoch() == epoch {
            true => blocking(move || role.pause()).await,
            false => Some(Ok(false)),
        };
        match paused {
            Some(Ok(true)) => {}
            // All the more reason for another master.
            Some(Err(error)) => tracing::error!(%error, "what was appended could not all be written"),
            Some(Ok(false)) | None => return answer(None),
        }
        let begun = Instant::now();
        let lacking = self.wait_for_slave(to, begun + CATCH_UP).await;
        let waited_ms = begun.elapsed().as_millis();
        if lacking == 0 {
            tracing::info!(
                to,
                epoch,
                waited_ms,
                "the successor has all of the log: messages are taken again after the election"
            );
            answer(Some(0));
            // An error means that there is no news: nobody was elected.
            let _ = tokio::time::timeout(ELECTION, self.news()).await;
        } else {
            tracing::warn!(
                to,
                epoch,
                waited_ms,
                lacking,
                "the successor lacks a part of the log: this broker stays master"
            );
            answer(Some(lacking));
        }
        self.heed_news().await;
        // As the master that it still is, where it is.
        let role = self.role().clone();
        if let Some(Err(error)) = blocking(move || role.resume()).await {
            tracing::error!(%error, "this broker takes no messages");
        }
    }

    /// Bytes that a slave lacks in the end.
    async fn wait_for_slave(&self, slave: i64, until: Instant) -> u64 {
        let end = self.log_end();
        let group = self.group();
        group.await_slave(Some(slave));
        let lacking = || end.0.saturating_sub(group.acknowledged_by(slave).map_or(0, |has| has.0));
        // An error means that the time is over.
        let _ = tokio::time::timeout_at(until, async {
            while lacking() > 0 && !self.has_news() {
                tokio::select! {
                    () = self.set_changes() => {}
                    () = self.news() => {}
                }
            }
        })
        .await;
        group.await_slave(None);
        lacking()
    }
}
