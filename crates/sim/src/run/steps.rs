//! The steps of a run, each with what the model says to it.

use std::{rc::Rc, sync::Arc};

use eruca_message::Timestamp;
use eruca_store::{
    AppendError, Boundary, IndexStep, MessageStore, ReadLimits, WriteState, WriteStopped,
    disk::{FaultRates, SimDisk},
};

use crate::{
    clock::{START, SimClock},
    model::{Key, Model, ModelRecord},
    oracle::{
        self, BeforeExpiry, Crash, Ears, Marks, Question, Verdict, Violation, Waiters, expect, expect_eq,
        keys_of,
    },
    random::Random,
    scenario::{KEPT_TOPIC, Scenario},
    trace::Trace,
    workload::{Draft, Step},
};

/// Staged bytes at which the run settles: behind a MiB an append would do so by itself.
const STAGED_MAX: u64 = 512 << 10;
const REFUSED: &str = "appends are refused for a reason only";

/// A run on its way.
pub(super) struct Run {
    pub(super) step: u64,
    pub(super) what: String,
    pub(super) random: Random,
    pub(super) scenario: Scenario,
    pub(super) clock: SimClock,
    pub(super) disk: SimDisk,
    pub(super) store: Option<MessageStore>,
    pub(super) model: Model,
    pub(super) trace: Trace,
    pub(super) crashes: u64,
    /// What the next crash of a dying process is.
    pub(super) next_crash: Crash,
    pub(super) ears: Ears,
    pub(super) waiters: Waiters,
    pub(super) marks: Marks,
    /// What the store's state was after the last step.
    pub(super) state: WriteState,
}

impl Run {
    pub(super) fn new(seed: u64, disk: SimDisk, print: bool) -> Run {
        let mut random = Random::new(seed);
        let scenario = Scenario::draw(&mut random);
        let clock = SimClock::new();
        disk.set_clock(clock.shared());
        disk.tear_sectors(scenario.tear_sectors);
        let mut trace = Trace::new(print);
        trace.line(format_args!("seed {seed}: {scenario:?}"));
        Run {
            step: 0,
            what: "open".to_owned(),
            random,
            scenario,
            clock,
            disk,
            store: None,
            model: Model::default(),
            trace,
            crashes: 0,
            next_crash: Crash::Kill,
            ears: Ears::default(),
            waiters: Waiters::default(),
            marks: Marks::default(),
            state: WriteState::Open,
        }
    }

    /// Steps, crashes, simulated ms, hash of the trace.
    pub(super) fn counts(&self) -> (u64, u64, i64, u64) {
        (self.step, self.crashes, self.clock.now().ms_since(START), self.trace.hash())
    }

    /// Plays all steps.
    pub(super) fn play_all(&mut self) -> Verdict {
        self.open(Crash::Closed)?;
        while self.model.log.is_empty() {
            self.append_one(|draft| draft.for_topic(KEPT_TOPIC))?;
        }
        self.settle()?;
        self.queue_flush()?;
        self.disk.set_capacity(self.scenario.capacity);
        while self.step < self.scenario.steps {
            self.step += 1;
            self.clock.pass(&mut self.random);
            let step = Step::draw(&mut self.random, &self.scenario);
            self.what = format!("{step:?}");
            self.disk.set_rates(self.scenario.rates);
            self.play(step)?;
            self.disk.set_rates(FaultRates::default());
            self.after()?;
        }
        self.what = "end".to_owned();
        self.settle()?;
        self.reopen()?;
        self.all_visible()
    }

    fn play(&mut self, step: Step) -> Verdict {
        match step {
            Step::Append => self.append_one(|draft| draft),
            Step::AppendBatch => self.append_batch(),
            Step::Settle => self.settle(),
            Step::OnFlushed => self.on_flushed(),
            Step::Flush => self.flush(),
            Step::QueueFlush => self.queue_flush(),
            Step::Space => {
                self.store().space_step();
                Ok(())
            }
            Step::Retention => self.retention(true),
            Step::DeleteExpired => self.retention(false),
            Step::DeleteTopic => self.delete_topic(),
            Step::Read => self.read(),
            Step::ReadRecord => self.read_record(),
            Step::ReadTime => self.read_time(),
            Step::ReadAll => self.all_visible(),
            Step::Index => self.index(),
            Step::Query => self.query(),
            Step::FillDisk => {
                let room = self.random.below(20_000);
                self.disk.set_capacity(Some(self.disk.used_bytes() + room));
                Ok(())
            }
            Step::FreeDisk => {
                self.disk.set_capacity(self.scenario.capacity);
                self.store().space_step();
                Ok(())
            }
            Step::Reopen => self.reopen(),
            Step::Kill => self.crash(Crash::Kill),
            Step::PowerCut => self.crash(Crash::PowerCut),
            Step::CrashSoon => {
                self.crash_soon();
                Ok(())
            }
        }
    }

