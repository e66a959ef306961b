//! Writes that fail, syncs that fail, a full disk, a directory that does not fit.

use std::{
    io::ErrorKind,
    path::Path,
    sync::{Arc, Mutex},
};

use eruca_message::QueueOffset;

use super::bench::{Bench, shared_config, small_config};
use crate::{
    AppendError, OpenError, StoreConfig, WriteState, WriteStopped,
    disk::{Disk, Fault, FaultKind, FaultRates, SimDisk, SimOp},
};

fn fail(bench: &Bench, op: SimOp, kind: FaultKind) {
    bench.disk.inject(Fault { op, after: 0, kind });
}

#[test]
fn a_full_disk_stops_writes_and_space_lets_them_go_on() {
    let bench = Bench::new();
    bench.send("T", 0, &[1; 400]);
    // Others fill the disk, too.
    let others = bench.disk.create(Path::new("/others"), 0).unwrap();
    others.write_all_at(&[1; 20_000], 0).unwrap();
    bench.disk.set_capacity(Some(bench.disk.used_bytes() + 600));
    bench.append("T", 0, &[2; 700]).unwrap();
    bench.append("T", 1, &[3; 100]).unwrap();
    let why = bench.store().settle().unwrap_err();
    assert!(
        matches!(&why, WriteStopped::DiskFull { path, .. } if path == Path::new("/store/commitlog")),
        "{why}"
    );
    assert_eq!(bench.store().write_state(), WriteState::Stopped(why));
    assert!(matches!(bench.append("T", 0, b"x"), Err(AppendError::Stopped(WriteStopped::DiskFull { .. }))));
    // Reads go on; nothing of what was refused is there.
    assert_eq!(bench.bodies("T", 0), [vec![1; 400]]);
    assert_eq!(bench.store().watermarks().appended, bench.store().watermarks().written);

    bench.store().space_step();
    assert!(matches!(bench.store().write_state(), WriteState::Stopped(_)), "still no room");
    bench.disk.set_capacity(None);
    bench.store().space_step();
    assert_eq!(bench.store().write_state(), WriteState::Open);
    assert_eq!(bench.send("T", 0, b"again").queue_offset, QueueOffset(1));
    assert_eq!(bench.send("T", 1, b"first").queue_offset, QueueOffset(0));
}

/// A read of the network that stages much settles in its midst; what it appended before that is not acknowledged yet.
#[test]
fn a_write_that_fails_in_the_midst_of_a_read_is_told_at_its_end() {
    let config =
        StoreConfig { segment_size_bytes: 8 << 20, max_message_size_bytes: 4 << 20, ..small_config() };
    let bench = Bench::with(config, SimDisk::new(7));
    bench.append("T", 0, b"small").unwrap();
    fail(&bench, SimOp::Write, FaultKind::Fail(ErrorKind::Other));
    let large = bench.append("T", 0, &vec![1; 2 << 20]);
    assert!(matches!(large, Err(AppendError::Stopped(_))), "{large:?}");
    bench.store().settle().unwrap_err();
    assert_eq!(bench.store().settle(), Ok(()), "nothing was appended since");
    assert!(bench.bodies("T", 0).is_empty());
}

/// The same where a topic is deleted in the midst.
#[test]
fn a_write_that_fails_while_a_topic_is_deleted_is_told_at_the_end_of_the_read() {
    let bench = Bench::new();
    bench.append("T", 0, b"small").unwrap();
    fail(&bench, SimOp::Write, FaultKind::Fail(ErrorKind::Other));
    // Whether the topic could be deleted is not the question.
    let _ = bench.store().delete_topic("other");
    bench.store().settle().unwrap_err();
    assert_eq!(bench.store().settle(), Ok(()));
}

