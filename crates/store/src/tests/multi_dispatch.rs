//! Messages in several queues at once: light message queues, and queues of other topics.

use std::path::Path;

use eruca_message::{QueueOffset, Record, properties};
use proptest::prelude::*;

use super::bench::{Bench, Heard, message, small_config};
use crate::{
    AppendError, AppendMessage, EveryMessage, ReadLimits, ReadStatus, StoreConfig,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

fn config() -> StoreConfig {
    StoreConfig { multi_dispatch: true, lmq: true, ..small_config() }
}

fn bench() -> Bench {
    Bench::with(config(), SimDisk::new(7))
}

fn send(bench: &Bench, queue_id: i32, body: &str, names: &str) -> Result<(), AppendError> {
    let encoded = format!("a\u{1}b\u{2}INNER_MULTI_DISPATCH\u{1}{names}");
    let message = AppendMessage { properties: encoded.as_bytes(), ..message("T", queue_id, body.as_bytes()) };
    bench.store().append(&message)?;
    bench.store().settle()?;
    Ok(())
}

/// The bodies of a queue, whatever topic its messages are of.
fn bodies(bench: &Bench, topic: &str, queue_id: i32) -> Vec<String> {
    let mut next = bench.store().queue_range(topic, queue_id).min;
    let mut all = Vec::new();
    loop {
        let read = bench.store().read(topic, queue_id, next, &ReadLimits::default(), &EveryMessage);
        if read.status != ReadStatus::Found {
            return all;
        }
        let mut rest = &*read.records;
        while !rest.is_empty() {
            let record = Record::decode(rest).unwrap();
            record.verify_crc().unwrap();
            all.push(String::from_utf8(record.fields.body.to_vec()).unwrap());
            rest = &rest[record.total_len..];
        }
        next = read.next_offset;
    }
}

fn offsets_of(bench: &Bench, queue_id: i32, offset: u64) -> String {
    let read = bench.store().read("T", queue_id, QueueOffset(offset), &ReadLimits::default(), &EveryMessage);
    let record = Record::decode(&read.records).unwrap();
    assert_eq!(properties::find_str(record.fields.properties, "a"), Some("b"));
    properties::find_str(record.fields.properties, properties::INNER_MULTI_QUEUE_OFFSET).unwrap().to_owned()
}

#[test]
fn a_message_is_in_its_own_queue_and_in_those_that_it_names() {
    let bench = bench();
    let heard = std::sync::Arc::new(Heard::default());
    bench.store().set_arrival_listener(heard.clone());
    send(&bench, 1, "m0", "%LMQ%a,%LMQ%b").unwrap();
    send(&bench, 2, "m1", "%LMQ%b").unwrap();
    send(&bench, 1, "m2", "%LMQ%a,other,%LMQ%b,%LMQ%a").unwrap();
    bench.send("T", 1, b"m3");
    assert_eq!(bodies(&bench, "T", 1), ["m0", "m2", "m3"]);
    assert_eq!(bodies(&bench, "%LMQ%a", 0), ["m0", "m2"]);
    assert_eq!(bodies(&bench, "%LMQ%b", 0), ["m0", "m1", "m2"]);
    assert_eq!(bodies(&bench, "other", 1), ["m2"]);
    assert_eq!([offsets_of(&bench, 1, 0), offsets_of(&bench, 1, 1)], ["0,0", "1,0,2,1"]);
    let heard: Vec<_> = heard.0.lock().unwrap().iter().map(|one| one.topic.to_string()).collect();
    assert_eq!(heard[..3], ["%LMQ%a", "%LMQ%b", "T"]);
    assert_eq!(heard.len(), 10);
}

#[test]
fn without_the_setting_and_for_batches_the_property_is_nothing() {
    let bench = Bench::new();
    send(&bench, 0, "x", "%LMQ%a").unwrap();
    assert_eq!(bench.store().queue_range("%LMQ%a", 0).max, QueueOffset(0));
    let bench = self::bench();
    let one = AppendMessage { properties: b"INNER_MULTI_DISPATCH\x01%LMQ%a\x02", ..message("T", 0, b"x") };
    bench.store().append_batch(&[one, one]).unwrap();
    bench.store().settle().unwrap();
    assert_eq!(bench.store().queue_range("%LMQ%a", 0).max, QueueOffset(0));
    // And not in the log of a half message.
    bench.store().append(&AppendMessage { sys_flag: 4, ..one }).unwrap();
    bench.store().settle().unwrap();
    assert_eq!(bench.store().queue_range("%LMQ%a", 0).max, QueueOffset(0));
}

#[test]
fn too_many_names_are_refused_and_nothing_is_left() {
    let bench = Bench::with(StoreConfig { segment_size_bytes: 1 << 20, ..config() }, SimDisk::new(7));
    let names = vec!["%LMQ%0123456789"; 2000].join(",");
    assert!(matches!(send(&bench, 0, "x", &names), Err(AppendError::Illegal(_))));
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(0));
    send(&bench, 0, "y", "%LMQ%a").unwrap();
    assert_eq!(bodies(&bench, "%LMQ%a", 0), ["y"]);
}

