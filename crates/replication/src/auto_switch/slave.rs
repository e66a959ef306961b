//! A slave's side of one connection in controller mode: handshake, the cut of what no other has, then the log.

use eruca_message::LogOffset;

use super::{
    epochs::{Epoch, EpochError, Epochs},
    frame::{FrameError, MasterFrame, SlaveFrame},
};

/// The log that a slave keeps, as far as its session touches it. What a call has done is durable as far as the store's mode
/// says, epochs always: they are on the disk before the first byte of theirs.
pub trait ReplicaLog {
    /// Why it cannot.
    type Error;
    /// Where it ends.
    fn end(&self) -> LogOffset;
    /// Who wrote it.
    fn epochs(&self) -> &Epochs;
    /// Takes away everything from `end` on, with what stands in queues and indexes of it, and the epochs that begin there.
    ///
    /// # Errors
    /// The disk refuses.
    fn truncate(&mut self, end: LogOffset) -> Result<(), Self::Error>;
    /// A new epoch begins.
    ///
    /// # Errors
    /// The disk refuses, or the epoch does not follow.
    fn begin_epoch(&mut self, epoch: Epoch) -> Result<(), Self::Error>;
    /// Appends bytes of the master's log. An empty log begins at `at`, any other ends there.
    ///
    /// # Errors
    /// The disk refuses, or the bytes are none of a log.
    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), Self::Error>;
    /// Everything up to here is with the whole in-sync set.
    fn confirm(&mut self, up_to: LogOffset);
}

/// Why a connection to a master is given up.
#[derive(Debug, thiserror::Error)]
pub enum SlaveError<E> {
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that does not belong here.
    #[error("the master sent {what} where {expected} was due")]
    Unexpected {
        /// What came.
        what: &'static str,
        /// What should have.
        expected: &'static str,
    },
    /// The logs have no common past.
    #[error(
        "this broker's log (up to {end}, epochs {mine}) and the master's (up to {master_end}, epochs {theirs}) have no epoch in \
         common: nobody knows which of its messages are the master's. To copy everything anew, stop this broker and move its \
         commitlog, consumequeue, index and epochFileCheckpoint away"
    )]
    NothingInCommon {
        /// End of the own log.
        end: LogOffset,
        /// Own epochs.
        mine: String,
        /// End of the master's log.
        master_end: LogOffset,
        /// The master's epochs.
        theirs: String,
    },
    /// The master goes on elsewhere than at the end.
    #[error("the master sent its log from {offset}, this broker's ends at {end}")]
    Gap {
        /// What came.
        offset: LogOffset,
        /// Where the log ends.
        end: LogOffset,
    },
    /// An older master.
    #[error(
        "the master is of epoch {number}, this broker already follows epoch {known}: the master was replaced"
    )]
    Replaced {
        /// Its epoch.
        number: i32,
        /// The newer one.
        known: i32,
    },
    /// Epochs that cannot be.
    #[error(transparent)]
    Epochs(#[from] EpochError),
    /// The log does not take it.
    #[error("{0}")]
    Log(E),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Handshake,
    Transfer,
}

/// One connection of a slave to its master. Pure: what came in goes to [`SlaveSession::receive`], what it gives back goes out.
#[derive(Debug)]
pub struct SlaveSession {
    state: State,
    /// The newest epoch that the controller told of: an older master is not followed.
    epoch_min: i32,
    reported: Option<LogOffset>,
    received: Vec<u8>,
}

impl SlaveSession {
    /// A new connection, and the first bytes for it. `epoch_min`: the epoch that the controller said, or -1.
    pub fn open(
        broker_id: i64,
        sync_from_last_file: bool,
        async_learner: bool,
        epoch_min: i32,
    ) -> (Self, Vec<u8>) {
        let hello = SlaveFrame::Handshake { sync_from_last_file, async_learner, broker_id }.encode();
        (SlaveSession { state: State::Handshake, epoch_min, reported: None, received: Vec::new() }, hello)
    }

