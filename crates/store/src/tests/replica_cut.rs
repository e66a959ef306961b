//! A copy loses the end of its log, which its new master does not have.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use eruca_message::{LogOffset, properties, sys_flag};
use proptest::prelude::*;

use super::{
    bench::{Bench, message, shared_config, small_config},
    index::{found, query_for},
    replica::{copy, copy_from, raw, slave},
};
use crate::{
    AppendMessage, CopyError, ReplicaCut, StoreConfig, WriteStopped, WrittenListener,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};

/// All kinds of queues.
fn with_all_kinds(config: StoreConfig) -> StoreConfig {
    StoreConfig {
        multi_dispatch: true,
        lmq: true,
        batch_topics: vec!["B".to_owned()],
        batch_queue_file_size_bytes: 46 * 5,
        ..config
    }
}

fn configs() -> [StoreConfig; 2] {
    [small_config(), shared_config()].map(with_all_kinds)
}

/// A message of one of all kinds.
#[derive(Debug, Clone, Copy)]
struct Sent {
    kind: u8,
    queue: i32,
    len: usize,
}

fn send(bench: &Bench, number: usize, sent: Sent) {
    let mut body = format!("{number} ").into_bytes();
    body.resize(body.len() + sent.len, b'x');
    let (kind, queue) = (sent.kind % 8, sent.queue);
    let (mut encoded, mut flags) = (Vec::new(), 0);
    properties::encode_property(&mut encoded, properties::KEYS, &format!("k{}", number % 7));
    let topic = match kind {
        0 => "U",
        1 | 2 => "B",
        3 => {
            flags = sys_flag::TRANSACTION_PREPARED;
            "HALF"
        }
        4 | 5 => {
            let names = format!("%LMQ%{},%LMQ%{}", number % 3, 3 + number % 2);
            properties::encode_property(&mut encoded, properties::INNER_MULTI_DISPATCH, &names);
            "T"
        }
        _ => "T",
    };
    if kind == 2 {
        flags = sys_flag::INNER_BATCH | sys_flag::NEED_UNWRAP;
        properties::encode_property(&mut encoded, properties::INNER_NUM, &(1 + number % 4).to_string());
    }
    let one = AppendMessage { sys_flag: flags, properties: &encoded, ..message(topic, queue, &body) };
    bench.clock.advance_ms(7);
    bench.store().append(&one).unwrap();
    bench.store().settle().unwrap();
}

fn send_all(bench: &Bench, first: usize, all: &[Sent]) {
    all.iter().zip(first..).for_each(|(sent, number)| send(bench, number, *sent));
}

fn sent(count: usize, seed: usize) -> Vec<Sent> {
    let mixed = |number: usize| (number + 1).wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 7;
    (0..count)
        .map(|number| Sent {
            kind: mixed(number) as u8,
            queue: (mixed(number) >> 9) as i32 % 3,
            len: (mixed(number) >> 13) % 600,
        })
        .collect()
}

/// What a store shows of its queues, its log and its index.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    log: (LogOffset, LogOffset),
    bytes: Vec<u8>,
    /// Range and entries of each queue.
    queues: BTreeMap<(String, i32), (crate::QueueRange, Vec<crate::ConsumeQueueEntry>)>,
    by_key: Vec<Vec<u64>>,
}

fn shown(bench: &Bench) -> Shown {
    let store = bench.store();
    let log = store.log_range();
    let mut queues = BTreeMap::new();
    for (topic, ids) in store.topics_with_queues() {
        for id in ids {
            let range = store.queue_range(&topic, id);
            let entries = store.queue_entries(&topic, id, range.min, 10_000);
            queues.insert((topic.clone(), id), (range, entries));
        }
    }
    // Where a queue of inner batches has nothing, its directory may be there or not.
    queues.retain(|(topic, _), (range, _)| topic != "B" || range.max.0 > 0);
    let keys = ["T", "U", "B"].into_iter().flat_map(|topic| (0..7).map(move |key| (topic, key)));
    let by_key =
        keys.map(|(topic, key)| found(&store.query_by_key(&query_for(topic, &format!("k{key}"))))).collect();
    Shown { log, bytes: raw(bench, log.0.0), queues, by_key }
}

