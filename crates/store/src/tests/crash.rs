//! The process dies, or the power goes, at every single step of a run.

use super::bench::{Bench, shared_config, small_config};
use crate::{
    StoreConfig,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};

/// What was acknowledged of each of the three queues: settled, and flushed.
#[derive(Default, Clone, Debug)]
struct Acknowledged {
    sent: [Vec<Vec<u8>>; 3],
    settled: [usize; 3],
    flushed: [usize; 3],
}

/// Sends, flushes, rolls segments and queue files; ends at the first error.
fn run(bench: &Bench, log: &mut Acknowledged) -> Option<()> {
    let store = bench.store();
    for i in 0..70u8 {
        let queue = usize::from(i % 3);
        let body = vec![i; 40 + usize::from(i % 5) * 130];
        bench.append("T", queue as i32, &body).ok()?;
        log.sent[queue].push(body);
        if i % 3 == 2 {
            store.settle().ok()?;
            log.settled = [0, 1, 2].map(|q| log.sent[q].len());
        }
        if i % 9 == 8 {
            store.flush_step().ok()?;
            log.flushed = log.settled;
        }
        if i % 20 == 19 {
            let settled = log.settled;
            store.queue_flush_step().ok()?;
            log.flushed = settled;
        }
        if i == 50 {
            // Nothing is old enough; the walk through expiry has to be harmless.
            store.retention_step(super::bench::START);
        }
    }
    store.close().ok()
}

fn check(bench: &mut Bench, log: &Acknowledged, safe: [usize; 3], what: &str) {
    let mut survivors = Vec::new();
    for (queue, (sent, safe)) in log.sent.iter().zip(safe).enumerate() {
        let bodies = bench.bodies("T", queue as i32);
        assert!(bodies.len() >= safe, "{what}: queue {queue} lost {} of {safe}", safe - bodies.len());
        assert_eq!(bodies, sent[..bodies.len()], "{what}: queue {queue}");
        let range = bench.store().queue_range("T", queue as i32);
        assert_eq!((range.min.0, range.max.0), (0, bodies.len() as u64), "{what}: queue {queue}");
        survivors.push(bodies);
    }
    // A second recovery changes nothing, and the store goes on from there.
    let end = bench.store().log_range().1;
    bench.kill();
    assert_eq!(bench.store().log_range().1, end, "{what}");
    assert_eq!((bench.report.entries_cut, &bench.report.torn_tail), (0, &None), "{what}");
    for (queue, mut expected) in survivors.into_iter().enumerate() {
        assert_eq!(
            bench.bodies("T", queue as i32),
            expected,
            "{what}: queue {queue} after a second recovery"
        );
        let appended = bench.send("T", queue as i32, b"after");
        assert_eq!(appended.queue_offset.0, expected.len() as u64, "{what}");
        expected.push(b"after".to_vec());
        assert_eq!(bench.bodies("T", queue as i32), expected, "{what}");
    }
}

fn crash_everywhere(config: &StoreConfig, power_cut: bool, keeps: &[usize]) {
    let steps = {
        let bench = Bench::with(config.clone(), SimDisk::new(7));
        let before = bench.disk.changes();
        run(&bench, &mut Acknowledged::default()).unwrap();
        bench.disk.changes() - before
    };
    assert!(steps > 60, "{steps}");
    for after in 0..steps {
        for keep in keeps {
            let mut bench = Bench::with(config.clone(), SimDisk::new(after * 31 + *keep as u64 % 1000));
            bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(*keep) });
            let mut log = Acknowledged::default();
            assert_eq!(run(&bench, &mut log), None, "the crash at step {after} came");
            let safe = if power_cut { log.flushed } else { log.settled };
            if power_cut {
                bench.power_cut();
            } else {
                bench.kill();
            }
            check(&mut bench, &log, safe, &format!("step {after} of {steps}, {keep} bytes kept"));
        }
    }
}

#[test]
fn a_killed_process_loses_nothing_settled_at_any_step() {
    for config in [small_config(), shared_config()] {
        crash_everywhere(&config, false, &[0, 1, 7, 100, 517, usize::MAX]);
    }
}

#[test]
fn a_power_cut_loses_nothing_flushed_at_any_step() {
    for config in [small_config(), shared_config()] {
        crash_everywhere(&config, true, &[0, 3, 300, usize::MAX]);
    }
}

#[test]
fn a_crash_during_recovery_is_recovered_from() {
    for (power_cut, config) in
        [(false, small_config()), (true, small_config()), (false, shared_config()), (true, shared_config())]
    {
        for after in 0..60 {
            let mut bench = Bench::with(config.clone(), SimDisk::new(after + 5));
            let mut log = Acknowledged::default();
            bench.disk.inject(Fault { op: SimOp::Change, after: 45, kind: FaultKind::Crash(60) });
            assert_eq!(run(&bench, &mut log), None);
            let safe = if power_cut { log.flushed } else { log.settled };
            bench.drop_store();
            let restart = |bench: &Bench| if power_cut { bench.disk.power_cut() } else { bench.disk.kill() };
            restart(&bench);
            bench.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(20) });
            let opened = bench.open().is_ok();
            bench.drop_store();
            restart(&bench);
            bench.open().unwrap();
            check(&mut bench, &log, safe, &format!("recovery step {after}, opened {opened}"));
        }
    }
}

#[test]
fn names_that_a_killed_process_did_not_sync_survive_a_power_cut_after_the_next_start() {
    let steps = {
        let bench = Bench::new();
        run(&bench, &mut Acknowledged::default()).unwrap();
        bench.disk.changes()
    };
    for (after, seed) in (0..steps).flat_map(|after| [1, 2, 3, 4, 5, 6].map(|seed| (after, seed))) {
        // From the very first operation on an empty disk on, or on one that a store left in order.
        let disk = SimDisk::new(after * 17 + seed);
        if seed == 3 {
            Bench::with(small_config(), disk.clone()).store().close().unwrap();
        }
        disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(50) });
        let mut bench = Bench::on(small_config(), disk);
        let mut log = Acknowledged::default();
        if bench.open().is_ok() {
            run(&bench, &mut log);
        }
        bench.kill();
        // What recovery took over is on the disk.
        let there = [0, 1, 2].map(|queue| bench.bodies("T", queue).len());
        bench.power_cut();
        assert!(!bench.report.was_closed, "step {after}, seed {seed}");
        check(&mut bench, &log, there, &format!("step {after} of {steps}, seed {seed}"));
    }
}
