//! Very many queues: their shared log, when it is used, and what happens when it is not whole.

use std::path::{Path, PathBuf};

use eruca_message::{LogOffset, QueueOffset, Timestamp};

use super::bench::{Bench, shared_config};
use crate::{
    Checkpoint, QueueLogPolicy, StoreConfig,
    disk::{Disk, SimDisk},
};

const QUEUES: i32 = 40;

fn body(queue: i32, index: u8) -> Vec<u8> {
    vec![queue as u8, index]
}

/// `rounds` messages in each of [`QUEUES`] queues, flushed after each round.
fn filled(config: StoreConfig, rounds: u8) -> Bench {
    let bench = Bench::with(config, SimDisk::new(11));
    fill(&bench, 0..rounds);
    bench
}

fn fill(bench: &Bench, rounds: std::ops::Range<u8>) {
    for round in rounds {
        for queue in 0..QUEUES {
            bench.append("T", queue, &body(queue, round)).unwrap();
        }
        bench.store().settle().unwrap();
        bench.store().queue_flush_step().unwrap();
    }
}

fn check(bench: &Bench, rounds: u8) {
    for queue in 0..QUEUES {
        let expected: Vec<_> = (0..rounds).map(|round| body(queue, round)).collect();
        assert_eq!(bench.bodies("T", queue), expected, "queue {queue}");
    }
}

fn exists(bench: &Bench, path: &str) -> bool {
    bench.disk.exists(Path::new(path)).unwrap()
}

fn log_files(bench: &Bench) -> Vec<PathBuf> {
    let dir = Path::new("/store/queuelog");
    bench.disk.list(dir).unwrap().into_iter().map(|entry| dir.join(entry.name)).collect()
}

fn checkpoint(bench: &Bench) -> Checkpoint {
    let mut bytes = [0; 48];
    bench.disk.open(Path::new("/store/checkpoint")).unwrap().read_exact_at(&mut bytes, 0).unwrap();
    Checkpoint::decode(&bytes).unwrap()
}

#[test]
fn few_queues_need_no_queue_log() {
    let config = StoreConfig { queue_log: QueueLogPolicy::default(), ..shared_config() };
    let mut bench = filled(config, 3);
    assert!(!exists(&bench, "/store/queuelog"));
    bench.kill();
    check(&bench, 3);
}

#[test]
fn short_runs_share_a_log_and_long_ones_get_files_as_java_writes_them() {
    let mut bench = filled(shared_config(), 3);
    assert!(!exists(&bench, "/store/consumequeue/T"));
    bench.kill();
    check(&bench, 3);
    assert!(!exists(&bench, "/store/consumequeue/T"));
    fill(&bench, 3..8);
    check(&bench, 8);
    // Six entries at once; those that came after them are in the queue log again.
    let file = bench.disk.open(Path::new("/store/consumequeue/T/7/00000000000000000000")).unwrap();
    let mut bytes = [0; 140];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let entries: Vec<_> = crate::ConsumeQueueEntry::decode_all(&bytes).collect();
    assert_eq!(entries, bench.store().queue_entries("T", 7, QueueOffset(0), 6));
    bench.kill();
    check(&bench, 8);
    bench.power_cut();
    check(&bench, 8);
}

#[test]
fn a_start_reads_what_came_after_the_last_step_and_no_queue_by_itself() {
    let mut bench = filled(shared_config(), 2);
    bench.send("T", 3, b"new");
    bench.send("U", 0, b"new");
    bench.kill();
    assert_eq!((bench.report.records, bench.report.entries_rebuilt), (2, 2));
    assert_eq!(bench.store().queue_range("T", 3).max, QueueOffset(3));
    assert_eq!(bench.bodies("U", 0), [b"new"]);
}

#[test]
fn the_checkpoint_says_only_what_the_queues_own_files_have() {
    let bench = Bench::with(shared_config(), SimDisk::new(1));
    bench.send("T", 0, b"one");
    bench.store().queue_flush_step().unwrap();
    let whole = checkpoint(&bench);
    assert_eq!(whole.queue_log_offset, LogOffset(0));
    fill(&bench, 0..2);
    assert_eq!(checkpoint(&bench), whole);
    // Queue 0 alone gets a message: its files get all that it has, the other queues stay as they are.
    bench.send("T", 0, b"two");
    bench.store().queue_flush_step().unwrap();
    assert_eq!(checkpoint(&bench), whole);
}

#[test]
fn after_a_stop_with_few_queues_in_it_the_log_is_gone() {
    let policy = QueueLogPolicy { queues_min: 100, close_max: 100, ..shared_config().queue_log };
    let mut bench = filled(StoreConfig { queue_log: policy, ..shared_config() }, 2);
    assert!(!log_files(&bench).is_empty());
    bench.store().close().unwrap();
    assert!(log_files(&bench).is_empty() && !exists(&bench, "/store/abort"));
    assert!(checkpoint(&bench).queue_log_offset > LogOffset(0));
    bench.open().unwrap();
    assert_eq!((bench.report.was_closed, bench.report.records), (true, 1));
    check(&bench, 2);
}

#[test]
fn after_a_stop_with_many_queues_in_it_a_java_broker_would_make_them_anew() {
    let mut bench = filled(shared_config(), 2);
    bench.store().close().unwrap();
    // The mark of a broker that did not stop in order, and no place from which queues would be whole.
    assert!(exists(&bench, "/store/abort"));
    assert_eq!(checkpoint(&bench).log_timestamp, Timestamp(0));
    bench.open().unwrap();
    assert_eq!(bench.report.entries_rebuilt, 0);
    check(&bench, 2);
}

