//! The engine against a real store, with the clock in the test's hand.

use std::collections::BTreeMap;

use eruca_message::{Clock, Properties, QueueOffset, StoredMessage, Timestamp, names::TIMER_TOPIC};
use eruca_store::{AppendMessage, TimerSettings};
use tempfile::TempDir;

use super::{
    engine::{CONFIRM_PAUSE_MS, Engine, NextStep, Rules},
    following::Progress,
};
use crate::handler::test_parts::{BROKER, TestParts};

pub(super) const RULES: Rules = Rules { window_ms: 172_800_000, stop_enqueue: false, stop_dequeue: false };

struct Timers {
    parts: TestParts,
    engine: Engine,
    rules: Rules,
}

impl Timers {
    fn over(parts: TestParts) -> Timers {
        let engine = open(&parts);
        Timers { parts, engine, rules: RULES }
    }

    fn new() -> Timers {
        Self::over(TestParts::new())
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// Sends as a producer does; it is visible then.
    fn send(&self, topic: &str, body: &str, properties: &[(&str, String)]) {
        let mut table = Properties::new();
        for (name, value) in properties {
            table.set(*name, value.as_str());
        }
        let host = BROKER.parse().unwrap();
        let message = AppendMessage {
            topic,
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: self.now(),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: body.as_bytes(),
            properties: &table.to_bytes(),
        };
        self.parts.parking.append(&self.parts.store, &message, self.now()).unwrap();
        self.parts.store.settle().unwrap();
    }

    fn send_at(&self, body: &str, at: i64) {
        self.send("T", body, &[("TIMER_DELIVER_MS", at.to_string()), ("UNIQ_KEY", body.to_owned())]);
    }

    fn recall(&self, body: &str, at: i64) {
        let properties = [("TIMER_DELIVER_MS", at.to_string()), ("TIMER_DEL_UNIQKEY", body.to_owned())];
        self.send("T", "0", &properties);
    }

    /// All steps that are due now; when the next one is.
    fn run(&mut self) -> NextStep {
        for _ in 0..10_000 {
            let now = self.now();
            let step = self.engine.step(&self.parts.store, &self.parts.stats, &self.rules, now);
            match step.next {
                NextStep::Now => {}
                NextStep::At(at) => {
                    assert!(at > now, "it would not sleep");
                    return step.next;
                }
                NextStep::OnArrival => return step.next,
            }
        }
        panic!("no end");
    }

    /// Lets time pass until `until`, waking as the schedule would; when each message was delivered.
    fn run_until(&mut self, until: i64) -> BTreeMap<String, i64> {
        let mut seen = BTreeMap::new();
        loop {
            let next = self.run();
            for message in self.delivered() {
                seen.entry(message).or_insert(self.now().0);
            }
            match next {
                NextStep::At(at) if at.0 <= until => self.parts.clock.set(at),
                _ => break,
            }
        }
        self.parts.clock.set(Timestamp(until));
        seen
    }

    fn messages(&self) -> Vec<StoredMessage> {
        let store = &self.parts.store;
        let entries = store.queue_entries("T", 0, QueueOffset(0), 100_000);
        let records = entries.iter().map(|entry| store.record_at(entry.log_offset).unwrap().unwrap());
        records.map(|record| StoredMessage::decode_all(&record).unwrap().remove(0)).collect()
    }

    fn delivered(&self) -> Vec<String> {
        self.messages()
            .iter()
            .map(|stored| String::from_utf8(stored.message.body.to_vec()).unwrap())
            .collect()
    }

    fn flush(&mut self) {
        self.parts.store.flush_step().unwrap();
        if let Some(flush) = self.engine.files.begin_flush(self.now()) {
            flush.run().unwrap();
            let check = self.engine.files.end_flush(&flush).unwrap();
            flush.finish(&*check).unwrap();
        }
    }

    /// The process is killed and started again.
    fn killed(self) -> Timers {
        let Timers { parts, engine, rules } = self;
        drop(engine);
        let now = parts.clock.now();
        let directory = parts.stop();
        let parts = at(directory, now);
        let engine = open(&parts);
        Timers { parts, engine, rules }
    }
}

fn at(directory: TempDir, now: Timestamp) -> TestParts {
    let parts = TestParts::in_directory(directory);
    parts.clock.set(now);
    parts
}

fn open(parts: &TestParts) -> Engine {
    let settings = TimerSettings { log_file_bytes: 16 << 10, precision_ms: 1_000 };
    Engine::new(parts.store.open_timers(settings, parts.clock.now()).unwrap())
}

#[test]
fn each_is_delivered_at_its_millisecond_in_the_order_of_time() {
    let mut timers = Timers::new();
    // It is 1,000,000.
    let times = [1_005_500, 1_003_000, 1_000_001, 1_003_001, 1_003_999, 1_900_000, 1_003_000];
    for (place, time) in times.iter().enumerate() {
        timers.send_at(&format!("{time}-{place}"), *time);
    }
    let seen = timers.run_until(2_000_000);
    assert_eq!(seen.len(), times.len());
    for (name, at) in &seen {
        assert_eq!(name.split('-').next().unwrap(), at.to_string(), "neither early nor late");
    }
    let order = timers.delivered();
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(order, sorted, "those of one time in the order in which they were sent");
    assert_eq!(timers.engine.files.count(), 0);
    assert_eq!(timers.run(), NextStep::OnArrival, "nothing wakes it any more");
    let first = &timers.messages()[0];
    assert_eq!(first.queue_id, 0);
    let property = |name| first.message.properties.get(name);
    assert_eq!((property("TIMER_OUT_MS"), property("REAL_TOPIC")), (Some("1000000"), Some("T")));
    assert_eq!(
        (property("TIMER_ENQUEUE_MS"), property("TIMER_DEQUEUE_MS")),
        (Some("1000000"), Some("1000001"))
    );
    assert_eq!(timers.parts.stats.put_total(), times.len() as u64);
}

#[test]
fn what_was_due_while_it_waited_for_the_engine_is_delivered_at_once() {
    let mut timers = Timers::new();
    timers.run();
    timers.send_at("late", 1_002_500);
    timers.send_at("later", 1_010_000);
    timers.parts.clock.set(Timestamp(1_009_000));
    timers.run();
    assert_eq!(timers.delivered(), ["late"]);
    // Its slot is over already.
    timers.send_at("x", 1_009_001);
    timers.parts.clock.set(Timestamp(1_011_000));
    timers.run();
    timers.parts.clock.set(Timestamp(1_012_000));
    timers.run();
    assert_eq!(timers.delivered(), ["late", "x", "later"]);
}

#[test]
fn a_recalled_message_is_not_delivered_and_others_are() {
    let mut timers = Timers::new();
    timers.send_at("before", 1_005_000);
    timers.send_at("stays", 1_005_000);
    timers.run();
    timers.recall("before", 1_005_000);
    timers.send_at("loaded", 1_005_500);
    timers.parts.clock.set(Timestamp(1_004_600));
    timers.run();
    // Its slot is in memory by now.
    timers.recall("loaded", 1_005_500);
    timers.recall("gone", 1_005_500);
    let seen = timers.run_until(1_010_000);
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), ["stays"]);
}