/// The files of log and queues, but for those that hold nothing.
fn files(bench: &Bench) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = bench.disk.files();
    files.retain(|(path, bytes)| {
        let path = path.to_str().unwrap();
        (path.contains("consumequeue") || path.contains("commitlog")) && bytes.iter().any(|byte| *byte != 0)
    });
    files
}

/// A store with the first `count` messages, and one more for each of `tail`.
fn master(config: &StoreConfig, start: &[Sent], tail: &[Sent]) -> (Bench, LogOffset) {
    let bench = Bench::with(config.clone(), SimDisk::new(7));
    send_all(&bench, 0, start);
    let end = bench.store().log_range().1;
    send_all(&bench, start.len() + 1000, tail);
    (bench, end)
}

fn fresh_copy(of: &Bench) -> Bench {
    let slave = slave(of.config.clone(), 5);
    copy(of, &slave, 1000).unwrap();
    slave
}

fn cut(bench: &Bench, end: LogOffset) -> Result<ReplicaCut, CopyError> {
    bench.store().cut_replica(end)
}

/// Up to `end` the two are the same; behind it the second one has what the first has not.
fn diverge(config: &StoreConfig, start: usize, tails: (usize, usize)) -> (Bench, Bench, LogOffset) {
    let (start, [old, new]) = (sent(start, 1), [sent(tails.0, 2), sent(tails.1, 3)]);
    let (other, end) = master(config, &start, &new);
    (master(config, &start, &old).0, other, end)
}

#[test]
fn what_is_cut_is_as_if_it_had_never_been_there() {
    for config in configs() {
        for tail in [1, 3, 40, 120] {
            let (old, new, end) = diverge(&config, 70, (tail, 50));
            let kept = fresh_copy(&master(&config, &sent(70, 1), &[]).0);
            let mut slave = fresh_copy(&old);
            slave.store().queue_flush_step().unwrap();
            let was = shown(&slave);
            let cut = cut(&slave, end).unwrap();
            assert_eq!((cut.from, cut.end), (was.log.1, end));
            assert_eq!(shown(&slave), shown(&kept), "tail {tail}");
            for one in &cut.queues {
                let key = (one.topic.to_string(), one.queue_id);
                assert_eq!(was.queues[&key].0.max, one.was, "{key:?}");
                assert_eq!(slave.store().queue_range(&one.topic, one.queue_id).max, one.max, "{key:?}");
            }
            let shorter = was
                .queues
                .iter()
                .filter(|(key, (range, _))| slave.store().queue_range(&key.0, key.1).max != range.max);
            assert_eq!(shorter.count(), cut.queues.len());
            copy(&new, &slave, 333).unwrap();
            let expected = fresh_copy(&new);
            assert_eq!(shown(&slave), shown(&expected), "tail {tail}");
            slave.reopen();
            assert_eq!(shown(&slave), shown(&expected), "tail {tail}");
            slave.store().close().unwrap();
            expected.store().close().unwrap();
            if config.queue_log.queues_min > 2 {
                assert_eq!(files(&slave), files(&expected), "tail {tail}");
            }
        }
    }
}

#[test]
fn a_copy_that_was_begun_goes_on_at_the_new_end() {
    let (old, new, end) = diverge(&configs()[0], 20, (5, 9));
    let slave = fresh_copy(&old);
    cut(&slave, end).unwrap();
    copy_from(&new, &slave, end.0, 100).unwrap();
    assert_eq!(shown(&slave), shown(&fresh_copy(&new)));
    // And is none where none was.
    let stays = fresh_copy(&old);
    let _ = stays.store().append_copy(LogOffset(1), b"x");
    cut(&stays, end).unwrap();
    assert!(matches!(stays.store().append_copy(end, b"x"), Err(CopyError::NotBegun)));
}

