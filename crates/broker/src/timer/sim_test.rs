//! Timers on a simulated disk: random messages, recalls, kills and power cuts from a seed, against a simple model.
//!
//! `TIMER_SEEDS=5000 cargo test -p eruca-broker --release timer::sim` plays more of them; `TIMER_SEED=17` one alone.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{Clock, ManualClock, Properties, QueueOffset, Record, Timestamp, properties};
use eruca_store::{
    AppendMessage, FlushMode, MessageStore, StoreConfig, TimerSettings,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};

use super::{
    engine::{Engine, NextStep, Rules},
    engine_test::RULES,
};
use crate::{config::BrokerConfig, delay::Parking, settings::Settings, stats::BrokerStats};

const SEEDS: u64 = 24;
/// One that once found what the first ones do not: units behind a hole, which a power cut left, came back into a log that had grown.
const FOUND: u64 = 88;
const STEPS: usize = 160;
/// Steps of the run that is broken off before each of them.
const BROKEN_OFF_STEPS: usize = 40;
/// So many of a hundred steps are calm.
const CALM: u64 = 93;
const START: i64 = 1_700_000_000_000;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    Killed,
    PowerCut,
}

/// What is known of one message.
#[derive(Debug, Default)]
struct Sent {
    due: i64,
    /// Its producer was told that it is stored.
    is_acknowledged: bool,
    /// Somebody was told, before its time, that it is recalled.
    is_recalled: bool,
    /// A recall may have been stored.
    may_be_recalled: bool,
}

struct World {
    seed: u64,
    random: u64,
    disk: SimDisk,
    clock: Arc<ManualClock>,
    parking: Parking,
    stats: BrokerStats,
    rules: Rules,
    mode: FlushMode,
    running: Option<(MessageStore, Engine)>,
    sent: BTreeMap<String, Sent>,
    /// Ends in the midst of an operation, after which the last batch may come again.
    crashes: usize,
}

impl World {
    fn new(seed: u64) -> World {
        let clock = Arc::new(ManualClock::new(Timestamp(START)));
        let config = BrokerConfig { timer_max_delay_sec: 1 << 30, ..BrokerConfig::default() };
        let mut world = World {
            seed,
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            disk: SimDisk::new(seed),
            parking: Parking::new(Arc::new(Settings::new(config)), 18),
            stats: BrokerStats::new(clock.clone()),
            clock,
            rules: RULES,
            mode: if seed.is_multiple_of(2) { FlushMode::Sync } else { FlushMode::Async },
            running: None,
            sent: BTreeMap::new(),
            crashes: 0,
        };
        if seed.is_multiple_of(3) {
            world.rules.window_ms = 6_000;
        }
        world.disk.tear_sectors(false);
        world.open();
        world
    }