#[test]
fn a_recall_that_was_acknowledged_in_time_is_heeded_however_much_came_before_it() {
    let mut timers = Timers::new();
    timers.send_at("recalled", 1_005_000);
    timers.run();
    timers.parts.clock.set(Timestamp(1_004_999));
    for number in 0..2_500 {
        timers.send_at(&format!("other-{number}"), 1_900_000);
    }
    timers.recall("recalled", 1_005_000);
    timers.parts.clock.set(Timestamp(1_005_000));
    timers.run();
    assert_eq!(timers.delivered(), [""; 0]);
}

#[test]
fn far_times_are_waited_for_on_the_way() {
    let mut timers = Timers::new();
    timers.rules.window_ms = 30_000;
    timers.send_at("far", 1_100_500);
    timers.send_at("recalled", 1_090_000);
    timers.run();
    timers.recall("recalled", 1_090_000);
    let seen = timers.run_until(1_200_000);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [("far".to_owned(), 1_100_500)]);
    let stored = &timers.messages()[0];
    assert_eq!(stored.message.properties.get("TIMER_ROLL_TIMES"), Some("3"));
    assert!(timers.parts.store.queue_range(TIMER_TOPIC, 0).max.0 > 6, "it was parked anew");
}

#[test]
fn a_restart_keeps_what_waits_and_does_not_deliver_again() {
    for flush_at in [None, Some(1_002_000), Some(1_004_600)] {
        let mut timers = Timers::new();
        for number in 0..400 {
            timers.send_at(&format!("{}", 1_001_000 + number * 20), 1_001_000 + number * 20);
        }
        let mut until = 1_000_000;
        while until < 1_010_000 {
            until += 700;
            timers.run_until(until);
            if flush_at.is_some_and(|at| at < until) {
                timers.flush();
            }
            timers = timers.killed();
        }
        timers.run_until(1_020_000);
        let delivered = timers.delivered();
        assert_eq!(delivered.len(), 400, "each once, with a flush from {flush_at:?} on");
        assert_eq!(timers.engine.files.count(), 0);
    }
}

