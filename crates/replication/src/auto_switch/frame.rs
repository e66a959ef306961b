//! The frames of the HA protocol of controller mode (Java: `AutoSwitchHAClient`, `AutoSwitchHAConnection`). All integers are
//! big-endian.
//!
//! ```text
//! slave → master, handshake   state 4 (=1) | sync from last file 2 | async learner 2 | broker id 8
//! slave → master, report      state 4 (=2) | end of the slave's log 8
//! master → slave, handshake   state 4 (=1) | body size 4 | end of the master's log 8 | epoch 4 | (epoch 4, start 8) …
//! master → slave, transfer    state 4 (=2) | body size 4 | offset 8 | epoch 4 | start of the epoch 8 | confirm offset 8 | log
//! ```

use eruca_message::LogOffset;

use super::epochs::{EPOCHS_MAX, Epoch, EpochError, Epochs};

const HANDSHAKE: i32 = 1;
const TRANSFER: i32 = 2;
const SLAVE_HANDSHAKE_LEN: usize = 16;
const SLAVE_REPORT_LEN: usize = 12;
const MASTER_HANDSHAKE_LEN: usize = 20;
/// Bytes before the log's own in a transfer.
pub const TRANSFER_HEADER_LEN: usize = 36;
const EPOCH_LEN: usize = 12;
/// Most bytes of a log in one transfer: Java's slave reads a frame into 4 MiB.
pub const TRANSFER_BODY_MAX: usize = 4 * 1024 * 1024 - TRANSFER_HEADER_LEN;

/// What a slave says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlaveFrame {
    /// Who it is.
    Handshake {
        /// A slave without messages wants only the last segment of the log, not all that is there.
        sync_from_last_file: bool,
        /// It never belongs to the in-sync set.
        async_learner: bool,
        /// The id that the controller gave it.
        broker_id: i64,
    },
    /// The end of its log.
    Report(LogOffset),
}

/// What a master says. The bytes of the log are borrowed from what was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MasterFrame<'a> {
    /// What its log consists of.
    Handshake {
        /// The end of its log.
        end: LogOffset,
        /// Who wrote it.
        epochs: Epochs,
    },
    /// A part of the log, within one epoch; an empty one is a sign of life.
    Transfer {
        /// Where it belongs; `None` in a sign of life before the master knows where to begin.
        offset: Option<LogOffset>,
        /// Whose it is.
        epoch: Epoch,
        /// Up to where the whole in-sync set has the log.
        confirm: LogOffset,
        /// The bytes.
        body: &'a [u8],
    },
}

/// Bytes that are no frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// A state that has no frame.
    #[error(
        "state {state} has no frame; there are {HANDSHAKE} (handshake) and {TRANSFER} (transfer). {hint}"
    )]
    State {
        /// What came.
        state: i32,
        /// What it may come from.
        hint: &'static str,
    },
    /// An offset below 0, or a body that is negative or too long.
    #[error("{what} is {value}, which must be from 0 to {max}")]
    Field {
        /// Which.
        what: &'static str,
        /// What came.
        value: i64,
        /// The limit.
        max: i64,
    },
    /// The master's epochs cannot be.
    #[error(transparent)]
    Epochs(#[from] EpochError),
}

const HINT: &str =
    "A peer that is not in controller mode (enableControllerMode=true) speaks another protocol";

/// Reads big-endian fields one after the other. Running out gives `None`: the frame is not complete.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }
    fn int(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }
    fn short(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }
    fn long(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }
}

fn offset(what: &'static str, value: i64) -> Result<LogOffset, FrameError> {
    u64::try_from(value).map(LogOffset).map_err(|_| FrameError::Field { what, value, max: i64::MAX })
}

