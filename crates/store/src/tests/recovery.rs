//! Opening after an orderly stop, a kill, damage and loss.

use std::path::Path;

use eruca_message::{LogOffset, QueueOffset};

use super::bench::{Bench, small_config};
use crate::disk::{Disk, Fault, FaultKind, SimDisk, SimOp};

fn remove_dir(bench: &Bench, dir: &str) {
    let dir = Path::new(dir);
    for entry in bench.disk.list(dir).unwrap() {
        let path = dir.join(&entry.name);
        if entry.is_dir {
            remove_dir(bench, path.to_str().unwrap());
        } else {
            bench.disk.remove_file(&path).unwrap();
        }
    }
    bench.disk.remove_dir(dir).unwrap();
}

fn filled(count: u8) -> Bench {
    let bench = Bench::new();
    for i in 0..count {
        bench.send("T", i32::from(i % 2), &[i; 200]);
    }
    bench
}

#[test]
fn an_orderly_stop_leaves_one_record_to_read_and_nothing_to_write() {
    let mut bench = filled(60);
    bench.store().close().unwrap();
    assert!(!bench.disk.exists(Path::new("/store/abort")).unwrap());
    bench.store().close().unwrap();
    bench.open().unwrap();
    assert_eq!((bench.report.was_closed, bench.report.records, bench.report.entries_rebuilt), (true, 1, 0));
    assert!(bench.disk.exists(Path::new("/store/abort")).unwrap());
    assert_eq!(bench.bodies("T", 0).len(), 30);
    assert_eq!(bench.send("T", 0, b"x").queue_offset, QueueOffset(30));
}

#[test]
fn after_a_kill_only_the_tail_since_the_checkpoint_is_read() {
    let mut bench = filled(60);
    bench.store().queue_flush_step().unwrap();
    for i in 0..5u8 {
        bench.send("T", 0, &[i]);
    }
    bench.kill();
    assert_eq!((bench.report.was_closed, bench.report.records, bench.report.entries_rebuilt), (false, 6, 5));
    assert_eq!(bench.bodies("T", 0).len(), 35);
    // What was put in order is in order.
    bench.kill();
    assert_eq!((bench.report.records, bench.report.entries_cut), (1, 0));
}

#[test]
fn a_torn_record_is_cut_at_whatever_byte_and_its_offset_given_anew() {
    let len = filled(0).send("T", 0, &[9; 30]).log_offset_end.0;
    for keep in 0..len as usize {
        let mut bench = filled(3);
        let end = bench.store().log_range().1;
        bench.append("T", 1, &[9; 30]).unwrap();
        bench.disk.inject(Fault { op: SimOp::Write, after: 0, kind: FaultKind::Crash(keep) });
        assert!(bench.store().settle().is_err());
        bench.kill();
        assert_eq!(bench.store().log_range().1, end, "keep {keep}");
        // Without the whole frame there is nothing to see of it.
        if keep >= 5 {
            assert_eq!(bench.report.torn_tail.as_ref().map(|torn| torn.from), Some(end), "keep {keep}");
        }
        assert_eq!(bench.bodies("T", 1), [[1; 200]]);
        assert_eq!(bench.send("T", 1, &[7; 20]).queue_offset, QueueOffset(1));
        bench.kill();
        assert_eq!(bench.report.torn_tail, None);
        assert_eq!(bench.bodies("T", 1), [vec![1; 200], vec![7; 20]]);
    }
}

#[test]
fn lost_queues_are_made_anew_from_the_log() {
    let mut bench = filled(60);
    bench.store().close().unwrap();
    bench.drop_store();
    remove_dir(&bench, "/store/consumequeue");
    bench.open().unwrap();
    assert_eq!(bench.report.entries_rebuilt, 60);
    assert_eq!((bench.bodies("T", 0).len(), bench.bodies("T", 1).len()), (30, 30));

    // One queue of several; its next record shows that it lacks entries.
    bench.send("T", 1, b"last");
    bench.store().queue_flush_step().unwrap();
    bench.send("T", 0, b"last");
    bench.send("T", 1, b"tell-tale");
    bench.drop_store();
    remove_dir(&bench, "/store/consumequeue/T/1");
    bench.kill();
    assert_eq!(bench.bodies("T", 1).len(), 32);
    assert_eq!(bench.bodies("T", 0).len(), 31);
}

#[test]
fn a_lost_or_wrong_checkpoint_costs_time_and_nothing_else() {
    for content in [None, Some([0u8; 48]), Some([0xFF; 48]), Some([1; 48])] {
        let mut bench = filled(60);
        bench.store().queue_flush_step().unwrap();
        bench.send("T", 0, b"last");
        bench.drop_store();
        let path = Path::new("/store/checkpoint");
        match content {
            None => bench.disk.remove_file(path).unwrap(),
            Some(bytes) => bench.disk.open(path).unwrap().write_all_at(&bytes, 0).unwrap(),
        }
        bench.kill();
        assert_eq!((bench.bodies("T", 0).len(), bench.bodies("T", 1).len()), (31, 30), "{content:?}");
        assert_eq!(bench.send("T", 1, b"x").queue_offset, QueueOffset(30));
    }
}

