//! A unit of the timer log: one message that waits.
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | size | 4 | 52 |
//! | 4 | prevPos | 8 | position of the unit before it in its slot, -1 for the first |
//! | 12 | magic | 4 | bits: 1 always, 2 the message is parked anew when its slot comes, 4 it recalls another |
//! | 16 | currWriteTime | 8 | when the unit was written, ms |
//! | 24 | delayedTime | 4 | time of its slot after that, ms |
//! | 28 | offsetPy | 8 | log offset of the message |
//! | 36 | sizePy | 4 | its length there |
//! | 40 | hashCodeOfRealTopic | 4 | `String.hashCode` of the topic that it is for |
//! | 44 | reserved | 8 | 0 |
//!
//! Big-endian. A file whose rest is too short for a unit and a filler ends with a filler: the length of the rest in 4 bytes, 8 zero
//! bytes, [`BLANK_MAGIC`]. Source: Java's `TimerLog`, versions 5.1 to 5.5.

use eruca_message::{LogOffset, Timestamp};

/// Length of a unit.
pub(super) const UNIT_LEN: usize = 52;
/// Length of the filler.
pub(super) const BLANK_LEN: usize = 16;
/// Magic of the filler: `0xBBCCDDEE ^ (1880681586 + 8)` in Java's arithmetic.
pub(super) const BLANK_MAGIC: u32 = 0xBBCC_DDEE ^ (1_880_681_586 + 8);

const MAGIC_DEFAULT: u32 = 1;
const MAGIC_ROLL: u32 = 2;
const MAGIC_DELETE: u32 = 4;
/// Other bits are in no unit.
const MAGIC_KNOWN: u32 = 0xF;

/// What becomes of a message when its slot comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitKind {
    /// It is delivered.
    Deliver,
    /// It is parked anew: its time is further away than the wheel reaches.
    Roll,
    /// Nothing: it takes another message of the slot away.
    Recall,
    /// A recall that is parked anew.
    RollRecall,
}

impl UnitKind {
    /// Whether the message is parked anew.
    pub fn is_roll(self) -> bool {
        matches!(self, UnitKind::Roll | UnitKind::RollRecall)
    }

    fn magic(self) -> u32 {
        MAGIC_DEFAULT
            | match self {
                UnitKind::Deliver => 0,
                UnitKind::Roll => MAGIC_ROLL,
                UnitKind::Recall => MAGIC_DELETE,
                UnitKind::RollRecall => MAGIC_ROLL | MAGIC_DELETE,
            }
    }

    fn of(magic: u32) -> UnitKind {
        match (magic & MAGIC_ROLL != 0, magic & MAGIC_DELETE != 0) {
            (false, false) => UnitKind::Deliver,
            (true, false) => UnitKind::Roll,
            (false, true) => UnitKind::Recall,
            (true, true) => UnitKind::RollRecall,
        }
    }

    /// What it adds to the number of messages in its slot, as Java counts.
    pub fn count(self) -> i32 {
        match self {
            UnitKind::Deliver | UnitKind::Roll => 1,
            UnitKind::Recall | UnitKind::RollRecall => -1,
        }
    }
}

/// One message that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerUnit {
    /// Position of the unit before it in its slot.
    pub prev: Option<u64>,
    /// What becomes of the message.
    pub kind: UnitKind,
    /// When the unit was written.
    pub written: Timestamp,
    /// The time that its slot is chosen by: the message's `TIMER_OUT_MS`, or when it is parked anew.
    pub out: Timestamp,
    /// Where the message lies in the log.
    pub log_offset: LogOffset,
    /// Its length there, in bytes.
    pub size_bytes: u32,
    /// Hash of the topic that it is for.
    pub topic_hash: i32,
}

/// What stands at a position of the timer log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Unit(TimerUnit),
    /// The rest of the file is empty.
    Blank,
    /// Neither: the log ends here.
    Nothing,
}

