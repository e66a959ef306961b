//! Looking at a store from outside.

use std::{path::Path, sync::Arc};

use eruca_message::{LogOffset, QueueOffset};

use super::{
    bench::{Bench, message, shared_config, small_config},
    golden,
};
use crate::{
    AppendMessage, Found, StoreConfig, Walk,
    disk::{Disk, SimDisk},
    inspect::{Defect, InspectError, QueueFileKind, QueueLogSurvey, StoreDirectory, Verified},
};

fn look(disk: &SimDisk, root: &str) -> StoreDirectory {
    StoreDirectory::open(Arc::new(disk.clone()), Path::new(root), None).unwrap()
}

fn verify(disk: &SimDisk, root: &str) -> (Verified, Vec<Defect>) {
    let mut defects = Vec::new();
    let verified = look(disk, root).verify(|defect| defects.push(defect), |_| {}).unwrap();
    assert_eq!(verified.defects as usize, defects.len());
    (verified, defects)
}

/// A closed store with messages in two queues.
fn closed() -> Bench {
    let bench = Bench::new();
    for i in 0..40u8 {
        bench.send("T", i32::from(i % 2), &[i; 300]);
    }
    bench.store().close().unwrap();
    bench
}

#[test]
fn entries_in_the_log_that_queues_share_are_compared_too() {
    let bench = Bench::with(shared_config(), SimDisk::new(5));
    for round in 0..3u8 {
        for queue in 0..40 {
            bench.append("T", queue, &[round; 100]).unwrap();
        }
        bench.store().settle().unwrap();
        bench.store().queue_flush_step().unwrap();
    }
    let log_end = bench.store().watermarks().written;
    let changes = bench.disk.changes();
    let (verified, defects) = verify(&bench.disk, "/store");
    assert_eq!(defects, []);
    assert_eq!((verified.records, verified.entries, verified.queues), (120, 120, 40));
    assert_eq!(verified.records_without_queue, 0);
    let survey = |disk: &SimDisk| look(disk, "/store").survey(&shared_config(), |_| {}).unwrap();
    let found = survey(&bench.disk);
    assert_eq!(found.queue_log, Some(QueueLogSurvey::Fits { queues: 40, chained: 40, log_end }));
    assert_eq!((found.recovery_from, found.recovery_records), (log_end, 0));
    assert_eq!(bench.disk.changes(), changes, "nothing was written");

    let file = bench.disk.list(Path::new("/store/queuelog")).unwrap().remove(0);
    bench.disk.rot(&Path::new("/store/queuelog").join(file.name), 20);
    let found = survey(&bench.disk);
    assert!(matches!(found.queue_log, Some(QueueLogSurvey::Unusable { .. })), "{:?}", found.queue_log);
    assert_eq!((found.recovery_from, found.recovery_records), (LogOffset(0), 120));
}

#[test]
fn a_java_store_is_whole_and_would_be_opened() {
    let disk = golden::java_disk();
    let changes = disk.changes();
    let (verified, defects) = verify(&disk, "/java");
    assert_eq!(defects, []);
    assert_eq!((verified.records, verified.entries, verified.queues), (6478, 6478, 39));
    let store = look(&disk, "/java");
    let survey = store.survey(&golden::config(), |_| {}).unwrap();
    assert_eq!(survey.problems, []);
    assert_eq!((survey.was_closed, survey.written_by), (true, "the Java broker, 5.4 or later"));
    assert_eq!((survey.segments, survey.log.1, survey.queues), (3, LogOffset(2_779_821), (37, 2)));
    assert_eq!((survey.recovery_records, survey.topics, survey.entries), (1, 22, 6478));
    let wrong = store.survey(&StoreConfig::new("/java"), |_| {}).unwrap();
    let remedies: Vec<_> = wrong.problems.iter().map(|problem| problem.remedy.as_str()).collect();
    assert_eq!(remedies, ["set mappedFileSizeConsumeQueue=20000", "set mappedFileSizeCommitLog=1048576"]);
    let usage = store.usage(|_| {}).unwrap();
    assert_eq!((usage.topics[0].topic.as_str(), usage.topics[0].messages), ("GNormal", 3824));
    assert_eq!(usage.topics.iter().map(|topic| topic.messages).sum::<u64>(), 6478 + 4);
    assert_eq!(disk.changes(), changes, "nothing was written");
}

