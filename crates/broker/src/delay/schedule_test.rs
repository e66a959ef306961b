use std::time::Duration;

use eruca_message::{Properties, SystemClock};
use eruca_store::{ArrivalListener, RealDisk, StoreConfig};

use super::*;
use crate::{delay::parked::park_level, handler::test_parts::TestParts};

fn open(parts: &TestParts) -> DelaySchedule {
    let config = parts.directory.path().join("config");
    DelaySchedule::open(&config, Arc::clone(&parts.store), parts.clock.clone()).unwrap()
}

/// Parks a message with a tag for queue 2 of topic T.
fn park_message(parts: &TestParts, level: i32, body: &str) {
    let mut properties = Properties::decode(b"TAGS\x01a\x02DELAY\x0199\x02");
    let queue_id = park_level(&mut properties, level, 18, "T", 2);
    parts.store(SCHEDULE_TOPIC, queue_id, body, &properties.to_bytes());
}

fn now(parts: &TestParts) -> Timestamp {
    parts.clock.now()
}

fn bodies(parts: &TestParts) -> Vec<String> {
    parts.read("T", 2).into_iter().map(|stored| String::from_utf8(stored.message.body).unwrap()).collect()
}

#[test]
fn a_message_is_delivered_when_it_is_due_and_not_before() {
    let parts = TestParts::new();
    let schedule = open(&parts);
    assert_eq!(schedule.deliver_step(now(&parts)), NextStep::OnArrival);
    park_message(&parts, 2, "five seconds");
    park_message(&parts, 1, "one second");
    assert_eq!(schedule.deliver_step(now(&parts)), NextStep::At(Timestamp(1_001_000)));
    assert_eq!(schedule.deliver_step(Timestamp(1_000_999)), NextStep::At(Timestamp(1_001_000)));
    assert!(bodies(&parts).is_empty());
    assert_eq!(schedule.deliver_step(Timestamp(1_001_000)), NextStep::At(Timestamp(1_005_000)));
    assert_eq!(bodies(&parts), ["one second"]);
    assert_eq!(schedule.deliver_step(Timestamp(1_005_000)), NextStep::OnArrival);
    assert_eq!(bodies(&parts), ["one second", "five seconds"]);
}

#[test]
fn a_delivered_message_is_as_it_was_sent() {
    let parts = TestParts::new();
    park_message(&parts, 1, "body");
    open(&parts).deliver_step(Timestamp(1_001_000));
    let [stored] = &parts.read("T", 2)[..] else { panic!("one message") };
    let properties: Vec<(&str, &str)> = stored.message.properties.iter().collect();
    // Java leaves the delay's properties in, too.
    assert_eq!(properties, [("TAGS", "a"), ("DELAY", "1"), ("REAL_TOPIC", "T"), ("REAL_QID", "2")]);
    assert_eq!((stored.message.flag, stored.reconsume_times, stored.born_timestamp.0), (7, 0, 900_000));
    assert_eq!(stored.born_host.to_string(), "10.0.0.1:4000");
    let entries = parts.store.queue_entries("T", 2, QueueOffset(0), 1);
    assert_eq!(entries[0].tags_code, eruca_message::tags_code(Some("a")));
}

