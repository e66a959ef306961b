//! A master's side of one connection in controller mode.

use eruca_message::{LogOffset, Timestamp};

use super::{
    epochs::Epochs,
    frame::{
        FrameError, SlaveFrame, TRANSFER_BODY_MAX, TRANSFER_HEADER_LEN, encode_handshake,
        encode_transfer_header,
    },
};

/// The log that a master gives away.
#[derive(Debug, Clone, Copy)]
pub struct SourceLog<'a> {
    /// Offset of its oldest byte.
    pub begin: LogOffset,
    /// Where its newest segment begins.
    pub last_segment: LogOffset,
    /// Where it ends.
    pub end: LogOffset,
    /// Who wrote it.
    pub epochs: &'a Epochs,
    /// Up to where the whole in-sync set has it.
    pub confirmed: LogOffset,
}

/// What a slave said, for the in-sync set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// Who it is.
    Hello {
        /// The id that the controller gave it.
        broker_id: i64,
        /// It never belongs to the in-sync set.
        is_learner: bool,
    },
    /// Where its log ends.
    Has(LogOffset),
}

/// What is to be sent next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Send {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The header, then `len` bytes of the log from `offset`.
    Log {
        /// What goes before the log's bytes.
        header: [u8; TRANSFER_HEADER_LEN],
        /// Where they begin.
        offset: LogOffset,
        /// How many.
        len: usize,
    },
}

/// Why a connection to a slave is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame that does not belong here.
    #[error("the slave reported the end of its log before it said who it is")]
    NoHello,
    /// The slave cannot be brought up to date.
    #[error(
        "slave {broker_id} needs the log from {wanted} on, but the oldest byte that is left is {begin}: it was away for longer than \
         the log is kept (fileReservedTime). Move its commitlog, consumequeue, index and epochFileCheckpoint away, and it copies \
         everything that is left"
    )]
    TooFarBehind {
        /// Who.
        broker_id: i64,
        /// What it needs.
        wanted: LogOffset,
        /// What there is.
        begin: LogOffset,
    },
    /// The slave has more than the master although both compared their epochs.
    #[error(
        "slave {broker_id} says that its log ends at {has}, but the master's ends at {end}, and no epochs say what they have in \
         common: it was written without a controller, or its epochFileCheckpoint is gone. If it is the one with the messages, make it \
         the master (enableElectUncleanMaster=true and electMaster); else move its commitlog, consumequeue and index away, and it \
         copies everything"
    )]
    HasMore {
        /// Who.
        broker_id: i64,
        /// What it says.
        has: LogOffset,
        /// Where the master's log ends.
        end: LogOffset,
    },
    /// The part of the log is older than the first epoch.
    #[error("no epoch is known for the log at {offset}: epochFileCheckpoint begins later")]
    NoEpoch {
        /// Where.
        offset: LogOffset,
    },
}

/// One connection of a master to a slave. Pure: what came in goes to [`MasterSession::receive`], and whenever the connection
/// takes more [`MasterSession::next`] says what goes out.
#[derive(Debug)]
pub struct MasterSession {
    broker_id: Option<i64>,
    from_last_file: bool,
    owes_handshake: bool,
    has: Option<LogOffset>,
    next: Option<LogOffset>,
    received: Vec<u8>,
    heard: Timestamp,
    sent: Timestamp,
    /// What the slave was told to be confirmed.
    told: LogOffset,
}

/// A slave without news from the log is told so often of what was confirmed meanwhile, in ms.
const TELL_MS: i64 = 100;
/// A look at least so often, in ms.
const LOOK_MS: i64 = 1_000;

impl MasterSession {
    /// A connection that was accepted.
    pub fn open(now: Timestamp) -> Self {
        MasterSession {
            broker_id: None,
            from_last_file: false,
            owes_handshake: false,
            has: None,
            next: None,
            received: Vec::new(),
            heard: now,
            sent: now,
            told: LogOffset(0),
        }
    }

    /// Who is at the other end, once it has said so.
    pub fn broker_id(&self) -> Option<i64> {
        self.broker_id
    }

    /// When something last came: silence for longer than `haHousekeepingInterval` ends the connection.
    pub fn heard(&self) -> Timestamp {
        self.heard
    }

    /// When to look next where there was nothing to send and the log does not get longer: what is confirmed gets further without it.
    pub fn look_again(&self, end: LogOffset, heartbeat_ms: i64, now: Timestamp) -> Timestamp {
        let pause_ms = if self.told < end { TELL_MS } else { LOOK_MS };
        now.add_ms(pause_ms.min(heartbeat_ms))
    }

    /// What goes out next (Java: `transferFromWhere`).
    pub fn position(&self) -> Option<LogOffset> {
        self.next
    }