#[test]
fn it_is_cut_between_records_only_and_by_a_copy_only() {
    let (old, _, end) = diverge(&configs()[0], 40, (30, 1));
    let slave = fresh_copy(&old);
    let was = shown(&slave);
    for wrong in [1, 8, 50] {
        let error = cut(&slave, LogOffset(end.0 + wrong)).unwrap_err();
        assert!(matches!(error, CopyError::WithinRecord { before, .. } if before == end), "{error}");
        assert_eq!(shown(&slave), was, "nothing was done");
    }
    let filler = 4096 - 1;
    assert!(matches!(cut(&slave, LogOffset(filler)), Err(CopyError::WithinRecord { .. })));
    let at_end = cut(&slave, was.log.1).unwrap();
    assert_eq!((at_end.bytes(), at_end.queues.len()), (0, 0));
    assert_eq!(cut(&slave, LogOffset(was.log.1.0 + 77)).unwrap().bytes(), 0);
    assert_eq!(shown(&slave), was);
    slave.store().set_replica(false).unwrap();
    assert!(matches!(cut(&slave, end), Err(CopyError::NotAReplica)));
}

/// Every place where a record ends.
fn ends(bench: &Bench) -> Vec<LogOffset> {
    let (min, max) = bench.store().log_range();
    let (mut at, mut all) = (min, vec![min]);
    while at < max {
        match bench.store().record_at(at).unwrap() {
            Some(record) => at.0 += record.len() as u64,
            None => at.0 = (at.0 / 4096 + 1) * 4096,
        }
        all.push(at);
    }
    all
}

#[test]
fn every_end_of_a_record_or_segment_will_do() {
    for config in configs() {
        let (old, _, _) = diverge(&config, 60, (1, 1));
        let whole = fresh_copy(&old);
        for end in ends(&old) {
            let slave = fresh_copy(&old);
            cut(&slave, end).unwrap();
            assert_eq!(slave.store().log_range().1, end);
            copy(&whole, &slave, 700).unwrap();
            assert_eq!(shown(&slave), shown(&whole), "cut at {end}");
        }
    }
}

#[test]
fn before_its_start_nothing_is_left_and_it_begins_where_the_master_does() {
    for config in configs() {
        let (old, new, _) = diverge(&config, 90, (20, 40));
        let begin = |of: &Bench, start: u64| {
            let slave = slave(config.clone(), 5);
            slave.store().begin_copy().unwrap();
            copy_from(of, &slave, start, 500).unwrap();
            slave
        };
        let mut slave = begin(&old, 8192);
        assert_eq!(slave.store().log_range().0, LogOffset(8192));
        // At its start it is empty, and goes on there.
        let at_start = begin(&old, 8192);
        let cut_all = cut(&at_start, LogOffset(8192)).unwrap();
        assert_eq!(at_start.store().log_range(), (LogOffset(8192), LogOffset(8192)));
        assert!(!cut_all.queues.is_empty());
        copy_from(&new, &at_start, 8192, 500).unwrap();
        assert_eq!(at_start.store().log_range(), (LogOffset(8192), new.store().log_range().1));

        let cut_all = cut(&slave, LogOffset(4096)).unwrap();
        assert_eq!(cut_all.end, LogOffset(0));
        assert!(cut_all.queues.iter().all(|queue| queue.max.0 == 0 && queue.was.0 > 0));
        assert_eq!(slave.store().log_range(), (LogOffset(0), LogOffset(0)));
        slave.power_cut();
        slave.store().set_replica(true).unwrap();
        assert_eq!(slave.store().log_range(), (LogOffset(0), LogOffset(0)));
        assert!(shown(&slave).queues.is_empty());
        copy_from(
            &new,
            &{
                slave.store().begin_copy().unwrap();
                slave
            },
            4096,
            500,
        )
        .unwrap();
    }
}

#[derive(Default)]
struct Dropped(Mutex<Vec<LogOffset>>);

impl WrittenListener for Dropped {
    fn written(&self) {}

    fn dropped(&self, from: LogOffset, why: &WriteStopped) {
        assert_eq!(*why, WriteStopped::Replica);
        self.0.lock().unwrap().push(from);
    }
}