#[test]
fn a_store_on_a_full_disk_opens_and_serves_what_is_there() {
    let mut bench = Bench::new();
    // Up to the end of a segment, so that the next message needs a new file.
    for i in 0..3u8 {
        bench.send("T", 0, &[i; 1000]);
    }
    bench.store().close().unwrap();
    bench.disk.set_capacity(Some(bench.disk.used_bytes()));
    for _ in 0..2 {
        bench.open().unwrap();
        assert_eq!(bench.bodies("T", 0).len(), 3);
        assert!(matches!(
            bench.append("T", 0, b"x"),
            Err(AppendError::Stopped(WriteStopped::DiskFull { free_bytes: 0, .. }))
        ));
        // Killed, it left the mark of a run that did not end in order, although that could not be written to.
        bench.drop_store();
        bench.disk.kill();
        assert!(bench.disk.exists(Path::new("/store/abort")).unwrap());
    }
    bench.disk.set_capacity(None);
    bench.kill();
    assert_eq!(bench.send("T", 0, b"x").queue_offset, QueueOffset(3));
}

#[test]
fn a_store_killed_on_a_full_disk_opens_and_has_its_queues_in_memory() {
    for config in [small_config(), shared_config()] {
        let mut bench = Bench::with(config, SimDisk::new(7));
        for i in 0..30u8 {
            bench.send(["T", "U", "V"][usize::from(i % 3)], 0, &[i; 500]);
        }
        bench.disk.set_capacity(Some(bench.disk.used_bytes()));
        for _ in 0..2 {
            bench.kill();
            assert_eq!((bench.report.records, bench.report.entries_rebuilt), (30, 30));
            assert_eq!(["T", "U", "V"].map(|topic| bench.bodies(topic, 0).len()), [10; 3]);
            assert!(matches!(bench.store().queue_flush_step(), Err(WriteStopped::DiskFull { .. })));
            // Their entries are in memory alone: the records have to stay.
            let now = super::bench::START.add_ms(1000 * 3_600_000);
            assert_eq!(bench.store().delete_expired_now(now).segments_deleted, 0);
        }
        bench.disk.set_capacity(None);
        bench.store().space_step();
        assert_eq!(bench.store().queue_flush_step().unwrap().entries, 30);
        assert_eq!(bench.send("T", 0, b"on").queue_offset, QueueOffset(10));
        bench.kill();
        assert!(bench.report.records < 3, "{:?}", bench.report);
        assert_eq!(["T", "U", "V"].map(|topic| bench.bodies(topic, 0).len()), [11, 10, 10]);
    }
}

#[test]
fn what_a_refused_write_left_is_never_taken_for_records() {
    let mut bench = Bench::new();
    bench.send("T", 0, b"zero");
    // Three records of one length: the first two arrive whole, then the disk is full.
    for i in 1..4u8 {
        bench.append("T", 0, &[i; 100]).unwrap();
    }
    fail(&bench, SimOp::Write, FaultKind::Torn(206 * 2 + 50, ErrorKind::StorageFull));
    bench.store().settle().unwrap_err();
    bench.store().space_step();
    // Of the same length again, for another queue: what lies behind it must not come to life.
    bench.send("U", 0, &[9; 100]);
    bench.kill();
    assert_eq!(bench.bodies("T", 0), [b"zero"]);
    assert_eq!(bench.bodies("U", 0), [[9; 100]]);
    assert_eq!(bench.report.torn_tail, None);
}

#[test]
fn what_was_refused_is_not_there_after_a_power_cut_either() {
    for seed in 0..20 {
        let mut bench = Bench::with(small_config(), SimDisk::new(seed * 101));
        bench.send("T", 0, b"kept");
        bench.store().queue_flush_step().unwrap();
        bench.append("T", 0, &[1; 100]).unwrap();
        bench.append("T", 0, &[2; 100]).unwrap();
        // The kernel writes what arrives to the disk at once.
        bench.disk.set_rates(FaultRates { write_back: 1_000_000, ..FaultRates::default() });
        fail(&bench, SimOp::Write, FaultKind::Torn(150 + 206, ErrorKind::StorageFull));
        bench.store().settle().unwrap_err();
        bench.disk.set_rates(FaultRates::default());
        bench.power_cut();
        assert_eq!(bench.bodies("T", 0), [b"kept"], "seed {seed}");
    }
}