#[test]
fn where_another_broker_wrote_meanwhile_the_queues_are_made_anew() {
    let mut bench = filled(shared_config(), 2);
    bench.drop_store();
    let theirs = Checkpoint { log_timestamp: Timestamp(5), ..Checkpoint::default() };
    bench.disk.open(Path::new("/store/checkpoint")).unwrap().write_all_at(&theirs.encode(), 0).unwrap();
    bench.kill();
    assert_eq!(bench.report.entries_rebuilt, 2 * QUEUES as u64);
    check(&bench, 2);
    bench.kill();
    assert_eq!(bench.report.entries_rebuilt, 0);
    check(&bench, 2);
}

#[test]
fn damage_anywhere_in_the_queue_log_costs_time_and_nothing_else() {
    let len = {
        let bench = filled(shared_config(), 2);
        let last = log_files(&bench).pop().unwrap();
        bench.disk.open(&last).unwrap().len().unwrap()
    };
    for at in (0..len).step_by(7) {
        let mut bench = filled(shared_config(), 2);
        let last = log_files(&bench).pop().unwrap();
        bench.drop_store();
        bench.disk.rot(&last, at);
        bench.kill();
        check(&bench, 2);
        assert_eq!(bench.send("T", 5, &body(5, 2)).queue_offset, QueueOffset(2), "at {at}");
    }
}

#[test]
fn lost_files_of_the_queue_log_and_of_the_queues_are_made_anew() {
    for lost in ["/store/queuelog", "/store/consumequeue/T/3"] {
        let mut bench = filled(shared_config(), 8);
        bench.drop_store();
        if lost == "/store/queuelog" {
            log_files(&bench).iter().for_each(|file| bench.disk.remove_file(file).unwrap());
        } else {
            for topic in bench.disk.list(Path::new("/store/consumequeue/T")).unwrap() {
                let dir = Path::new("/store/consumequeue/T").join(topic.name);
                for file in bench.disk.list(&dir).unwrap() {
                    bench.disk.remove_file(&dir.join(file.name)).unwrap();
                }
                bench.disk.remove_dir(&dir).unwrap();
            }
            bench.disk.remove_dir(Path::new("/store/consumequeue/T")).unwrap();
        }
        bench.kill();
        check(&bench, 8);
    }
}

#[test]
fn expired_entries_take_their_files_of_the_queue_log_with_them() {
    let mut bench = filled(shared_config(), 2);
    let first = log_files(&bench).remove(0);
    for i in 0..60u8 {
        bench.append("busy", i32::from(i % 2), &[i; 1000]).unwrap();
        bench.append("busy", 2, &[i; 10]).unwrap();
        bench.store().settle().unwrap();
        bench.store().queue_flush_step().unwrap();
    }
    let deleted = bench.store().delete_expired_now(bench.clock_in_days(30)).segments_deleted;
    assert!(deleted > 5, "{deleted}");
    bench.store().queue_flush_step().unwrap();
    assert!(!log_files(&bench).contains(&first));
    for round in 0..2 {
        let range = bench.store().queue_range("T", 9);
        assert_eq!((range.min, range.max), (QueueOffset(2), QueueOffset(2)), "round {round}");
        bench.kill();
    }
    // A queue of which everything expired goes on where it ended, in whatever file.
    for round in 2..12 {
        for queue in 0..QUEUES {
            assert_eq!(
                bench.send("T", queue, &body(queue, round)).queue_offset,
                QueueOffset(u64::from(round))
            );
        }
        bench.store().queue_flush_step().unwrap();
    }
    for round in 0..2 {
        let bodies = bench.bodies("T", 9);
        assert_eq!(bodies.len(), 10, "round {round}");
        assert_eq!(bodies, (2..12).map(|index| body(9, index)).collect::<Vec<_>>());
        bench.kill();
    }
}

#[test]
fn a_full_disk_leaves_the_entries_in_memory_and_the_next_step_writes_them() {
    let mut bench = filled(shared_config(), 1);
    for queue in 0..QUEUES {
        bench.append("T", queue, &body(queue, 1)).unwrap();
    }
    bench.store().settle().unwrap();
    bench.store().flush_step().unwrap();
    bench.disk.set_capacity(Some(bench.disk.used_bytes()));
    assert!(bench.store().queue_flush_step().is_err());
    check(&bench, 2);
    bench.disk.set_capacity(None);
    bench.store().space_step();
    bench.store().queue_flush_step().unwrap();
    check(&bench, 2);
    bench.kill();
    assert_eq!(bench.report.entries_rebuilt, 0);
    check(&bench, 2);
}

#[test]
fn files_left_by_a_deletion_that_the_power_interrupted_are_not_taken_for_the_new_queues() {
    let mut bench = filled(shared_config(), 8);
    let old = Path::new("/store/consumequeue/T/3");
    let file = old.join("00000000000000000000");
    let mut bytes = vec![0; 400];
    bench.disk.open(&file).unwrap().read_exact_at(&mut bytes, 0).unwrap();
    assert!(bench.store().delete_topic("T").unwrap());
    // As if the removal had not reached the disk.
    bench.disk.create_dir_all(old).unwrap();
    bench.disk.create(&file, 400).unwrap().write_all_at(&bytes, 0).unwrap();
    bench.kill();
    assert!(bench.bodies("T", 3).is_empty());
    fill(&bench, 0..7);
    check(&bench, 7);
    bench.disk.open(&file).unwrap().read_exact_at(&mut bytes, 0).unwrap();
    assert!(crate::ConsumeQueueEntry::decode_all(&bytes).count() <= 7);
}
