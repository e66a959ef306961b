//! A slave's side of the connection to its master.

use eruca_message::{LogOffset, Timestamp};

use super::frame::{FrameError, HEADER_LEN_BYTES, Header, REPORT_LEN_BYTES, encode_report};

/// The log that is the copy.
pub trait CopiedLog {
    /// Why it does not take bytes.
    type Error;

    /// Takes bytes of the master's log that belong to `at`, wherever they are cut. What they were is lost with an error.
    ///
    /// # Errors
    /// They are no continuation of the log, or the disk refuses them.
    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), Self::Error>;
}

/// Why a connection to a master is given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlaveError<E> {
    /// What came is no frame.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The master goes on elsewhere than at the end.
    #[error("the master sent its log from offset {offset} on, {expected} was asked for")]
    Gap {
        /// What came.
        offset: LogOffset,
        /// What was expected.
        expected: LogOffset,
    },
    /// The master says nothing.
    #[error("nothing came from the master for {silent_ms} ms (haHousekeepingInterval={limit_ms})")]
    Silent {
        /// For how long.
        silent_ms: i64,
        /// The limit.
        limit_ms: i64,
    },
    /// The log does not take it.
    #[error("{0}")]
    Log(E),
}

/// The connection to the master. Pure: what came in goes to [`SlaveSession::receive`], and what [`SlaveSession::report`] gives
/// goes out.
#[derive(Debug)]
pub struct SlaveSession {
    /// Where the next byte of the log belongs; 0: anywhere, the log is empty.
    next: LogOffset,
    /// Bytes of the present frame that are still to come.
    body_left: usize,
    /// The beginning of a header.
    header: Vec<u8>,
    /// Bodies of frames that came together.
    batch: Vec<u8>,
    heard: Timestamp,
    reported: Option<(LogOffset, Timestamp)>,
}

impl SlaveSession {
    /// A connection that was made, for a log that ends at `end`.
    pub fn open(end: LogOffset, now: Timestamp) -> Self {
        SlaveSession {
            next: end,
            body_left: 0,
            header: Vec::new(),
            batch: Vec::new(),
            heard: now,
            reported: None,
        }
    }

    /// When something last came.
    pub fn heard(&self) -> Timestamp {
        self.heard
    }

    /// When a report last went out.
    pub fn reported_at(&self) -> Option<Timestamp> {
        self.reported.map(|(_, at)| at)
    }