#[test]
fn a_thread_learns_that_another_threads_settle_dropped_its_messages() {
    let bench = Bench::new();
    let (mine, theirs) = (Mutex::new(()), std::sync::Barrier::new(2));
    let _unused = mine.lock().unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            bench.append("T", 0, b"theirs").unwrap();
            theirs.wait();
            // The main thread's settle fails and the disk has room again before this one settles.
            theirs.wait();
            bench.store().settle()
        });
        theirs.wait();
        fail(&bench, SimOp::Write, FaultKind::Fail(ErrorKind::StorageFull));
        bench.append("T", 0, b"mine").unwrap();
        assert!(bench.store().settle().is_err());
        bench.store().space_step();
        bench.send("T", 0, b"a longer one that covers the place of the dropped ones");
        theirs.wait();
        assert!(matches!(other.join().unwrap(), Err(WriteStopped::DiskFull { .. })));
    });
    assert_eq!(bench.bodies("T", 0).len(), 1);
    assert!(bench.store().settle().is_ok());
}

#[test]
fn a_failed_write_stops_until_a_restart() {
    let mut bench = Bench::new();
    bench.send("T", 0, b"kept");
    bench.append("T", 0, b"lost").unwrap();
    fail(&bench, SimOp::Write, FaultKind::Fail(ErrorKind::Other));
    assert!(matches!(bench.store().settle(), Err(WriteStopped::Io { operation: "write", .. })));
    bench.store().space_step();
    assert!(matches!(bench.append("T", 0, b"x"), Err(AppendError::Stopped(WriteStopped::Io { .. }))));
    assert!(bench.store().flush_step().is_err());
    assert!(bench.store().close().is_err());
    bench.kill();
    assert_eq!(bench.bodies("T", 0), [b"kept"]);
    assert_eq!(bench.send("T", 0, b"on").queue_offset, QueueOffset(1));
}

/// Sends up to the end of the segment; the next message needs a file.
fn at_the_end_of_a_segment() -> Bench {
    let bench = Bench::new();
    (0..3u8).for_each(|i| _ = bench.send("T", 0, &[i; 1000]));
    bench
}

#[test]
fn a_segment_that_cannot_be_created_stops_until_a_restart() {
    let mut bench = at_the_end_of_a_segment();
    fail(&bench, SimOp::Create, FaultKind::Fail(ErrorKind::ReadOnlyFilesystem));
    bench.append("T", 0, &[3; 1000]).unwrap();
    let why = bench.store().settle().unwrap_err();
    assert!(matches!(why, WriteStopped::Io { operation: "create", .. }), "{why}");
    bench.store().space_step();
    assert_eq!(bench.store().write_state(), WriteState::Stopped(why));
    assert_eq!(bench.bodies("T", 0).len(), 3);
    bench.kill();
    assert_eq!(bench.send("T", 0, b"on").queue_offset, QueueOffset(3));
}

#[test]
fn where_no_file_can_be_opened_writes_wait_until_one_can() {
    let errno = rustix::io::Errno::MFILE.raw_os_error();
    // The end of the full segment is written (0); then come the new file, its sync, and that of the directory.
    for (after, operation) in [(1, "create"), (2, "sync"), (3, "sync")] {
        let bench = at_the_end_of_a_segment();
        bench.append("T", 0, &[3; 1000]).unwrap();
        bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::FailWith(errno) });
        let why = bench.store().settle().unwrap_err();
        assert!(
            matches!(&why, WriteStopped::TooManyFiles { operation: what, .. } if *what == operation),
            "{why}"
        );
        for part in ["/store/commitlog", "os error 24", "LimitNOFILE", "goes on by itself"] {
            assert!(why.to_string().contains(part), "{why}");
        }
        assert_eq!(bench.store().write_state(), WriteState::Stopped(why));
        fail(&bench, SimOp::Read, FaultKind::FailWith(errno));
        bench.store().space_step();
        assert!(matches!(bench.store().write_state(), WriteState::Stopped(_)), "still none");
        bench.store().space_step();
        assert_eq!(bench.store().write_state(), WriteState::Open);
        assert_eq!(bench.send("T", 0, &[4; 1000]).queue_offset, QueueOffset(3));
        assert_eq!(bench.bodies("T", 0).len(), 4);
    }
}