#[test]
fn entries_that_point_beyond_the_log_are_cut() {
    let mut bench = filled(30);
    let end = bench.store().log_range().1;
    bench.send("T", 0, &[8; 100]);
    bench.send("U", 0, &[8; 100]);
    bench.store().queue_flush_step().unwrap();
    bench.drop_store();
    // The log's end is lost, the queues have it (Java writes them in any order).
    let start = end.0 - end.0 % 4096;
    bench.disk.open(&bench.segment(start)).unwrap().zero_from(end.0 - start).unwrap();
    bench.kill();
    assert!(bench.report.entries_cut > 0);
    assert_eq!(bench.bodies("T", 0).len(), 15);
    assert_eq!(bench.send("T", 0, b"x").queue_offset, QueueOffset(15));
    assert_eq!(bench.send("U", 0, b"y").queue_offset, QueueOffset(0));
    bench.kill();
    assert_eq!(bench.bodies("U", 0), [b"y"]);
}

#[test]
fn damage_in_the_middle_is_reported_and_passed_over_not_taken_for_the_end() {
    let mut bench = Bench::new();
    let all: Vec<_> = (0..40u8).map(|i| bench.send("T", 0, &[i; 200])).collect();
    let hurt = all[20];
    bench.store().flush_step().unwrap();
    bench.drop_store();
    // The whole log is read again, and what is behind the damage is known to have been on the disk.
    bench.disk.remove_file(Path::new("/store/checkpoint")).unwrap();
    let segment = hurt.log_offset.0 - hurt.log_offset.0 % 4096;
    bench.disk.rot(&bench.segment(segment), hurt.log_offset.0 - segment + 100);
    bench.kill();
    assert_eq!(bench.report.damages.len(), 1);
    let damage = &bench.report.damages[0];
    assert_eq!((damage.from, damage.to), (hurt.log_offset, hurt.log_offset_end));
    assert_eq!(damage.message, Some(("T".to_owned(), 0, 20)));
    assert_eq!(bench.report.torn_tail, None);
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(40));
    let entries = bench.store().queue_entries("T", 0, QueueOffset(19), 3);
    assert_eq!(entries.iter().map(|entry| entry.is_blank()).collect::<Vec<_>>(), [false, true, false]);
    let read = bench.store().read("T", 0, QueueOffset(0), &Default::default(), &crate::EveryMessage);
    assert_eq!((read.message_count, read.next_offset), (32, QueueOffset(33)));
}

#[test]
fn a_frame_that_cannot_be_read_costs_the_rest_of_its_segment_only() {
    let mut bench = Bench::new();
    let all: Vec<_> = (0..40u8).map(|i| bench.send("T", 0, &[i; 200])).collect();
    let hurt = all[20];
    bench.drop_store();
    bench.disk.remove_file(Path::new("/store/checkpoint")).unwrap();
    let segment = hurt.log_offset.0 - hurt.log_offset.0 % 4096;
    bench.disk.rot(&bench.segment(segment), hurt.log_offset.0 - segment + 4);
    bench.kill();
    let damage = &bench.report.damages[0];
    assert_eq!((damage.from, damage.to), (hurt.log_offset, LogOffset(segment + 4096)));
    let readable =
        all.iter().filter(|one| one.log_offset < damage.from || one.log_offset >= damage.to).count();
    let read = bench.store().read(
        "T",
        0,
        QueueOffset(0),
        &crate::ReadLimits { max_messages: 100, ..Default::default() },
        &crate::EveryMessage,
    );
    assert_eq!((read.message_count, read.next_offset), (readable, QueueOffset(40)));
    assert_eq!(bench.send("T", 0, b"x").queue_offset, QueueOffset(40));
    bench.kill();
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(41));
}

#[test]
fn names_that_are_not_ours_are_left_alone() {
    let mut bench = filled(4);
    bench.store().queue_flush_step().unwrap();
    for path in ["/store/commitlog/lost+found", "/store/consumequeue/T/note", "/store/consumequeue/T/0/x"] {
        bench.disk.create(Path::new(path), 3).unwrap();
    }
    bench.kill();
    bench.reopen();
    assert_eq!(bench.bodies("T", 0).len(), 2);
}

