//! Queries by place and time, names, deletion of topics.

use eruca_message::{LogOffset, QueueOffset, Timestamp};

use super::bench::{Bench, START, small_config};
use crate::{
    AppendError, Boundary, QueueRange, ReadError, WriteStopped,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

#[test]
fn offsets_by_time_are_javas_at_every_boundary() {
    let bench = Bench::new();
    // Store times (relative): 0, 10, 10, 10, 20, 30.
    for (i, step) in [0, 10, 0, 0, 10, 10].into_iter().enumerate() {
        bench.clock.advance_ms(step);
        bench.send("T", 0, &[i as u8]);
        bench.send("other", 0, b"between");
    }
    let at = |time: i64, boundary| bench.store().queue_offset_by_time("T", 0, START.add_ms(time), boundary).0;
    let expected =
        [(-5, 0, 0), (0, 0, 0), (5, 1, 0), (10, 1, 3), (15, 4, 3), (20, 4, 4), (30, 5, 5), (31, 6, 5)];
    for (time, lower, upper) in expected {
        assert_eq!((at(time, Boundary::Lower), at(time, Boundary::Upper)), (lower, upper), "at {time}");
    }
    assert_eq!(bench.store().queue_offset_by_time("none", 0, START, Boundary::Lower), QueueOffset(0));
    assert_eq!(bench.store().store_time_at("T", 0, QueueOffset(4)), Some(START.add_ms(20)));
    assert_eq!(bench.store().store_time_at("T", 0, QueueOffset(6)), None);
    assert_eq!(bench.store().earliest_store_time("T", 0), Some(START));
    assert_eq!(bench.store().earliest_store_time("none", 0), None);
}

#[test]
fn a_record_is_found_only_at_its_start() {
    let bench = Bench::new();
    let first = bench.send("T", 0, b"one");
    let second = bench.send("T", 0, b"two");
    let record = bench.store().record_at(second.log_offset).unwrap().unwrap();
    assert_eq!(record.len() as u64, second.log_offset_end.0 - second.log_offset.0);
    for at in (1..first.log_offset_end.0).chain([second.log_offset_end.0, 4095, 5000, u64::MAX]) {
        assert_eq!(bench.store().record_at(LogOffset(at)).unwrap(), None, "at {at}");
    }
    bench.disk.rot(&bench.segment(0), 88);
    assert!(matches!(bench.store().record_at(LogOffset(0)), Err(ReadError::Damaged { .. })));
}

#[test]
fn topics_and_queues_are_listed_in_order() {
    let bench = Bench::new();
    for (topic, queue) in [("b", 10), ("b", 2), ("a", 0)] {
        bench.send(topic, queue, b"x");
    }
    assert_eq!(
        bench.store().topics_with_queues(),
        [("a".to_owned(), vec![0]), ("b".to_owned(), vec![2, 10])]
    );
}

#[test]
fn a_deleted_topic_is_gone_and_stays_gone() {
    let mut bench = Bench::new();
    for i in 0..50u8 {
        bench.send("T", 0, &[i]);
        bench.send("kept", 0, &[i]);
    }
    bench.store().queue_flush_step().unwrap();
    bench.send("T", 1, b"in memory only");
    assert!(bench.store().delete_topic("T").unwrap());
    assert!(!bench.store().delete_topic("T").unwrap());
    assert_eq!(bench.store().queue_range("T", 0), QueueRange::default());
    assert!(!bench.disk.exists(std::path::Path::new("/store/consumequeue/T")).unwrap());
    bench.kill();
    assert_eq!(bench.store().topics_with_queues(), [("kept".to_owned(), vec![0])]);

    // A new topic of the same name starts anew.
    assert_eq!(bench.send("T", 0, b"new").queue_offset, QueueOffset(0));
    bench.kill();
    assert_eq!(bench.bodies("T", 0), [b"new"]);
    assert_eq!(bench.bodies("kept", 0).len(), 50);
}

#[test]
fn times_before_and_after_all_messages_of_an_expired_queue() {
    let bench = Bench::new();
    bench.send("T", 0, b"x");
    let far = Timestamp(i64::MAX);
    assert_eq!(bench.store().queue_offset_by_time("T", 0, far, Boundary::Lower), QueueOffset(1));
    assert_eq!(bench.store().queue_offset_by_time("T", 0, far, Boundary::Upper), QueueOffset(0));
}

#[test]
fn a_deletion_that_a_crash_interrupts_brings_no_other_topic_back() {
    for (after, seed) in (0..40).flat_map(|after| [1, 2, 3].map(|seed| (after, seed))) {
        let mut bench = Bench::with(small_config(), SimDisk::new(after * 5 + seed));
        bench.send("kept", 0, b"x");
        bench.send("gone", 0, b"x");
        assert!(bench.store().delete_topic("gone").unwrap());
        for i in 0..60u8 {
            bench.send("T", i32::from(i % 2), &[i]);
            if i == 30 {
                bench.store().queue_flush_step().unwrap();
            }
        }
        bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(0) });
        let _ = bench.store().delete_topic("T");
        bench.kill();
        let topics = bench.store().topics_with_queues();
        assert!(topics.iter().all(|(topic, _)| topic != "gone"), "step {after}: {topics:?}");
        // What is left of the other one are messages of it at their offsets.
        for queue in [0, 1] {
            let range = bench.store().queue_range("T", queue);
            let bodies = (range.min.0..range.max.0).map(|offset| vec![offset as u8 * 2 + queue as u8]);
            assert_eq!(bench.bodies("T", queue), bodies.collect::<Vec<_>>(), "step {after}");
        }
        // And that holds.
        let ranges = |bench: &Bench| [0, 1].map(|queue| bench.store().queue_range("T", queue));
        let left = ranges(&bench);
        bench.power_cut();
        assert_eq!(ranges(&bench), left, "step {after}, seed {seed}");
    }
}

#[test]
fn a_topic_whose_files_cannot_be_removed_takes_no_messages_until_a_restart() {
    let mut bench = Bench::new();
    for i in 0..50u8 {
        bench.send("T", 0, &[i]);
    }
    bench.store().queue_flush_step().unwrap();
    // The first file goes, the second stays: a queue made anew would write before it.
    bench.disk.inject(Fault {
        op: SimOp::Remove,
        after: 1,
        kind: FaultKind::Fail(std::io::ErrorKind::Other),
    });
    assert!(bench.store().delete_topic("T").is_err());
    assert!(matches!(bench.append("T", 0, b"x"), Err(AppendError::Stopped(WriteStopped::Io { .. }))));
    bench.kill();
    assert!(bench.store().delete_topic("T").unwrap());
    assert_eq!(bench.send("T", 0, b"new").queue_offset, QueueOffset(0));
    bench.reopen();
    assert_eq!(bench.bodies("T", 0), [b"new"]);
}
