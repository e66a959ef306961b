//! A slot of the wheel: which units wait for one step of time.
//!
//! | offset | field | bytes | note |
//! |---|---|---|---|
//! | 0 | timeMs | 8 | start of the step, in steps since 1970 |
//! | 8 | firstPos | 8 | position of its first unit in the timer log |
//! | 16 | lastPos | 8 | position of its last unit |
//! | 24 | num | 4 | messages, less those that recall one |
//! | 28 | magic | 4 | 0 |
//!
//! Big-endian. A step of time has the slot `steps % WHEEL_SLOTS`; a slot that names another step is empty. Source: Java's
//! `TimerWheel`, versions 5.1 to 5.5.

use super::{WHEEL_SLOTS, unit::UnitKind};

/// Length of a slot.
pub(super) const SLOT_LEN: usize = 32;

/// The units of one step of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slot {
    pub(super) step: i64,
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) num: i32,
    pub(super) magic: i32,
}

/// Which slot a step of time has.
pub(super) fn index_of(step: i64) -> u32 {
    // Below the number of slots, which fits.
    step.rem_euclid(WHEEL_SLOTS) as u32
}

impl Slot {
    /// A slot with one more unit, which stands at `pos`.
    pub(super) fn with(self, step: i64, pos: u64, kind: UnitKind) -> Slot {
        let pos = i64::try_from(pos).unwrap_or(i64::MAX);
        let is_same = self.step == step && self.last >= 0;
        let (first, num) = if is_same { (self.first, self.num) } else { (pos, 0) };
        Slot { step, first, last: pos, num: num.saturating_add(kind.count()), magic: self.magic }
    }

    /// The last unit of `step`, where this slot is its.
    pub(super) fn last_of(&self, step: i64) -> Option<u64> {
        u64::try_from(self.last).ok().filter(|_| self.step == step && step > 0)
    }

    pub(super) fn encode(&self) -> [u8; SLOT_LEN] {
        let mut bytes = [0; SLOT_LEN];
        let longs = [self.step, self.first, self.last].map(i64::to_be_bytes);
        let ints = [self.num, self.magic].map(i32::to_be_bytes);
        let fields = longs.as_flattened().iter().chain(ints.as_flattened());
        bytes.iter_mut().zip(fields).for_each(|(place, byte)| *place = *byte);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; SLOT_LEN]) -> Slot {
        let (longs, ints) = bytes.split_at(24);
        let mut longs = longs.as_chunks::<8>().0.iter().map(|b| i64::from_be_bytes(*b));
        let mut ints = ints.as_chunks::<4>().0.iter().map(|b| i32::from_be_bytes(*b));
        let mut long = || longs.next().unwrap_or_default();
        let mut int = || ints.next().unwrap_or_default();
        Slot { step: long(), first: long(), last: long(), num: int(), magic: int() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_come_back_and_begin_anew_with_another_step() {
        let slot = Slot { step: 1_795_415_339, first: 52, last: 104, num: 2, magic: 7 };
        assert_eq!(Slot::decode(&slot.encode()), slot);
        assert_eq!(slot.encode()[..8], 1_795_415_339i64.to_be_bytes());
        assert_eq!((slot.last_of(1_795_415_339), slot.last_of(5)), (Some(104), None));
        let more = slot.with(slot.step, 156, UnitKind::Recall);
        assert_eq!((more.first, more.last, more.num), (52, 156, 1));
        let later = slot.with(slot.step + WHEEL_SLOTS, 208, UnitKind::Roll);
        assert_eq!((later.first, later.last, later.num), (208, 208, 1));
        assert_eq!(index_of(later.step), index_of(slot.step));
        assert_eq!(Slot::default().last_of(0), None, "zeros are no slot");
    }
}