#[test]
fn a_topic_made_anew_does_not_bring_its_deleted_messages_back() {
    let mut bench = filled(6);
    bench.send("kept", 0, b"x");
    for i in 0..6u8 {
        bench.send("again", i32::from(i % 2), &[i; 30]);
    }
    // The checkpoint's record is the last one of the topic that goes.
    assert!(bench.store().delete_topic("again").unwrap());
    bench.send("again", 1, b"anew");
    // The process dies when the new queue's entry is in its file, and before the checkpoint moves.
    bench.disk.inject(Fault { op: SimOp::SyncDir, after: 0, kind: FaultKind::Crash(0) });
    assert!(bench.store().queue_flush_step().is_err());
    bench.kill();
    assert_eq!(bench.bodies("again", 1), [b"anew"]);
    assert_eq!(bench.store().queue_range("again", 0).max, QueueOffset(0));
    assert_eq!(bench.report.records, 2, "no need to read all");
}

#[test]
fn queue_files_that_a_power_cut_left_apart_are_made_anew() {
    // Three files of twenty entries, created in one go: each may be there, empty or missing.
    for seed in 0..60 {
        let mut bench = Bench::with(small_config(), SimDisk::new(seed * 7919));
        for i in 0..50u8 {
            bench.send("T", 0, &[i; 30]);
        }
        bench.disk.inject(Fault {
            op: SimOp::Change,
            after: 9 + seed % 8,
            kind: FaultKind::Crash(usize::MAX),
        });
        bench.store().queue_flush_step().unwrap_err();
        bench.power_cut();
        let bodies = (0..50u8).map(|i| vec![i; 30]).collect::<Vec<_>>();
        let there = bench.bodies("T", 0);
        assert_eq!(there, bodies[..there.len()], "seed {seed}");
        assert_eq!(there.len() as u64, bench.report.records, "seed {seed}");
    }
}

#[test]
fn a_second_recovery_leaves_the_expired_files_of_queues_as_the_first_did() {
    let mut bench = filled(50);
    bench.store().queue_flush_step().unwrap();
    // Entries that are in memory alone when the segments of all before them go.
    for i in 0..50u8 {
        bench.send("T", 0, &[i; 200]);
    }
    bench.store().flush_step().unwrap();
    bench.drop_store();
    for start in (0..6).map(|number| number * 4096) {
        bench.disk.remove_file(&bench.segment(start)).unwrap();
    }
    bench.kill();
    let first = bench.disk.fork();
    bench.kill();
    assert_eq!(bench.disk.difference(&first), None);
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(75));
}

#[test]
fn the_first_record_where_recovery_found_none_is_not_taken_for_known() {
    let mut bench = Bench::new();
    // Records of 1,102 bytes: three to a segment.
    for i in 0..6u8 {
        bench.send("T", 0, &[i; 1000]);
    }
    bench.store().queue_flush_step().unwrap();
    // A first one that is lost leaves the filler before it, so that the segments behind it may go.
    bench.send("T", 0, &[6; 1000]);
    bench.disk.flip(&bench.segment(8192), 4, 0xFF);
    bench.kill();
    bench.send("T", 0, &[7; 1000]);
    assert_eq!(bench.store().delete_expired_now(bench.clock_in_days(30)).segments_deleted, 2);
    // The only segment that is left loses its only record.
    bench.disk.flip(&bench.segment(8192), 4, 0xFF);
    bench.kill();
    assert_eq!(bench.store().log_range(), (LogOffset(8192), LogOffset(8192)));
    bench.send("new", 0, b"first");
    bench.send("T", 0, b"seventh");
    bench.kill();
    assert_eq!(bench.bodies("new", 0), [b"first"]);
    assert_eq!(bench.bodies("T", 0), [b"seventh"]);
    assert_eq!(bench.store().queue_range("T", 0).min, QueueOffset(6));
}

#[test]
fn a_recovery_that_was_interrupted_while_it_made_all_queues_anew_is_not_believed() {
    let mut lost = 0;
    for (after, seed) in (0..60).flat_map(|after| [1, 2, 3].map(|seed| (after, seed))) {
        let mut bench = Bench::with(small_config(), SimDisk::new(after * 7 + seed));
        for i in 0..60u8 {
            bench.send("T", i32::from(i % 3), &[i]);
        }
        bench.store().queue_flush_step().unwrap();
        // The record from which the walk begins is of one queue, and one behind it of another, which lost its files.
        bench.send("T", 1, &[60]);
        bench.store().flush_step().unwrap();
        bench.drop_store();
        let dir = Path::new("/store/consumequeue/T/1");
        for file in bench.disk.list(dir).unwrap() {
            bench.disk.remove_file(&dir.join(file.name)).unwrap();
        }
        bench.disk.sync_dir(dir).unwrap();
        bench.disk.kill();
        bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(20) });
        lost += u32::from(bench.open().is_err());
        bench.power_cut();
        for (queue, count) in [(0, 20), (1, 21), (2, 20)] {
            let found = bench.bodies("T", queue).len();
            assert_eq!(found, count, "queue {queue}, fault after {after}, seed {seed}");
        }
    }
    assert!(lost > 20, "{lost} recoveries were interrupted");
}