#[test]
fn what_recovery_would_do_is_what_recovery_does() {
    for damage in 0..4 {
        let mut bench = closed();
        bench.open().unwrap();
        bench.send("T", 0, b"last");
        bench.drop_store();
        let end = look(&bench.disk, "/store").survey(&small_config(), |_| {}).unwrap().log.1.0;
        let last = bench.segment(end - end % 4096);
        match damage {
            0 => {}
            // A torn record at the end.
            1 => bench.disk.open(&last).unwrap().write_all_at(&[0xDA; 50], end % 4096).unwrap(),
            // Rot in the middle.
            2 => bench.disk.rot(&bench.segment(0), 150),
            _ => bench.disk.remove_file(Path::new("/store/checkpoint")).unwrap(),
        }
        bench.disk.kill();
        let changes = bench.disk.changes();
        let survey = look(&bench.disk, "/store").survey(&small_config(), |_| {}).unwrap();
        assert_eq!(bench.disk.changes(), changes);
        bench.open().unwrap();
        let report = &bench.report;
        assert_eq!((survey.was_closed, survey.problems), (report.was_closed, vec![]), "{damage}");
        assert_eq!((survey.recovery_from, survey.log.1), (report.scanned_from, report.log_end), "{damage}");
        assert_eq!(survey.recovery_records, report.records, "{damage}");
        assert_eq!(survey.torn_tail, report.torn_tail.as_ref().map(|tail| tail.why.clone()));
        assert_eq!(survey.damages.len(), report.damages.len());
    }
}

#[test]
fn a_damaged_record_is_told_with_file_place_and_message() {
    let bench = closed();
    // The body of the third record, which is the second one of queue 0.
    bench.disk.rot(&bench.segment(0), 2 * 402 + 200);
    let (verified, defects) = verify(&bench.disk, "/store");
    assert_eq!((verified.records, defects.len()), (39, 1));
    let defect = &defects[0];
    assert_eq!((&*defect.path, defect.at_bytes), (&*bench.segment(0), 804));
    assert_eq!(defect.log_offset, Some(LogOffset(804)));
    assert_eq!(defect.message, Some(("T".to_owned(), 0, 1)));
    assert!(defect.why.contains("CRC"), "{}", defect.why);
}

#[test]
fn wrong_lost_and_stray_queue_entries_are_told() {
    let bench = closed();
    let path = Path::new("/store/consumequeue/T/0/00000000000000000000");
    let file = bench.disk.open(path).unwrap();
    let mut entry = [0; 20];
    file.read_exact_at(&mut entry, 0).unwrap();
    // The entry of offset 3 leads to the message of offset 0.
    file.write_all_at(&entry, 60).unwrap();
    let (_, defects) = verify(&bench.disk, "/store");
    assert_eq!(defects.len(), 1);
    assert_eq!((&*defects[0].path, defects[0].at_bytes), (path, 60));
    assert_eq!(defects[0].message, Some(("T".to_owned(), 0, 3)));
    assert_eq!(defects[0].why, "the entry leads to the message at offset 0");
    // Its last entries are lost.
    file.zero_from(17 * 20).unwrap();
    let (_, defects) = verify(&bench.disk, "/store");
    let lost: Vec<_> = defects.iter().filter(|defect| defect.why.contains("no entry in its queue")).collect();
    assert_eq!(lost.len(), 3);
    assert_eq!(lost[0].message, Some(("T".to_owned(), 0, 17)));
}

#[test]
fn what_a_killed_process_had_not_written_is_no_defect() {
    let mut bench = Bench::new();
    for i in 0..30u8 {
        bench.send("T", 0, &[i; 300]);
    }
    bench.store().queue_flush_step().unwrap();
    bench.send("T", 0, b"not in its queue's file yet");
    bench.drop_store();
    bench.disk.kill();
    let (verified, defects) = verify(&bench.disk, "/store");
    assert_eq!(defects, []);
    assert_eq!((verified.records, verified.entries), (31, 30));
}