#[test]
fn queue_files_that_cannot_be_opened_are_synced_later() {
    let errno = rustix::io::Errno::MFILE.raw_os_error();
    let filled = || {
        let bench = Bench::new();
        (0..4u8).for_each(|i| _ = bench.send(["T", "U"][usize::from(i % 2)], 0, &[i; 100]));
        bench
    };
    let steps = {
        let bench = filled();
        let before = bench.disk.changes();
        bench.store().queue_flush_step().unwrap();
        bench.disk.changes() - before
    };
    assert!(steps > 10, "{steps}");
    for after in 0..steps {
        let mut bench = filled();
        bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::FailWith(errno) });
        let why = bench.store().queue_flush_step().unwrap_err();
        assert!(matches!(why, WriteStopped::TooManyFiles { .. }), "step {after}: {why}");
        bench.store().space_step();
        bench.store().queue_flush_step().unwrap();
        bench.power_cut();
        assert_eq!((bench.bodies("T", 0).len(), bench.bodies("U", 0).len()), (2, 2), "step {after}");
        assert!(bench.report.records < 2, "step {after}: {:?}", bench.report);
    }
}

#[test]
fn a_failed_sync_stops_for_good_and_tells_all_who_wait() {
    let bench = Bench::new();
    let end = bench.send("T", 0, b"one").log_offset_end;
    let told = Arc::new(Mutex::new(Vec::new()));
    for _ in 0..2 {
        let told = Arc::clone(&told);
        bench.store().on_flushed(end, Box::new(move |result| told.lock().unwrap().push(result)));
    }
    fail(&bench, SimOp::Sync, FaultKind::Fail(ErrorKind::StorageFull));
    let why = bench.store().flush_step().unwrap_err();
    assert!(matches!(why, WriteStopped::Io { operation: "sync", .. }), "{why}");
    assert_eq!(*told.lock().unwrap(), [Err(why.clone()), Err(why.clone())]);
    // The next sync would succeed and prove nothing.
    assert_eq!(bench.store().flush_step(), Err(why.clone()));
    assert_eq!(bench.store().watermarks().flushed.0, 0);
    let late = Arc::clone(&told);
    bench.store().on_flushed(end, Box::new(move |result| late.lock().unwrap().push(result)));
    assert_eq!(told.lock().unwrap().len(), 3);
    assert!(matches!(bench.append("T", 0, b"x"), Err(AppendError::Stopped(_))));
    assert_eq!(bench.bodies("T", 0).len(), 1);
}

#[test]
fn waiters_of_dropped_records_get_the_error() {
    let bench = Bench::new();
    let end = bench.append("T", 0, b"lost").unwrap().log_offset_end;
    let told = Arc::new(Mutex::new(None));
    let in_waiter = Arc::clone(&told);
    bench.store().on_flushed(end, Box::new(move |result| *in_waiter.lock().unwrap() = Some(result)));
    fail(&bench, SimOp::Write, FaultKind::Fail(ErrorKind::StorageFull));
    bench.store().settle().unwrap_err();
    assert!(matches!(*told.lock().unwrap(), Some(Err(WriteStopped::DiskFull { .. }))));
}

#[test]
fn queue_entries_that_could_not_be_written_are_written_later() {
    let mut bench = Bench::new();
    for i in 0..45u8 {
        bench.send("T", 0, &[i]);
    }
    fail(&bench, SimOp::Write, FaultKind::Torn(50, ErrorKind::StorageFull));
    assert!(matches!(bench.store().queue_flush_step(), Err(WriteStopped::DiskFull { .. })));
    assert_eq!(bench.bodies("T", 0).len(), 45);
    bench.store().space_step();
    assert_eq!(bench.store().queue_flush_step().unwrap().entries, 45);
    bench.kill();
    assert_eq!(bench.report.entries_cut, 0);
    assert_eq!(bench.bodies("T", 0).len(), 45);
}