impl TimerUnit {
    /// As it lies in the file.
    pub fn encode(&self) -> [u8; UNIT_LEN] {
        let mut bytes = [0; UNIT_LEN];
        let prev = self.prev.and_then(|prev| i64::try_from(prev).ok()).unwrap_or(-1);
        // The window of the wheel is less than 24 days of milliseconds; a clock that was set back must not overflow it.
        let delay = i32::try_from(self.out.ms_since(self.written)).unwrap_or(i32::MAX);
        let mut at = 0;
        let mut put = |field: &[u8]| {
            if let Some(place) = bytes.get_mut(at..at + field.len()) {
                place.copy_from_slice(field);
            }
            at += field.len();
        };
        put(&(UNIT_LEN as u32).to_be_bytes());
        put(&prev.to_be_bytes());
        put(&self.kind.magic().to_be_bytes());
        put(&self.out.0.saturating_sub(i64::from(delay)).to_be_bytes());
        put(&delay.to_be_bytes());
        put(&self.log_offset.0.to_be_bytes());
        put(&self.size_bytes.to_be_bytes());
        put(&self.topic_hash.to_be_bytes());
        bytes
    }

    /// The unit at the beginning of `bytes`; `None` where something else stands.
    pub fn read(bytes: &[u8]) -> Option<TimerUnit> {
        match TimerUnit::decode(bytes) {
            Found::Unit(unit) => Some(unit),
            Found::Blank | Found::Nothing => None,
        }
    }

    /// Reads what starts at the beginning of `bytes`.
    pub(super) fn decode(bytes: &[u8]) -> Found {
        let number = |at: usize| bytes.get(at..at + 8)?.first_chunk::<8>().map(|b| i64::from_be_bytes(*b));
        let small = |at: usize| bytes.get(at..at + 4)?.first_chunk::<4>().map(|b| i32::from_be_bytes(*b));
        let Some(magic) = small(12).map(i32::cast_unsigned) else { return Found::Nothing };
        if magic == BLANK_MAGIC {
            return Found::Blank;
        }
        let unit = || {
            let (written, delay) = (number(16)?, small(24)?);
            Some(TimerUnit {
                prev: u64::try_from(number(4)?).ok(),
                kind: UnitKind::of(magic),
                written: Timestamp(written),
                out: Timestamp(written.saturating_add(i64::from(delay))),
                log_offset: LogOffset(u64::try_from(number(28)?).ok()?),
                size_bytes: small(36)?.cast_unsigned(),
                topic_hash: small(40)?,
            })
        };
        let is_unit = bytes.len() >= UNIT_LEN
            && small(0) == i32::try_from(UNIT_LEN).ok()
            && magic & MAGIC_DEFAULT != 0
            && magic & !MAGIC_KNOWN == 0;
        is_unit.then(unit).flatten().map_or(Found::Nothing, Found::Unit)
    }
}

/// The filler for a rest of `len` bytes.
pub(super) fn blank(len: u64) -> [u8; BLANK_LEN] {
    let mut bytes = [0; BLANK_LEN];
    let (size, rest) = bytes.split_at_mut(4);
    size.copy_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    if let Some(magic) = rest.get_mut(8..) {
        magic.copy_from_slice(&BLANK_MAGIC.to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_filler_is_javas() {
        // int BLANK_MAGIC_CODE = 0xBBCCDDEE ^ 1880681586 + 8
        assert_eq!(BLANK_MAGIC.cast_signed(), 0xBBCC_DDEE_u32.cast_signed() ^ 1_880_681_594);
        assert_eq!(TimerUnit::decode(&blank(40)), Found::Blank);
        assert_eq!(TimerUnit::decode(&[0; 52]), Found::Nothing);
    }

    proptest! {
        #[test]
        fn units_come_back(
            prev in proptest::option::of(0u64..1 << 62),
            kind in 0u32..4,
            written in 0i64..1 << 50,
            delay in -1000i64..700_000_000,
            log_offset in 0u64..1 << 62,
            size_bytes: u32,
            topic_hash: i32,
        ) {
            let unit = TimerUnit {
                prev,
                kind: UnitKind::of(kind << 1),
                written: Timestamp(written),
                out: Timestamp(written + delay),
                log_offset: LogOffset(log_offset),
                size_bytes,
                topic_hash,
            };
            prop_assert_eq!(TimerUnit::decode(&unit.encode()), Found::Unit(unit));
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = TimerUnit::decode(&bytes);
        }
    }
}
