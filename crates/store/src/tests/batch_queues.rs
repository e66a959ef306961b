//! Batch queues: inner batches and single messages of topics with queue.type=BatchCQ.

use std::path::Path;

use eruca_message::{BatchEntry, QueueOffset, Record, Timestamp, encode_batch_entry, properties, sys_flag};

use super::bench::{Bench, Heard, START, message, small_config};
use crate::{
    AppendError, AppendMessage, Appended, BatchQueueEntry, Boundary, EveryMessage, ReadLimits, ReadOutcome,
    ReadStatus, StoreConfig,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

const FLAGS: i32 = sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;

/// Ten entries a file.
fn config() -> StoreConfig {
    StoreConfig { batch_queue_file_size_bytes: 460, batch_topics: vec!["B".to_owned()], ..small_config() }
}

fn bench() -> Bench {
    Bench::with(config(), SimDisk::new(7))
}

/// Appends an inner batch of as many messages as the body says.
fn send_batch(bench: &Bench, queue_id: i32, bodies: &[&str]) -> Appended {
    let mut body = Vec::new();
    for one in bodies {
        let entry = BatchEntry { flag: 0, body: one.as_bytes(), properties: b"" };
        encode_batch_entry(&entry, &mut body).unwrap();
    }
    let mut encoded = Vec::new();
    properties::encode_property(&mut encoded, properties::INNER_NUM, &bodies.len().to_string());
    let message = AppendMessage { sys_flag: FLAGS, properties: &encoded, ..message("B", queue_id, &body) };
    let appended = bench.store().append(&message).unwrap();
    bench.store().settle().unwrap();
    appended
}

fn read(bench: &Bench, from: u64, max_messages: usize) -> ReadOutcome {
    let limits = ReadLimits { max_messages, ..ReadLimits::default() };
    bench.store().read("B", 0, QueueOffset(from), &limits, &EveryMessage)
}

fn range(bench: &Bench) -> (u64, u64) {
    let range = bench.store().queue_range("B", 0);
    (range.min.0, range.max.0)
}

/// Offset of the first message, and how many, of every record that a consumer from the start gets.
fn batches(bench: &Bench) -> Vec<(u64, String)> {
    let mut all = Vec::new();
    let mut next = range(bench).0;
    loop {
        let outcome = read(bench, next, 3);
        if outcome.status != ReadStatus::Found {
            return all;
        }
        let mut rest = &*outcome.records;
        while !rest.is_empty() {
            let record = Record::decode(rest).unwrap();
            let base = properties::find_str(record.fields.properties, properties::INNER_BASE).unwrap_or("-");
            all.push((record.fields.queue_offset.0, base.to_owned()));
            rest = &rest[record.total_len..];
        }
        next = outcome.next_offset.0;
    }
}

fn bases(offsets: &[u64]) -> Vec<(u64, String)> {
    offsets.iter().map(|offset| (*offset, offset.to_string())).collect()
}

#[test]
fn an_inner_batch_takes_one_record_and_as_many_offsets_as_it_has_messages() {
    let bench = bench();
    let heard = std::sync::Arc::new(Heard::default());
    bench.store().set_arrival_listener(heard.clone());
    assert_eq!(send_batch(&bench, 0, &["a", "b", "c"]).queue_offset, QueueOffset(0));
    assert_eq!(send_batch(&bench, 0, &["d"]).queue_offset, QueueOffset(3));
    assert_eq!(send_batch(&bench, 0, &["e", "f"]).queue_offset, QueueOffset(4));
    assert_eq!((range(&bench), batches(&bench)), ((0, 6), bases(&[0, 3, 4])));
    // From the middle of a batch the whole of it comes; a batch is never parted, whatever the limit.
    for (from, max, records, messages, next) in
        [(0, 1, 1, 3, 3), (1, 4, 2, 4, 4), (2, 32, 3, 6, 6), (3, 1, 1, 1, 4), (5, 9, 1, 2, 6)]
    {
        let outcome = read(&bench, from, max);
        assert_eq!((outcome.status, outcome.message_count), (ReadStatus::Found, messages), "from {from}");
        assert_eq!(outcome.next_offset, QueueOffset(next));
        let entries = bench.store().queue_entries("B", 0, QueueOffset(from), 100);
        assert_eq!(entries.len() as u64, 6 - from);
        assert!(records <= 3 && outcome.lag_bytes > 0);
    }
    assert_eq!(read(&bench, 6, 1).status, ReadStatus::OffsetOverflowOne);
    assert_eq!(read(&bench, 7, 1).status, ReadStatus::OffsetOverflowBadly);
    let heard = heard.0.lock().unwrap();
    assert_eq!((heard[2].queue_offset, heard[2].queue_offset_max), (QueueOffset(4), QueueOffset(6)));
}

#[test]
fn single_messages_of_such_a_topic_are_batches_of_one() {
    let bench = bench();
    bench.send("B", 0, b"one");
    send_batch(&bench, 0, &["two", "three"]);
    let placed = bench.store().append_batch(&[message("B", 0, b"x"), message("B", 0, b"y")]).unwrap();
    bench.store().settle().unwrap();
    assert_eq!(placed.iter().map(|one| one.queue_offset.0).collect::<Vec<_>>(), [3, 4]);
    let expected = [(0, "-"), (1, "1"), (3, "-"), (4, "-")].map(|(offset, base)| (offset, base.to_owned()));
    assert_eq!(batches(&bench), expected);
    let refused = bench.store().append(&AppendMessage { sys_flag: FLAGS, ..message("B", 0, b"x") });
    assert_eq!(refused, Err(AppendError::NoInnerCount { topic: "B".to_owned() }));
    bench.send("T", 0, b"ordinary");
    let batch = AppendMessage { sys_flag: FLAGS, properties: b"INNER_NUM\x012\x02", ..message("T", 0, b"x") };
    assert_eq!(bench.store().append(&batch), Err(AppendError::NoBatchQueue { topic: "T".to_owned() }));
    assert!(!bench.store().declare_batch_topic("T") && bench.store().declare_batch_topic("U"));
    let batch = AppendMessage { topic: "U", ..batch };
    assert_eq!(bench.store().append(&batch).unwrap().queue_offset, QueueOffset(0));
}

#[test]
fn the_queue_survives_a_stop_a_kill_and_a_power_cut() {
    let mut bench = bench();
    for i in 0..25 {
        send_batch(&bench, 0, &["a", "b", "c"][..i % 3 + 1]);
    }
    let whole = batches(&bench);
    assert_eq!((whole.len(), range(&bench)), (25, (0, 49)));
    bench.reopen();
    assert_eq!((bench.report.entries_rebuilt, batches(&bench)), (0, whole.clone()));
    send_batch(&bench, 0, &["d", "e"]);
    bench.kill();
    assert_eq!(range(&bench), (0, 51));
    bench.store().queue_flush_step().unwrap();
    send_batch(&bench, 0, &["not on the disk"]);
    bench.power_cut();
    // The last one may be there or not.
    let (_, max) = range(&bench);
    assert!((51..=52).contains(&max), "{max}");
    assert_eq!(batches(&bench)[..25], whole);
    assert_eq!(send_batch(&bench, 0, &["f"]).queue_offset, QueueOffset(max));
}

#[test]
fn lost_queue_files_are_made_anew_from_the_log() {
    let mut bench = bench();
    for _ in 0..15 {
        send_batch(&bench, 0, &["a", "b"]);
        bench.send("T", 0, b"x");
    }
    let whole = batches(&bench);
    bench.store().close().unwrap();
    let dir = Path::new("/store/batchconsumequeue/B/0");
    for file in bench.disk.list(dir).unwrap() {
        bench.disk.remove_file(&dir.join(file.name)).unwrap();
    }
    bench.disk.remove_file(Path::new("/store/checkpoint")).unwrap();
    bench.disk.create(Path::new("/store/abort"), 1).unwrap();
    bench.open().unwrap();
    assert_eq!((batches(&bench), range(&bench)), (whole, (0, 30)));
}

#[test]
fn a_queue_that_begins_behind_its_first_message_is_made_anew() {
    let mut bench = bench();
    send_batch(&bench, 0, &["a", "b"]);
    bench.send("T", 0, b"x");
    bench.store().queue_flush_step().unwrap();
    send_batch(&bench, 0, &["c"]);
    let whole = batches(&bench);
    bench.drop_store();
    let file = Path::new("/store/batchconsumequeue/B/0/00000000000000000000");
    bench.disk.remove_file(file).unwrap();
    bench.kill();
    assert_eq!((bench.report.scanned_from, batches(&bench)), (eruca_message::LogOffset(0), whole));
}

#[test]
fn half_written_entries_are_made_anew() {
    let mut bench = bench();
    for _ in 0..4 {
        send_batch(&bench, 0, &["a", "b"]);
    }
    bench.store().queue_flush_step().unwrap();
    for _ in 0..3 {
        send_batch(&bench, 0, &["c", "d"]);
    }
    let whole = batches(&bench);
    bench.drop_store();
    // As a power cut may leave it: entries of records behind the checkpoint, torn.
    let file = bench.disk.open(Path::new("/store/batchconsumequeue/B/0/00000000000000000000")).unwrap();
    file.write_all_at(&[0x11; 80], 4 * 46).unwrap();
    bench.kill();
    assert_eq!((batches(&bench), range(&bench)), (whole, (0, 14)));
}

#[test]
fn expired_batches_go_with_their_segments() {
    let mut bench = bench();
    let body = "x".repeat(600);
    for _ in 0..60 {
        send_batch(&bench, 0, &[&body, "b"]);
    }
    bench.store().queue_flush_step().unwrap();
    // Behind the segments, which go ten at a time: the first of the queue's files stays, for the next look.
    let kind = FaultKind::Fail(std::io::ErrorKind::Other);
    bench.disk.inject(Fault { op: SimOp::Remove, after: 10, kind });
    let report = bench.store().delete_expired_now(bench.clock_in_days(4));
    assert_eq!(report.segments_deleted, 10);
    let first_file = Path::new("/store/batchconsumequeue/B/0/00000000000000000000");
    assert!(bench.disk.exists(first_file).unwrap());
    bench.store().trim_queues();
    assert!(!bench.disk.exists(first_file).unwrap());
    let (min, max) = range(&bench);
    assert_eq!((min % 2, max), (0, 120));
    assert!(min > 20, "{min}");
    assert_eq!(read(&bench, 0, 1).status, ReadStatus::OffsetTooSmall);
    assert_eq!(batches(&bench)[0].0, min);
    let files = bench.disk.list(Path::new("/store/batchconsumequeue/B/0")).unwrap();
    assert_eq!(files[0].name, format!("{:020}", min / 2 / 10 * 460));
    bench.reopen();
    assert_eq!(range(&bench), (min, max));
}

#[test]
fn offsets_by_time() {
    let bench = bench();
    for _ in 0..5 {
        send_batch(&bench, 0, &["a", "b"]);
        bench.clock.advance_ms(100);
    }
    let at = |ms, boundary| bench.store().queue_offset_by_time("B", 0, START.add_ms(ms), boundary).0;
    assert_eq!([at(-5, Boundary::Lower), at(100, Boundary::Lower), at(101, Boundary::Lower)], [0, 2, 4]);
    assert_eq!([at(9999, Boundary::Lower), at(9999, Boundary::Upper)], [8, 8]);
    assert_eq!([at(100, Boundary::Upper), at(199, Boundary::Upper), at(-5, Boundary::Upper)], [2, 2, 0]);
    assert_eq!(bench.store().store_time_at("B", 0, QueueOffset(3)), Some(START.add_ms(100)));
    assert_eq!(bench.store().queue_offset_by_time("B", 1, Timestamp(5), Boundary::Lower), QueueOffset(0));
}

#[test]
fn a_deleted_topic_leaves_nothing_and_begins_anew() {
    let mut bench = bench();
    bench.send("T", 0, b"stays");
    send_batch(&bench, 0, &["a", "b"]);
    assert!(bench.store().delete_topic("B").unwrap());
    assert!(!bench.disk.exists(Path::new("/store/batchconsumequeue/B")).unwrap());
    assert_eq!(read(&bench, 0, 1).status, ReadStatus::NoMatchedQueue);
    bench.kill();
    assert_eq!(range(&bench), (0, 0));
    assert_eq!(send_batch(&bench, 0, &["c"]).queue_offset, QueueOffset(0));
    bench.kill();
    assert_eq!(batches(&bench), bases(&[0]));
}

#[test]
fn a_failed_write_takes_the_offsets_back() {
    let bench = bench();
    send_batch(&bench, 0, &["a", "b"]);
    let kind = FaultKind::Fail(std::io::ErrorKind::StorageFull);
    bench.disk.inject(Fault { op: SimOp::Write, after: 0, kind });
    let encoded = b"INNER_NUM\x013\x02";
    let batch = AppendMessage { sys_flag: FLAGS, properties: encoded, ..message("B", 0, b"x") };
    bench.store().append(&batch).unwrap();
    bench.store().settle().unwrap_err();
    bench.store().space_step();
    assert_eq!(send_batch(&bench, 0, &["c"]).queue_offset, QueueOffset(2));
}

#[test]
fn entries_in_the_file_are_javas() {
    let bench = bench();
    let appended = send_batch(&bench, 0, &["a", "b", "c"]);
    bench.store().queue_flush_step().unwrap();
    let file = bench.disk.open(Path::new("/store/batchconsumequeue/B/0/00000000000000000000")).unwrap();
    let mut bytes = [0; 46];
    file.read_exact_at(&mut bytes, 0).unwrap();
    let entry = BatchQueueEntry::decode(&bytes).unwrap();
    assert_eq!((entry.log_offset, entry.log_offset_end()), (appended.log_offset, appended.log_offset_end));
    assert_eq!((entry.base_offset, entry.message_count, entry.store_timestamp), (QueueOffset(0), 3, START));
}

#[test]
fn a_batch_behind_the_read_limit_is_not_shown_with_one_before_it() {
    let bench = bench();
    send_batch(&bench, 0, &["a", "b"]);
    bench.store().set_read_limit(Some(bench.store().log_range().1));
    send_batch(&bench, 0, &["c"]);
    let shown = bench.store().readable_queue_range("B", 0).max.0;
    assert_eq!((shown, batches(&bench)), (2, bases(&[0])));
    bench.store().set_read_limit(None);
    assert_eq!(batches(&bench), bases(&[0, 2]));
}
