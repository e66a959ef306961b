//! A store directory that a Java broker wrote. See `tests/data/README.md`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use eruca_message::{LogOffset, QueueOffset, Record, SystemClock};

use super::bench::message;
use crate::{
    EveryMessage, MessageStore, ReadLimits, ReadStatus, RecoveryReport, StoreConfig,
    disk::{Disk, SimDisk},
};

const ARCHIVE: &[u8] = include_bytes!("../../tests/data/java-5.5.0-store.arc.zst");
const MANIFEST: &[u8] = include_bytes!("../../tests/data/java-5.5.0-store.tsv.zst");
/// `checkpoint` of the same broker while it ran, a little behind.
const CHECKPOINT_WHILE_RUNNING: [u8; 48] =
    *b"\x00\x00\x01\xa2\x07\x2a\x9c\x76\x00\x00\x01\xa2\x07\x2a\x7f\xb6\
    \0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x00\x00\x00\x00\x29\xa8\x6d";

/// One record, as the manifest tells it.
struct Line {
    at: u64,
    size: u64,
    topic: String,
    queue_id: i32,
    queue_offset: u64,
    sys_flag: i32,
    body_crc: u32,
    body_len: usize,
    stored: i64,
    tag: Option<String>,
}

fn manifest() -> Vec<Line> {
    let text = String::from_utf8(zstd::decode_all(MANIFEST).unwrap()).unwrap();
    text.lines()
        .map(|line| {
            let f: Vec<&str> = line.split('\t').collect();
            Line {
                at: f[0].parse().unwrap(),
                size: f[1].parse().unwrap(),
                topic: f[2].to_owned(),
                queue_id: f[3].parse().unwrap(),
                queue_offset: f[4].parse().unwrap(),
                sys_flag: f[5].parse().unwrap(),
                body_crc: f[6].parse().unwrap(),
                body_len: f[7].parse().unwrap(),
                stored: f[8].parse().unwrap(),
                tag: (f[9] != "-").then(|| f[9].to_owned()),
            }
        })
        .collect()
}

pub(super) fn java_disk() -> SimDisk {
    let disk = SimDisk::new(1);
    let archive = zstd::decode_all(ARCHIVE).unwrap();
    let mut rest = archive.as_slice();
    while let Some((path_len, more)) = rest.split_first_chunk::<2>() {
        let (len, more) = more.split_first_chunk::<8>().unwrap();
        let (data_len, more) = more.split_first_chunk::<4>().unwrap();
        let (path, more) = more.split_at(usize::from(u16::from_be_bytes(*path_len)));
        let (data, more) = more.split_at(u32::from_be_bytes(*data_len) as usize);
        let path = Path::new("/java").join(std::str::from_utf8(path).unwrap());
        disk.create_dir_all(path.parent().unwrap()).unwrap();
        disk.create(&path, u64::from_be_bytes(*len)).unwrap().write_all_at(data, 0).unwrap();
        rest = more;
    }
    disk.sync_all();
    disk
}

pub(super) fn config() -> StoreConfig {
    StoreConfig { segment_size_bytes: 1 << 20, queue_file_size_bytes: 20_000, ..StoreConfig::new("/java") }
}

fn open(disk: &SimDisk) -> (MessageStore, RecoveryReport) {
    MessageStore::open(config(), Arc::new(disk.clone()), Arc::new(SystemClock)).unwrap()
}

