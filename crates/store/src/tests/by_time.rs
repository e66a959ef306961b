//! Offsets by time and lowest offsets, against a look at every message.

use eruca_message::{QueueOffset, Timestamp};
use proptest::prelude::*;

use super::bench::{Bench, START};
use crate::Boundary;

const HOUR_MS: i64 = 3_600_000;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Appends messages to a queue, all at one time.
    Send(i32, u8),
    /// The clock goes on.
    Wait(i64),
    /// Lets everything go that is older than so many hours.
    Expire(i64),
    Reopen,
    Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        10 => (0..2i32, 1..8u8).prop_map(|(queue, count)| Step::Send(queue, count)),
        4 => prop_oneof![Just(1), Just(1000), 1..5 * HOUR_MS].prop_map(Step::Wait),
        2 => (0..6i64).prop_map(Step::Expire),
        1 => Just(Step::Reopen),
        1 => Just(Step::Kill),
    ];
    proptest::collection::vec(step, 1..60)
}

/// What was sent to a queue: when, and where it lies.
type Sent = Vec<(Timestamp, u64)>;

/// Java's answer, found by looking at all messages from the lowest offset on.
fn naive(sent: &Sent, min: usize, time: Timestamp, boundary: Boundary) -> u64 {
    let mut there = sent.iter().enumerate().skip(min).map(|(offset, (stored, _))| (offset as u64, *stored));
    match boundary {
        _ if min == sent.len() => {
            if boundary == Boundary::Lower {
                sent.len() as u64
            } else {
                0
            }
        }
        Boundary::Lower => there.find(|(_, stored)| *stored >= time).map_or(sent.len() as u64, |(at, _)| at),
        Boundary::Upper => there.rfind(|(_, stored)| *stored <= time).map_or(0, |(at, _)| at),
    }
}

fn check(bench: &Bench, sent: &[Sent; 2]) -> Result<(), TestCaseError> {
    let store = bench.store();
    let log_min = store.log_range().0.0;
    for (queue_id, sent) in (0..).zip(sent) {
        let range = store.queue_range("T", queue_id);
        let min = sent.iter().position(|(_, at)| *at >= log_min).unwrap_or(sent.len());
        prop_assert_eq!((range.min.0 as usize, range.max.0 as usize), (min, sent.len()));
        let earliest = sent.get(min).map(|(stored, _)| *stored);
        prop_assert_eq!(store.earliest_store_time("T", queue_id), earliest);
        let times = sent.iter().map(|(stored, _)| stored.0);
        for time in times.flat_map(|time| [time - 1, time, time + 1]).chain([i64::MIN, 0, i64::MAX]) {
            let time = Timestamp(time);
            for boundary in [Boundary::Lower, Boundary::Upper] {
                let found = store.queue_offset_by_time("T", queue_id, time, boundary);
                prop_assert_eq!(found.0, naive(sent, min, time, boundary), "{:?} {:?}", time, boundary);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn offsets_by_time_and_lowest_offsets_are_right_after_anything(steps in steps()) {
        let mut bench = Bench::new();
        let mut sent: [Sent; 2] = [Vec::new(), Vec::new()];
        for step in steps {
            match step {
                Step::Send(queue_id, count) => for i in 0..count {
                    let appended = bench.send("T", queue_id, &[i; 200]);
                    let sent = &mut sent[queue_id as usize];
                    prop_assert_eq!(appended.queue_offset, QueueOffset(sent.len() as u64));
                    sent.push((appended.store_timestamp, appended.log_offset.0));
                },
                Step::Wait(ms) => bench.clock.advance_ms(ms),
                Step::Expire(hours) => {
                    bench.store().queue_flush_step().unwrap();
                    let now = eruca_message::Clock::now(&*bench.clock).add_ms((72 - hours) * HOUR_MS);
                    bench.store().delete_expired_now(now);
                }
                Step::Reopen => bench.reopen(),
                Step::Kill => bench.kill(),
            }
            check(&bench, &sent)?;
        }
    }
}

#[test]
fn damaged_messages_do_not_lead_a_search_by_time_astray() {
    for (gone_from, gone_to) in [(15, 16), (0, 1), (29, 30), (10, 20), (0, 29), (1, 30)] {
        let bench = Bench::new();
        let places: Vec<u64> = (0..30u8)
            .map(|i| {
                bench.clock.advance_ms(10);
                bench.send("T", 0, &[i; 100]).log_offset.0
            })
            .collect();
        for place in &places[gone_from..gone_to] {
            let start = place - place % 4096;
            bench.disk.rot(&bench.segment(start), place - start + 4);
        }
        for wanted in (0..30).filter(|i| !(gone_from..gone_to).contains(i)) {
            let time = START.add_ms(10 * (wanted as i64 + 1));
            let upper = bench.store().queue_offset_by_time("T", 0, time, Boundary::Upper).0;
            assert_eq!(upper, wanted as u64, "{gone_from}..{gone_to}");
            // Damaged ones right before it count as of its time.
            let lower = bench.store().queue_offset_by_time("T", 0, time, Boundary::Lower).0 as usize;
            assert!(lower == wanted || (wanted == gone_to && lower == gone_from), "{lower} for {wanted}");
        }
        // All are asked for: none is left out.
        assert_eq!(bench.store().queue_offset_by_time("T", 0, START, Boundary::Lower).0, 0);
    }
}
