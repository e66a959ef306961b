//! Expiry by age and by disk use.

use eruca_message::{Clock, LogOffset, QueueOffset, Timestamp};

use super::bench::{Bench, START, small_config};
use crate::{
    EveryMessage, ReadLimits, ReadStatus, StoreConfig, WriteState,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

const HOUR_MS: i64 = 3_600_000;

/// START is 22:13 UTC.
fn at_hour(hour: i64) -> Timestamp {
    let day = START.0 - START.0 % (24 * HOUR_MS);
    Timestamp(day + 10 * 24 * HOUR_MS + hour * HOUR_MS + 1)
}

/// Ten segments of three messages each, an hour apart.
fn filled() -> Bench {
    let bench = Bench::new();
    fill(&bench);
    bench
}

fn fill(bench: &Bench) {
    for i in 0..30u8 {
        bench.store().retention_step(bench.clock.now());
        bench.send("T", 0, &[i; 1000]);
        if i % 3 == 2 {
            bench.clock.advance_ms(HOUR_MS);
        }
    }
    bench.send("idle", 0, &[7; 1000]);
    bench.store().queue_flush_step().unwrap();
}

#[test]
fn old_segments_go_at_their_hour_and_queues_follow() {
    let mut bench = filled();
    assert_eq!(bench.store().retention_step(at_hour(3)).segments_deleted, 0);
    let report = bench.store().retention_step(at_hour(4));
    // All but the one that is written.
    assert_eq!((report.segments_deleted, report.bytes_deleted), (10, 10 * 4096));
    assert_eq!(bench.store().log_range().0, LogOffset(10 * 4096));
    let range = bench.store().queue_range("T", 0);
    assert_eq!((range.min, range.max), (QueueOffset(30), QueueOffset(30)));
    assert_eq!(bench.store().queue_range("idle", 0).min, QueueOffset(0));
    let read = bench.store().read("T", 0, QueueOffset(7), &ReadLimits::default(), &EveryMessage);
    assert_eq!((read.status, read.next_offset), (ReadStatus::OffsetTooSmall, QueueOffset(30)));

    for round in 0..2 {
        bench.reopen();
        let range = bench.store().queue_range("T", 0);
        assert_eq!((range.min.0, range.max.0), (30, 30 + round));
        assert_eq!(bench.send("T", 0, b"next").queue_offset, QueueOffset(30 + round));
    }
}

#[test]
fn a_clock_that_jumps_ahead_does_not_let_all_messages_go() {
    for restart in [false, true] {
        let mut bench = filled();
        if restart {
            bench.reopen();
        }
        // Ten days ahead, for half an hour.
        for minute in 0..30 {
            let wrong = at_hour(4).add_ms(minute * 60_000);
            assert_eq!(bench.store().retention_step(wrong).segments_deleted, 0, "minute {minute}");
        }
        // Right again, then ahead for good: what is said for an hour counts.
        assert_eq!(bench.store().retention_step(START.add_ms(11 * HOUR_MS)).segments_deleted, 0);
        let at = |minute: i64| at_hour(3).add_ms(minute * 60_000);
        for minute in 0..60 {
            assert_eq!(bench.store().retention_step(at(minute)).segments_deleted, 0, "minute {minute}");
        }
        assert_eq!(bench.store().retention_step(at(60)).segments_deleted, 10);
    }
}

#[test]
fn after_a_jump_of_the_clock_room_is_made_all_the_same() {
    let bench = filled();
    bench.disk.set_capacity(Some((bench.disk.used_bytes() as f64 / 0.8) as u64));
    // As many as room is needed for, and not all.
    assert_eq!(bench.store().retention_step(at_hour(12)).segments_deleted, 1);
}

#[test]
fn a_clock_that_is_set_back_lets_nothing_go() {
    let bench = filled();
    for back in [HOUR_MS, 24 * HOUR_MS, START.0] {
        assert_eq!(bench.store().retention_step(Timestamp(START.0 - back)).segments_deleted, 0);
    }
    assert_eq!(bench.messages("T", 0).len(), 30);
    assert_eq!(bench.store().delete_expired_now(at_hour(4)).segments_deleted, 10);
}

#[test]
fn only_what_is_past_its_age_goes() {
    let bench = filled();
    // The first record of segment 4 is 72 hours old now: segments 0 to 3 hold nothing younger.
    let now = START.add_ms(4 * HOUR_MS + 72 * HOUR_MS);
    assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 4);
    assert_eq!(bench.store().queue_range("T", 0).min, QueueOffset(12));
    assert_eq!(bench.messages("T", 0).len(), 18);
    assert_eq!(bench.store().earliest_store_time("T", 0), Some(START.add_ms(4 * HOUR_MS)));
    // The queue's first file (20 entries) holds 12..20 still.
    assert_eq!(bench.store().queue_entries("T", 0, QueueOffset(0), 3).len(), 3);
}

