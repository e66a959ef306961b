//! The file `config/timercheck`: how far timers are on the disk, and what was delivered.
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | lastReadTimeMs | 8 | all slots before this time were delivered |
//! | 8 | lastTimerLogFlushPos | 8 | the timer log is on the disk up to here, and the wheel knows it |
//! | 16 | lastTimerQueueOffset | 8 | next message of the timer topic's queue to take |
//! | 24 | masterTimerQueueOffset | 8 | the same of a slave's master |
//! | 32 | dataVersion | 24 | stateVersion, timestamp, counter |
//! | 64 | ours | 68 | see [`Fine`]; Java leaves it alone |
//!
//! Big-endian, in a file of 4,096 bytes; all of it lies in one sector, so that an overwrite in place is whole or not at all.

use eruca_message::{QueueOffset, Timestamp};

/// Length of the file.
pub(super) const CHECK_FILE_LEN: u64 = 4096;
/// Java's part.
pub(super) const CHECK_LEN: usize = 56;
/// Where ours begins.
pub(super) const FINE_AT: usize = 64;
const FINE_LEN: usize = 68;
/// Both.
pub(super) const WHOLE_LEN: usize = FINE_AT + FINE_LEN;
const FINE_MAGIC: u32 = 0x4552_7432;
/// The form before: its CRC stood where the end of the timer log stands now.
const OLD_MAGIC: u32 = 0x4552_7431;
const OLD_LEN: usize = 60;

/// How far the slots were delivered: everything before a time, and the beginning of one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Delivered {
    /// All slots before this time.
    pub before: Timestamp,
    /// Of the slot that starts there: what was due before this, and
    pub due: Timestamp,
    /// what was due then, up to this position of the timer log. -1 where there is nothing.
    pub pos: i64,
}

impl Delivered {
    /// Everything before `time`.
    pub fn before(time: Timestamp) -> Delivered {
        Delivered { before: time, due: Timestamp(i64::MIN), pos: -1 }
    }
}

/// Java's part of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Check {
    pub(super) read_ms: i64,
    pub(super) log_pos: u64,
    pub(super) queue_offset: u64,
    pub(super) master_queue_offset: u64,
    pub(super) state_version: i64,
    pub(super) timestamp: i64,
    pub(super) counter: i64,
}

/// Our part: the same to the message and without the pause between two flushes, for a start after a killed process.
///
/// | offset | field | bytes |
/// |---|---|---|
/// | 0 | magic `ERt2` | 4 |
/// | 4 | precision, ms | 4 |
/// | 8 | counter of Java's part that it goes with | 8 |
/// | 16 | start of the slot that is being delivered | 8 |
/// | 24 | due time of the last message delivered of it | 8 |
/// | 32 | its position in the timer log | 8 |
/// | 40 | next message of the timer topic's queue to take | 8 |
/// | 48 | end of the log with all that was delivered | 8 |
/// | 56 | end of the timer log with all that was taken | 8 |
/// | 64 | CRC-32 of what is before | 4 |
///
/// It holds where both logs still reach as far as it says. After a power cut one of them may not; what was taken, delivered and recalled
/// must come from one moment, so Java's part counts alone then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Fine {
    pub(super) precision_ms: u32,
    pub(super) counter: i64,
    pub(super) delivered: Delivered,
    pub(super) queue_offset: QueueOffset,
    pub(super) log_end: u64,
    pub(super) timer_log_end: u64,
}

impl Check {
    pub(super) fn encode(&self) -> [u8; CHECK_LEN] {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let fields = [
            self.read_ms,
            signed(self.log_pos),
            signed(self.queue_offset),
            signed(self.master_queue_offset),
            self.state_version,
            self.timestamp,
            self.counter,
        ];
        let mut bytes = [0; CHECK_LEN];
        for (place, field) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(fields) {
            *place = field.to_be_bytes();
        }
        bytes
    }

    /// Values that cannot be count as 0.
    pub(super) fn decode(bytes: &[u8; WHOLE_LEN]) -> Check {
        let mut fields = bytes.as_chunks::<8>().0.iter().map(|b| i64::from_be_bytes(*b));
        let mut next = || fields.next().unwrap_or_default();
        let (read_ms, log_pos, queue_offset, master) = (next(), next(), next(), next());
        let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
        Check {
            read_ms: read_ms.max(0),
            log_pos: unsigned(log_pos),
            queue_offset: unsigned(queue_offset),
            master_queue_offset: unsigned(master),
            state_version: next(),
            timestamp: next(),
            counter: next(),
        }
    }
}

impl Fine {
    pub(super) fn encode(&self) -> [u8; FINE_LEN] {
        let mut bytes = Vec::with_capacity(FINE_LEN);
        bytes.extend_from_slice(&FINE_MAGIC.to_be_bytes());
        bytes.extend_from_slice(&self.precision_ms.to_be_bytes());
        let Delivered { before, due, pos } = self.delivered;
        for field in [self.counter, before.0, due.0, pos] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        for field in [self.queue_offset.0, self.log_end, self.timer_log_end] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        let mut encoded = [0; FINE_LEN];
        encoded.iter_mut().zip(bytes).for_each(|(place, byte)| *place = byte);
        encoded
    }