#[test]
fn files_that_are_missing_or_of_another_size_are_problems_with_a_remedy() {
    let bench = closed();
    bench.disk.remove_file(&bench.segment(4096)).unwrap();
    let queue = Path::new("/store/consumequeue/T/1/00000000000000000000");
    bench.disk.remove_file(queue).unwrap();
    bench.disk.create(queue, 20).unwrap();
    bench.disk.create_dir_all(Path::new("/store/consumequeue_rocksdb")).unwrap();
    bench.disk.create(Path::new("/store/consumequeue_rocksdb/CURRENT"), 5).unwrap();
    let survey = look(&bench.disk, "/store").survey(&small_config(), |_| {}).unwrap();
    let text = survey
        .problems
        .iter()
        .map(|problem| format!("{}: {}\n", problem.what, problem.remedy))
        .collect::<String>();
    for part in [
        "00000000000000004096 is missing",
        "consumequeue/T/1 the first, have 20 bytes, most have 400",
        "consumequeue_rocksdb",
        "made anew from the log",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn messages_in_several_queues_and_batches_are_compared_too() {
    let config =
        StoreConfig { multi_dispatch: true, lmq: true, batch_topics: vec!["B".to_owned()], ..small_config() };
    let bench = Bench::with(config, SimDisk::new(3));
    for _ in 0..9 {
        let names = b"INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02";
        bench.store().append(&AppendMessage { properties: names, ..message("T", 0, b"x") }).unwrap();
        let batch =
            AppendMessage { sys_flag: 0xC0, properties: b"INNER_NUM\x013\x02", ..message("B", 0, b"y") };
        bench.store().append(&batch).unwrap();
    }
    bench.store().close().unwrap();
    let (verified, defects) = verify(&bench.disk, "/store");
    assert_eq!(defects, []);
    assert_eq!((verified.records, verified.entries, verified.queues), (18, 36, 4));
    let summary = look(&bench.disk, "/store").queue(QueueFileKind::Batch, "B", 0).unwrap().unwrap();
    assert_eq!((summary.offsets, summary.entries), ((QueueOffset(0), QueueOffset(27)), 9));
    let file = bench.disk.open(Path::new("/store/batchconsumequeue/B/0/00000000000000000000")).unwrap();
    file.write_all_at(&[0, 0, 0, 1], 46 + 8).unwrap();
    let (_, defects) = verify(&bench.disk, "/store");
    assert_eq!(defects.len(), 1);
    assert!(defects[0].why.contains("the entry says 1 bytes"), "{}", defects[0].why);
    assert_eq!(defects[0].message, Some(("B".to_owned(), 0, 3)));
}

#[test]
fn a_walk_begins_anywhere_and_ends_when_it_is_told() {
    let bench = closed();
    let store = look(&bench.disk, "/store");
    let walk = |from, count: usize| {
        let mut all = Vec::new();
        store
            .walk::<InspectError>(LogOffset(from), |found| {
                if let Found::Record(record) = found {
                    all.push(record.fields.log_offset.0);
                }
                Ok(if all.len() == count { Walk::Stop } else { Walk::On })
            })
            .unwrap();
        all
    };
    assert_eq!(walk(0, 2), [0, 402]);
    // In the middle of a record: the record that is there.
    assert_eq!(walk(500, 2), [402, 804]);
    assert_eq!(walk(4050, 1), [4096]);
    let mut offsets = Vec::new();
    store
        .each_message::<InspectError>(QueueFileKind::Simple, "T", 1, 17, |offset, at| {
            offsets.push((offset, at.0));
            Ok(std::ops::ControlFlow::Continue(()))
        })
        .unwrap();
    assert_eq!(offsets.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [17, 18, 19]);
}

#[test]
fn no_store_is_said() {
    let opened = StoreDirectory::open(Arc::new(SimDisk::new(1)), Path::new("/nothing"), None);
    let text = opened.unwrap_err().to_string();
    assert!(text.contains("/nothing holds no store") && text.contains("storePathRootDir"), "{text}");
}