    /// What must hold after every step.
    fn after(&mut self) -> Verdict {
        if self.disk.is_dead() {
            let crash = self.next_crash;
            self.line(format_args!("the process died, {crash:?}"));
            self.crash(crash)?;
        }
        let store = self.store();
        let (state, marks) = (store.write_state(), store.watermarks());
        oracle::gate(&self.state, &state)?;
        self.state = state;
        self.learn_flushed()?;
        let store = self.store.take();
        let verdict = store.as_ref().map_or(Ok(()), |store| self.marks.look(store));
        self.store = store;
        verdict?;
        let state = match &self.state {
            WriteState::Open => "open",
            WriteState::Stopped(WriteStopped::DiskFull { .. }) => "full",
            WriteState::Stopped(_) => "stopped",
        };
        let used = self.disk.used_bytes();
        self.line(format_args!("{marks:?} {state} {used} used"));
        Ok(())
    }

    pub(super) fn line(&mut self, rest: std::fmt::Arguments<'_>) {
        let (step, what, now) = (self.step, std::mem::take(&mut self.what), self.clock.now());
        self.trace.line(format_args!("{step} {now} {what}: {rest}"));
        self.what = what;
    }

    pub(super) fn store(&self) -> &MessageStore {
        self.store.as_ref().expect("a store is open between two steps")
    }

    fn append_one(&mut self, change: impl FnOnce(Draft) -> Draft) -> Verdict {
        let draft = Draft::draw(&mut self.random, &self.scenario, self.clock.now(), self.model.log_end);
        self.append(vec![change(draft)])
    }

    fn append_batch(&mut self) -> Verdict {
        let now = self.clock.now();
        let first = Draft::draw(&mut self.random, &self.scenario, now, self.model.log_end);
        let mut batch = vec![first];
        for _ in 0..self.random.below(8) {
            let next = batch[0].draw_like(&mut self.random, now);
            batch.push(next);
        }
        self.append(batch)
    }

    fn append(&mut self, batch: Vec<Draft>) -> Verdict {
        let segment = self.scenario.config.segment_size_bytes;
        let body_max = self.scenario.config.max_message_size_bytes;
        let whole: u64 = batch.iter().map(Draft::record_len).sum();
        let too_large =
            whole > segment - 8 || batch.iter().any(|draft| draft.message().body.len() > body_max);
        let key: Key = (Rc::from(batch[0].topic.as_str()), batch[0].queue_id);
        let messages: Vec<_> = batch.iter().map(Draft::message).collect();
        let result = match &messages[..] {
            [one] if self.random.percent(50) => self.store().append(one).map(|one| vec![one]),
            all => self.store().append_batch(all),
        };
        let appended = match result {
            Ok(appended) => appended,
            Err(error) => {
                let right = match &error {
                    AppendError::Stopped(why) => {
                        self.store().write_state() == WriteState::Stopped(why.clone())
                    }
                    AppendError::BodyTooLarge { .. } | AppendError::RecordTooLarge { .. } => too_large,
                    _ => false,
                };
                self.line(format_args!("{}/{} refused: {error}", key.0, key.1));
                return expect(
                    REFUSED,
                    right,
                    || "writing is stopped, or too large".to_owned(),
                    || error.to_string(),
                );
            }
        };
        expect(REFUSED, !too_large, || format!("{whole} bytes refused"), || "appended".to_owned())?;
        expect_eq("appends are all or none", "messages", &batch.len(), &appended.len())?;
        let open = self.state == WriteState::Open || self.store().write_state() == WriteState::Open;
        expect(REFUSED, open, || format!("refused: {:?}", self.state), || "appended".to_owned())?;
        let mut at = self.model.place(whole, segment);
        self.line(format_args!("{}/{} {} messages, {whole} bytes at {at}", key.0, key.1, batch.len()));
        for (draft, appended) in batch.iter().zip(&appended) {
            let len = draft.record_len();
            let next = self.model.next_offset(&key);
            let queue_offset = draft.has_entry().then_some(next);
            oracle::placed(at, len, queue_offset.unwrap_or(0), appended)?;
            let stored = appended.store_timestamp;
            self.model.push(ModelRecord {
                key: key.clone(),
                at,
                end: at + len,
                queue_offset,
                tags_code: draft.tags_code(stored, &self.scenario.config.delay_levels),
                stored,
                bytes: draft.record(at, queue_offset.unwrap_or(0), stored),
            });
            at += len;
        }
        let last = self.model.log.iter().rev().nth(batch.len()).map_or(Timestamp(0), |before| before.stored);
        let stored = appended.iter().map(|one| one.store_timestamp).min().unwrap_or(last);
        expect("store times do not go back", stored >= last, || format!("{last}"), || format!("{stored}"))?;
        if self.model.log_end - self.model.written > STAGED_MAX { self.settle() } else { Ok(()) }
    }

