//! A master's side of one connection.

use eruca_message::{LogOffset, Timestamp};

use super::frame::{BODY_MAX_BYTES, FrameError, HEADER_LEN_BYTES, Header, decode_report};
use crate::pace::Pace;

/// Bytes that are put together for one write, about.
const WRITE_BYTES: usize = 1 << 20;

/// How a master sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shipped {
    /// Most bytes of the log in one frame (`haTransferBatchSize`).
    pub batch_bytes: usize,
    /// After so much silence it gives a sign of life (`haSendHeartbeatInterval`), in ms.
    pub heartbeat_ms: i64,
    /// A slave that is silent for longer is gone (`haHousekeepingInterval`), in ms.
    pub silence_max_ms: i64,
    /// Most bytes of the log in a second (`maxHaTransferByteInSecond` where `haFlowControlEnable`).
    pub bytes_per_second: Option<u64>,
}

/// The log that a master gives away, at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceLog {
    /// Offset of its oldest byte.
    pub begin: LogOffset,
    /// Where it ends.
    pub end: LogOffset,
    /// Where a slave without messages begins.
    pub for_empty: LogOffset,
}

/// Why a connection to a slave is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MasterError {
    /// What came is no report.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The slave needs what was deleted.
    #[error(
        "the slave wants the log from offset {wanted} on, it begins at {begin}: what lies before was deleted (fileReservedTime). \
         Stop the slave, move its commitlog, consumequeue and index away, and start it again"
    )]
    TooFarBehind {
        /// What it wants.
        wanted: LogOffset,
        /// What there is.
        begin: LogOffset,
    },
    /// The slave has what the master has not.
    #[error(
        "the slave's log ends at offset {has}, this master's at {end}: the slave has messages that this broker has not. If they \
         are worth it make the slave the master; else stop it, keep its directory, and start it with an empty one"
    )]
    HasMore {
        /// What it says.
        has: LogOffset,
        /// Where the master's log ends.
        end: LogOffset,
    },
    /// The slave says nothing.
    #[error("nothing came from the slave for {silent_ms} ms (haHousekeepingInterval={limit_ms})")]
    Silent {
        /// For how long.
        silent_ms: i64,
        /// The limit.
        limit_ms: i64,
    },
}

/// What a master does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Sends these bytes.
    SignOfLife([u8; HEADER_LEN_BYTES]),
    /// Sends up to so many bytes of the log from there on: see [`Outgoing::fill`] and [`MasterSession::sent`].
    Log {
        /// Where they begin.
        from: LogOffset,
        /// How many at most.
        bytes: usize,
    },
    /// Nothing before this time, unless the log gets longer or the slave says something.
    Wait(Timestamp),
}

/// One connection to a slave. Pure: what came in goes to [`MasterSession::receive`], and whenever the connection takes more
/// [`MasterSession::next`] says what goes out.
#[derive(Debug)]
pub struct MasterSession {
    received: Vec<u8>,
    acknowledged: Option<LogOffset>,
    position: Option<LogOffset>,
    heard: Timestamp,
    wrote: Timestamp,
    pace: Pace,
}

impl MasterSession {
    /// A connection that was accepted.
    pub fn open(now: Timestamp) -> Self {
        MasterSession {
            received: Vec::new(),
            acknowledged: None,
            position: None,
            heard: now,
            wrote: now,
            pace: Pace::new(now),
        }
    }

    /// What the slave has, as it last said.
    pub fn acknowledged(&self) -> Option<LogOffset> {
        self.acknowledged
    }

    /// What goes out next (Java: `transferFromWhere`).
    pub fn position(&self) -> Option<LogOffset> {
        self.position
    }

    /// Bytes of the log that were sent in the last second.
    pub fn bytes_per_second(&self) -> u64 {
        self.pace.bytes_per_second()
    }

