//! Reads by a thread that may not wait for the disk.

use eruca_message::QueueOffset;

use super::bench::{Bench, small_config};
use crate::{EntryFilter, EveryMessage, ReadLimits, ReadStatus, StoreConfig, Wait, disk::SimDisk};

struct ByProperties;
impl EntryFilter for ByProperties {
    fn matches_entry(&self, _: i64) -> bool {
        true
    }
    fn needs_properties(&self) -> bool {
        true
    }
}

fn filled(hot_tail_bytes: u64) -> Bench {
    let bench = Bench::with(StoreConfig { hot_tail_bytes, ..small_config() }, SimDisk::new(7));
    for i in 0..30u8 {
        bench.send("T", 0, &[i; 100]);
    }
    bench
}

#[test]
fn what_the_disk_would_have_to_be_waited_for_is_not_read() {
    let bench = filled(1000);
    let limits = ReadLimits::default();
    for filter in [&EveryMessage as &dyn EntryFilter, &ByProperties] {
        let cached =
            |from| bench.store().read_waiting("T", 0, QueueOffset(from), &limits, filter, Wait::Never);
        let waiting = |from| bench.store().read("T", 0, QueueOffset(from), &limits, filter);
        for from in [0, 10, 29, 30, 31] {
            assert_eq!(cached(from), Some(waiting(from)), "from {from}");
        }
        bench.disk.set_cold(true);
        // 200 bytes each: the last four lie in the hot tail.
        assert_eq!((cached(0), cached(20)), (None, None));
        for from in [26, 29, 30, 31] {
            assert_eq!(cached(from), Some(waiting(from)), "from {from}");
        }
        assert_eq!(waiting(0).message_count, 30);
        bench.disk.set_cold(false);
        assert_eq!(cached(0).map(|read| read.status), Some(ReadStatus::Found));
    }
}

#[test]
fn only_what_the_disk_was_read_for_may_be_forgotten() {
    let bench = filled(1000);
    let read = || bench.store().read("T", 0, QueueOffset(0), &ReadLimits::default(), &EveryMessage);
    assert_eq!((read().message_count, bench.store().cold.count()), (30, 0));
    bench.disk.set_cold(true);
    assert_eq!((read().message_count, bench.store().cold.count()), (30, 1));
    assert_eq!((read().message_count, bench.store().cold.count()), (30, 1));
}

#[test]
fn nothing_is_asked_for_where_reading_ahead_is_switched_off() {
    let bench = filled(1000);
    bench.disk.set_cold(true);
    bench.store().set_read_ahead(false);
    let read = || bench.store().read("T", 0, QueueOffset(0), &ReadLimits::default(), &EveryMessage);
    assert_eq!((read().message_count, bench.store().cold.count()), (30, 0));
    bench.store().set_read_ahead(true);
    assert_eq!((read().message_count, bench.store().cold.count()), (30, 1));
}

#[test]
fn entries_that_are_on_the_disk_only_are_not_waited_for_either() {
    let config = StoreConfig { segment_size_bytes: 1 << 20, ..small_config() };
    let bench = Bench::with(config, SimDisk::new(7));
    for i in 0..4200u64 {
        bench.append("T", 0, &i.to_be_bytes()).unwrap();
    }
    bench.store().settle().unwrap();
    bench.store().queue_flush_step().unwrap();
    bench.disk.set_cold(true);
    let cached = |from| {
        bench.store().read_waiting(
            "T",
            0,
            QueueOffset(from),
            &ReadLimits::default(),
            &EveryMessage,
            Wait::Never,
        )
    };
    // The log is all hot here, and so is what is less than 4096 entries old.
    assert_eq!((cached(0), cached(103)), (None, None));
    assert_eq!(cached(150).map(|read| read.message_count), Some(32));
    bench.disk.set_cold(false);
    assert_eq!(cached(0).map(|read| read.message_count), Some(32));
}