#[test]
fn disk_use_lets_expired_ones_go_at_any_hour_and_then_any() {
    let bench = filled();
    let used = bench.disk.used_bytes();
    bench.disk.set_capacity(Some((used as f64 / 0.8) as u64));
    assert_eq!(bench.store().retention_step(START.add_ms(HOUR_MS)).segments_deleted, 0, "none has expired");
    let report = bench.store().retention_step(START.add_ms(73 * HOUR_MS));
    assert_eq!(report.segments_deleted, 1);

    bench.disk.set_capacity(Some((bench.disk.used_bytes() as f64 / 0.95) as u64));
    bench.store().space_step();
    assert!(matches!(bench.store().write_state(), WriteState::Stopped(_)));
    let report = bench.store().retention_step(START.add_ms(HOUR_MS));
    assert_eq!(report.segments_deleted, 9);
    assert_eq!(bench.store().write_state(), WriteState::Open, "deletion made room");
    assert_eq!(bench.bodies("idle", 0), [[7; 1000]]);
}

#[test]
fn what_is_not_on_the_disk_and_the_segment_in_use_stay() {
    let bench = Bench::new();
    for i in 0..9u8 {
        bench.send("T", 0, &[i; 1000]);
    }
    let now = START.add_ms(100 * HOUR_MS);
    assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 0);
    bench.store().flush_step().unwrap();
    assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 0, "the queues are not on the disk");
    bench.store().queue_flush_step().unwrap();
    assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 2);
    assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 0);
    assert_eq!(bench.bodies("T", 0).len(), 3);
}

#[test]
fn an_expired_queue_keeps_its_offsets_when_its_files_are_lost() {
    let mut bench = filled();
    bench.store().delete_expired_now(at_hour(4));
    bench.send("T", 0, b"thirty");
    bench.store().close().unwrap();
    bench.drop_store();
    let dir = std::path::Path::new("/store/consumequeue/T/0");
    for file in crate::disk::Disk::list(&bench.disk, dir).unwrap() {
        crate::disk::Disk::remove_file(&bench.disk, &dir.join(file.name)).unwrap();
    }
    bench.open().unwrap();
    let range = bench.store().queue_range("T", 0);
    assert_eq!((range.min, range.max), (QueueOffset(30), QueueOffset(31)));
    assert_eq!(bench.bodies("T", 0), [b"thirty"]);
    // The places before it in its file are blank, as Java leaves them.
    bench.reopen();
    let range = bench.store().queue_range("T", 0);
    assert_eq!((range.min, range.max), (QueueOffset(30), QueueOffset(31)));
}

#[test]
fn an_order_by_hand_holds_until_all_that_has_expired_is_gone() {
    let mut bench = Bench::on(StoreConfig { delete_batch_max: 3, ..small_config() }, SimDisk::new(5));
    bench.open().unwrap();
    fill(&bench);
    let noon = at_hour(12);
    assert_eq!(bench.store().retention_step(noon).segments_deleted, 0);
    assert_eq!(bench.store().delete_expired_now(noon).segments_deleted, 3);
    let deleted: Vec<usize> = (0..4).map(|_| bench.store().retention_step(noon).segments_deleted).collect();
    assert_eq!(deleted, [3, 3, 1, 0]);
    // And not for ever: what expires much later waits for its hour.
    for _ in 0..15 {
        assert_eq!(bench.store().retention_step(noon).segments_deleted, 0);
    }
    bench.clock.advance_ms(10 * 24 * HOUR_MS);
    for i in 0..6u8 {
        bench.send("T", 0, &[i; 1000]);
    }
    bench.store().queue_flush_step().unwrap();
    let later = noon.add_ms(10 * 24 * HOUR_MS);
    assert_eq!(bench.store().retention_step(later).segments_deleted, 0);
    assert!(bench.store().delete_expired_now(later).segments_deleted > 0);
}

#[test]
fn rot_at_the_start_of_a_segment_does_not_keep_all_before_it() {
    let bench = filled();
    for segment in [4, 5] {
        bench.disk.rot(&bench.segment(segment * 4096), 4);
    }
    // As old as the first record behind them says: that of segment 6.
    let at = |hours: i64| START.add_ms((hours + 72) * HOUR_MS);
    assert_eq!(bench.store().delete_expired_now(at(5)).segments_deleted, 3);
    assert_eq!(bench.store().delete_expired_now(at(6)).segments_deleted, 3);
    assert_eq!(bench.store().log_range().0, LogOffset(6 * 4096));
}

#[test]
fn queues_follow_also_where_the_loss_of_a_segment_cannot_be_made_to_last() {
    let bench = filled();
    let kind = FaultKind::Fail(std::io::ErrorKind::Other);
    bench.disk.inject(Fault { op: SimOp::SyncDir, after: 0, kind });
    bench.store().delete_expired_now(at_hour(4));
    assert_eq!(bench.store().log_range().0, LogOffset(4096));
    assert_eq!(bench.store().queue_range("T", 0).min, QueueOffset(3));
}

#[test]
fn a_queue_that_could_not_be_trimmed_is_trimmed_by_hand() {
    let bench = filled();
    // Behind the ten segments.
    let kind = FaultKind::Fail(std::io::ErrorKind::Other);
    bench.disk.inject(Fault { op: SimOp::Remove, after: 10, kind });
    assert_eq!(bench.store().delete_expired_now(at_hour(4)).segments_deleted, 10);
    let first = std::path::Path::new("/store/consumequeue/T/0/00000000000000000000");
    assert!(bench.disk.exists(first).unwrap());
    assert_eq!(bench.store().queue_range("T", 0).min, QueueOffset(30));
    bench.store().trim_queues();
    assert!(!bench.disk.exists(first).unwrap());
}