#[test]
fn a_wheel_that_is_lost_or_does_not_fit_is_made_anew() {
    for damage in ["missing", "short", "garbage", "snapshot"] {
        let mut timers = Timers::new();
        for number in 0..50 {
            timers.send_at(&number.to_string(), 1_010_000 + number * 100);
        }
        timers.run();
        timers.flush();
        let Timers { parts, engine, .. } = timers;
        drop(engine);
        let directory = parts.stop();
        let wheel = directory.path().join("timerwheel");
        match damage {
            "missing" => std::fs::remove_file(&wheel).unwrap(),
            "short" => std::fs::write(&wheel, b"x").unwrap(),
            "snapshot" => std::fs::write(directory.path().join("timerwheel.2600"), b"").unwrap(),
            _ => {
                // The slot of 1,012,000 means a unit behind the end.
                let mut bytes = std::fs::read(&wheel).unwrap();
                bytes[1_012 * 32 + 16..1_012 * 32 + 24].copy_from_slice(&99_999i64.to_be_bytes());
                std::fs::write(&wheel, bytes).unwrap();
            }
        }
        let mut timers = Timers::over(at(directory, Timestamp(1_005_000)));
        timers.run_until(1_030_000);
        assert_eq!(timers.delivered().len(), 50, "{damage}");
    }
}

#[test]
fn a_clock_that_is_set_back_delivers_nothing_early() {
    let mut timers = Timers::new();
    timers.send_at("first", 1_500_000);
    timers.run_until(1_600_000);
    timers.parts.clock.set(Timestamp(1_200_000));
    timers.send_at("second", 1_300_000);
    timers.run();
    assert_eq!(timers.delivered(), ["first"]);
    let seen = timers.run_until(1_400_000);
    assert_eq!(seen["second"], 1_300_000);
    assert_eq!(timers.delivered(), ["first", "second"], "what was delivered is not delivered again");
}

#[test]
fn messages_that_say_nothing_useful_disturb_no_others() {
    let mut timers = Timers::new();
    let parts = &timers.parts;
    parts.store(TIMER_TOPIC, 0, "no time", b"REAL_TOPIC\x01T\x02REAL_QID\x010\x02");
    parts.store(TIMER_TOPIC, 0, "no topic", b"TIMER_OUT_MS\x011004999\x02REAL_QID\x010\x02");
    parts.store(
        TIMER_TOPIC,
        0,
        "bad topic",
        b"TIMER_OUT_MS\x011004999\x02REAL_TOPIC\x01a/b\x02REAL_QID\x010\x02",
    );
    parts.store(TIMER_TOPIC, 0, "bad recall", b"TIMER_OUT_MS\x011004999\x02TIMER_DEL_UNIQKEY\x01K\x02");
    timers.send_at("good", 1_005_000);
    timers.run_until(1_010_000);
    assert_eq!(timers.delivered(), ["good"]);
}