#[test]
fn whoever_waits_for_what_is_cut_is_told() {
    let (old, _, end) = diverge(&configs()[0], 20, (5, 1));
    let slave = fresh_copy(&old);
    let listener = Arc::new(Dropped::default());
    slave.store().set_written_listener(listener.clone());
    slave.store().set_read_limit(Some(LogOffset(end.0 + 1)));
    cut(&slave, end).unwrap();
    assert_eq!(*listener.0.lock().unwrap(), [end]);
    assert_eq!(slave.store().read_limit(), Some(end), "what comes to lie there is not confirmed");
    // A waiter for more than there is now would wait for other records.
    assert_eq!(slave.store().watermarks().flushed, end);
}

/// Copies what is new, with steps of the background in between.
fn live(slave: &Bench, from: &Bench, seed: usize) {
    let store = slave.store();
    let mut at = store.begin_copy().unwrap().0;
    for (number, bytes) in raw(from, at).chunks(450 + seed % 300).enumerate() {
        store.append_copy(LogOffset(at), bytes).unwrap();
        at += bytes.len() as u64;
        match (number + seed) % 9 {
            0 => drop(store.flush_step().unwrap()),
            3 | 4 => drop(store.queue_flush_step().unwrap()),
            7 => drop(store.index_step(2000)),
            _ => {}
        }
    }
}

/// The power goes at every step of a cut. The store has something between the old and the new then, and is cut again.
fn cut_everywhere(config: &StoreConfig, power_cut: bool, keeps: &[usize]) {
    let (old, new, end) = diverge(config, 50, (45, 30));
    let prepare = |seed: usize| {
        let mut slave = slave(config.clone(), seed as u64);
        live(&slave, &old, seed);
        if seed.is_multiple_of(2) {
            slave.kill();
            slave.store().set_replica(true).unwrap();
        }
        slave
    };
    let expected = shown(&fresh_copy(&new));
    let uncut = shown(&fresh_copy(&old));
    for seed in 0..2 {
        let steps = {
            let slave = prepare(seed);
            let before = slave.disk.changes();
            cut(&slave, end).unwrap();
            slave.disk.changes() - before
        };
        assert!(steps > 20, "{steps}");
        for (after, keep) in (0..steps).flat_map(|after| keeps.iter().map(move |keep| (after, *keep))) {
            let what = format!("seed {seed}, step {after} of {steps}, {keep} bytes kept");
            let mut slave = prepare(seed);
            slave.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(keep) });
            let _ = cut(&slave, end);
            if power_cut {
                slave.power_cut();
            } else {
                slave.kill();
            }
            slave.store().set_replica(true).unwrap();
            let shows = shown(&slave);
            let (_, at) = shows.log;
            assert!(at >= end && at <= uncut.log.1, "{what}: ends at {at}");
            assert_eq!(shows.bytes[..], uncut.bytes[..shows.bytes.len()], "{what}");
            for (queue, (range, entries)) in &shows.queues {
                assert!(entries.iter().all(|entry| entry.log_offset_end().0 <= at.0), "{what}: {queue:?}");
                let (whole, all) = &uncut.queues[queue];
                assert_eq!(range.min, whole.min, "{what}: {queue:?}");
                assert_eq!(entries[..], all[..entries.len()], "{what}: {queue:?}");
                let beyond = all.get(entries.len());
                assert!(beyond.is_none_or(|entry| entry.log_offset_end().0 > at.0), "{what}: {queue:?}");
            }
            cut(&slave, end).unwrap();
            copy(&new, &slave, 640).unwrap();
            assert_eq!(shown(&slave), expected, "{what}");
            slave.kill();
            assert_eq!(shown(&slave), expected, "{what}");
        }
    }
}

#[test]
fn a_process_that_dies_in_a_cut_leaves_a_store_that_is_whole() {
    for config in configs() {
        cut_everywhere(&config, false, &[0, usize::MAX]);
    }
}

