//! Transactions on a simulated disk that the process dies on, against what producers said and were told.

use std::{collections::BTreeMap, sync::Arc};

use eruca_message::{Clock, Record, StoredMessage, transaction::Half};
use eruca_protocol::{Language, request::CheckTransactionStateRequest};
use eruca_remoting::{Caller, Outbox};
use eruca_store::{
    AppendMessage,
    disk::{Fault, FaultKind, SimDisk, SimOp},
};
use proptest::prelude::*;

use super::{Outcome, Transactions};
use crate::{
    clients::ClientInfo,
    delay::NextStep,
    handler::test_parts::{TestParts, message},
};

/// What a producer did with one transaction, and was told.
#[derive(Debug, Clone, Default)]
struct Told {
    /// It has decided so; it never decides otherwise.
    commits: bool,
    /// The half message was acknowledged.
    is_sent: bool,
    /// Its end was acknowledged.
    is_ended: bool,
    /// Where the half message lies, once known.
    place: Option<(u64, u64)>,
}

#[derive(Debug, Clone)]
enum Step {
    /// A producer begins a transaction, and decides.
    Send {
        commits: bool,
    },
    /// It ends the one with that number (of those there are), as when it was sent.
    End(usize),
    /// The same, but the process dies when its message is written, and the end is not yet noted.
    EndAndDie(usize),
    /// It answers a check that it was asked, the one with that number.
    Answer(usize),
    /// Time passes, and checks are sent.
    Pass(i64),
    /// It goes, or comes back.
    Leave,
    Join,
    /// How far all is settled is brought to the disk.
    Persist,
    /// The process is killed, and starts again.
    Kill,
    /// The process dies within one of the next changes of the disk, so many bytes into it.
    DieSoon(u64, usize),
}

struct World {
    disk: SimDisk,
    parts: TestParts,
    transactions: Arc<Transactions>,
    producer: Option<(Caller, Outbox)>,
    told: Vec<Told>,
    checks: Vec<(CheckTransactionStateRequest, usize)>,
}

impl World {
    fn new(seed: u64) -> World {
        let disk = SimDisk::new(seed);
        let parts = TestParts::on_disk(tempfile::tempdir().unwrap(), Arc::new(disk.clone()));
        let transactions = parts.transactions();
        World { disk, parts, transactions, producer: None, told: Vec::new(), checks: Vec::new() }
    }

    fn restart(self) -> World {
        let World { disk, parts, transactions, told, checks, .. } = self;
        let now = parts.clock.now();
        let TestParts { directory, offsets, .. } = parts;
        // The offsets' journal is a file of its own, which a kill does not hurt.
        offsets.settle();
        drop((transactions, offsets));
        disk.kill();
        let parts = TestParts::on_disk(directory, Arc::new(disk.clone()));
        parts.clock.set(now);
        let transactions = parts.transactions();
        World { disk, parts, transactions, producer: None, told, checks }
    }

    /// As the dispatcher: whether answers may go out.
    fn settle(&self) -> bool {
        self.transactions.before_settle();
        let settled = self.parts.store.settle();
        self.transactions.after_settle(settled.is_ok());
        settled.is_ok()
    }

    fn play(mut self, step: &Step) -> World {
        match step {
            Step::Send { commits } => self.send(*commits),
            Step::End(number) => {
                if let Some((id, place)) = self.place_of(*number) {
                    self.end(id, place);
                }
            }
            Step::EndAndDie(number) => return self.end_and_die(*number),
            Step::Answer(number) => self.answer(*number),
            Step::Pass(ms) => self.pass(*ms),
            Step::Leave => {
                if let Some((caller, _)) = self.producer.take() {
                    self.parts.producers.disconnected(caller.id());
                }
            }
            Step::Join => self.join(),
            Step::Persist => self.transactions.persist(),
            Step::Kill => return self.restart(),
            Step::DieSoon(after, keep) => {
                self.disk.inject(Fault { op: SimOp::Change, after: *after, kind: FaultKind::Crash(*keep) });
            }
        }
        if self.disk.is_dead() { self.restart() } else { self }
    }

