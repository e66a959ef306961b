//! Random runs against a model that is a list of bodies per queue.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::bench::{Bench, message, shared_config, small_config};
use crate::{AppendMessage, StoreConfig, disk::SimDisk};

#[derive(Debug, Clone)]
enum Step {
    Append { topic: usize, queue: i32, len: usize },
    Batch { topic: usize, queue: i32, count: usize },
    Settle,
    Flush,
    QueueFlush,
    Delete { topic: usize },
    Expire,
    Reopen,
    Kill,
    PowerCut,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0usize..3, 0i32..3, 0usize..1500).prop_map(|(topic, queue, len)| Step::Append { topic, queue, len }),
        4 => (0usize..3, 0i32..3, 1usize..8).prop_map(|(topic, queue, count)| Step::Batch { topic, queue, count }),
        6 => Just(Step::Settle),
        2 => Just(Step::Flush),
        2 => Just(Step::QueueFlush),
        1 => (0usize..3).prop_map(|topic| Step::Delete { topic }),
        1 => Just(Step::Expire),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
        2 => Just(Step::PowerCut),
    ];
    proptest::collection::vec(step, 1..80)
}

const TOPICS: [&str; 3] = ["A", "B", "%RETRY%g"];

/// What a queue holds: bodies from `min` on.
#[derive(Debug, Default, Clone)]
struct Queue {
    min: usize,
    bodies: Vec<Vec<u8>>,
    /// How many of all, from offset 0, are on the disk for sure.
    flushed: usize,
    settled: usize,
}

type Model = BTreeMap<(usize, i32), Queue>;

fn settle_model(model: &mut Model) {
    model.values_mut().for_each(|queue| queue.settled = queue.bodies.len());
}

fn flush_model(model: &mut Model) {
    model.values_mut().for_each(|queue| queue.flushed = queue.settled);
}

/// Compares, and takes over what survived beyond what had to.
fn compare(bench: &Bench, model: &mut Model, must: fn(&Queue) -> usize) {
    for ((topic, id), queue) in model.iter_mut() {
        let range = bench.store().queue_range(TOPICS[*topic], *id);
        let (min, max) = (range.min.0 as usize, range.max.0 as usize);
        let must = must(queue);
        assert!(max >= must, "queue {topic}/{id}: {max} of {must} there");
        assert!(max <= queue.bodies.len(), "queue {topic}/{id} has {max}, {} were sent", queue.bodies.len());
        assert!(min == queue.min.min(max), "queue {topic}/{id} starts at {min}, not {}", queue.min);
        assert_eq!(bench.bodies(TOPICS[*topic], *id), queue.bodies[min..max], "queue {topic}/{id}");
        queue.bodies.truncate(max);
        queue.settled = max;
        queue.flushed = queue.flushed.min(max);
    }
}

fn run(config: StoreConfig, seed: u64, steps: Vec<Step>) {
    let mut bench = Bench::with(config, SimDisk::new(seed));
    let mut model = Model::new();
    // A store without any queue has them all made anew from the log, deleted ones too: its directory may be lost.
    bench.send("never deleted", 0, b"x");
    bench.store().queue_flush_step().unwrap();
    let mut number = 0u32;
    let mut body = |len: usize| {
        number += 1;
        let mut body = number.to_be_bytes().to_vec();
        body.resize(len.max(4), number as u8);
        body
    };
    for step in steps {
        bench.clock.advance_ms(10);
        match step {
            Step::Append { topic, queue, len } => {
                let body = body(len);
                let appended = bench.append(TOPICS[topic], queue, &body).unwrap();
                let expected = model.entry((topic, queue)).or_default();
                assert_eq!(appended.queue_offset.0 as usize, expected.bodies.len());
                expected.bodies.push(body);
            }
            Step::Batch { topic, queue, count } => {
                let bodies: Vec<_> = (0..count).map(|i| body(i * 60)).collect();
                let batch: Vec<AppendMessage<'_>> =
                    bodies.iter().map(|body| message(TOPICS[topic], queue, body)).collect();
                let appended = bench.store().append_batch(&batch).unwrap();
                let expected = model.entry((topic, queue)).or_default();
                assert_eq!(appended[0].queue_offset.0 as usize, expected.bodies.len());
                expected.bodies.extend(bodies);
            }
            Step::Settle => {
                bench.store().settle().unwrap();
                settle_model(&mut model);
            }
            Step::Flush => {
                bench.store().flush_step().unwrap();
                flush_model(&mut model);
            }
            Step::QueueFlush => {
                bench.store().queue_flush_step().unwrap();
                flush_model(&mut model);
            }
            Step::Delete { topic } => {
                settle_model(&mut model);
                if bench.store().delete_topic(TOPICS[topic]).unwrap() {
                    flush_model(&mut model);
                }
                model.retain(|(other, _), _| *other != topic);
            }
            Step::Expire => {
                let far = bench.clock_in_days(30);
                bench.store().delete_expired_now(far);
                for ((topic, id), queue) in &mut model {
                    queue.min = bench.store().queue_range(TOPICS[*topic], *id).min.0 as usize;
                    assert!(queue.min <= queue.settled);
                    queue.flushed = queue.flushed.max(queue.min);
                }
            }
            Step::Reopen => {
                bench.reopen();
                settle_model(&mut model);
                flush_model(&mut model);
                compare(&bench, &mut model, |queue| queue.settled);
            }
            Step::Kill => {
                bench.kill();
                compare(&bench, &mut model, |queue| queue.settled);
            }
            Step::PowerCut => {
                bench.power_cut();
                compare(&bench, &mut model, |queue| queue.flushed);
                // Recovery brought what is there to the disk.
                flush_model(&mut model);
            }
        }
    }
    bench.store().settle().unwrap();
    settle_model(&mut model);
    compare(&bench, &mut model, |queue| queue.settled);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn the_store_does_what_the_model_says(seed: u64, steps in steps()) {
        run(small_config(), seed, steps);
    }

    #[test]
    fn with_queues_that_share_a_log_too(seed: u64, steps in steps()) {
        run(shared_config(), seed, steps);
    }
}

#[test]
fn the_queue_log_is_right_although_the_file_of_its_last_record_expired() {
    let steps = vec![
        Step::Append { topic: 0, queue: 0, len: 1009 },
        Step::Append { topic: 0, queue: 0, len: 1255 },
        Step::Settle,
        Step::Reopen,
        Step::PowerCut,
        Step::Append { topic: 0, queue: 1, len: 1291 },
        Step::Append { topic: 0, queue: 0, len: 11 },
        Step::Settle,
        Step::PowerCut,
        Step::Append { topic: 0, queue: 0, len: 0 },
        Step::Settle,
        Step::Expire,
        Step::Kill,
    ];
    run(shared_config(), 5_758_502_562_000_466_112, steps);
}

#[test]
fn a_topic_made_anew_does_not_get_back_the_last_message_before_its_deletion() {
    let steps = vec![
        Step::Append { topic: 1, queue: 0, len: 0 },
        Step::Delete { topic: 1 },
        Step::Append { topic: 0, queue: 0, len: 0 },
        Step::Append { topic: 1, queue: 0, len: 0 },
        Step::QueueFlush,
        Step::Kill,
    ];
    run(shared_config(), 0, steps);
}