#[test]
fn a_power_cut_in_a_cut_leaves_a_store_that_is_whole() {
    for config in configs() {
        cut_everywhere(&config, true, &[0, 300, usize::MAX]);
    }
}

#[test]
fn a_failing_disk_stops_the_store_and_the_next_start_is_whole() {
    for config in configs() {
        let (old, new, end) = diverge(&config, 50, (45, 30));
        for after in 0.. {
            let mut slave = slave(config.clone(), after);
            live(&slave, &old, 1);
            slave.disk.inject(Fault {
                op: SimOp::Change,
                after,
                kind: FaultKind::Fail(std::io::ErrorKind::Other),
            });
            let result = cut(&slave, end);
            if result.is_ok() && slave.disk.struck() == 0 {
                break;
            }
            slave.disk.disarm();
            slave.kill();
            slave.store().set_replica(true).unwrap();
            cut(&slave, end).unwrap();
            copy(&new, &slave, 640).unwrap();
            assert_eq!(shown(&slave), shown(&fresh_copy(&new)), "operation {after} failed, {result:?}");
        }
    }
}

#[test]
fn readers_run_meanwhile_and_get_what_was_there_or_nothing() {
    let config = with_all_kinds(small_config());
    let (old, new, end) = diverge(&config, 60, (60, 60));
    let [before, after] = [&old, &new].map(|bench| shown(&fresh_copy(bench)));
    let slave = fresh_copy(&old);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for reader in 0..2 {
            let (slave, before, after, done) = (&slave, &before, &after, &done);
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Acquire) {
                    for (topic, id) in before.queues.keys().filter(|(topic, _)| topic != "B") {
                        let read = slave.store().read(
                            topic,
                            *id,
                            eruca_message::QueueOffset(reader * 5),
                            &crate::ReadLimits::default(),
                            &crate::EveryMessage,
                        );
                        let mut rest = &*read.records;
                        while !rest.is_empty() {
                            let record = eruca_message::Record::decode(rest).unwrap();
                            let at = record.fields.log_offset;
                            let is_of = |shown: &Shown| {
                                let whole = &shown.bytes;
                                whole.get(at.0 as usize..at.0 as usize + record.total_len)
                                    == rest.get(..record.total_len)
                            };
                            assert!(is_of(before) || is_of(after), "{topic} {id} at {at}");
                            rest = &rest[record.total_len..];
                        }
                    }
                    let _ = slave.store().index_step(1000);
                    let _ = slave.store().record_at(LogOffset(end.0 + 1));
                    let _ = slave.store().watermarks();
                }
            });
        }
        for round in 0..20 {
            let from = if round % 2 == 0 { &new } else { &old };
            cut(&slave, end).unwrap();
            copy(from, &slave, 5000).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
    });
    assert_eq!(shown(&slave), before);
}

fn any_sent() -> impl Strategy<Value = Vec<Sent>> {
    let one = (0u8..8, 0i32..3, 0usize..900).prop_map(|(kind, queue, len)| Sent { kind, queue, len });
    proptest::collection::vec(one, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]
    #[test]
    fn a_store_that_was_cut_is_one_that_never_had_the_rest(
        start in any_sent(),
        tails in proptest::collection::vec(any_sent(), 1..4),
        seed in 0usize..1000,
        shared: bool,
        how in 0u8..3,
    ) {
        let config = configs()[usize::from(shared)].clone();
        let mut slave = slave(config.clone(), seed as u64);
        for tail in &tails {
            let (other, end) = master(&config, &start, tail);
            if slave.store().log_range().1 > end {
                cut(&slave, end).unwrap();
            }
            live(&slave, &other, seed);
            let expected = shown(&fresh_copy(&other));
            prop_assert_eq!(&shown(&slave), &expected);
            match how {
                0 => slave.reopen(),
                1 => slave.kill(),
                _ => {
                    slave.store().flush_step().unwrap();
                    slave.power_cut();
                }
            }
            prop_assert_eq!(&shown(&slave), &expected);
            slave.store().set_replica(true).unwrap();
        }
    }
}