    /// What the master sent. [`SlaveSession::report`] says what is to be sent then.
    ///
    /// # Errors
    /// The connection has to be closed. What was appended before stays.
    pub fn receive<L: ReplicaLog>(&mut self, log: &mut L, bytes: &[u8]) -> Result<(), SlaveError<L::Error>> {
        let mut received = std::mem::take(&mut self.received);
        received.extend_from_slice(bytes);
        let mut rest = received.as_slice();
        while let Some((frame, len)) = MasterFrame::decode(rest)? {
            self.take(log, frame)?;
            rest = rest.get(len..).unwrap_or_default();
        }
        let done = received.len() - rest.len();
        received.drain(..done);
        self.received = received;
        Ok(())
    }

    /// What is to be sent where this log ends at `end`, as far as it is safe: something where that is news, or where a sign of life
    /// is due (every `haSendHeartbeatInterval`). The first report, after the handshake, says where the master begins: `end` is the end
    /// of whole records then.
    pub fn report(&mut self, end: LogOffset, is_due: bool) -> Option<Vec<u8>> {
        if self.state == State::Handshake || (self.reported == Some(end) && !is_due) {
            return None;
        }
        self.reported = Some(end);
        Some(SlaveFrame::Report(end).encode())
    }

    fn take<L: ReplicaLog>(
        &mut self,
        log: &mut L,
        frame: MasterFrame<'_>,
    ) -> Result<(), SlaveError<L::Error>> {
        match (self.state, frame) {
            (State::Handshake, MasterFrame::Handshake { end, epochs }) => self.shake(log, end, &epochs),
            (State::Transfer, MasterFrame::Transfer { offset, epoch, confirm, body }) => {
                self.copy(log, offset, epoch, body)?;
                log.confirm(confirm.min(log.end()));
                Ok(())
            }
            (State::Handshake, MasterFrame::Transfer { .. }) => {
                Err(SlaveError::Unexpected { what: "its log", expected: "the handshake" })
            }
            (State::Transfer, MasterFrame::Handshake { .. }) => {
                Err(SlaveError::Unexpected { what: "a second handshake", expected: "its log" })
            }
        }
    }

    /// Takes away what the master's log does not have.
    fn shake<L: ReplicaLog>(
        &mut self,
        log: &mut L,
        master_end: LogOffset,
        theirs: &Epochs,
    ) -> Result<(), SlaveError<L::Error>> {
        let (number, known) = (theirs.last_number(), self.epoch_min);
        if number < known {
            return Err(SlaveError::Replaced { number, known });
        }
        let mine = log.epochs();
        if mine.last().is_some() {
            let end = log.end();
            let Some(agreed) = mine.agree_up_to(end, theirs, master_end) else {
                return Err(SlaveError::NothingInCommon {
                    end,
                    mine: listed(mine),
                    master_end,
                    theirs: listed(theirs),
                });
            };
            if agreed < end {
                log.truncate(agreed).map_err(SlaveError::Log)?;
            }
        }
        self.state = State::Transfer;
        Ok(())
    }

    /// Parts of the log that older masters wrote come with their epochs.
    fn copy<L: ReplicaLog>(
        &mut self,
        log: &mut L,
        offset: Option<LogOffset>,
        epoch: Epoch,
        body: &[u8],
    ) -> Result<(), SlaveError<L::Error>> {
        let Some(offset) = offset.filter(|_| !body.is_empty()) else { return Ok(()) };
        let end = log.end();
        if offset != end && end != LogOffset(0) {
            return Err(SlaveError::Gap { offset, end });
        }
        if log.epochs().last_number() != epoch.number {
            log.begin_epoch(epoch).map_err(SlaveError::Log)?;
        }
        log.append(offset, body).map_err(SlaveError::Log)
    }
}

/// For people: `1 from 0, 3 from 4711`; the last few.
fn listed(epochs: &Epochs) -> String {
    let last = epochs.entries().iter().rev().take(5).rev();
    let all: Vec<String> = last.map(|epoch| format!("{} from {}", epoch.number, epoch.start)).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}