    /// `None` where it is not whole.
    pub(super) fn decode(bytes: &[u8; WHOLE_LEN]) -> Option<Fine> {
        let check = Check::decode(bytes);
        let bytes = bytes.get(FINE_AT..)?;
        let small = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|b| u32::from_be_bytes(*b));
        let number = |at: usize| bytes.get(at..)?.first_chunk::<8>().map(|b| i64::from_be_bytes(*b));
        let len = match small(0)? {
            FINE_MAGIC => FINE_LEN,
            OLD_MAGIC => OLD_LEN,
            _ => return None,
        };
        let (content, crc) = bytes.get(..len)?.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_be_bytes(*crc) {
            return None;
        }
        let unsigned = |at: usize| number(at).and_then(|number| u64::try_from(number).ok());
        let queue_offset = QueueOffset(unsigned(40)?);
        let timer_log_end = match len {
            FINE_LEN => unsigned(56)?,
            // Only where nothing was taken since the flush it is known.
            _ if queue_offset.0 == check.queue_offset => check.log_pos,
            _ => u64::MAX,
        };
        let before = Timestamp(number(16)?);
        Some(Fine {
            precision_ms: small(4)?,
            counter: number(8)?,
            delivered: Delivered { before, due: Timestamp(number(24)?), pos: number(32)? },
            queue_offset,
            log_end: unsigned(48)?,
            timer_log_end,
        })
    }
}

/// What a `timercheck` says to somebody who only looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimerCheck {
    /// Length of a slot in ms, where a broker noted it (Java does not).
    pub precision_ms: Option<u32>,
    /// What was delivered.
    pub delivered: Delivered,
    /// Next message of the timer topic's queue to take.
    pub queue_offset: QueueOffset,
}

impl TimerCheck {
    /// Reads the beginning of the file; what it is too short for counts as 0. Where a Java broker came after ours, only Java's
    /// part is of now.
    pub fn decode(bytes: &[u8]) -> TimerCheck {
        let mut whole = [0; WHOLE_LEN];
        whole.iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
        let check = Check::decode(&whole);
        match Fine::decode(&whole).filter(|fine| fine.counter == check.counter) {
            Some(fine) => TimerCheck {
                precision_ms: Some(fine.precision_ms),
                delivered: fine.delivered,
                queue_offset: fine.queue_offset,
            },
            None => TimerCheck {
                precision_ms: None,
                delivered: Delivered::before(Timestamp(check.read_ms)),
                queue_offset: QueueOffset(check.queue_offset),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_parts_come_back(
            fields in proptest::array::uniform7(0i64..1 << 60),
            ours in proptest::array::uniform7(0i64..1 << 60),
        ) {
            let [read_ms, log_pos, queue_offset, master, state_version, timestamp, counter] = fields;
            let check = Check {
                read_ms,
                log_pos: log_pos.cast_unsigned(),
                queue_offset: queue_offset.cast_unsigned(),
                master_queue_offset: master.cast_unsigned(),
                state_version,
                timestamp,
                counter,
            };
            let [counter, before, due, pos, queue_offset, log_end, timer_log_end] = ours;
            let fine = Fine {
                precision_ms: 1000,
                counter,
                delivered: Delivered { before: Timestamp(before), due: Timestamp(due), pos },
                queue_offset: QueueOffset(queue_offset.cast_unsigned()),
                log_end: log_end.cast_unsigned(),
                timer_log_end: timer_log_end.cast_unsigned(),
            };
            let mut bytes = [0; WHOLE_LEN];
            bytes[..CHECK_LEN].copy_from_slice(&check.encode());
            bytes[FINE_AT..].copy_from_slice(&fine.encode());
            prop_assert_eq!(Check::decode(&bytes), check);
            prop_assert_eq!(Fine::decode(&bytes), Some(fine));
            bytes[FINE_AT + 20] ^= 1;
            prop_assert_eq!(Fine::decode(&bytes), None);
        }

        #[test]
        fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), WHOLE_LEN)) {
            let bytes = bytes.first_chunk::<WHOLE_LEN>().unwrap();
            let _ = (Check::decode(bytes), Fine::decode(bytes));
        }
    }

    #[test]
    fn the_form_without_the_end_of_the_timer_log_says_it_where_nothing_was_taken_since_the_flush() {
        let check = Check { log_pos: 520, queue_offset: 10, ..Check::default() };
        for (queue_offset, timer_log_end) in [(10, 520), (11, u64::MAX)] {
            let fine = Fine { queue_offset: QueueOffset(queue_offset), ..Fine::default() };
            let mut old = fine.encode()[..OLD_LEN - 4].to_vec();
            old[..4].copy_from_slice(b"ERt1");
            old.extend_from_slice(&crc32fast::hash(&old).to_be_bytes());
            let mut bytes = [0; WHOLE_LEN];
            bytes[..CHECK_LEN].copy_from_slice(&check.encode());
            bytes[FINE_AT..FINE_AT + OLD_LEN].copy_from_slice(&old);
            assert_eq!(Fine::decode(&bytes), Some(Fine { timer_log_end, ..fine }));
        }
    }
}