    pub(super) fn settle(&mut self) -> Verdict {
        let from = self.model.written;
        let result = self.store().settle();
        let marks = self.store().watermarks();
        let written = marks.written.0;
        if let Err(why) = &result {
            self.line(format_args!("refused: {why}"));
            let staged = self.model.log_end > from;
            expect(
                "settle fails for a reason only",
                staged,
                || "nothing staged, Ok".to_owned(),
                || why.to_string(),
            )?;
            let dropped = self.model.cut(written);
            // The log ends where it can be written, behind a filler or before it.
            self.model.log_end = marks.appended.0;
            // Clearing what a full disk left may fail, too.
            let failed = matches!(self.store().write_state(), WriteState::Stopped(WriteStopped::Io { .. }));
            if failed || self.disk.is_dead() {
                self.model.maybe.extend(dropped);
            }
        } else {
            let ends = self.model.log.last().map_or(0, |last| last.end);
            expect(
                "what is settled is written",
                written >= ends,
                || format!("up to {ends}"),
                || written.to_string(),
            )?;
        }
        self.model.written = written;
        let heard = self.ears.take();
        let visible = self.model.log.iter().filter(|record| record.end > from && record.end <= written);
        oracle::arrivals(visible, &heard)?;
        if result.is_ok() {
            self.line(format_args!("{} announced", heard.len()));
        }
        Ok(())
    }

    fn on_flushed(&mut self) -> Verdict {
        let ends: Vec<u64> = self.model.log.iter().rev().take(20).map(|record| record.end).collect();
        let end = *self.random.pick(&ends);
        let store = self.store.take();
        if let Some(store) = &store {
            self.waiters.wait(store, end);
        }
        self.store = store;
        self.line(format_args!("for {end}"));
        Ok(())
    }

    /// What those who wait were told.
    pub(super) fn learn_flushed(&mut self) -> Verdict {
        let Some(store) = self.store.take() else { return Ok(()) };
        let told = self.waiters.look(&store);
        self.store = Some(store);
        if let Some(end) = told? {
            self.acknowledge_flushed(end);
        }
        Ok(())
    }

    fn acknowledge_flushed(&mut self, end: u64) {
        self.model.flushed = self.model.flushed.max(end);
    }

    fn flush(&mut self) -> Verdict {
        match self.store().flush_step() {
            Ok(end) => self.acknowledge_flushed(end.0),
            Err(why) => self.line(format_args!("refused: {why}")),
        }
        Ok(())
    }

    fn queue_flush(&mut self) -> Verdict {
        match self.store().queue_flush_step() {
            Ok(flushed) => self.acknowledge_flushed(flushed.up_to.0),
            Err(why) => self.line(format_args!("refused: {why}")),
        }
        Ok(())
    }

    fn retention(&mut self, usual: bool) -> Verdict {
        let now = self.clock.now();
        let struck = self.disk.struck();
        let before = BeforeExpiry::look(self.store(), usual);
        let report =
            if usual { self.store().retention_step(now) } else { self.store().delete_expired_now(now) };
        self.line(format_args!("{report:?}"));
        let struck = self.disk.struck() != struck || self.disk.is_dead();
        let Some(store) = self.store.take() else { return Ok(()) };
        let verdict = oracle::retention(&store, &mut self.model, before, now, &report, struck);
        self.store = Some(store);
        verdict
    }

    fn delete_topic(&mut self) -> Verdict {
        let topic = self.random.pick(&self.scenario.topics).clone();
        if topic == KEPT_TOPIC {
            return Ok(());
        }
        // Deleting settles by itself; what this thread appended must be settled by those who acknowledge it.
        self.settle()?;
        let topic: Rc<str> = Rc::from(topic);
        let there = self.model.queues.keys().any(|(name, _)| *name == topic);
        let result = self.store().delete_topic(&topic);
        self.line(format_args!("{topic} {result:?}"));
        let names = self.store().topics_with_queues();
        if result.is_err() && there && names.iter().any(|(name, _)| **name == *topic) {
            // Nothing was done.
            return Ok(());
        }
        self.model.queues.retain(|(name, _), _| *name != topic);
        match &result {
            // A queue without messages may be there, of which the model knows nothing.
            Ok(deleted) => expect(
                "a topic that is there is deleted",
                *deleted || !there,
                || "true".to_owned(),
                || "false".to_owned(),
            )?,
            Err(_) => drop(self.model.uncertain.insert(topic)),
        }
        Ok(())
    }

