//! Queries by key, and the index files of a Java broker.

use std::{path::Path, sync::Arc};

use eruca_message::{LogOffset, StoredMessage, SystemClock, Timestamp};

use super::{
    bench::{Bench, START, message, small_config},
    golden::java_disk,
};
use crate::{
    Appended, IndexHeader, IndexStep, KeyKind, MessageQuery, MessageStore, QueryOutcome, StoreConfig,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

const INDEX: &[u8] = include_bytes!("../../tests/data/java-5.5.0-index.zst");
const INDEX_PATH: &str = "/java/index/20261123062844293";

pub(super) fn query_for<'a>(topic: &'a str, key: &'a str) -> MessageQuery<'a> {
    MessageQuery {
        topic,
        key,
        kind: KeyKind::Key,
        begin: Timestamp(0),
        end: Timestamp(i64::MAX),
        max_messages: 64,
        max_bytes: 1 << 20,
    }
}

/// Sends a message with these encoded properties.
pub(super) fn send(bench: &Bench, topic: &str, properties: &str) -> Appended {
    let message = crate::AppendMessage { properties: properties.as_bytes(), ..message(topic, 0, b"body") };
    let appended = bench.store().append(&message).unwrap();
    bench.store().settle().unwrap();
    appended
}

/// Log offsets of what was found.
pub(super) fn found(outcome: &QueryOutcome) -> Vec<u64> {
    let messages = StoredMessage::decode_all(&outcome.records).unwrap();
    assert_eq!(messages.len(), outcome.message_count);
    messages.iter().map(|message| message.log_offset.0).collect()
}

fn find(bench: &Bench, query: &MessageQuery<'_>) -> Vec<u64> {
    found(&bench.store().query_by_key(query))
}

pub(super) fn index_files(disk: &SimDisk) -> Vec<(std::path::PathBuf, IndexHeader)> {
    let dir = Path::new("/store/index");
    let header = |path: &Path| {
        let mut bytes = [0; 40];
        disk.open(path).unwrap().read_exact_at(&mut bytes, 0).unwrap();
        IndexHeader::decode(&bytes).unwrap()
    };
    let paths = disk.list(dir).unwrap().into_iter().map(|entry| dir.join(entry.name));
    paths.map(|path| (path.clone(), header(&path))).collect()
}

#[test]
fn a_message_is_found_by_each_of_its_keys_at_once_and_by_no_others() {
    let bench = Bench::new();
    let first = send(&bench, "T", "UNIQ_KEY\x01id1\x02KEYS\x01a b\x02TAGS\x01red\x02").log_offset.0;
    let second = send(&bench, "T", "UNIQ_KEY\x01id2\x02KEYS\x01b\x02TAGS\x01red\x02").log_offset.0;
    let other = send(&bench, "U", "KEYS\x01b\x02").log_offset.0;
    for (topic, key, expected) in [
        ("T", "id1", vec![first]),
        ("T", "id2", vec![second]),
        ("T", "a", vec![first]),
        ("T", "b", vec![first, second]),
        ("U", "b", vec![other]),
        ("T", "c", vec![]),
        ("T", "a b", vec![]),
        ("T", "red", vec![]),
        ("V", "b", vec![]),
    ] {
        assert_eq!(find(&bench, &query_for(topic, key)), expected, "{topic} {key}");
    }
    let tag = MessageQuery { kind: KeyKind::Tag, ..query_for("T", "red") };
    assert_eq!(find(&bench, &tag), [first, second]);
    let outcome = bench.store().query_by_key(&tag);
    assert_eq!((outcome.indexed_log_offset.0, outcome.indexed_timestamp), (other, START));
}

#[test]
fn keys_of_the_same_hash_are_told_apart() {
    let bench = Bench::new();
    let first = send(&bench, "T", "KEYS\x01Aa\x02").log_offset.0;
    let second = send(&bench, "T", "KEYS\x01BB\x02").log_offset.0;
    let one = |key| MessageQuery { max_messages: 1, ..query_for("T", key) };
    assert_eq!(find(&bench, &one("Aa")), [first]);
    assert_eq!(find(&bench, &one("BB")), [second]);
}

#[test]
fn the_newest_are_chosen_within_the_limits() {
    let bench = Bench::new();
    let all: Vec<Appended> = (0..200).map(|_| send(&bench, "T", "KEYS\x01k\x02TAGS\x01t\x02")).collect();
    assert!(index_files(&bench.disk).is_empty(), "nothing is indexed on the way of an append");
    let places: Vec<u64> = all.iter().map(|appended| appended.log_offset.0).collect();
    for count in [0, 1, 7, 150, 200, 1000] {
        let query = MessageQuery { max_messages: count, ..query_for("T", "k") };
        assert_eq!(find(&bench, &query), places[200 - count.min(200)..], "{count}");
    }
    assert!(index_files(&bench.disk).len() >= 6, "400 entries, 59 to a file");
    let len = (all[0].log_offset_end.0 - all[0].log_offset.0) as usize;
    for (max_bytes, expected) in [(0, 1), (len, 1), (len * 3, 3), (len * 4 - 1, 3)] {
        assert_eq!(find(&bench, &MessageQuery { max_bytes, ..query_for("T", "k") }).len(), expected);
    }
}

#[test]
fn a_span_of_time_is_exact_to_the_millisecond_at_both_ends_across_files() {
    let bench = Bench::new();
    let sent: Vec<(Timestamp, u64)> = (0..150i64)
        .map(|i| {
            // Bursts at the same time, steps below and above a second, and a night without messages.
            bench.clock.advance_ms([0, 0, 1, 600, 999, 1000, 40_000_000][i as usize % 7]);
            let appended = send(&bench, "T", "KEYS\x01k\x02UNIQ_KEY\x01u\x02");
            (appended.store_timestamp, appended.log_offset.0)
        })
        .collect();
    for (from, _) in sent.iter().step_by(5) {
        for (to, _) in sent.iter().step_by(3) {
            for (begin, end) in
                [(from.add_ms(-1), *to), (*from, to.add_ms(1)), (*from, *to), (from.add_ms(1), *to)]
            {
                let query = MessageQuery { begin, end, max_messages: 1000, ..query_for("T", "k") };
                let is_within = |(stored, _): &&(Timestamp, u64)| (begin..=end).contains(stored);
                let expected: Vec<u64> = sent.iter().filter(is_within).map(|(_, at)| *at).collect();
                assert_eq!(find(&bench, &query), expected, "{begin} to {end}");
            }
        }
    }
}

#[test]
fn an_orderly_stop_leaves_an_index_that_goes_on_where_it_was() {
    let mut bench = Bench::new();
    for i in 0..20 {
        send(&bench, "T", &format!("KEYS\x01k{i}\x02"));
        let files = index_files(&bench.disk);
        bench.reopen();
        let entries: u32 = index_files(&bench.disk).iter().map(|(_, header)| header.next_entry - 1).sum();
        assert_eq!(entries, i + 1, "no entry twice");
        assert!(files.len() <= 1);
        assert_eq!(bench.store().index_step(u64::MAX), IndexStep::CaughtUp);
    }
    for i in 0..20 {
        assert_eq!(find(&bench, &query_for("T", &format!("k{i}"))).len(), 1);
    }
}

#[test]
fn a_log_without_an_index_is_indexed_a_part_at_a_time() {
    let mut bench = Bench::with(StoreConfig { index_enabled: false, ..small_config() }, SimDisk::new(1));
    for i in 0..100 {
        send(&bench, "T", &format!("KEYS\x01k{i}\x02"));
    }
    assert_eq!(bench.store().index_step(u64::MAX), IndexStep::Disabled);
    assert_eq!((bench.store().index_backlog_bytes(), find(&bench, &query_for("T", "k5")).len()), (0, 0));
    bench.config.index_enabled = true;
    bench.reopen();
    let mut steps = 0;
    while bench.store().index_step(2000) == IndexStep::More {
        steps += 1;
        assert!(bench.store().index_backlog_bytes() > 0);
    }
    assert!((5..20).contains(&steps), "{steps}");
    assert_eq!(bench.store().index_backlog_bytes(), 0);
    assert_eq!(find(&bench, &query_for("T", "k5")).len(), 1);
    // What is there is still found when nothing more is indexed.
    bench.config.index_enabled = false;
    bench.reopen();
    assert_eq!(find(&bench, &query_for("T", "k5")).len(), 1);
}

#[test]
fn index_files_expire_with_the_log() {
    let mut bench = Bench::new();
    for i in 0..300u32 {
        send(&bench, "T", &format!("KEYS\x01k{i}\x02"));
    }
    bench.store().index_step(u64::MAX);
    bench.store().queue_flush_step().unwrap();
    let before = index_files(&bench.disk);
    let report = bench.store().delete_expired_now(bench.clock_in_days(10));
    assert!(report.segments_deleted > 3);
    let log_min = bench.store().log_range().0;
    let after = index_files(&bench.disk);
    assert!(after.len() < before.len() && after[0].1.end_log_offset >= log_min);
    for i in 0..300u32 {
        let expected = bench.store().queue_range("T", 0).min.0 <= u64::from(i);
        assert_eq!(find(&bench, &query_for("T", &format!("k{i}"))).len(), usize::from(expected), "k{i}");
    }
    bench.reopen();
    assert_eq!(find(&bench, &query_for("T", "k299")).len(), 1);
}

#[test]
fn a_failing_index_stops_no_sends_and_goes_on_by_itself() {
    for kind in
        [FaultKind::Fail(std::io::ErrorKind::StorageFull), FaultKind::Torn(50, std::io::ErrorKind::Other)]
    {
        for (op, after) in
            [(SimOp::Create, 0), (SimOp::Write, 0), (SimOp::Write, 1), (SimOp::Write, 2), (SimOp::Read, 3)]
        {
            let bench = Bench::new();
            let mut sent = Vec::new();
            for round in 0..4 {
                for i in 0..30 {
                    sent.push(send(&bench, "T", &format!("KEYS\x01k k{i}\x02")).log_offset.0);
                }
                if round == 1 {
                    bench.disk.inject(Fault { op, after, kind });
                }
                let step = bench.store().index_step(u64::MAX);
                assert!(step == IndexStep::CaughtUp || round == 1, "{step:?}");
            }
            let query = MessageQuery { max_messages: 1000, ..query_for("T", "k") };
            assert_eq!(find(&bench, &query), sent, "{op:?} {after}");
            for i in 0..30 {
                assert_eq!(find(&bench, &query_for("T", &format!("k{i}"))).len(), 4, "{op:?} {after} k{i}");
            }
            assert_eq!(bench.store().write_state(), crate::WriteState::Open);
        }
    }
}

#[test]
fn files_that_cannot_be_used_are_left_alone_or_made_anew_and_never_stop_the_start() {
    let path = Path::new("/store/index/20200101000000000");
    let len = small_config().index_slots as u64 * 4 + small_config().index_entries as u64 * 20 + 40;
    for (len, at, bytes) in [
        (len, 36, &[0x7F; 4][..]),
        (len - 1, 0, &[0; 4]),
        (len, 0, &[0xFF; 60]),
        (0, 0, &[]),
        (len, 200, &[0xFF; 90]),
    ] {
        for is_closed in [true, false] {
            let mut bench = Bench::new();
            let first = send(&bench, "T", "KEYS\x01k\x02").log_offset.0;
            bench.store().queue_flush_step().unwrap();
            bench.disk.create_dir_all(Path::new("/store/index")).unwrap();
            bench.disk.create(path, len).unwrap().write_all_at(bytes, at).unwrap();
            if is_closed {
                // The index was opened empty; its own file comes behind.
                bench.store().close().unwrap();
                bench.open().unwrap();
            } else {
                bench.kill();
            }
            let second = send(&bench, "T", "KEYS\x01k\x02").log_offset.0;
            assert_eq!(find(&bench, &query_for("T", "k")), [first, second], "{len} {at} {is_closed}");
        }
    }
}

fn java_config() -> StoreConfig {
    StoreConfig { index_slots: 5_000, index_entries: 20_000, ..super::golden::config() }
}

fn java_index() -> Vec<u8> {
    zstd::decode_all(INDEX).unwrap()
}

fn open_java(disk: &SimDisk) -> MessageStore {
    MessageStore::open(java_config(), Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap().0
}

fn queries_of_java(store: &MessageStore) {
    let find = |key, kind, max_messages| {
        found(&store.query_by_key(&MessageQuery { kind, max_messages, ..query_for("GNormal", key) }))
    };
    // What the real tool showed of this store, and the newest message of a tag.
    assert_eq!(find("sync-1", KeyKind::Key, 64), [292]);
    assert_eq!(find("FD00000000000000000000000000000213AC30946E0972AFCD940000", KeyKind::Key, 32), [0]);
    assert_eq!(find("nosuchkey", KeyKind::Key, 64), []);
    let tagged = find("TagA", KeyKind::Tag, 1000);
    assert_eq!(tagged[..3], [0, 875, 1748]);
}

#[test]
fn javas_index_is_queried_and_appended_to() {
    let disk = java_disk();
    disk.create_dir_all(Path::new("/java/index")).unwrap();
    disk.create(Path::new(INDEX_PATH), java_index().len() as u64)
        .unwrap()
        .write_all_at(&java_index(), 0)
        .unwrap();
    let store = open_java(&disk);
    queries_of_java(&store);
    assert_eq!(disk.list(Path::new("/java/index")).unwrap().len(), 1);
    let mut ours = vec![0; java_index().len()];
    disk.open(Path::new(INDEX_PATH)).unwrap().read_exact_at(&mut ours, 0).unwrap();
    assert!(ours == java_index(), "a query changes nothing where all is indexed");

    let new = crate::AppendMessage { properties: b"KEYS\x01sync-1\x02", ..message("GNormal", 0, b"new") };
    let at = store.append(&new).unwrap().log_offset.0;
    store.settle().unwrap();
    assert_eq!(found(&store.query_by_key(&query_for("GNormal", "sync-1"))), [292, at]);
    store.close().unwrap();
    drop(store);
    let store = open_java(&disk);
    queries_of_java_after(&store, at);
}

fn queries_of_java_after(store: &MessageStore, at: u64) {
    assert_eq!(found(&store.query_by_key(&query_for("GNormal", "sync-1"))), [292, at]);
    assert_eq!(found(&store.query_by_key(&query_for("GNormal", "sync-2"))), [584]);
}

#[test]
fn the_index_made_from_javas_log_is_javas_byte_for_byte() {
    let disk = java_disk();
    let store = open_java(&disk);
    assert_eq!(store.index_step(u64::MAX), IndexStep::CaughtUp);
    let dir = Path::new("/java/index");
    let files = disk.list(dir).unwrap();
    assert_eq!(files.len(), 1);
    let mut ours = vec![0; files[0].len_bytes as usize];
    disk.open(&dir.join(&files[0].name)).unwrap().read_exact_at(&mut ours, 0).unwrap();
    assert!(ours == java_index());
    queries_of_java(&store);
    assert_eq!(store.query_by_key(&query_for("GNormal", "sync-1")).indexed_log_offset, LogOffset(2_779_485));
}

#[test]
fn javas_index_that_was_not_closed_is_repaired_wherever_it_is_torn() {
    let java = java_index();
    // Header, slots, entries: a hole of zeros as a power cut leaves it.
    for (at, len) in [
        (0, 40),
        (40, 4096),
        (12_000, 8192),
        (20_040, 512),
        (100_000, 4096),
        (250_000, 10_000),
        (255_360, 512),
    ] {
        let disk = java_disk();
        disk.create_dir_all(Path::new("/java/index")).unwrap();
        let mut torn = java.clone();
        torn[at..at + len].fill(0);
        disk.create(Path::new(INDEX_PATH), torn.len() as u64).unwrap().write_all_at(&torn, 0).unwrap();
        disk.create(Path::new("/java/abort"), 4).unwrap();
        let store = open_java(&disk);
        queries_of_java(&store);
        store.close().unwrap();
        // The last message may have got its entries once more.
        let mut ours = vec![0; java.len()];
        disk.open(Path::new(INDEX_PATH)).unwrap().read_exact_at(&mut ours, 0).unwrap();
        let end = 20_040 + 11_767 * 20;
        let differs = (20_040..end).find(|at| ours[*at] != java[*at]);
        assert_eq!(differs, None, "torn at {at}");
    }
}