#[test]
fn an_almost_full_disk_stops_writes_before_it_is_full() {
    let bench = Bench::new();
    bench.send("T", 0, &[0; 1000]);
    let used = bench.disk.used_bytes();
    bench.disk.set_capacity(Some(used + used / 20));
    bench.store().space_step();
    let WriteState::Stopped(WriteStopped::DiskFull { free_bytes, threshold_bytes, .. }) =
        bench.store().write_state()
    else {
        panic!("writes go on")
    };
    assert!(free_bytes < threshold_bytes, "{free_bytes} {threshold_bytes}");
    bench.disk.set_capacity(Some(used * 2));
    bench.store().space_step();
    assert_eq!(bench.store().write_state(), WriteState::Open);
}

#[test]
fn fast_writers_leave_room_for_the_queues_entries() {
    let bench = Bench::new();
    bench.disk.set_capacity(Some(100_000));
    let mut sent = 0;
    // Nobody looks at the disk meanwhile but the writer itself.
    while bench.append("T", 0, &[1; 500]).is_ok() && bench.store().settle().is_ok() {
        sent += 1;
    }
    let state = bench.store().write_state();
    assert!(
        matches!(state, WriteState::Stopped(WriteStopped::DiskFull { free_bytes: 4000.., .. })),
        "{state:?} after {sent}"
    );
    assert_eq!(bench.store().queue_flush_step().unwrap().entries, sent);
    // So the old ones can make room.
    assert!(bench.store().retention_step(super::bench::START).segments_deleted > 0);
    assert_eq!(bench.store().write_state(), WriteState::Open);
}

fn open_error(bench: &mut Bench) -> String {
    bench.open().unwrap_err().to_string()
}

#[test]
fn a_directory_in_use_is_refused_by_name() {
    let mut bench = Bench::new();
    let other = bench.disk.clone();
    let held = other.lock(Path::new("/other/lock")).unwrap();
    bench.config.root = "/other".into();
    assert!(open_error(&mut bench).contains("/other is in use by another broker"));
    drop(held);
    bench.open().unwrap();
}

#[test]
fn files_of_a_wrong_size_and_missing_ones_are_refused_by_name() {
    let mut bench = Bench::new();
    for i in 0..40u8 {
        bench.send("T", 0, &[i; 600]);
    }
    bench.store().close().unwrap();
    let config = bench.config.clone();
    bench.config = StoreConfig { segment_size_bytes: 8192, ..config.clone() };
    let text = open_error(&mut bench);
    assert!(
        text.contains("commitlog/00000000000000000000 has 4096 bytes, mappedFileSizeCommitLog says 8192"),
        "{text}"
    );
    bench.config = StoreConfig { queue_file_size_bytes: 800, ..config.clone() };
    let text = open_error(&mut bench);
    assert!(
        text.contains("T/0/00000000000000000000 has 400 bytes, mappedFileSizeConsumeQueue says 800"),
        "{text}"
    );
    bench.config = config;
    bench.drop_store();
    bench.disk.remove_file(&bench.segment(8192)).unwrap();
    let text = open_error(&mut bench);
    assert!(text.contains("00000000000000008192 is missing"), "{text}");
}

#[test]
fn queues_in_rocksdb_are_refused_before_anything_is_written() {
    let disk = SimDisk::new(1);
    disk.create_dir_all(Path::new("/store/consumequeue_rocksdb")).unwrap();
    disk.create(Path::new("/store/consumequeue_rocksdb/CURRENT"), 5).unwrap();
    let opened = crate::MessageStore::open(
        small_config(),
        Arc::new(disk.clone()),
        Arc::new(eruca_message::SystemClock),
    );
    assert!(matches!(opened, Err(OpenError::Unsupported { .. })));
    let names: Vec<_> = disk.list(Path::new("/store")).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["consumequeue_rocksdb"], "nothing was written");
}