#[test]
fn the_operator_can_stop_taking_in_and_delivering() {
    let mut timers = Timers::new();
    timers.rules.stop_enqueue = true;
    timers.send_at("one", 1_002_000);
    timers.run();
    assert_eq!(timers.engine.files.queue_offset().0, 0);
    timers.rules = Rules { stop_dequeue: true, ..RULES };
    timers.parts.clock.set(Timestamp(1_003_000));
    timers.run();
    assert_eq!((timers.engine.files.queue_offset().0, timers.delivered().len()), (1, 0));
    timers.rules = RULES;
    timers.run();
    assert_eq!(timers.delivered(), ["one"]);
}

/// A master in a group, whose log may lose what only it has.
#[test]
fn what_was_delivered_and_cut_off_is_delivered_again() {
    let mut timers = Timers::new();
    let confirm = |timers: &Timers, is_all: bool| {
        let end = timers.parts.store.log_range().1;
        timers.parts.store.note_confirmed((!is_all).then_some(end));
    };
    let cut = |timers: &mut Timers| timers.engine.log_was_cut(&timers.parts.store);
    let start = timers.now();
    timers.send_at("waits", start.add_ms(1_500).0);
    timers.run();
    confirm(&timers, false);
    timers.parts.clock.set(start.add_ms(5_000));
    let look = NextStep::At(start.add_ms(5_000 + CONFIRM_PAUSE_MS));
    assert_eq!(
        (timers.run(), timers.delivered()),
        (look, vec!["waits".to_owned()]),
        "its slot is not finished"
    );
    cut(&mut timers);
    assert_eq!((timers.run(), timers.delivered().len()), (look, 2));
    confirm(&timers, true);
    assert_eq!((timers.run(), timers.delivered().len()), (NextStep::OnArrival, 2));

    // What is due when it is taken in is delivered at once.
    timers.rules.stop_enqueue = true;
    timers.send_at("late", start.add_ms(6_000).0);
    timers.parts.clock.set(start.add_ms(9_000));
    timers.run();
    timers.rules = RULES;
    confirm(&timers, false);
    let look = NextStep::At(start.add_ms(9_000 + CONFIRM_PAUSE_MS));
    assert_eq!((timers.run(), timers.delivered().len()), (look, 3));
    assert_eq!((timers.run(), timers.delivered().len()), (look, 3), "once");
    cut(&mut timers);
    assert_eq!((timers.run(), timers.delivered().len()), (look, 4));
    confirm(&timers, true);
    assert_eq!((timers.run(), timers.delivered().len()), (NextStep::OnArrival, 4));
}

#[test]
fn what_another_broker_delivered_is_dropped_but_for_pops_that_it_did_not_come_to() {
    let mut timers = Timers::new();
    let start = timers.now();
    let at = |s: i64| start.add_ms(s * 1_000).0;
    let revive = |timers: &Timers, body: &str, out: i64| {
        let properties = [("TIMER_DELIVER_MS", out.to_string()), ("UNIQ_KEY", body.to_owned())];
        timers.send("rmq_sys_REVIVE_LOG_c", body, &properties);
    };
    timers.send_at("delivered there", at(10));
    revive(&timers, "dealt with", at(10));
    timers.send_at("still waits", at(30));
    timers.run();
    // Not taken in here before this broker was lost.
    timers.send_at("delivered there, too", at(11));
    revive(&timers, "open", at(12));
    timers.parts.clock.advance_ms(20_000);
    let range = timers.parts.store.queue_range(TIMER_TOPIC, 0);
    let progress =
        Progress { read: timers.now(), taken: range.max, keep_pops_after: Some(Timestamp(at(12))) };
    let Timers { parts, engine, rules } = &mut timers;
    let is_more = engine.follow(&parts.store, &parts.stats, rules, &progress, parts.clock.now()).unwrap();
    assert!(!is_more);
    let bodies = |topic: &str| -> Vec<String> {
        let read = parts.read(topic, 0).into_iter();
        read.map(|message| String::from_utf8_lossy(&message.message.body).into_owned()).collect()
    };
    assert_eq!(bodies("rmq_sys_REVIVE_LOG_c"), ["open"], "a check point is delivered 1 s before its time");
    assert_eq!(bodies("T"), Vec::<String>::new());
    engine.take_up(&parts.store);
    timers.parts.clock.advance_ms(20_000);
    timers.run();
    assert_eq!(timers.delivered(), ["still waits"]);
}
