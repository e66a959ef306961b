//! Appending, rolling, reading within limits.

use std::{cell::Cell, sync::Arc};

use eruca_message::{LogOffset, QueueOffset, StoredMessage, java_hash_code, names, properties};

use super::bench::{Bench, Heard, START, message};
use crate::{AppendError, AppendMessage, EntryFilter, EveryMessage, ReadLimits, ReadStatus};

fn status(bench: &Bench, from: u64) -> (ReadStatus, u64) {
    let read = bench.store().read("T", 0, QueueOffset(from), &ReadLimits::default(), &EveryMessage);
    (read.status, read.next_offset.0)
}

#[test]
fn a_message_is_visible_after_settle_and_not_before() {
    let bench = Bench::new();
    let heard = Arc::new(Heard::default());
    assert!(bench.store().set_arrival_listener(Arc::clone(&heard) as _));
    let appended = bench.append("T", 0, b"one").unwrap();
    assert_eq!((appended.queue_offset, appended.log_offset), (QueueOffset(0), LogOffset(0)));
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(0));
    assert_eq!(bench.store().record_at(LogOffset(0)).unwrap(), None);
    assert!(heard.0.lock().unwrap().is_empty());

    bench.store().settle().unwrap();
    assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(1));
    let arrivals = heard.0.lock().unwrap();
    assert_eq!(
        (&*arrivals[0].topic, arrivals[0].queue_offset_max, arrivals[0].tags_code),
        ("T", QueueOffset(1), 3_552_231)
    );
    let stored = &bench.messages("T", 0)[0];
    assert_eq!(
        (stored.message.body.as_slice(), stored.message.flag, stored.store_timestamp),
        (b"one".as_slice(), 3, START)
    );
    assert_eq!(stored.born_host, "10.0.0.1:1234".parse().unwrap());
}

#[test]
fn every_status_has_its_next_offset() {
    let bench = Bench::new();
    assert_eq!(status(&bench, 5), (ReadStatus::NoMatchedQueue, 0));
    bench.append("T", 0, b"a").unwrap();
    assert_eq!(status(&bench, 5), (ReadStatus::NoMessageInQueue, 0));
    bench.store().settle().unwrap();
    bench.send("T", 0, b"b");
    assert_eq!(status(&bench, 0), (ReadStatus::Found, 2));
    assert_eq!(status(&bench, 2), (ReadStatus::OffsetOverflowOne, 2));
    assert_eq!(status(&bench, 9), (ReadStatus::OffsetOverflowBadly, 2));
}

#[test]
fn records_roll_into_the_next_segment_behind_a_filler() {
    let bench = Bench::new();
    let bodies: Vec<Vec<u8>> = (0..60).map(|i| vec![i; 300 + usize::from(i)]).collect();
    for (i, body) in bodies.iter().enumerate() {
        bench.append("T", (i % 2) as i32, body).unwrap();
        if i % 7 == 0 {
            bench.store().settle().unwrap();
        }
    }
    bench.store().settle().unwrap();
    let of = |queue: usize| bodies.iter().skip(queue).step_by(2).cloned().collect::<Vec<_>>();
    assert_eq!(bench.bodies("T", 0), of(0));
    assert_eq!(bench.bodies("T", 1), of(1));
    assert!(bench.store().log_range().1.0 > 5 * 4096);
}

#[test]
fn one_settle_may_cross_several_segments() {
    let bench = Bench::new();
    for i in 0..40u8 {
        bench.append("T", 0, &[i; 1000]).unwrap();
    }
    bench.store().settle().unwrap();
    assert_eq!(bench.bodies("T", 0).len(), 40);
    // Three of 1,102 bytes fit a segment.
    assert_eq!(bench.store().log_range().1, LogOffset(13 * 4096 + 1102));
}