    fn send(&mut self, commits: bool) {
        let id = self.told.len();
        let properties = format!(
            "UNIQ_KEY\u{1}K{id}\u{2}PGROUP\u{1}g\u{2}TRAN_MSG\u{1}true\u{2}REAL_TOPIC\u{1}T\u{2}REAL_QID\u{1}0\u{2}"
        );
        let body = id.to_string();
        let half = Half::of_properties(properties.as_bytes()).unwrap();
        let born_timestamp = self.parts.clock.now();
        let sent = AppendMessage { born_timestamp, ..message("T", 0, &body, properties.as_bytes()) };
        let prepared = self.transactions.prepare(&sent, &half);
        let is_settled = self.settle();
        let mut told = Told { commits, ..Told::default() };
        if let (Ok(appended), true) = (prepared, is_settled) {
            told.is_sent = true;
            told.place = Some((appended.queue_offset.0, appended.log_offset.0));
        }
        self.told.push(told);
    }

    fn end(&mut self, id: usize, (queue_offset, log_offset): (u64, u64)) {
        let Ok(Some(bytes)) = self.parts.store.record_at(eruca_message::LogOffset(log_offset)) else {
            return;
        };
        let record = Record::decode(&bytes).unwrap();
        assert_eq!(record.fields.queue_offset.0, queue_offset);
        let half = Half::of(&record).unwrap();
        let told = &self.told[id];
        let outcome = if told.commits { Outcome::Commit } else { Outcome::Rollback };
        let ended = self.transactions.end(&record, &half, outcome);
        let is_settled = self.settle();
        let told = &mut self.told[id];
        told.is_ended |= ended.is_ok() && is_settled;
    }

    /// Another thread writes what an end appended, and the process dies before the end is noted.
    fn end_and_die(mut self, number: usize) -> World {
        let Some((id, (_, log_offset))) = self.place_of(number) else { return self };
        if let Ok(Some(bytes)) = self.parts.store.record_at(eruca_message::LogOffset(log_offset)) {
            let record = Record::decode(&bytes).unwrap();
            let outcome = if self.told[id].commits { Outcome::Commit } else { Outcome::Rollback };
            let ended = self.transactions.end(&record, &Half::of(&record).unwrap(), outcome);
            let is_written = self.parts.store.settle().is_ok();
            self.told[id].is_ended |= ended.is_ok() && is_written && outcome == Outcome::Commit;
        }
        self.restart()
    }

    fn place_of(&self, number: usize) -> Option<(usize, (u64, u64))> {
        let sent: Vec<_> =
            self.told.iter().enumerate().filter_map(|(id, told)| Some((id, told.place?))).collect();
        sent.get(number % sent.len().max(1)).copied()
    }

    fn answer(&mut self, number: usize) {
        if self.checks.is_empty() {
            return;
        }
        let (check, id) = self.checks.remove(number % self.checks.len());
        self.end(id, (check.tran_state_table_offset as u64, check.commit_log_offset as u64));
    }

    fn join(&mut self) {
        if self.producer.is_none() {
            let (caller, outbox) = self.parts.connect();
            let client = ClientInfo { client_id: "c".into(), language: Language::Java, version: 513 };
            self.parts.producers.heartbeat(&caller, &client, "g", self.parts.clock.now()).unwrap();
            self.producer = Some((caller, outbox));
        }
    }

    fn pass(&mut self, ms: i64) {
        self.parts.clock.advance_ms(ms);
        while !self.disk.is_dead() && self.transactions.check_step(self.parts.clock.now()) == NextStep::Now {}
        let Some((_, outbox)) = &self.producer else { return };
        for command in outbox.take() {
            let asked = StoredMessage::decode(&command.body).unwrap().0;
            let id = String::from_utf8(asked.message.body).unwrap().parse().unwrap();
            self.checks.push((command.header().unwrap(), id));
        }
    }

    /// Nothing goes wrong any more, and producers answer all that they are asked.
    fn calm_down(mut self) -> World {
        self.disk.disarm();
        self = if self.disk.is_dead() { self.restart() } else { self };
        for _ in 0..100 {
            self.join();
            self.pass(30_000);
            while !self.checks.is_empty() {
                self.answer(0);
            }
            if self.transactions.counts().open == 0 {
                return self;
            }
        }
        panic!("half messages stay open: {:?}", self.transactions.counts());
    }