    /// What the slave sent, and the log now. What it has, where it said so.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        log: &SourceLog,
        now: Timestamp,
    ) -> Result<Option<LogOffset>, MasterError> {
        self.heard = now;
        self.received.extend_from_slice(bytes);
        let (said, used) = decode_report(&self.received)?;
        self.received.drain(..used);
        let Some(has) = said else { return Ok(None) };
        if has > log.end {
            return Err(MasterError::HasMore { has, end: log.end });
        }
        self.acknowledged = Some(has);
        if self.position.is_none() {
            let from = if has.0 == 0 { log.for_empty } else { has };
            if from < log.begin {
                return Err(MasterError::TooFarBehind { wanted: from, begin: log.begin });
            }
            self.position = Some(from);
        }
        Ok(Some(has))
    }

    /// What is to be done now.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn next(&mut self, log: &SourceLog, how: &Shipped, now: Timestamp) -> Result<Next, MasterError> {
        let allowed = self.pace.allowed(how.bytes_per_second, now);
        let silent_ms = now.ms_since(self.heard);
        if silent_ms > how.silence_max_ms {
            return Err(MasterError::Silent { silent_ms, limit_ms: how.silence_max_ms });
        }
        let gone_at = self.heard.add_ms(how.silence_max_ms + 1);
        let Some(from) = self.position else { return Ok(Next::Wait(gone_at)) };
        if from < log.begin {
            return Err(MasterError::TooFarBehind { wanted: from, begin: log.begin });
        }
        let there = usize::try_from(log.end.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let bytes = there.min(allowed);
        if bytes > 0 {
            return Ok(Next::Log { from, bytes });
        }
        if now.ms_since(self.wrote) >= how.heartbeat_ms {
            self.wrote = now;
            return Ok(Next::SignOfLife(Header { offset: from, body_len: 0 }.encode()));
        }
        let mut until = gone_at.min(self.wrote.add_ms(how.heartbeat_ms));
        if there > 0 {
            until = until.min(self.pace.next_second());
        }
        Ok(Next::Wait(until))
    }

    /// So many bytes of the log were handed to the connection.
    pub fn sent(&mut self, bytes: usize, now: Timestamp) {
        self.wrote = now;
        self.pace.sent(bytes);
        self.position = self.position.map(|from| from.add_bytes(bytes as u64));
    }
}