#[test]
fn a_batch_has_consecutive_offsets_and_lies_in_one_segment() {
    let bench = Bench::new();
    bench.send("T", 0, &[0; 3000]);
    let bodies: Vec<Vec<u8>> = (0..5).map(|i| vec![i; 200]).collect();
    let batch: Vec<AppendMessage<'_>> = bodies.iter().map(|body| message("T", 0, body)).collect();
    let all = bench.store().append_batch(&batch).unwrap();
    assert_eq!(all.iter().map(|one| one.queue_offset.0).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert_eq!(all[0].log_offset, LogOffset(4096));
    assert!(all.windows(2).all(|pair| pair[0].log_offset_end == pair[1].log_offset));
    bench.store().settle().unwrap();
    assert_eq!(bench.bodies("T", 0)[1..], bodies);

    let mixed = [message("T", 0, b"a"), message("T", 1, b"b")];
    assert_eq!(bench.store().append_batch(&mixed), Err(AppendError::MixedBatch));
    let large = [message("T", 0, &[0; 2500]), message("T", 0, &[0; 2500])];
    assert!(matches!(bench.store().append_batch(&large), Err(AppendError::RecordTooLarge { .. })));
    assert_eq!(bench.store().append_batch(&[]), Ok(vec![]));
    assert_eq!(bench.send("T", 0, b"next").queue_offset, QueueOffset(6));
}

#[test]
fn what_cannot_be_stored_is_refused_with_value_and_limit() {
    let bench = Bench::new();
    let text = bench.append("T", 0, &[0; 3001]).unwrap_err().to_string();
    assert!(text.contains("3001 bytes") && text.contains("maxMessageSize is 3000"), "{text}");
    for topic in ["", ".", "..", "a/b", "a\0b"] {
        assert!(matches!(bench.append(topic, 0, b""), Err(AppendError::IllegalTopic { .. })), "{topic:?}");
    }
    assert!(matches!(bench.append("T", -1, b""), Err(AppendError::IllegalQueueId { .. })));
    let properties = vec![b'x'; 40_000];
    let long = AppendMessage { properties: &properties, ..message("T", 0, b"") };
    assert!(matches!(bench.store().append(&long), Err(AppendError::Illegal(_))));
    assert_eq!(bench.store().watermarks().appended, LogOffset(0));
    assert_eq!(bench.send("T", 0, b"fine").queue_offset, QueueOffset(0));
}

#[test]
fn half_messages_and_rollbacks_have_no_entry_and_committed_ones_do() {
    let bench = Bench::new();
    for (sys_flag, offset, max) in [(4, 0, 0), (12, 0, 0), (8, 0, 1), (0, 1, 2)] {
        let appended = bench.store().append(&AppendMessage { sys_flag, ..message("T", 0, b"x") }).unwrap();
        bench.store().settle().unwrap();
        assert_eq!(appended.queue_offset, QueueOffset(offset));
        assert_eq!(bench.store().queue_range("T", 0).max, QueueOffset(max));
    }
}

#[test]
fn the_schedule_topic_keeps_the_time_of_delivery() {
    let mut bench = Bench::new();
    let delayed = AppendMessage { properties: b"DELAY\x013\x02", ..message(names::SCHEDULE_TOPIC, 2, b"x") };
    bench.store().append(&delayed).unwrap();
    bench.store().settle().unwrap();
    let code = |bench: &Bench| {
        bench.store().queue_entries(names::SCHEDULE_TOPIC, 2, QueueOffset(0), 10)[0].tags_code
    };
    assert_eq!(code(&bench), START.0 + 10_000);
    // The same at a rebuild.
    bench.kill();
    assert_eq!(bench.report.entries_rebuilt, 1);
    assert_eq!(code(&bench), START.0 + 10_000);
}

#[test]
fn limits_hold_and_a_large_first_message_comes_all_the_same() {
    let bench = Bench::new();
    for i in 0..30u8 {
        bench.send("T", 0, &[i; 500]);
    }
    let read = |from, max_messages, max_bytes| {
        let limits = ReadLimits { max_messages, max_bytes, max_entries_scanned: 800 };
        bench.store().read("T", 0, QueueOffset(from), &limits, &EveryMessage)
    };
    assert_eq!(read(3, 4, 1 << 20).message_count, 4);
    assert_eq!(read(3, 4, 1 << 20).next_offset, QueueOffset(7));
    // 602 bytes each.
    assert_eq!(read(0, 32, 1300).message_count, 2);
    assert_eq!(read(0, 32, 10).message_count, 1);
    let all = read(0, 32, 1 << 20);
    assert_eq!((all.message_count, all.records.len()), (30, 30 * 602));
    assert_eq!(StoredMessage::decode_all(&all.records).unwrap()[29].message.body, [29; 500]);
    assert_eq!(all.lag_bytes, 602);
}

struct ByTag(i64);
impl EntryFilter for ByTag {
    fn matches_entry(&self, tags_code: i64) -> bool {
        tags_code == self.0
    }
}

/// Takes messages whose property `n` is this, of so many of them in one read.
struct ByProperty(String, Cell<usize>);
impl EntryFilter for ByProperty {
    fn matches_entry(&self, _: i64) -> bool {
        true
    }
    fn needs_properties(&self) -> bool {
        true
    }
    fn matches_properties(&self, properties: &[u8]) -> bool {
        self.1.set(self.1.get().saturating_sub(1));
        properties::find_str(properties, "n") == Some(&self.0)
    }
    fn is_spent(&self) -> bool {
        self.1.get() == 0
    }
}

#[test]
fn filters_choose_by_entry_and_by_properties() {
    let config = crate::StoreConfig {
        segment_size_bytes: 128 << 10,
        max_message_size_bytes: 8_000,
        ..super::bench::small_config()
    };
    let bench = Bench::with(config, crate::disk::SimDisk::new(3));
    for i in 0..100u8 {
        let tag = if i % 10 == 0 { 'x' } else { 'y' };
        let properties = format!("TAGS\u{1}{tag}\u{2}n\u{1}{i}\u{2}");
        // Some are too large to be looked at as a whole.
        let body = vec![i; if i % 7 == 0 { 5_000 } else { 10 }];
        let tagged = AppendMessage { properties: properties.as_bytes(), ..message("T", 0, &body) };
        bench.store().append(&tagged).unwrap();
        // Another queue's message lies between.
        if i % 5 == 0 {
            bench.store().append(&message("U", 0, &body)).unwrap();
        }
    }
    bench.store().settle().unwrap();
    let limits = ReadLimits { max_entries_scanned: 75, ..ReadLimits::default() };
    let read =
        |from, filter: &dyn EntryFilter| bench.store().read("T", 0, QueueOffset(from), &limits, filter);
    let tagged = read(0, &ByTag(i64::from(java_hash_code("x"))));
    assert_eq!(
        (tagged.status, tagged.message_count, tagged.next_offset),
        (ReadStatus::Found, 8, QueueOffset(75))
    );
    let none = read(0, &ByTag(5));
    assert_eq!((none.status, none.next_offset), (ReadStatus::NoMatchedMessage, QueueOffset(75)));
    for n in [0u64, 1, 7, 41, 42, 49, 50, 74] {
        let found = read(0, &ByProperty(n.to_string(), Cell::new(1000)));
        assert_eq!((found.message_count, found.next_offset), (1, QueueOffset(75)), "{n}");
        assert_eq!(StoredMessage::decode(&found.records).unwrap().0.queue_offset, QueueOffset(n));
    }
    assert_eq!(read(80, &ByProperty("42".to_owned(), Cell::new(1000))).status, ReadStatus::NoMatchedMessage);
    // One that has done enough goes on in the next read, and does something in each.
    let some = read(0, &ByProperty("42".to_owned(), Cell::new(10)));
    assert_eq!((some.status, some.next_offset), (ReadStatus::NoMatchedMessage, QueueOffset(10)));
    assert_eq!(read(42, &ByProperty("42".to_owned(), Cell::new(0))).next_offset, QueueOffset(43));
}

#[test]
fn store_times_never_go_back_along_the_log() {
    let mut bench = Bench::new();
    bench.send("T", 0, b"a");
    bench.clock.advance_ms(-5000);
    assert_eq!(bench.send("T", 0, b"b").store_timestamp, START);
    bench.reopen();
    assert_eq!(bench.send("T", 0, b"c").store_timestamp, START);
    bench.clock.advance_ms(6000);
    assert_eq!(bench.send("T", 0, b"d").store_timestamp, START.add_ms(1000));
}

#[test]
fn threads_get_every_offset_once_and_in_order() {
    let bench = Bench::with(
        crate::StoreConfig { segment_size_bytes: 1 << 20, ..super::bench::small_config() },
        crate::disk::SimDisk::new(3),
    );
    let store = bench.store();
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            scope.spawn(move || {
                for i in 0..200u8 {
                    store.append(&message("T", i32::from(i % 3), &[thread, i])).unwrap();
                    if i % 5 == thread {
                        store.settle().unwrap();
                    }
                }
                store.settle().unwrap();
            });
        }
    });
    let mut seen = Vec::new();
    for queue in 0..3 {
        let bodies = bench.bodies("T", queue);
        for thread in 0..4u8 {
            let own: Vec<u8> = bodies.iter().filter(|body| body[0] == thread).map(|body| body[1]).collect();
            assert!(own.is_sorted(), "a thread's messages keep their order");
        }
        seen.extend(bodies);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 800);
}