    fn verify(&self) {
        let mut delivered: BTreeMap<usize, usize> = BTreeMap::new();
        for message in self.parts.read("T", 0) {
            let id = String::from_utf8(message.message.body).unwrap().parse().unwrap();
            *delivered.entry(id).or_default() += 1;
        }
        for (id, told) in self.told.iter().enumerate() {
            let times = delivered.get(&id).copied().unwrap_or(0);
            if !told.commits {
                assert_eq!(times, 0, "{id} was rolled back: {told:?}");
                continue;
            }
            if told.is_sent {
                assert!(times >= 1, "{id} was acknowledged and committed, and is lost: {told:?}");
            }
            assert!(times <= 1, "{id} was delivered {times} times: {told:?}");
        }
        let range = self.parts.store.queue_range(eruca_message::names::TRANS_HALF_TOPIC, 0);
        self.transactions.persist();
        let settled = self.parts.offsets.committed(
            eruca_message::names::TRANS_GROUP,
            eruca_message::names::TRANS_HALF_TOPIC,
            0,
        );
        assert_eq!(settled, Some(range.max.0 as i64), "the half queue is not stuck");
    }
}

fn play(seed: u64, steps: &[Step]) {
    let mut world = World::new(seed);
    for step in steps {
        world = world.play(step);
    }
    world.calm_down().verify();
}

/// A bit of everything.
fn script() -> Vec<Step> {
    let send = |commits| Step::Send { commits };
    vec![
        send(true),
        send(false),
        send(true),
        Step::End(0),
        Step::End(1),
        Step::Pass(6_000),
        Step::Join,
        send(true),
        send(false),
        Step::Pass(1_000),
        Step::Answer(0),
        Step::Persist,
        Step::Pass(30_000),
        Step::Answer(1),
        Step::Answer(0),
        Step::End(2),
        Step::Leave,
        send(true),
        Step::Pass(30_000),
        Step::Persist,
        Step::Join,
        Step::Pass(1_000),
        Step::Answer(0),
    ]
}

#[test]
fn a_restart_at_every_step_loses_and_doubles_nothing() {
    for at in 0..=script().len() {
        let mut steps = script();
        steps.insert(at, Step::Kill);
        play(1, &steps);
    }
}

#[test]
fn a_commit_that_is_written_without_its_note_is_not_delivered_again() {
    for number in 0..3 {
        for at in 0..=script().len() {
            let mut steps = script();
            steps.insert(at, Step::EndAndDie(number));
            play(1, &steps);
        }
    }
}

#[test]
fn a_death_within_every_change_of_the_disk_loses_nothing() {
    let changes = {
        let mut world = World::new(1);
        for step in script() {
            world = world.play(&step);
        }
        world.disk.changes()
    };
    assert!(changes > 20);
    for after in 0..changes {
        for keep in [0, 100, 700, usize::MAX] {
            let mut steps = vec![Step::DieSoon(after, keep)];
            steps.extend(script());
            play(1, &steps);
        }
    }
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|commits| Step::Send { commits }),
        6 => (0..100usize).prop_map(Step::End),
        1 => (0..100usize).prop_map(Step::EndAndDie),
        6 => (0..100usize).prop_map(Step::Answer),
        4 => prop_oneof![Just(1_000), Just(6_000), Just(30_000)].prop_map(Step::Pass),
        1 => Just(Step::Leave),
        2 => Just(Step::Join),
        1 => Just(Step::Persist),
        1 => Just(Step::Kill),
        2 => (0..8u64, prop_oneof![Just(0), Just(usize::MAX), 0..2_000usize]).prop_map(|(after, keep)| Step::DieSoon(after, keep)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn each_transaction_is_settled_as_its_producer_decided(
        seed in 1..u64::MAX,
        steps in proptest::collection::vec(any_step(), 1..60),
    ) {
        play(seed, &steps);
    }
}
