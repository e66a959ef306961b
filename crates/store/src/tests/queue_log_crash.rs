//! The queue log after deletions, expiry and crashes that came at a bad moment; each was found by the simulation.

use std::{io::ErrorKind, path::Path};

use eruca_message::QueueOffset;

use super::bench::{Bench, shared_config};
use crate::{
    QueueLogPolicy, StoreConfig,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

/// Messages in two topics of three queues each, of which the queue log has the last ones.
fn filled(policy: QueueLogPolicy) -> Bench {
    let bench = Bench::with(StoreConfig { queue_log: policy, ..shared_config() }, SimDisk::new(5));
    for round in 0..8u8 {
        for queue in 0..3 {
            bench.append("kept", queue, &[round; 10]).unwrap();
            bench.append("gone", queue, &[round; 10]).unwrap();
        }
        bench.store().settle().unwrap();
        bench.store().queue_flush_step().unwrap();
    }
    bench
}

fn shared() -> QueueLogPolicy {
    shared_config().queue_log
}

fn inject(bench: &Bench, op: SimOp, after: u64) {
    bench.disk.inject(Fault { op, after, kind: FaultKind::Fail(ErrorKind::Other) });
}

/// The next write finds no room.
fn fill_disk(bench: &Bench) {
    let kind = FaultKind::Fail(ErrorKind::StorageFull);
    bench.disk.inject(Fault { op: SimOp::Write, after: 0, kind });
}

/// So much that all that was there before can expire.
fn send_much(bench: &Bench) {
    for i in 0..60u8 {
        bench.send("busy", 0, &[i; 1000]);
    }
    bench.store().queue_flush_step().unwrap();
}

fn check_kept(bench: &Bench) {
    let expected: Vec<_> = (0..8u8).map(|round| [round; 10]).collect();
    for queue in 0..3 {
        assert_eq!(bench.bodies("kept", queue), expected, "queue {queue}");
    }
}

fn topics(bench: &Bench) -> Vec<String> {
    bench.store().topics_with_queues().into_iter().map(|(topic, _)| topic).collect()
}

#[test]
fn a_second_recovery_leaves_the_queue_log_as_the_first_did() {
    for (rounds, roll_bytes) in (1..20u8).flat_map(|rounds| [700, 1000, 1300].map(|roll| (rounds, roll))) {
        let mut bench = filled(QueueLogPolicy { roll_bytes, ..shared() });
        for round in 0..rounds {
            bench.send("kept", i32::from(round % 3), &[round]);
            bench.send("gone", i32::from(round % 3), &[round]);
            bench.send("gone", i32::from((round + 1) % 3), &[round]);
            if round + 1 < rounds {
                bench.store().queue_flush_step().unwrap();
            }
        }
        bench.kill();
        let first = bench.disk.fork();
        bench.kill();
        assert_eq!(bench.disk.difference(&first), None, "{rounds} rounds, {roll_bytes}");
    }
}

#[test]
fn files_that_a_failed_deletion_left_do_not_come_back_when_the_queue_log_goes() {
    let mut bench = filled(QueueLogPolicy { queues_min: 5, close_max: 10, ..shared() });
    inject(&bench, SimOp::Remove, 1);
    bench.store().delete_topic("gone").unwrap_err();
    bench.kill();
    assert_eq!(topics(&bench), ["kept"]);
    // With few queues left the queue log goes, and the directories say everything.
    bench.reopen();
    assert!(bench.report.was_closed);
    assert_eq!(topics(&bench), ["kept"]);
}

#[test]
fn nor_as_a_queue_of_that_name_that_got_no_message() {
    let mut bench = filled(QueueLogPolicy { queues_min: 5, close_max: 10, ..shared() });
    inject(&bench, SimOp::Remove, 1);
    bench.store().delete_topic("gone").unwrap_err();
    bench.kill();
    bench.append("gone", 2, &[9; 10]).unwrap();
    fill_disk(&bench);
    bench.store().settle().unwrap_err();
    bench.reopen();
    assert!(bench.report.was_closed);
    assert_eq!(topics(&bench), ["kept"]);
}

#[test]
fn a_topic_whose_deletion_the_queue_log_could_not_note_keeps_its_files() {
    let mut bench = filled(shared());
    // The first step finds nothing new and writes nothing.
    inject(&bench, SimOp::Write, 0);
    bench.store().delete_topic("gone").unwrap_err();
    assert!(topics(&bench).iter().all(|topic| topic != "gone"));
    bench.kill();
    for queue in 0..3 {
        assert_eq!(bench.bodies("gone", queue).len(), 8, "queue {queue}");
    }
    assert!(bench.store().delete_topic("gone").unwrap());
    bench.kill();
    assert_eq!(topics(&bench), ["kept"]);
}

/// Deletes the topic "gone" while the disk is full, so that the queue log does not learn of it, and begins its queue 2 again.
fn made_anew(bench: &Bench) {
    fill_disk(bench);
    bench.store().delete_topic("gone").unwrap_err();
    bench.store().space_step();
    bench.send("gone", 2, &[77]);
}

#[test]
fn a_queue_that_was_made_anew_without_the_knowledge_of_the_queue_log_begins_again() {
    for (chained, crash) in
        [(false, Bench::kill as fn(&mut Bench)), (true, Bench::kill), (true, Bench::power_cut)]
    {
        let mut bench = filled(shared());
        if chained {
            bench.send("gone", 2, &[8]);
            bench.send("gone", 1, &[8]);
            bench.store().queue_flush_step().unwrap();
        }
        made_anew(&bench);
        bench.store().flush_step().unwrap();
        for _ in 0..2 {
            crash(&mut bench);
            assert_eq!(bench.bodies("gone", 2), [[77]]);
            check_kept(&bench);
        }
        bench.reopen();
        assert_eq!(bench.bodies("gone", 2), [[77]]);
    }
}

#[test]
fn beside_it_an_empty_queue_goes_on_where_it_was() {
    let mut bench = filled(shared());
    send_much(&bench);
    bench.store().delete_expired_now(bench.clock_in_days(30));
    bench.send("gone", 2, &[9; 10]);
    bench.store().queue_flush_step().unwrap();
    let range = bench.store().queue_range("kept", 0);
    assert_eq!((range.min.0, range.max.0), (8, 8));
    made_anew(&bench);
    bench.kill();
    assert_eq!(bench.store().queue_range("kept", 0), range);
    assert_eq!(bench.bodies("gone", 2), [[77]]);
}

#[test]
fn a_queue_log_that_does_not_fit_leaves_no_queue_with_the_file_of_another() {
    let mut bench = filled(shared());
    let at = bench.send("gone", 2, &[77]).log_offset.0;
    // The queue log knows eight messages of this queue, and this record says that it is the fourth.
    let path = bench.segment(at - at % bench.config.segment_size_bytes);
    let place = at % bench.config.segment_size_bytes + 20;
    bench.disk.open(&path).unwrap().write_all_at(&3u64.to_be_bytes(), place).unwrap();
    bench.kill();
    check_kept(&bench);
}

#[test]
fn a_queue_log_that_was_begun_in_vain_brings_no_deleted_topic_back() {
    let mut bench = filled(QueueLogPolicy::default());
    assert!(bench.store().delete_topic("gone").unwrap());
    bench.drop_store();
    // What a process leaves that dies while it begins the very first file.
    let dir = Path::new("/store/queuelog");
    bench.disk.create_dir_all(dir).unwrap();
    bench.disk.create(&dir.join("00000000000000000000"), 0).unwrap().write_all_at(&[7; 40], 0).unwrap();
    bench.kill();
    assert_eq!(topics(&bench), ["kept"]);
    assert_eq!(bench.bodies("kept", 2).len(), 8);
}

#[test]
fn a_queue_that_could_not_be_trimmed_is_trimmed_by_the_next_start() {
    let mut bench = filled(shared());
    send_much(&bench);
    let fork = |bench: &Bench| {
        let fork = bench.disk.fork();
        fork.kill();
        Bench::with(bench.config.clone(), fork)
    };
    let ranges = |bench: &Bench| [0, 1, 2].map(|queue| bench.store().queue_range("kept", queue).min.0);
    let whole = fork(&bench);
    whole.store().delete_expired_now(bench.clock_in_days(30));
    let mut was_left = false;
    for after in 0..40 {
        let mut bench = fork(&bench);
        inject(&bench, SimOp::Read, after);
        bench.store().delete_expired_now(bench.clock_in_days(30));
        bench.disk.disarm();
        if bench.store().log_range().0 < whole.store().log_range().0 {
            continue;
        }
        was_left |= ranges(&bench) != [8; 3];
        bench.store().queue_flush_step().unwrap();
        bench.kill();
        assert_eq!(ranges(&bench), [8; 3], "fault after {after} reads");
    }
    assert!(was_left, "no fault struck the trimming");
    bench.kill();
    assert_eq!(bench.store().queue_range("kept", 0).max, QueueOffset(8));
}

#[test]
fn a_queue_file_whose_creator_died_before_its_name_was_synced_is_not_lost_with_what_comes_into_it() {
    for op in [SimOp::SyncDir, SimOp::Sync] {
        for after in 0..8 {
            let mut bench = filled(shared());
            for i in 0..20u8 {
                bench.send("new", 0, &[i; 10]);
                bench.send("kept", 0, &[i; 10]);
            }
            inject(&bench, op, after);
            // It may fail; where it does, nothing is known of the names of the files that it created.
            let _ = bench.store().queue_flush_step();
            bench.disk.disarm();
            bench.kill();
            for i in 20..40u8 {
                bench.send("new", 0, &[i; 10]);
                bench.send("kept", 0, &[i; 10]);
            }
            bench.store().queue_flush_step().unwrap();
            bench.power_cut();
            assert_eq!(bench.bodies("new", 0).len(), 40, "{op:?} {after}");
            assert_eq!(bench.bodies("kept", 0).len(), 48, "{op:?} {after}");
            bench.store().close().unwrap();
        }
    }
}