    fn pick_key(&mut self) -> Key {
        let keys: Vec<Key> = self.model.queues.keys().cloned().collect();
        if keys.is_empty() || self.random.percent(5) {
            return ("no such topic".into(), 0);
        }
        self.random.pick(&keys).clone()
    }

    fn reads_may_fail(&self) -> bool {
        self.scenario.rates.read > 0 || self.scenario.rates.open > 0 || self.disk.is_dead()
    }

    fn read(&mut self) -> Verdict {
        let key = self.pick_key();
        let queue = self.model.queues.get(&key);
        let next = queue.map_or(0, |queue| queue.next());
        let codes: Vec<i64> = self.model.log.iter().rev().take(30).map(|record| record.tags_code).collect();
        let ask = Question {
            key,
            from: self.random.below(next + 3),
            limits: ReadLimits {
                max_messages: self.random.below(40) as usize,
                max_bytes: self.random.between(1, 20_000) as usize,
                max_entries_scanned: self.random.between(1, 800) as usize,
            },
            tags_code: self.random.percent(40).then(|| *self.random.pick(&codes)),
        };
        self.line(format_args!("{ask:?}"));
        let lenient = self.reads_may_fail() || self.disk_may_die();
        oracle::read(self.store(), &self.model, &ask, lenient)
    }

    fn read_record(&mut self) -> Verdict {
        if self.reads_may_fail() || self.disk_may_die() {
            return Ok(());
        }
        let there =
            |record: &&ModelRecord| record.at >= self.model.log_min && record.end <= self.model.written;
        let records: Vec<&ModelRecord> = self.model.log.iter().filter(there).collect();
        let Some(place) = (!records.is_empty()).then(|| self.random.below(records.len() as u64)) else {
            return Ok(());
        };
        oracle::record_at(self.store(), records[place as usize])
    }

    fn read_time(&mut self) -> Verdict {
        if self.reads_may_fail() || self.disk_may_die() {
            return Ok(());
        }
        let key = self.pick_key();
        let times: Vec<Timestamp> = self.model.log.iter().map(|record| record.stored).collect();
        let time = self.random.pick(&times).add_ms(self.random.below(3) as i64 - 1);
        let boundary = *self.random.pick(&[Boundary::Lower, Boundary::Upper]);
        oracle::offset_by_time(self.store(), &self.model, &key, time, boundary)
    }

    fn index(&mut self) -> Verdict {
        let bytes = self.random.below(20_000);
        let done = self.store().index_step(bytes);
        self.line(format_args!("{done:?}"));
        Ok(())
    }

    fn query(&mut self) -> Verdict {
        let (min, written) = (self.model.log_min, self.model.written);
        let visible: Vec<&ModelRecord> =
            self.model.log.iter().filter(|record| record.at >= min && record.end <= written).collect();
        let keys: Vec<(Rc<str>, String)> = visible
            .iter()
            .rev()
            .take(40)
            .flat_map(|record| keys_of(record).into_iter().map(|key| (Rc::clone(&record.key.0), key)))
            .collect();
        if keys.is_empty() || self.reads_may_fail() {
            return Ok(());
        }
        // A full or failed disk keeps the index behind; sends do not wait for it.
        let lenient = self.store().index_step(u64::MAX) != IndexStep::CaughtUp;
        let (topic, key) = self.random.pick(&keys).clone();
        let narrow = self.random.percent(50);
        let end = if narrow { self.clock.now().add_ms(-1000) } else { Timestamp(i64::MAX) };
        self.line(format_args!("{key} of {topic} up to {end}"));
        if self.disk.is_dead() {
            return Ok(());
        }
        oracle::by_key(self.store(), &self.model, (&topic, &key), end, lenient)
    }

    pub(super) fn all_visible(&mut self) -> Verdict {
        if self.disk_may_die() {
            return Ok(());
        }
        self.disk.set_rates(FaultRates::default());
        oracle::all_visible(self.store(), &self.model)
    }

    /// Whether reads fail because the process is dead.
    fn disk_may_die(&self) -> bool {
        self.disk.is_dead()
    }

    /// A violation of what opening must do.
    pub(super) fn cannot_open(error: &impl ToString) -> Violation {
        Violation {
            invariant: "a store that was left by a crash opens",
            expected: "Ok".to_owned(),
            found: error.to_string(),
        }
    }

    pub(super) fn shared_disk(&self) -> Arc<SimDisk> {
        Arc::new(self.disk.clone())
    }
}
