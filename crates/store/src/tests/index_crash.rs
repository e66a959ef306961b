//! The process dies, or the power goes, at every step of a run that builds the index.

use super::{
    bench::{Bench, small_config},
    index::{found, index_files, query_for, send},
};
use crate::{
    IndexStep, MessageQuery,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

/// Sends, indexes and flushes, over several index files and segments; ends at the first error.
fn run(bench: &Bench) -> Option<()> {
    let store = bench.store();
    for i in 0..60u32 {
        let properties = format!("UNIQ_KEY\x01u{i}\x02KEYS\x01all k{}\x02", i % 7);
        let body = [i as u8; 100];
        let message = crate::AppendMessage {
            properties: properties.as_bytes(),
            ..super::bench::message("T", 0, &body)
        };
        store.append(&message).ok()?;
        store.settle().ok()?;
        if i % 5 == 4 && store.index_step(u64::MAX) == IndexStep::Failed {
            return None;
        }
        if i % 11 == 10 {
            store.queue_flush_step().ok()?;
        }
    }
    store.close().ok()
}

/// Every message that is in the queue is found by each of its keys, once; nothing else is.
fn check(bench: &Bench, what: &str) {
    let messages = bench.messages("T", 0);
    let find = |key: &str| {
        let query = MessageQuery { max_messages: 1000, ..query_for("T", key) };
        found(&bench.store().query_by_key(&query))
    };
    let places = |wanted: &dyn Fn(usize) -> bool| -> Vec<u64> {
        let chosen = messages.iter().enumerate().filter(|(i, _)| wanted(*i));
        chosen.map(|(_, message)| message.log_offset.0).collect()
    };
    assert_eq!(find("all"), places(&|_| true), "{what}");
    for i in 0..7 {
        assert_eq!(find(&format!("k{i}")), places(&|at| at % 7 == i), "{what}: k{i}");
    }
    for i in 0..60 {
        assert_eq!(find(&format!("u{i}")), places(&|at| at == i), "{what}: u{i}");
    }
}

fn crash_everywhere(power_cut: bool, keeps: &[usize]) {
    let steps = {
        let bench = Bench::new();
        let before = bench.disk.changes();
        run(&bench).unwrap();
        bench.disk.changes() - before
    };
    for after in 0..steps {
        for keep in keeps {
            let mut bench = Bench::with(small_config(), SimDisk::new(after * 31 + *keep as u64 % 1000));
            bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(*keep) });
            assert_eq!(run(&bench), None, "the crash at step {after} came");
            let crash = |bench: &mut Bench| if power_cut { bench.power_cut() } else { bench.kill() };
            crash(&mut bench);
            let what = format!("step {after} of {steps}, {keep} bytes kept, power {power_cut}");
            if after % 2 == 0 {
                // The messages that come to lie where lost ones lay are indexed, also when the next crash comes
                // before the index was looked at.
                let have = bench.messages("T", 0).len();
                for i in have..60 {
                    send(&bench, "T", &format!("UNIQ_KEY\x01u{i}\x02KEYS\x01all k{}\x02", i % 7));
                }
                bench.store().queue_flush_step().unwrap();
                crash(&mut bench);
                assert_eq!(bench.messages("T", 0).len(), 60, "{what}");
            }
            check(&bench, &what);
            bench.reopen();
            check(&bench, &what);
        }
    }
}

#[test]
fn every_message_is_found_after_a_kill_at_any_step() {
    crash_everywhere(false, &[0, 7, 100, usize::MAX]);
}

#[test]
fn every_message_is_found_after_a_power_cut_at_any_step() {
    crash_everywhere(true, &[0, 300, usize::MAX]);
}

#[test]
fn a_crash_during_repair_is_repaired_from() {
    for power_cut in [false, true] {
        for after in 0..40 {
            let mut bench = Bench::with(small_config(), SimDisk::new(after + 3));
            bench.disk.inject(Fault { op: SimOp::Change, after: 150, kind: FaultKind::Crash(60) });
            assert_eq!(run(&bench), None);
            bench.drop_store();
            let restart = |bench: &Bench| if power_cut { bench.disk.power_cut() } else { bench.disk.kill() };
            restart(&bench);
            bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(20) });
            if bench.open().is_ok() {
                bench.store().index_step(u64::MAX);
            }
            bench.drop_store();
            restart(&bench);
            bench.open().unwrap();
            check(&bench, &format!("repair step {after}, power {power_cut}"));
        }
    }
}