#[test]
fn a_failed_write_takes_all_offsets_back() {
    let bench = bench();
    send(&bench, 0, "a", "%LMQ%a").unwrap();
    let kind = FaultKind::Fail(std::io::ErrorKind::StorageFull);
    bench.disk.inject(Fault { op: SimOp::Write, after: 0, kind });
    send(&bench, 0, "lost", "%LMQ%a,%LMQ%b").unwrap_err();
    bench.store().space_step();
    send(&bench, 0, "b", "%LMQ%b,%LMQ%a").unwrap();
    assert_eq!(
        (bodies(&bench, "%LMQ%a", 0), bodies(&bench, "%LMQ%b", 0)),
        (vec!["a".into(), "b".into()], vec!["b".into()])
    );
    assert_eq!(offsets_of(&bench, 0, 1), "0,1");
}

#[test]
fn a_queue_that_lost_its_files_is_made_anew() {
    let mut bench = bench();
    for i in 0..50 {
        send(&bench, 0, &format!("m{i}"), "%LMQ%a").unwrap();
        bench.store().queue_flush_step().unwrap();
    }
    bench.drop_store();
    bench.disk.remove_file(Path::new("/store/consumequeue/%LMQ%a/0/00000000000000000400")).unwrap();
    bench.disk.remove_file(Path::new("/store/consumequeue/%LMQ%a/0/00000000000000000800")).unwrap();
    bench.open().unwrap();
    send(&bench, 0, "more", "%LMQ%a").ok();
    bench.kill();
    let all = bodies(&bench, "T", 0);
    assert_eq!(bodies(&bench, "%LMQ%a", 0).len(), bench.store().queue_range("%LMQ%a", 0).max.0 as usize);
    assert_eq!(all.len(), 51);
}

#[test]
fn an_offset_that_no_broker_wrote_does_no_harm() {
    let mut bench = Bench::new();
    // Stored while nobody looked at the property.
    for offset in ["999999999999999999", "9223372036854775807", "70000000"] {
        let encoded =
            format!("INNER_MULTI_DISPATCH\u{1}%LMQ%a\u{2}INNER_MULTI_QUEUE_OFFSET\u{1}{offset}\u{2}");
        let evil = AppendMessage { properties: encoded.as_bytes(), ..message("T", 0, b"x") };
        bench.store().append(&evil).unwrap();
    }
    bench.store().settle().unwrap();
    bench.config = config();
    bench.kill();
    assert_eq!(bodies(&bench, "T", 0).len(), 3);
    send(&bench, 0, "good", "%LMQ%b").unwrap();
    assert_eq!(bodies(&bench, "%LMQ%b", 0), ["good"]);
}

#[derive(Debug, Clone)]
enum Step {
    Send(i32, Vec<u8>),
    Flush,
    Reopen,
    Kill,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (0..2i32, proptest::collection::vec(0..4u8, 0..4)).prop_map(|(q, names)| Step::Send(q, names)),
        2 => Just(Step::Flush),
        1 => Just(Step::Reopen),
        2 => Just(Step::Kill),
        1 => Just(Step::PowerCut),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_queue_has_its_messages_after_any_end(steps in proptest::collection::vec(step(), 1..60)) {
        let mut bench = bench();
        let mut sent: Vec<(String, i32, Vec<u8>)> = Vec::new();
        let mut safe = 0;
        for step in steps {
            match step {
                Step::Send(queue_id, names) => {
                    let body = format!("m{}", sent.len());
                    let list: Vec<_> = names.iter().map(|name| format!("%LMQ%{name}")).collect();
                    send(&bench, queue_id, &body, &list.join(",")).unwrap();
                    sent.push((body, queue_id, names));
                }
                Step::Flush => {
                    bench.store().queue_flush_step().unwrap();
                    safe = sent.len();
                }
                Step::Reopen => {
                    bench.reopen();
                    safe = sent.len();
                }
                Step::Kill => bench.kill(),
                Step::PowerCut => {
                    bench.power_cut();
                    let left = (0..2).map(|q| bench.store().queue_range("T", q).max.0 as usize).sum::<usize>();
                    prop_assert!(left >= safe);
                    sent.truncate(left);
                }
            }
            for queue_id in 0..2 {
                let expected: Vec<_> =
                    sent.iter().filter(|(_, q, _)| *q == queue_id).map(|(body, ..)| body.clone()).collect();
                prop_assert_eq!(bodies(&bench, "T", queue_id), expected);
            }
            for name in 0..4u8 {
                let expected: Vec<_> =
                    sent.iter().filter(|(.., names)| names.contains(&name)).map(|(body, ..)| body.clone()).collect();
                prop_assert_eq!(bodies(&bench, &format!("%LMQ%{name}"), 0), expected);
            }
        }
    }
}