    fn below(&mut self, end: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 8) % end
    }

    fn open(&mut self) {
        let mut config = StoreConfig::new("/s");
        config.segment_size_bytes = 64 << 10;
        config.queue_file_size_bytes = 2_000;
        config.flush_mode = self.mode;
        config.index_enabled = false;
        (config.disk_warning_ratio, config.disk_clean_forcibly_ratio, config.disk_max_used_ratio) =
            (1.0, 1.0, 1.0);
        let disk = Arc::new(self.disk.clone());
        let (store, _) = MessageStore::open(config, disk, self.clock.clone()).unwrap();
        let settings = TimerSettings { log_file_bytes: 4 << 10, precision_ms: 1_000 };
        let files = store.open_timers(settings, self.clock.now()).unwrap();
        self.running = Some((store, Engine::new(files)));
    }

    /// Stores one message; whether it is acknowledged.
    fn append(&mut self, properties: &[(&str, String)]) -> bool {
        let Some((store, _)) = &self.running else { return false };
        let mut table = Properties::new();
        properties.iter().for_each(|(name, value)| table.set(*name, value.as_str()));
        let host = "10.0.0.1:4000".parse().unwrap();
        let message = AppendMessage {
            topic: "T",
            queue_id: 0,
            flag: 0,
            sys_flag: 0,
            born_timestamp: self.clock.now(),
            born_host: host,
            store_host: host,
            reconsume_times: 0,
            prepared_transaction_offset: 0,
            body: &[7; 60],
            properties: &table.to_bytes(),
        };
        let appended = self.parking.append(store, &message, self.clock.now());
        let settled = appended.is_ok() && store.settle().is_ok();
        settled && (self.mode == FlushMode::Async || store.flush_step().is_ok())
    }

    fn send(&mut self) {
        let id = format!("m{}", self.sent.len());
        let now = self.clock.now().0;
        let mut due = now + self.below(15_000) as i64;
        if self.below(4) == 0 {
            due -= due % 1_000;
        }
        // Known before it is sent: it may arrive without having been acknowledged.
        self.sent.insert(id.clone(), Sent { due: due.max(now), ..Sent::default() });
        let acknowledged = self.append(&[
            ("TIMER_DELIVER_MS", due.to_string()),
            ("UNIQ_KEY", id.clone()),
            ("id", id.clone()),
        ]);
        self.sent.get_mut(&id).unwrap().is_acknowledged = acknowledged;
    }

    fn recall(&mut self) {
        let now = self.clock.now().0;
        let place = self.below(self.sent.len().max(1) as u64) as usize;
        let Some((id, sent)) = self.sent.iter_mut().nth(place) else { return };
        if !sent.is_acknowledged || sent.due <= now {
            return;
        }
        sent.may_be_recalled = true;
        let (id, due) = (id.clone(), sent.due);
        let recalled =
            self.append(&[("TIMER_DELIVER_MS", due.to_string()), ("TIMER_DEL_UNIQKEY", id.clone())]);
        if recalled {
            self.sent.get_mut(&id).unwrap().is_recalled = true;
        }
    }

    fn engine_step(&mut self) -> NextStep {
        let now = self.clock.now();
        match &mut self.running {
            Some((store, engine)) => engine.step(store, &self.stats, &self.rules, now).next,
            None => NextStep::OnArrival,
        }
    }

    fn flush(&mut self) {
        let now = self.clock.now();
        let Some((store, engine)) = &mut self.running else { return };
        let Some(flush) = engine.files.begin_flush(now) else { return };
        if store.flush_step().is_err() || flush.run().is_err() {
            return;
        }
        if let Ok(check) = engine.files.end_flush(&flush) {
            let _ = flush.finish(&*check);
        }
    }

    fn end(&mut self, end: End) {
        let Some((store, engine)) = self.running.take() else { return };
        drop(engine);
        match end {
            End::Closed => drop(store.close()),
            End::Killed | End::PowerCut => drop(store),
        }
        match end {
            End::Closed | End::Killed => self.disk.kill(),
            End::PowerCut => {
                self.disk.power_cut();
                self.crashes += 1;
                if self.mode == FlushMode::Async {
                    // What was acknowledged may be lost, and so may recalls.
                    for sent in self.sent.values_mut() {
                        (sent.is_acknowledged, sent.is_recalled) = (false, false);
                    }
                }
            }
        }
        self.open();
    }

    /// How often each message came; each of them is checked for its time.
    fn delivered(&self) -> BTreeMap<String, usize> {
        let (store, _) = self.running.as_ref().unwrap();
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for entry in store.queue_entries("T", 0, QueueOffset(0), 100_000) {
            let record = store.record_at(entry.log_offset).unwrap().unwrap();
            let fields = Record::decode(&record).unwrap().fields;
            let id = properties::find_str(fields.properties, "id").unwrap();
            let late_ms = fields.store_timestamp.0 - self.sent[id].due;
            assert!(late_ms >= 0, "seed {}: {id} came {} ms early", self.seed, -late_ms);
            *times.entry(id.to_owned()).or_default() += 1;
        }
        times
    }

    /// One read of a step fails, and no other.
    fn fail_a_read(&mut self) {
        let kind = FaultKind::Fail(std::io::ErrorKind::Other);
        let fault = Fault { op: SimOp::Read, after: self.below(8), kind };
        self.disk.inject(fault);
        self.engine_step();
        self.disk.disarm();
    }

    /// A step in which nothing ends or fails; `which` is below [`CALM`].
    fn calm_step(&mut self, which: u64) {
        match which {
            0..40 => self.send(),
            40..52 => self.recall(),
            52..80 => drop(self.engine_step()),
            80..86 => {
                let ms = 1 + self.below(900) as i64;
                self.clock.advance_ms(ms);
            }
            86..91 => self.flush(),
            _ => {
                if let Some((store, _)) = &self.running {
                    let _ = store.queue_flush_step();
                }
            }
        }
    }

    fn play(&mut self) {
        for _ in 0..STEPS {
            match self.below(100) {
                calm @ 0..CALM => self.calm_step(calm),
                CALM..96 => {
                    let fault = Fault {
                        op: SimOp::Change,
                        after: self.below(12),
                        kind: FaultKind::Crash(self.below(200) as usize),
                    };
                    self.disk.inject(fault);
                    self.engine_step();
                    self.flush();
                    self.send();
                    self.crashes += 1;
                    let end = if self.below(2) == 0 { End::Killed } else { End::PowerCut };
                    self.end(end);
                }
                96 => self.end(End::Closed),
                97 => self.end(End::PowerCut),
                98 => self.fail_a_read(),
                _ => self.end(End::Killed),
            }
        }
    }

    /// Lets all time pass.
    fn finish(&mut self) {
        for _ in 0..100_000 {
            match self.engine_step() {
                NextStep::Now => {}
                NextStep::At(at) => self.clock.set(at),
                NextStep::OnArrival => return,
            }
        }
        panic!("seed {}: no end", self.seed);
    }

    fn check(&self) {
        let times = self.delivered();
        for (id, sent) in &self.sent {
            let count = times.get(id).copied().unwrap_or(0);
            let seed = self.seed;
            if sent.is_recalled {
                assert_eq!(count, 0, "seed {seed}: {id} came though its recall was acknowledged, {sent:?}");
            } else if sent.is_acknowledged && !sent.may_be_recalled {
                assert!(count >= 1, "seed {seed}: {id} did not come, {sent:?}");
            }
            let limit = 1 + self.crashes;
            assert!(count <= limit, "seed {seed}: {id} came {count} times after {} crashes", self.crashes);
        }
        let (_, engine) = self.running.as_ref().unwrap();
        assert_eq!(engine.files.next_slot(engine.files.delivered().before), None, "seed {}", self.seed);
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn whatever_happens_each_comes_in_time_and_a_recalled_one_does_not() {
    let seeds = match number("TIMER_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("TIMER_SEEDS").unwrap_or(SEEDS)).chain([FOUND]).collect(),
    };
    let mut delivered = 0;
    for seed in seeds {
        let mut world = World::new(seed);
        world.play();
        world.finish();
        world.check();
        delivered += world.delivered().len();
    }
    assert!(delivered > 0);
}

#[test]
fn wherever_it_is_broken_off_a_run_ends_alike() {
    // Acknowledged when the disk has it, so that power cuts lose nothing either.
    const SEED: u64 = 2;
    for end in [End::Killed, End::PowerCut] {
        for at in 0..BROKEN_OFF_STEPS {
            let mut world = World::new(SEED);
            assert_eq!(world.mode, FlushMode::Sync);
            for step in 0..BROKEN_OFF_STEPS {
                if step == at {
                    world.end(end);
                }
                let which = world.below(CALM);
                world.calm_step(which);
            }
            world.finish();
            world.check();
            let recalled = world.sent.values().filter(|sent| sent.is_recalled).count();
            assert!(
                recalled > 0 && world.delivered().len() == world.sent.len() - recalled,
                "{end:?} at {at}"
            );
        }
    }
}