#[test]
fn readers_see_and_hear_of_a_message_when_the_limit_is_behind_it() {
    let bench = Bench::new();
    let heard = Arc::new(Heard::default());
    assert!(bench.store().set_arrival_listener(Arc::clone(&heard) as _));
    bench.send("T", 0, b"one");
    let confirmed = bench.store().log_range().1;
    bench.store().set_read_limit(Some(confirmed));
    let ends: Vec<LogOffset> = [b"two", b"six"]
        .iter()
        .map(|body| {
            bench.send("T", 0, *body);
            bench.store().log_range().1
        })
        .collect();
    let seen = || (bench.store().readable_queue_range("T", 0).max.0, heard.0.lock().unwrap().len());
    assert_eq!((seen(), status(&bench, 1)), ((1, 1), (ReadStatus::OffsetOverflowOne, 1)));
    assert_eq!(bench.bodies("T", 0).len(), 1);
    bench.store().set_read_limit(Some(LogOffset(ends[0].0 - 1)));
    assert_eq!(seen(), (1, 1));
    bench.store().set_read_limit(Some(ends[0]));
    assert_eq!((seen(), status(&bench, 1)), ((2, 2), (ReadStatus::Found, 2)));
    bench.store().set_read_limit(None);
    assert_eq!((seen(), bench.store().read_limit()), ((3, 3), None));
    bench.send("T", 0, b"ten");
    assert_eq!(seen(), (4, 4));
}