/// Frames on their way out.
#[derive(Debug, Default)]
pub struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    /// What has to be written.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// So many of them were.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes;
        if self.written >= self.bytes.len() {
            self.bytes.clear();
            self.written = 0;
        }
    }

    /// Adds bytes as they are.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds a header, then exactly `len` bytes of the log from `from` on, which `read` appends in one or more pieces.
    ///
    /// # Errors
    /// Those of `read`; nothing is added then. `false`: the log has fewer.
    pub fn push_log<E>(
        &mut self,
        header: &[u8],
        from: LogOffset,
        len: usize,
        mut read: impl FnMut(LogOffset, usize, &mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<bool, E> {
        let at = self.bytes.len();
        self.bytes.extend_from_slice(header);
        let mut done = 0;
        while done < len {
            match read(from.add_bytes(done as u64), len - done, &mut self.bytes) {
                Ok(read @ 1..) => done += read,
                other => {
                    self.bytes.truncate(at);
                    return other.map(|_| false);
                }
            }
        }
        Ok(true)
    }

    /// Whether one write has enough.
    pub fn is_full(&self) -> bool {
        self.bytes.len() >= WRITE_BYTES
    }

    /// Adds frames with up to `bytes` of the log from `from` on, as many as one write takes: `read` appends up to so many bytes
    /// of the log from an offset on, and says how many it had. How many bytes of the log there are.
    ///
    /// # Errors
    /// Those of `read`; the frames before are complete.
    pub fn fill<E>(
        &mut self,
        from: LogOffset,
        bytes: usize,
        batch_bytes: usize,
        mut read: impl FnMut(LogOffset, usize, &mut Vec<u8>) -> Result<usize, E>,
    ) -> Result<usize, E> {
        let batch_bytes = batch_bytes.clamp(1, BODY_MAX_BYTES);
        let mut done = 0;
        while done < bytes && !self.is_full() {
            let at = self.bytes.len();
            let offset = from.add_bytes(done as u64);
            self.bytes.extend_from_slice(&[0; HEADER_LEN_BYTES]);
            let read = read(offset, batch_bytes.min(bytes - done), &mut self.bytes);
            let Ok(body_len @ 1..) = read else {
                self.bytes.truncate(at);
                read?;
                break;
            };
            if let Some(place) = self.bytes.get_mut(at..at + HEADER_LEN_BYTES) {
                place.copy_from_slice(&Header { offset, body_len }.encode());
            }
            done += body_len;
        }
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::frame::encode_report, *};

    const HOW: Shipped =
        Shipped { batch_bytes: 100, heartbeat_ms: 5_000, silence_max_ms: 20_000, bytes_per_second: None };
    const LOG: SourceLog =
        SourceLog { begin: LogOffset(2000), end: LogOffset(4500), for_empty: LogOffset(4000) };

    fn session(has: u64) -> Result<MasterSession, MasterError> {
        let mut session = MasterSession::open(Timestamp(0));
        session.receive(&encode_report(LogOffset(has)), &LOG, Timestamp(0)).map(|_| session)
    }

    #[test]
    fn an_empty_slave_begins_where_the_master_says_another_where_its_log_ends() {
        let mut empty = session(0).unwrap();
        let log = |from, bytes| Next::Log { from: LogOffset(from), bytes };
        assert_eq!(empty.next(&LOG, &HOW, Timestamp(0)), Ok(log(4000, 500)));
        let mut other = session(2500).unwrap();
        assert_eq!(other.next(&LOG, &HOW, Timestamp(0)), Ok(log(2500, 2000)));
        other.sent(2000, Timestamp(10));
        assert_eq!(other.next(&LOG, &HOW, Timestamp(10)), Ok(Next::Wait(Timestamp(5_010))));
        let said = other.receive(&encode_report(LogOffset(4500)), &LOG, Timestamp(20)).unwrap();
        assert_eq!((said, other.acknowledged()), (Some(LogOffset(4500)), Some(LogOffset(4500))));
        let nothing = SourceLog { begin: LogOffset(0), end: LogOffset(0), for_empty: LogOffset(0) };
        let mut first = MasterSession::open(Timestamp(0));
        first.receive(&encode_report(LogOffset(0)), &nothing, Timestamp(0)).unwrap();
        assert_eq!(first.position(), Some(LogOffset(0)));
    }

    #[test]
    fn a_slave_that_cannot_be_served_is_told_apart() {
        let error = session(1999).unwrap_err();
        assert!(error.to_string().contains("move its commitlog"), "{error}");
        let error = session(4501).unwrap_err();
        assert!(error.to_string().contains("make the slave the master"), "{error}");
        let mut silent = session(4500).unwrap();
        assert_eq!(
            silent.next(&LOG, &HOW, Timestamp(20_001)),
            Err(MasterError::Silent { silent_ms: 20_001, limit_ms: 20_000 })
        );
    }

    #[test]
    fn silence_is_broken_by_signs_of_life() {
        let mut session = session(4500).unwrap();
        assert_eq!(session.next(&LOG, &HOW, Timestamp(4_999)), Ok(Next::Wait(Timestamp(5_000))));
        let Ok(Next::SignOfLife(bytes)) = session.next(&LOG, &HOW, Timestamp(5_000)) else { panic!() };
        assert_eq!(Header::decode(&bytes), Ok(Some(Header { offset: LogOffset(4500), body_len: 0 })));
        assert_eq!(session.next(&LOG, &HOW, Timestamp(5_001)), Ok(Next::Wait(Timestamp(10_000))));
    }

    #[test]
    fn a_limited_flow_waits_for_the_next_second() {
        let how = Shipped { bytes_per_second: Some(700), ..HOW };
        let mut session = session(4000).unwrap();
        assert_eq!(
            session.next(&LOG, &how, Timestamp(0)),
            Ok(Next::Log { from: LogOffset(4000), bytes: 500 })
        );
        session.sent(500, Timestamp(0));
        let longer = SourceLog { end: LogOffset(9000), ..LOG };
        let Ok(Next::Log { bytes: 200, .. }) = session.next(&longer, &how, Timestamp(1)) else { panic!() };
        session.sent(200, Timestamp(1));
        assert_eq!(session.next(&longer, &how, Timestamp(2)), Ok(Next::Wait(Timestamp(1_000))));
        let Ok(Next::Log { bytes: 700, .. }) = session.next(&longer, &how, Timestamp(1_000)) else {
            panic!()
        };
        assert_eq!(session.bytes_per_second(), 700);
    }

    #[test]
    fn the_log_goes_out_in_frames_of_at_most_a_batch() {
        let log: Vec<u8> = (0..=255).collect();
        let mut outgoing = Outgoing::default();
        let read = |at: LogOffset, len: usize, into: &mut Vec<u8>| -> Result<usize, ()> {
            // A segment ends at 150.
            let end = if at.0 < 150 { 150 } else { 256 };
            let part = &log[at.0 as usize..(at.0 as usize + len).min(end)];
            into.extend_from_slice(part);
            Ok(part.len())
        };
        assert_eq!(outgoing.fill(LogOffset(6), 250, 100, read), Ok(250));
        let (mut at, mut rest) = (6, outgoing.pending());
        let mut lengths = Vec::new();
        while let Ok(Some(header)) = Header::decode(rest) {
            assert_eq!(header.offset, LogOffset(at));
            let body = &rest[HEADER_LEN_BYTES..HEADER_LEN_BYTES + header.body_len];
            assert_eq!(body, &log[at as usize..at as usize + header.body_len]);
            (at, rest) = (at + header.body_len as u64, &rest[HEADER_LEN_BYTES + header.body_len..]);
            lengths.push(header.body_len);
        }
        assert_eq!((lengths, at, rest.len()), (vec![100, 44, 100, 6], 256, 0));
        outgoing.wrote(5);
        let left = outgoing.pending().len();
        outgoing.wrote(left);
        assert!(outgoing.pending().is_empty());
        assert_eq!(outgoing.fill(LogOffset(0), 10, 10, |_, _, _| Err("gone")), Err("gone"));
        assert!(outgoing.pending().is_empty());
    }
}
