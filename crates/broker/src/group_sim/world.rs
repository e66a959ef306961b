//! Who does what when, and what must be true in the end.

use eruca_message::{Clock, names::TRANS_HALF_TOPIC};
use eruca_sim::{
    cluster::{Board, Crew},
    random::Random,
    trace::Trace,
};
use eruca_store::WriteStopped;
use tempfile::TempDir;

use super::{
    consumers::{CONSUMED, Consumers, Got},
    delayed::{self, Delayed},
    process::Process,
    producers::{self, Producers},
};

/// Brokers of the group.
const BROKERS: usize = 3;
/// When all is well in the group, every transaction is ended after so many rounds, in each of which those that are open are due, and every
/// delayed message has come.
const ROUNDS_MAX: u32 = 8;
/// Rounds are short at first; then so long that also what was stored before the clock was set back is due.
const ROUND_MS: u64 = 1_000;
const SHORT_ROUNDS: u32 = 4;
const LONG_ROUND_MS: u64 = 20_000;

pub(super) struct World {
    directories: Vec<TempDir>,
    processes: Vec<Option<Process>>,
    pub(super) producers: Producers,
    pub(super) delayed: Delayed,
    pub(super) consumers: Consumers,
    /// What was found where nobody can be told.
    broken: Option<String>,
    rounds: u32,
}

impl World {
    pub(super) fn new() -> World {
        World {
            directories: (0..BROKERS).map(|_| tempfile::tempdir().unwrap()).collect(),
            processes: (0..BROKERS).map(|_| None).collect(),
            producers: Producers::default(),
            delayed: Delayed::default(),
            consumers: Consumers::default(),
            broken: None,
            rounds: 0,
        }
    }

    /// A slave asks its master, or takes over what that told.
    fn follow(&mut self, board: Board<'_>, master: Board<'_>, trace: &mut Trace) {
        let Some(mut process) = self.processes[board.at].take() else { return };
        if let Some(of_master) = self.processes[master.at].as_ref().filter(|one| one.is_master())
            && !process.is_master()
        {
            process.told.take_if(|(whose, _)| *whose != master.at);
            let told = process.told.take().map(|(_, progress)| progress);
            let told = told.unwrap_or_else(|| of_master.tell(master.store.log_range().1.0));
            if process.tables.has_log_of(&told) {
                trace.line(format_args!("{} takes over what {} told: {told:?}", board.at, master.at));
                let own = process.parts.role.while_slave(|| process.tables.follow_progress(told));
                for own in own.unwrap_or_default() {
                    let offsets = &of_master.parts.settled.offsets;
                    let known = offsets.committed(&own.group, &own.topic, own.queue_id);
                    match known.is_some_and(|known| known >= own.offset) {
                        true => process.parts.settled.offsets.give_up_own(&own),
                        false => offsets.commit(&own.group, &own.topic, own.queue_id, own.offset),
                    }
                }
                self.consumers.followed(&process, board.at);
            } else {
                process.told = Some((master.at, told));
            }
        }
        self.processes[board.at] = Some(process);
    }

    /// Consumers go to a master; to a slave where there is no master.
    fn consume(
        &mut self,
        at: usize,
        topic: &'static str,
        commits: bool,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let Some(process) = &self.processes[at] else { return Ok(()) };
        let got = self.consumers.consume(process, at, topic, commits, trace)?;
        self.got(topic, &got)
    }

    fn got(&mut self, topic: &str, messages: &Got) -> Result<(), String> {
        messages.iter().try_for_each(|(offset, body)| match topic {
            producers::TOPIC => self.producers.got(*offset, body),
            delayed::TOPIC => self.delayed.got(*offset, body),
            _ => Ok(()),
        })
    }

    /// Whatever changes the role or cuts the log sets no group back.
    fn keeping_offsets<T>(&mut self, at: usize, change: impl FnOnce(&Process) -> T) -> Option<T> {
        let process = self.processes[at].as_ref()?;
        let before = CONSUMED.map(|topic| process.committed(topic));
        let changed = change(process);
        let after = CONSUMED.map(|topic| process.committed(topic));
        if before != after {
            self.broken = Some(format!("{at} set its groups from {before:?} to {after:?}"));
        }
        Some(changed)
    }

    fn acknowledge(&mut self, board: Board<'_>, trace: &mut Trace) {
        let Some(process) = &mut self.processes[board.at] else { return };
        let now = board.clock.now();
        for id in process.halves.ready(board.group, board.is_durable, now) {
            trace.line(format_args!("{} acknowledges half message {id}", board.at));
            self.producers.acknowledged(id);
        }
        for id in process.delayed.ready(board.group, board.is_durable, now) {
            trace.line(format_args!("{} acknowledges delayed message {id}", board.at));
            self.delayed.acknowledged(id);
        }
    }