    /// What the master sent: the bytes of the log in it go to `log` at once.
    ///
    /// # Errors
    /// The connection has to be closed.
    pub fn receive<L: CopiedLog>(
        &mut self,
        bytes: &[u8],
        log: &mut L,
        now: Timestamp,
    ) -> Result<(), SlaveError<L::Error>> {
        self.heard = now;
        self.batch.clear();
        let mut batch_at = self.next;
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.body_left == 0 {
                let missing = HEADER_LEN_BYTES - self.header.len();
                let (head, later) = rest.split_at(missing.min(rest.len()));
                self.header.extend_from_slice(head);
                rest = later;
                let Some(Header { offset, body_len }) = Header::decode(&self.header)? else { break };
                self.header.clear();
                if offset != self.next {
                    if self.next.0 != 0 {
                        return Err(SlaveError::Gap { offset, expected: self.next });
                    }
                    if body_len > 0 {
                        (self.next, batch_at) = (offset, offset);
                    }
                }
                self.body_left = body_len;
            }
            let (body, later) = rest.split_at(self.body_left.min(rest.len()));
            self.body_left -= body.len();
            self.next = self.next.add_bytes(body.len() as u64);
            rest = later;
            if rest.is_empty() && self.batch.is_empty() && !body.is_empty() {
                // All of one frame: as it lies.
                return log.append(batch_at, body).map_err(SlaveError::Log);
            }
            self.batch.extend_from_slice(body);
        }
        if self.batch.is_empty() {
            return Ok(());
        }
        log.append(batch_at, &self.batch).map_err(SlaveError::Log)
    }

    /// The report that is due, for a log that ends at `end`: at first, when that moved, and as a sign of life after
    /// `heartbeat_ms`.
    pub fn report(
        &mut self,
        end: LogOffset,
        heartbeat_ms: i64,
        now: Timestamp,
    ) -> Option<[u8; REPORT_LEN_BYTES]> {
        if self.reported.is_some_and(|(said, at)| said == end && now.ms_since(at) < heartbeat_ms) {
            return None;
        }
        self.reported = Some((end, now));
        Some(encode_report(end))
    }

    /// Whether the master is still there.
    ///
    /// # Errors
    /// It was silent for too long: the connection has to be closed.
    pub fn check_silence<E>(&self, silence_max_ms: i64, now: Timestamp) -> Result<(), SlaveError<E>> {
        let silent_ms = now.ms_since(self.heard);
        match silent_ms > silence_max_ms {
            true => Err(SlaveError::Silent { silent_ms, limit_ms: silence_max_ms }),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::frame::BODY_MAX_BYTES, *};

    #[derive(Debug, Default)]
    struct Log {
        begin: Option<LogOffset>,
        bytes: Vec<u8>,
        appends: usize,
    }

    impl CopiedLog for Log {
        type Error = String;

        fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), String> {
            let begin = *self.begin.get_or_insert(at);
            if at.0 != begin.0 + self.bytes.len() as u64 {
                return Err(format!("{at}"));
            }
            self.appends += 1;
            self.bytes.extend_from_slice(bytes);
            Ok(())
        }
    }

    fn frame(offset: u64, body: &[u8]) -> Vec<u8> {
        [&Header { offset: LogOffset(offset), body_len: body.len() }.encode()[..], body].concat()
    }

    #[test]
    fn frames_that_came_together_are_one_append() {
        let (mut session, mut log) = (SlaveSession::open(LogOffset(0), Timestamp(0)), Log::default());
        let bytes = [frame(700, b""), frame(4000, b"abc"), frame(4003, b""), frame(4003, b"defg")].concat();
        session.receive(&bytes, &mut log, Timestamp(3)).unwrap();
        assert_eq!(
            (log.bytes.as_slice(), log.begin, log.appends),
            (&b"abcdefg"[..], Some(LogOffset(4000)), 1)
        );
        assert_eq!(session.heard(), Timestamp(3));
        let error = session.receive(&frame(4000, b"abc"), &mut log, Timestamp(4)).unwrap_err();
        assert_eq!(error, SlaveError::Gap { offset: LogOffset(4000), expected: LogOffset(4007) });
    }

    #[test]
    fn reports_come_at_first_on_change_and_as_signs_of_life() {
        let mut session = SlaveSession::open(LogOffset(7), Timestamp(0));
        let mut report = |end, now| session.report(LogOffset(end), 5_000, Timestamp(now));
        assert_eq!(report(7, 0), Some([0, 0, 0, 0, 0, 0, 0, 7]));
        assert_eq!(report(7, 4_999), None);
        assert!(report(8, 4_999).is_some() && report(8, 9_000).is_none() && report(8, 9_999).is_some());
        assert!(session.check_silence::<()>(20_000, Timestamp(20_000)).is_ok());
        let error = session.check_silence::<()>(20_000, Timestamp(20_001)).unwrap_err();
        assert!(matches!(error, SlaveError::Silent { .. }));
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_network_cuts(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 0..10),
            cut in 1usize..40,
        ) {
            let (mut at, mut bytes, mut expected) = (90, Vec::new(), Vec::new());
            for body in &bodies {
                bytes.extend(frame(at, body));
                expected.extend_from_slice(body);
                at += body.len() as u64;
            }
            let (mut session, mut log) = (SlaveSession::open(LogOffset(90), Timestamp(0)), Log::default());
            for piece in bytes.chunks(cut) {
                session.receive(piece, &mut log, Timestamp(0)).unwrap();
            }
            prop_assert_eq!(log.bytes, expected);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), cut in 1usize..40) {
            let (mut session, mut log) = (SlaveSession::open(LogOffset(0), Timestamp(0)), Log::default());
            for piece in bytes.chunks(cut) {
                if session.receive(piece, &mut log, Timestamp(0)).is_err() {
                    break;
                }
            }
            prop_assert!(log.bytes.len() <= bytes.len() && session.body_left <= BODY_MAX_BYTES);
        }
    }
}
