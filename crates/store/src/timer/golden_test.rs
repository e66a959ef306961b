//! Files that a Java 5.5.0 broker left: every unit of its timer log, every slot of its wheel that is not zero, each behind its
//! place in the file (4 bytes), and what its `timercheck` says.

use std::collections::BTreeMap;

use super::{
    TimerUnit,
    check::{CHECK_LEN, Check, Fine, WHOLE_LEN},
    slot::{SLOT_LEN, Slot, index_of},
    unit::{Found, UNIT_LEN},
};

const UNITS: &[u8] = include_bytes!("../../tests/data/java-timer-units.bin");
const SLOTS: &[u8] = include_bytes!("../../tests/data/java-timer-slots.bin");
const CHECK: &[u8; CHECK_LEN] = include_bytes!("../../tests/data/java-timercheck.bin");

fn units() -> Vec<(u64, TimerUnit)> {
    let decode = |(place, bytes): (usize, &[u8; UNIT_LEN])| match TimerUnit::decode(bytes) {
        Found::Unit(unit) => ((place * UNIT_LEN) as u64, unit),
        other => panic!("unit {place} is {other:?}"),
    };
    UNITS.as_chunks::<UNIT_LEN>().0.iter().enumerate().map(decode).collect()
}

#[test]
fn units_are_written_as_java_writes_them() {
    let units = units();
    assert_eq!(units.len() * UNIT_LEN, UNITS.len());
    let ours: Vec<u8> = units.iter().flat_map(|(_, unit)| unit.encode()).collect();
    assert_eq!(ours, UNITS);
}

#[test]
fn slots_made_of_the_units_are_javas() {
    let mut ours: BTreeMap<i64, Slot> = BTreeMap::new();
    for (pos, unit) in units() {
        let step = unit.out.0.div_euclid(1_000);
        let slot = ours.entry(step).or_default();
        assert_eq!(slot.last_of(step), unit.prev, "the unit at {pos} follows the one before it in its slot");
        *slot = slot.with(step, pos, unit.kind);
    }
    let javas = SLOTS.as_chunks::<{ SLOT_LEN + 4 }>().0;
    assert_eq!(javas.len(), ours.len());
    for bytes in javas {
        let (index, slot) = bytes.split_first_chunk::<4>().unwrap();
        let java = Slot::decode(slot.first_chunk().unwrap());
        assert_eq!(ours[&java.step], java);
        assert_eq!(index_of(java.step), u32::from_be_bytes(*index));
        assert_eq!(java.encode(), *slot);
    }
}

#[test]
fn timercheck_is_javas_and_says_nothing_of_ours() {
    let mut bytes = [0; WHOLE_LEN];
    bytes[..CHECK_LEN].copy_from_slice(CHECK);
    let check = Check::decode(&bytes);
    assert_eq!((check.log_pos, check.queue_offset), (UNITS.len() as u64, 33));
    assert_eq!(check.encode(), *CHECK);
    assert_eq!(Fine::decode(&bytes), None);
}