impl SlaveFrame {
    /// The bytes.
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SLAVE_HANDSHAKE_LEN);
        match self {
            SlaveFrame::Handshake { sync_from_last_file, async_learner, broker_id } => {
                bytes.extend(HANDSHAKE.to_be_bytes());
                bytes.extend(i16::from(sync_from_last_file).to_be_bytes());
                bytes.extend(i16::from(async_learner).to_be_bytes());
                bytes.extend(broker_id.to_be_bytes());
            }
            SlaveFrame::Report(end) => {
                bytes.extend(TRANSFER.to_be_bytes());
                bytes.extend(end.to_i64().to_be_bytes());
            }
        }
        bytes
    }

    /// The first frame of `bytes` and its length; `None` where it is not complete.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &[u8]) -> Result<Option<(SlaveFrame, usize)>, FrameError> {
        let mut fields = Fields(bytes);
        let Some(state) = fields.int() else { return Ok(None) };
        match state {
            HANDSHAKE => {
                let (Some(last_file), Some(learner), Some(broker_id)) =
                    (fields.short(), fields.short(), fields.long())
                else {
                    return Ok(None);
                };
                let (sync_from_last_file, async_learner) = (last_file == 1, learner == 1);
                let hello = SlaveFrame::Handshake { sync_from_last_file, async_learner, broker_id };
                Ok(Some((hello, SLAVE_HANDSHAKE_LEN)))
            }
            TRANSFER => match fields.long() {
                Some(end) => Ok(Some((SlaveFrame::Report(offset("a slave's end", end)?), SLAVE_REPORT_LEN))),
                None => Ok(None),
            },
            state => Err(FrameError::State { state, hint: HINT }),
        }
    }
}

/// The bytes of a master's handshake.
pub fn encode_handshake(end: LogOffset, epochs: &Epochs) -> Vec<u8> {
    let body = epochs.entries().len() * EPOCH_LEN;
    let mut bytes = Vec::with_capacity(MASTER_HANDSHAKE_LEN + body);
    bytes.extend(HANDSHAKE.to_be_bytes());
    // At most EPOCHS_MAX of them.
    bytes.extend(i32::try_from(body).unwrap_or(i32::MAX).to_be_bytes());
    bytes.extend(end.to_i64().to_be_bytes());
    bytes.extend(epochs.last_number().to_be_bytes());
    for epoch in epochs.entries() {
        bytes.extend(epoch.number.to_be_bytes());
        bytes.extend(epoch.start.to_i64().to_be_bytes());
    }
    bytes
}

/// The bytes before the log's own in a transfer of `len` bytes, at most [`TRANSFER_BODY_MAX`].
pub fn encode_transfer_header(
    offset: Option<LogOffset>,
    len: usize,
    epoch: Epoch,
    confirm: LogOffset,
) -> [u8; TRANSFER_HEADER_LEN] {
    let mut bytes = [0; TRANSFER_HEADER_LEN];
    let (head, tail) = bytes.split_at_mut(MASTER_HANDSHAKE_LEN);
    head[..4].copy_from_slice(&TRANSFER.to_be_bytes());
    head[4..8].copy_from_slice(&i32::try_from(len).unwrap_or(i32::MAX).to_be_bytes());
    head[8..16].copy_from_slice(&offset.map_or(-1, LogOffset::to_i64).to_be_bytes());
    head[16..].copy_from_slice(&epoch.number.to_be_bytes());
    tail[..8].copy_from_slice(&epoch.start.to_i64().to_be_bytes());
    tail[8..].copy_from_slice(&confirm.to_i64().to_be_bytes());
    bytes
}