#[test]
fn full_files_are_trusted_after_a_crash_and_the_checkpoint_says_so() {
    let mut bench = Bench::new();
    for i in 0..100 {
        bench.clock.advance_ms(10);
        send(&bench, "T", &format!("KEYS\x01k{i}\x02"));
    }
    bench.store().index_step(u64::MAX);
    bench.store().queue_flush_step().unwrap();
    let files = index_files(&bench.disk);
    assert_eq!(files.len(), 2);
    let checkpoint = crate::Checkpoint::load(&bench.disk, &bench.config.checkpoint_path()).unwrap().unwrap();
    assert_eq!(checkpoint.index_timestamp, files[0].1.end_timestamp);
    bench.power_cut();
    bench.store().index_step(u64::MAX);
    assert_eq!(index_files(&bench.disk)[0], files[0]);
    assert_eq!(found(&bench.store().query_by_key(&query_for("T", "k99"))).len(), 1);
}

#[test]
fn a_message_whose_keys_lie_in_two_files_is_found_after_several_kills() {
    for keys in 2..9 {
        let mut bench = Bench::new();
        for i in 0..40 {
            let words: Vec<String> = (0..keys).map(|key| format!("k{i}_{key}")).collect();
            send(&bench, "T", &format!("KEYS\x01{}\x02", words.join(" ")));
        }
        for round in 0..3 {
            assert_eq!(bench.store().index_step(u64::MAX), IndexStep::CaughtUp);
            for (i, message) in bench.messages("T", 0).iter().enumerate() {
                for key in 0..keys {
                    let outcome = bench.store().query_by_key(&query_for("T", &format!("k{i}_{key}")));
                    assert_eq!(
                        found(&outcome),
                        [message.log_offset.0],
                        "k{i}_{key} of {keys}, round {round}"
                    );
                }
            }
            bench.kill();
        }
    }
}

#[test]
fn a_store_that_was_closed_with_a_batch_of_keys_put_in_halfway_finds_what_was_there_before() {
    for op in [SimOp::Write, SimOp::Sync] {
        for after in 0..8 {
            let mut bench = Bench::new();
            let old = send(&bench, "T", "KEYS\x01a\x02");
            assert_eq!(bench.store().index_step(u64::MAX), IndexStep::CaughtUp);
            let new = send(&bench, "T", "KEYS\x01a\x02");
            bench.store().queue_flush_step().unwrap();
            // Of a header that many bytes are the end of what is indexed, but not the number of entries.
            let kind = FaultKind::Torn(36, std::io::ErrorKind::Other);
            bench.disk.inject(Fault { op, after, kind });
            // What fails elsewhere is told.
            let _ = bench.store().close();
            bench.kill();
            let outcome = bench.store().query_by_key(&query_for("T", "a"));
            assert_eq!(found(&outcome), [old.log_offset.0, new.log_offset.0], "{op:?} {after} fails");
        }
    }
}

#[test]
fn entries_behind_a_lost_tail_are_cut_also_where_some_of_them_never_got_to_the_disk() {
    for missing in 0..20 {
        let mut bench = Bench::new();
        let sent: Vec<_> =
            (0..20).map(|i| send(&bench, "T", &format!("KEYS\x01a{i}\x02")).log_offset.0).collect();
        assert_eq!(bench.store().index_step(u64::MAX), IndexStep::CaughtUp);
        bench.store().queue_flush_step().unwrap();
        bench.drop_store();
        // The power went: the log ends with the fifth message, and of the index an entry is missing.
        let log = bench.disk.open(&bench.segment(0)).unwrap();
        log.zero_from(sent[5]).unwrap();
        bench.disk.remove_file(&bench.config.checkpoint_path()).unwrap();
        let index = bench.disk.open(&index_files(&bench.disk)[0].0).unwrap();
        let entries = 40 + u64::from(bench.config.index_slots) * 4;
        index.write_all_at(&[0; 20], entries + 20 * (1 + missing)).unwrap();
        bench.kill();
        // What comes to lie there has other keys, and the process dies before the index is looked at.
        let again: Vec<_> =
            (0..20).map(|i| send(&bench, "T", &format!("KEYS\x01b{i}\x02")).log_offset.0).collect();
        bench.store().queue_flush_step().unwrap();
        bench.kill();
        for i in 0..20 {
            let find = |key: String| found(&bench.store().query_by_key(&query_for("T", &key)));
            assert_eq!(
                find(format!("a{i}")),
                if i < 5 { vec![sent[i]] } else { vec![] },
                "entry {missing} is missing"
            );
            assert_eq!(find(format!("b{i}")), [again[i]], "entry {missing} is missing");
        }
    }
}