    /// What only a master does: so much of it.
    fn reign(&mut self, board: Board<'_>, random: &mut Random, trace: &mut Trace) {
        let at = board.at;
        let Some(process) = self.processes[at].as_ref().filter(|one| one.is_master()) else { return };
        match random.below(100) {
            0..25 => self.producers.send(process, board, random.percent(60), trace),
            25..40 => {
                let id = random.below(self.producers.transactions() as u64) as usize;
                self.producers.end(process, at, id, trace);
            }
            40..55 if self.producers.checks() > 0 => {
                let number = random.below(self.producers.checks() as u64) as usize;
                self.producers.answer(process, at, number, trace);
            }
            55..65 => self.producers.check(process, at, trace),
            65..80 => self.delayed.send(process, board, random, trace),
            80..95 => process.deliver(),
            _ => process.persist(),
        }
    }

    /// Nothing is left to be done: all is right, and nothing is missing.
    fn verify(&mut self, at: usize) -> Result<(), String> {
        let Some(process) = &self.processes[at] else { return Err(format!("{at} does not run")) };
        process.parts.transactions.persist();
        let halves = process.parts.settled.store.queue_range(TRANS_HALF_TOPIC, 0).max.0 as i64;
        let settled = process.settled(TRANS_HALF_TOPIC);
        if settled != halves {
            return Err(format!("the half queue ends at {halves} and is settled up to {settled} only"));
        }
        for topic in CONSUMED {
            if let Some(process) = &self.processes[at] {
                let all = self.consumers.read_all(process, topic)?;
                self.got(topic, &all)?;
            }
        }
        self.producers.verify()?;
        self.delayed.verify()
    }
}

impl Crew for World {
    fn percent(&self) -> u64 {
        60
    }

    fn started(&mut self, board: Board<'_>) {
        self.processes[board.at] = match Process::start(&self.directories[board.at], board) {
            Ok(process) => Some(process),
            Err(error) => {
                self.broken = Some(format!("{} does not start: {error}", board.at));
                None
            }
        };
    }

    fn died(&mut self, at: usize) {
        self.processes[at] = None;
    }

    fn reigns(&mut self, board: Board<'_>, epoch: i32) -> Result<(), WriteStopped> {
        let opened = self.keeping_offsets(board.at, |process| process.switch.become_master(epoch.into()));
        opened.unwrap_or(Err(WriteStopped::ShuttingDown))
    }

    fn follows(&mut self, board: Board<'_>, epoch: i32) {
        self.keeping_offsets(board.at, |process| {
            // An error is the store's state.
            let _ = process.switch.become_slave(board.at as i64, None, epoch.into());
        });
    }

    fn was_cut(&mut self, board: Board<'_>) {
        self.keeping_offsets(board.at, |process| process.switch.log_was_cut());
    }

    fn work(
        &mut self,
        board: Board<'_>,
        master: Option<Board<'_>>,
        random: &mut Random,
        trace: &mut Trace,
    ) -> Result<(), String> {
        let is_master = self.processes[board.at].as_ref().is_some_and(Process::is_master);
        match (random.below(100), master) {
            (0..70, _) if is_master => self.reign(board, random, trace),
            (0..60, Some(master)) => self.follow(board, master, trace),
            (70.., master) => {
                let (topic, commits) = (*random.pick(&CONSUMED), random.percent(80));
                if is_master || master.is_none() && random.percent(10) {
                    self.consume(board.at, topic, commits, trace)?;
                }
            }
            _ => {}
        }
        self.acknowledge(board, trace);
        self.broken.take().map_or(Ok(()), Err)
    }

    fn rest(&mut self, master: Board<'_>, trace: &mut Trace) -> Result<Option<u64>, String> {
        self.broken.take().map_or(Ok(()), Err)?;
        let at = master.at;
        self.acknowledge(master, trace);
        let Some(process) = self.processes[at].as_ref().filter(|one| one.is_master()) else {
            return Err(format!("{at} should be master and is not"));
        };
        let were_open = process.open();
        self.producers.check(process, at, trace);
        while self.producers.checks() > 0 {
            self.producers.answer(process, at, 0, trace);
        }
        process.deliver();
        let (are_open, undelivered) = (process.open(), process.undelivered());
        for topic in CONSUMED {
            self.consume(at, topic, true, trace)?;
        }
        if were_open == 0 && undelivered.is_none() && self.rounds > 0 {
            return self.verify(at).map(|()| None);
        }
        self.rounds += 1;
        match self.rounds > ROUNDS_MAX {
            true => {
                Err(format!("half messages are stuck: {are_open} are open; or delayed ones: {undelivered:?}"))
            }
            false if self.rounds > SHORT_ROUNDS => Ok(Some(LONG_ROUND_MS)),
            false => Ok(Some(ROUND_MS)),
        }
    }
}