#[test]
fn progress_survives_a_killed_broker_and_a_stopped_one() {
    let parts = TestParts::new();
    for body in ["a", "b"] {
        park_message(&parts, 1, body);
    }
    let schedule = open(&parts);
    schedule.deliver_step(Timestamp(1_001_000));
    // Neither persisted nor stopped.
    drop(schedule);
    park_message(&parts, 1, "c");
    let schedule = open(&parts);
    assert_eq!(schedule.offsets()[&1], (QueueOffset(2), QueueOffset(3)));
    schedule.deliver_step(Timestamp(1_001_000));
    assert_eq!(bodies(&parts), ["a", "b", "c"]);
    schedule.persist_step().unwrap();
    drop(schedule);
    let file = parts.directory.path().join("config/delayOffset.json");
    let json = std::fs::read_to_string(&file).unwrap();
    assert!(json.split_whitespace().collect::<String>().contains(r#""offsetTable":{1:3}"#), "{json}");
    let directory = parts.stop();
    let parts = TestParts::in_directory(directory);
    assert_eq!(open(&parts).deliver_step(Timestamp(2_000_000)), NextStep::OnArrival);
    assert_eq!(bodies(&parts), ["a", "b", "c"]);
}

/// A master in a group, whose log may lose what only it has.
#[test]
fn what_was_delivered_and_cut_off_is_delivered_again() {
    let parts = TestParts::new();
    let schedule = open(&parts);
    park_message(&parts, 1, "a");
    parts.store.note_confirmed(Some(parts.store.log_range().1));
    let due = Timestamp(1_001_000);
    assert_eq!(schedule.deliver_step(due), NextStep::At(due.add_ms(CONFIRM_PAUSE_MS)), "to be noted");
    assert_eq!(schedule.offsets().get(&1), None, "slaves do not hear of it");
    schedule.deliver_step(due);
    assert_eq!(bodies(&parts), ["a"]);
    schedule.log_was_cut();
    schedule.deliver_step(due);
    assert_eq!(bodies(&parts), ["a", "a"], "it may have been the copy that was cut off");
    drop(schedule);
    let schedule = open(&parts);
    schedule.deliver_step(due);
    assert_eq!(bodies(&parts), ["a", "a", "a"], "the same after a kill");
    parts.store.note_confirmed(None);
    assert_eq!(schedule.deliver_step(due), NextStep::OnArrival);
    assert_eq!(schedule.offsets()[&1], (QueueOffset(1), QueueOffset(1)));
    drop(schedule);
    assert_eq!(open(&parts).deliver_step(due), NextStep::OnArrival);
    assert_eq!(bodies(&parts).len(), 3);
}

#[test]
fn many_due_messages_come_in_bounded_batches_and_in_order() {
    let parts = TestParts::new();
    for number in 0..600 {
        park_message(&parts, 1, &format!("{number:03}"));
    }
    let schedule = open(&parts);
    let mut steps = 1;
    while schedule.deliver_step(Timestamp(1_001_000)) == NextStep::Now {
        steps += 1;
    }
    assert_eq!(steps, 3);
    assert_eq!(parts.store.queue_range("T", 2).max, QueueOffset(600));
}

#[test]
fn what_can_never_be_delivered_is_passed_over() {
    let parts = TestParts::new();
    for properties in [
        "DELAY\x011\x02",
        "REAL_TOPIC\x01T\x02REAL_QID\x01x\x02",
        "REAL_TOPIC\x01RMQ_SYS_TRANS_HALF_TOPIC\x02REAL_QID\x010\x02",
    ] {
        parts.store(SCHEDULE_TOPIC, 0, "bad", properties.as_bytes());
    }
    park_message(&parts, 1, "good");
    assert_eq!(open(&parts).deliver_step(Timestamp(1_001_000)), NextStep::OnArrival);
    assert_eq!(bodies(&parts), ["good"]);
}

#[test]
fn a_message_of_a_clock_that_was_far_ahead_is_delivered_now() {
    let parts = TestParts::new();
    parts.clock.set(Timestamp(900_000_000));
    park_message(&parts, 1, "from the future");
    parts.clock.set(Timestamp(1_000_000));
    open(&parts).deliver_step(now(&parts));
    assert_eq!(bodies(&parts), ["from the future"]);
}

#[test]
fn messages_wait_while_the_store_takes_none() {
    let parts = TestParts::new();
    park_message(&parts, 1, "patient");
    let schedule = open(&parts);
    parts.store.close().unwrap();
    let due = Timestamp(1_001_000);
    assert_eq!(schedule.deliver_step(due), NextStep::At(due.add_ms(STUCK_PAUSE_MS)));
    assert_eq!(schedule.offsets().get(&1), None, "it is not delivered");
}

/// As the broker's listener.
struct Listener(Arc<DelaySchedule>);

impl ArrivalListener for Listener {
    fn arrived(&self, arrivals: &[Arrival]) {
        self.0.arrived(arrivals);
    }
}

#[test]
fn the_thread_is_woken_by_what_arrives_and_delivers_nothing_early() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = StoreConfig::new(directory.path());
    config.segment_size_bytes = 1 << 20;
    config.disk_warning_ratio = 1.0;
    config.disk_clean_forcibly_ratio = 1.0;
    config.disk_max_used_ratio = 1.0;
    config.delay_levels = eruca_message::DelayLevels::parse("1s 1h").unwrap();
    let clock = Arc::new(SystemClock);
    let (store, _) = MessageStore::open(config, Arc::new(RealDisk), clock.clone()).unwrap();
    let store = Arc::new(store);
    let schedule = Arc::new(
        DelaySchedule::open(&directory.path().join("config"), store.clone(), clock.clone()).unwrap(),
    );
    assert!(store.set_arrival_listener(Arc::new(Listener(schedule.clone()))));
    let (arrived, delivered) = std::sync::mpsc::channel();
    let thread = std::thread::spawn({
        let schedule = schedule.clone();
        move || {
            schedule.run();
            arrived.send(()).unwrap();
        }
    });
    let park_for = |level: i32| {
        let mut properties = Properties::default();
        let queue_id = park_level(&mut properties, level, 2, "T", 0);
        let properties = properties.to_bytes();
        let host = "127.0.0.1:1".parse().unwrap();
        let appended = store.append(&eruca_store::AppendMessage {
            topic: SCHEDULE_TOPIC,
            queue_id,
            flag: 0,
            sys_flag: 0,
            born_timestamp: clock.now(),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: b"x",
            properties: &properties,
        });
        store.settle().unwrap();
        appended.unwrap().store_timestamp
    };
    park_for(2);
    let stored_at = park_for(1);
    let bound = clock.now().add_ms(20_000);
    while store.queue_range("T", 0).max == QueueOffset(0) {
        assert!(clock.now() < bound, "not delivered");
        // Nothing but waiting for the condition: the channel never brings anything before the stop.
        assert!(delivered.recv_timeout(Duration::from_millis(5)).is_err());
    }
    let delivered_at = store.store_time_at("T", 0, QueueOffset(0)).unwrap();
    assert!(delivered_at >= stored_at.add_ms(1_000), "{delivered_at} is before {stored_at} + 1 s");
    schedule.stop();
    thread.join().unwrap();
    assert_eq!(store.queue_range("T", 0).max, QueueOffset(1));
}