    /// What the slave sent.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn receive(&mut self, bytes: &[u8], now: Timestamp) -> Result<Vec<Said>, MasterError> {
        self.heard = now;
        self.received.extend_from_slice(bytes);
        let (mut said, mut done) = (Vec::new(), 0);
        while let Some((frame, len)) = SlaveFrame::decode(self.received.get(done..).unwrap_or_default())? {
            done += len;
            match frame {
                SlaveFrame::Handshake { sync_from_last_file, async_learner, broker_id } => {
                    self.broker_id = Some(broker_id);
                    self.from_last_file = sync_from_last_file;
                    self.owes_handshake = true;
                    (self.has, self.next) = (None, None);
                    said.push(Said::Hello { broker_id, is_learner: async_learner });
                }
                SlaveFrame::Report(end) => {
                    if self.broker_id.is_none() || self.owes_handshake {
                        return Err(MasterError::NoHello);
                    }
                    self.has = Some(end);
                    // Of several that came at once the last one says all.
                    said.retain(|one| !matches!(one, Said::Has(_)));
                    said.push(Said::Has(end));
                }
            }
        }
        self.received.drain(..done);
        Ok(said)
    }

    /// What is to be sent now, if anything: the handshake, up to `batch_max` bytes of the log, all of one epoch, or a sign of
    /// life after `heartbeat_ms` of silence.
    ///
    /// # Errors
    /// The slave cannot be served; the connection has to be closed.
    pub fn next(
        &mut self,
        log: &SourceLog<'_>,
        batch_max: usize,
        heartbeat_ms: i64,
        now: Timestamp,
    ) -> Result<Option<Send>, MasterError> {
        let Some(broker_id) = self.broker_id else { return Ok(None) };
        if self.owes_handshake {
            self.owes_handshake = false;
            self.sent = now;
            return Ok(Some(Send::Bytes(encode_handshake(log.end, log.epochs))));
        }
        let Some(has) = self.has else { return Ok(None) };
        let offset = match self.next {
            Some(next) => next,
            None if has == LogOffset(0) && self.from_last_file => log.last_segment,
            None if has == LogOffset(0) => log.begin,
            None => has,
        };
        if offset < log.begin {
            return Err(MasterError::TooFarBehind { broker_id, wanted: offset, begin: log.begin });
        }
        if offset > log.end {
            return Err(MasterError::HasMore { broker_id, has, end: log.end });
        }
        self.next = Some(offset);
        let Some((epoch, epoch_end)) = log.epochs.at(offset) else {
            // Before the first epoch of a master nothing is sent to anyone.
            return if offset == log.end { Ok(None) } else { Err(MasterError::NoEpoch { offset }) };
        };
        let end = epoch_end.map_or(log.end, |end| end.min(log.end));
        let len =
            usize::try_from(end.0 - offset.0).unwrap_or(usize::MAX).min(batch_max).min(TRANSFER_BODY_MAX);
        if len == 0 {
            let pause_ms = if log.confirmed == self.told { heartbeat_ms } else { TELL_MS.min(heartbeat_ms) };
            if now.0 - self.sent.0 < pause_ms {
                return Ok(None);
            }
            (self.sent, self.told) = (now, log.confirmed);
            let header = encode_transfer_header(Some(offset), 0, epoch, log.confirmed);
            return Ok(Some(Send::Bytes(header.to_vec())));
        }
        (self.sent, self.told) = (now, log.confirmed);
        self.next = Some(offset.add_bytes(len as u64));
        Ok(Some(Send::Log {
            header: encode_transfer_header(Some(offset), len, epoch, log.confirmed),
            offset,
            len,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auto_switch::Epoch;

    #[test]
    fn a_slave_without_news_soon_hears_what_was_confirmed_since() {
        const HEARTBEAT_MS: i64 = 5_000;
        let mut session = MasterSession::open(Timestamp(0));
        let hello = SlaveFrame::Handshake { sync_from_last_file: false, async_learner: false, broker_id: 2 };
        session.receive(&hello.encode(), Timestamp(0)).unwrap();
        let mut epochs = Epochs::default();
        epochs.begin(Epoch { number: 1, start: LogOffset(0) }).unwrap();
        let (begin, end) = (LogOffset(0), LogOffset(10));
        let next = |session: &mut MasterSession, confirmed, now| {
            let log = SourceLog { begin, last_segment: begin, end, epochs: &epochs, confirmed };
            session.next(&log, 100, HEARTBEAT_MS, Timestamp(now)).unwrap()
        };
        assert!(matches!(next(&mut session, begin, 0), Some(Send::Bytes(_))), "the handshake");
        session.receive(&SlaveFrame::Report(begin).encode(), Timestamp(0)).unwrap();
        assert!(matches!(next(&mut session, begin, 0), Some(Send::Log { len: 10, .. })));

        assert_eq!(next(&mut session, end, 0), None);
        let again = session.look_again(end, HEARTBEAT_MS, Timestamp(0));
        assert_eq!(again, Timestamp(TELL_MS));
        assert!(matches!(next(&mut session, end, again.0), Some(Send::Bytes(_))), "what is confirmed");
        assert_eq!(session.look_again(end, HEARTBEAT_MS, again), again.add_ms(LOOK_MS));
    }
}