impl MasterFrame<'_> {
    /// The first frame of `bytes` and its length; `None` where it is not complete.
    ///
    /// # Errors
    /// It is none.
    pub fn decode(bytes: &[u8]) -> Result<Option<(MasterFrame<'_>, usize)>, FrameError> {
        let mut fields = Fields(bytes);
        let (Some(state), Some(body_len)) = (fields.int(), fields.int()) else { return Ok(None) };
        let max = match state {
            HANDSHAKE => EPOCHS_MAX * EPOCH_LEN,
            TRANSFER => TRANSFER_BODY_MAX,
            state => return Err(FrameError::State { state, hint: HINT }),
        };
        let len = usize::try_from(body_len).ok().filter(|len| *len <= max).ok_or(FrameError::Field {
            what: "the length of a frame's body",
            value: body_len.into(),
            // At most 4 MiB.
            max: i64::try_from(max).unwrap_or(i64::MAX),
        })?;
        let (Some(at), Some(number)) = (fields.long(), fields.int()) else { return Ok(None) };
        if state == HANDSHAKE {
            let Some(mut body) = fields.0.get(..len).map(Fields) else { return Ok(None) };
            let mut entries = Vec::with_capacity(len / EPOCH_LEN);
            while let (Some(number), Some(start)) = (body.int(), body.long()) {
                entries.push(Epoch { number, start: offset("the start of an epoch", start)? });
            }
            let epochs = Epochs::from_entries(entries)?;
            let end = offset("the master's end", at)?;
            return Ok(Some((MasterFrame::Handshake { end, epochs }, MASTER_HANDSHAKE_LEN + len)));
        }
        let (Some(start), Some(confirm)) = (fields.long(), fields.long()) else { return Ok(None) };
        let Some(body) = fields.0.get(..len) else { return Ok(None) };
        let frame = MasterFrame::Transfer {
            offset: if at == -1 && len == 0 { None } else { Some(offset("the offset of a transfer", at)?) },
            epoch: Epoch { number, start: offset("the start of an epoch", start)? },
            // Java: -1 before it is known.
            confirm: LogOffset(u64::try_from(confirm).unwrap_or(0)),
            body,
        };
        Ok(Some((frame, TRANSFER_HEADER_LEN + len)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn epoch(number: i32, start: u64) -> Epoch {
        Epoch { number, start: LogOffset(start) }
    }

    #[test]
    fn the_bytes_of_a_slave() {
        let shake = SlaveFrame::Handshake { sync_from_last_file: true, async_learner: false, broker_id: 3 };
        assert_eq!(shake.encode(), b"\0\0\0\x01\0\x01\0\0\0\0\0\0\0\0\0\x03");
        assert_eq!(SlaveFrame::Report(LogOffset(258)).encode(), b"\0\0\0\x02\0\0\0\0\0\0\x01\x02");
        let both = [shake.encode(), SlaveFrame::Report(LogOffset(258)).encode()].concat();
        assert_eq!(SlaveFrame::decode(&both).unwrap().unwrap(), (shake, 16));
        assert_eq!(
            SlaveFrame::decode(&both[16..]).unwrap().unwrap(),
            (SlaveFrame::Report(LogOffset(258)), 12)
        );
        assert_eq!(SlaveFrame::decode(&both[..15]).unwrap(), None);
        let error = SlaveFrame::decode(b"\0\0\0\x02\xff\xff\xff\xff\xff\xff\xff\xff").unwrap_err();
        assert!(error.to_string().starts_with("a slave's end is -1"), "{error}");
        // The plain protocol begins with an offset.
        assert!(
            SlaveFrame::decode(&LogOffset(77).to_i64().to_be_bytes())
                .unwrap_err()
                .to_string()
                .contains("controller mode")
        );
    }

    #[test]
    fn the_bytes_of_a_master() {
        let epochs = Epochs::from_entries(vec![epoch(1, 0), epoch(2, 9)]).unwrap();
        let bytes = encode_handshake(LogOffset(17), &epochs);
        assert_eq!(bytes.len(), 20 + 24);
        let (frame, len) = MasterFrame::decode(&bytes).unwrap().unwrap();
        assert_eq!((frame, len), (MasterFrame::Handshake { end: LogOffset(17), epochs }, 44));
        let mut bytes = encode_transfer_header(Some(LogOffset(9)), 3, epoch(2, 9), LogOffset(8)).to_vec();
        bytes.extend(b"log");
        let (frame, len) = MasterFrame::decode(&bytes).unwrap().unwrap();
        let expected = MasterFrame::Transfer {
            offset: Some(LogOffset(9)),
            epoch: epoch(2, 9),
            confirm: LogOffset(8),
            body: b"log",
        };
        assert_eq!((frame, len), (expected, 39));
        assert_eq!(MasterFrame::decode(&bytes[..38]).unwrap(), None);
        let too_long = encode_transfer_header(None, TRANSFER_BODY_MAX + 1, epoch(2, 9), LogOffset(8));
        assert!(MasterFrame::decode(&too_long).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), state in 0u8..4) {
            let mut bytes = bytes;
            bytes.splice(..4.min(bytes.len()), [0, 0, 0, state]);
            let _ = SlaveFrame::decode(&bytes);
            let _ = MasterFrame::decode(&bytes);
        }
    }
}
