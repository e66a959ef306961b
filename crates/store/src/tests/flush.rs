//! Flushing and those who wait for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use eruca_message::LogOffset;

use super::bench::Bench;
use crate::{Checkpoint, disk::Disk};

fn counter(bench: &Bench, end: LogOffset) -> Arc<AtomicUsize> {
    let called = Arc::new(AtomicUsize::new(0));
    let in_waiter = Arc::clone(&called);
    let waiter = move |result: Result<(), _>| {
        in_waiter.fetch_add(if result.is_ok() { 1 } else { 100 }, Ordering::SeqCst);
    };
    bench.store().on_flushed(end, Box::new(waiter));
    called
}

#[test]
fn waiters_are_called_when_their_record_is_on_the_disk() {
    let bench = Bench::new();
    let first = bench.send("T", 0, b"one");
    let waiting = counter(&bench, first.log_offset_end);
    assert_eq!(waiting.load(Ordering::SeqCst), 0);
    assert_eq!(bench.store().flush_step(), Ok(first.log_offset_end));
    assert_eq!(waiting.load(Ordering::SeqCst), 1);
    assert_eq!(counter(&bench, first.log_offset_end).load(Ordering::SeqCst), 1);

    // Registered before it is even written.
    let second = bench.append("T", 0, b"two").unwrap();
    let waiting = counter(&bench, second.log_offset_end);
    bench.store().flush_step().unwrap();
    assert_eq!(waiting.load(Ordering::SeqCst), 0);
    bench.store().settle().unwrap();
    bench.store().flush_step().unwrap();
    assert_eq!(waiting.load(Ordering::SeqCst), 1);
}

#[test]
fn the_watermarks_keep_their_order() {
    let bench = Bench::new();
    let marks = || {
        let marks = bench.store().watermarks();
        assert!(marks.flushed <= marks.written && marks.written <= marks.appended);
        (marks.appended.0, marks.written.0, marks.flushed.0)
    };
    let end = bench.append("T", 0, b"one").unwrap().log_offset_end.0;
    assert_eq!(marks(), (end, 0, 0));
    bench.store().settle().unwrap();
    assert_eq!(marks(), (end, end, 0));
    bench.store().flush_step().unwrap();
    assert_eq!(marks(), (end, end, end));
}

#[test]
fn the_checkpoint_says_the_start_of_the_last_record_as_java_does() {
    let bench = Bench::new();
    bench.send("T", 0, b"one");
    let last = bench.send("T", 1, b"two");
    let flushed = bench.store().queue_flush_step().unwrap();
    assert_eq!((flushed.entries, flushed.up_to), (2, last.log_offset_end));
    let checkpoint = Checkpoint::load(&bench.disk, &bench.config.checkpoint_path()).unwrap().unwrap();
    assert_eq!(checkpoint.queue_log_offset, last.log_offset);
    assert_eq!(checkpoint.log_timestamp, last.store_timestamp);
    // Nothing new: nothing written.
    let changes = bench.disk.changes();
    bench.store().queue_flush_step().unwrap();
    assert_eq!(bench.disk.changes(), changes);
}

#[test]
fn the_checkpoint_says_what_is_confirmed_and_no_more_than_the_disk_has() {
    let mut bench = Bench::new();
    let confirmed = |bench: &Bench| {
        let file = Checkpoint::load(&bench.disk, &bench.config.checkpoint_path()).unwrap().unwrap();
        (file.confirm_offset, bench.store().has_confirmed_more(), bench.store().confirmed_before())
    };
    let first = bench.send("T", 0, b"one").log_offset_end;
    bench.store().queue_flush_step().unwrap();
    assert_eq!(confirmed(&bench), (0, false, LogOffset(0)), "without a controller nobody says so");
    bench.store().note_confirmed(Some(first));
    assert!(bench.store().has_confirmed_more());
    let second = bench.send("T", 0, b"two").log_offset_end;
    bench.store().queue_flush_step().unwrap();
    assert_eq!(confirmed(&bench), (first.to_i64(), false, first));
    bench.kill();
    assert_eq!(bench.store().confirmed_before(), first);
    // All, of which the disk has less.
    bench.store().note_confirmed(None);
    bench.store().queue_flush_step().unwrap();
    bench.append("T", 0, b"three").unwrap();
    bench.store().settle().unwrap();
    assert_eq!(confirmed(&bench), (second.to_i64(), false, second));
    bench.reopen();
    assert_eq!(bench.store().confirmed_before(), bench.store().log_range().1);
}

#[test]
fn entries_are_read_the_same_from_memory_and_from_files() {
    let bench = Bench::new();
    for i in 0..75u8 {
        bench.send("T", 0, &[i; 20]);
        if i % 30 == 29 {
            bench.store().queue_flush_step().unwrap();
        }
    }
    assert_eq!(bench.bodies("T", 0), (0..75u8).map(|i| vec![i; 20]).collect::<Vec<_>>());
    bench.store().queue_flush_step().unwrap();
    assert_eq!(bench.bodies("T", 0).len(), 75);
    let files = bench.disk.list(std::path::Path::new("/store/consumequeue/T/0")).unwrap();
    assert_eq!(
        files.iter().map(|f| (f.name.as_str(), f.len_bytes)).collect::<Vec<_>>(),
        [
            ("00000000000000000000", 400),
            ("00000000000000000400", 400),
            ("00000000000000000800", 400),
            ("00000000000000001200", 400),
        ]
    );
}

#[test]
fn many_queues_need_few_open_files_and_one_sync() {
    let mut bench = Bench::new();
    for i in 0..300 {
        bench.append(&format!("T{i}"), 0, b"x").unwrap();
    }
    bench.store().settle().unwrap();
    bench.store().queue_flush_step().unwrap();
    bench.power_cut();
    assert_eq!((bench.report.queues, bench.report.entries_cut), (300, 0));
    for i in 0..300 {
        assert_eq!(bench.bodies(&format!("T{i}"), 0), [b"x"]);
    }
}