/// Reads all queues and compares them with the manifest, which may be longer by `more` messages in `GNormal`/0.
fn compare(store: &MessageStore, more: u64) {
    let mut queues: BTreeMap<(String, i32), Vec<&Line>> = BTreeMap::new();
    let lines = manifest();
    assert_eq!(lines.len(), 6478);
    for line in lines.iter().filter(|line| line.topic != "GBatchCQ") {
        let queue = queues.entry((line.topic.clone(), line.queue_id)).or_default();
        assert_eq!(queue.len() as u64, line.queue_offset);
        queue.push(line);
    }
    for ((topic, queue_id), lines) in &queues {
        let extra = if (topic.as_str(), *queue_id) == ("GNormal", 0) { more } else { 0 };
        let range = store.queue_range(topic, *queue_id);
        assert_eq!((range.min.0, range.max.0), (0, lines.len() as u64 + extra), "{topic}/{queue_id}");
        let mut next = 0;
        while next < lines.len() {
            let read =
                store.read(topic, *queue_id, QueueOffset(next as u64), &ReadLimits::default(), &EveryMessage);
            assert_eq!(read.status, ReadStatus::Found);
            let mut records = &*read.records;
            while !records.is_empty() && next < lines.len() {
                let record = Record::decode(records).unwrap();
                record.verify_crc().unwrap();
                let (fields, line) = (&record.fields, lines[next]);
                assert_eq!((fields.topic, fields.queue_id), (topic.as_str(), *queue_id));
                assert_eq!(
                    (fields.log_offset.0, fields.queue_offset.0, record.total_len as u64, record.body_crc),
                    (line.at, line.queue_offset, line.size, line.body_crc)
                );
                assert_eq!(
                    (fields.body.len(), fields.store_timestamp.0, fields.sys_flag),
                    (line.body_len, line.stored, line.sys_flag)
                );
                let entry = store.queue_entries(topic, *queue_id, fields.queue_offset, 1)[0];
                if let Some(tag) = &line.tag
                    && topic != eruca_message::names::SCHEDULE_TOPIC
                {
                    assert_eq!(entry.tags_code, eruca_message::tags_code(Some(tag)));
                }
                records = &records[record.total_len..];
                next += 1;
            }
        }
    }
    for line in lines.iter().step_by(97) {
        let record = store.record_at(LogOffset(line.at)).unwrap().unwrap();
        assert_eq!(record.len() as u64, line.size);
    }
    let batches: Vec<_> = lines.iter().filter(|line| line.topic == "GBatchCQ").collect();
    for (line, messages) in batches.iter().zip([5, 1]) {
        let range = store.queue_range("GBatchCQ", line.queue_id);
        assert_eq!((range.min.0, range.max.0), (0, messages));
        let read =
            store.read("GBatchCQ", line.queue_id, QueueOffset(0), &ReadLimits::default(), &EveryMessage);
        assert_eq!((read.message_count as u64, read.next_offset.0), (messages, messages));
        let record = Record::decode(&read.records).unwrap();
        assert_eq!((record.fields.log_offset.0, record.body_crc), (line.at, line.body_crc));
    }
    assert!(store.topics_with_queues().contains(&("GBatchCQ".to_owned(), vec![0, 1])));
}

#[test]
fn a_java_store_is_read_appended_to_and_opened_again() {
    let disk = java_disk();
    let (store, report) = open(&disk);
    assert!(report.was_closed && report.torn_tail.is_none() && report.damages.is_empty(), "{report:?}");
    assert_eq!((report.log_end, report.records, report.entries_rebuilt), (LogOffset(2_779_821), 1, 0));
    compare(&store, 0);
    let max = store.queue_range("GNormal", 0).max;
    for i in 0..1000u64 {
        let appended = store.append(&message("GNormal", 0, &[7; 700])).unwrap();
        assert_eq!(appended.queue_offset.0, max.0 + i);
    }
    store.settle().unwrap();
    store.close().unwrap();
    drop(store);
    let (store, report) = open(&disk);
    assert!(report.was_closed);
    compare(&store, 1000);
}

#[test]
fn a_java_store_that_was_not_closed_is_recovered() {
    let disk = java_disk();
    disk.create(Path::new("/java/abort"), 4).unwrap();
    disk.open(Path::new("/java/checkpoint")).unwrap().write_all_at(&CHECKPOINT_WHILE_RUNNING, 0).unwrap();
    // Java prepares a segment ahead, as well.
    disk.create(Path::new("/java/commitlog/00000000000003145728"), 1 << 20).unwrap();
    let (store, report) = open(&disk);
    assert!(!report.was_closed && report.torn_tail.is_none() && report.damages.is_empty(), "{report:?}");
    assert_eq!((report.scanned_from, report.log_end), (LogOffset(0x29_a86d), LogOffset(2_779_821)));
    assert_eq!(report.entries_cut, 0);
    compare(&store, 0);
}

#[test]
fn javas_queues_made_anew_from_its_log_are_javas_byte_for_byte() {
    let disk = java_disk();
    let mut java = Vec::new();
    let dirs = [Path::new("/java/consumequeue"), Path::new("/java/batchconsumequeue")];
    for (dir, topic) in
        dirs.into_iter().flat_map(|dir| disk.list(dir).unwrap().into_iter().map(move |t| (dir, t)))
    {
        for queue in disk.list(&dir.join(&topic.name)).unwrap() {
            for file in disk.list(&dir.join(&topic.name).join(&queue.name)).unwrap() {
                let path = dir.join(&topic.name).join(&queue.name).join(&file.name);
                let mut bytes = vec![0; 20_000];
                disk.open(&path).unwrap().read_exact_at(&mut bytes, 0).unwrap();
                disk.remove_file(&path).unwrap();
                java.push((path, bytes));
            }
            disk.remove_dir(&dir.join(&topic.name).join(&queue.name)).unwrap();
        }
        disk.remove_dir(&dir.join(&topic.name)).unwrap();
    }
    let config = StoreConfig { batch_topics: vec!["GBatchCQ".to_owned()], ..config() };
    let opened = MessageStore::open(config, Arc::new(disk.clone()), Arc::new(SystemClock));
    let (store, report) = opened.unwrap();
    assert_eq!(report.entries_rebuilt, 6478);
    store.close().unwrap();
    assert_eq!(java.len(), 39);
    for (path, bytes) in java {
        let mut ours = vec![0; 20_000];
        disk.open(&path).unwrap().read_exact_at(&mut ours, 0).unwrap();
        assert!(ours == bytes, "{} differs", path.display());
    }
}
