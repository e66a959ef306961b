//! A master and a slave without a controller: SYNC_MASTER with two in-sync replicas. What was acknowledged is in the slave's log
//! whatever happens to it, and a slave that is made master has it.

use std::sync::Arc;

use eruca_message::{LogOffset, ManualClock, Timestamp};
use eruca_replication::classic::{
    CopiedLog, MasterSession, Next, Outgoing, Shipped, SlaveSession, SourceLog,
};
use eruca_store::{
    CopyError, MessageStore,
    disk::{Disk, Fault, FaultKind, SimDisk, SimOp},
};

use super::{
    Violation,
    message::NewMessage,
    oracle::{Oracle, Sent, raw_log},
    scenario::Scenario,
};
use crate::{clock::START, random::Random, trace::Trace};

const HEARTBEAT_MS: i64 = 200;
const SILENCE_MAX_MS: i64 = 2_000;
/// Steps until the slave must have everything.
const HEALING_STEPS: u64 = 5_000;

/// What became of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassicOutcome {
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Processes that died.
    pub crashes: u64,
    /// How often the slave was made master.
    pub takeovers: u64,
    /// What was not as it must be.
    pub failure: Option<String>,
    /// Two runs that did the same have the same.
    pub trace_hash: u64,
}

/// Plays a seed. `trusts_kernel`: a fault that is planted: the slave reports what its kernel has, although the power goes.
pub fn play_classic(seed: u64, trusts_kernel: bool, print: bool) -> ClassicOutcome {
    let mut pair = Pair::new(Random::new(seed), Trace::new(print), trusts_kernel);
    let failure = pair.run().err().map(|what| format!("seed {seed}: {what}"));
    ClassicOutcome {
        acknowledged: pair.oracle.acknowledgements(),
        crashes: pair.crashes,
        takeovers: pair.takeovers,
        failure,
        trace_hash: pair.trace.hash(),
    }
}

/// A broker: its disk, and the store while it runs.
struct Side {
    disk: SimDisk,
    store: Option<MessageStore>,
}

struct Link {
    at_master: MasterSession,
    at_slave: SlaveSession,
    outgoing: Outgoing,
    to_master: Vec<u8>,
    to_slave: Vec<u8>,
}

struct Log<'a>(&'a MessageStore);

impl CopiedLog for Log<'_> {
    type Error = CopyError;

    fn append(&mut self, at: LogOffset, bytes: &[u8]) -> Result<(), CopyError> {
        self.0.append_copy(at, bytes).map(drop)
    }
}

struct Pair {
    random: Random,
    scenario: Scenario,
    trace: Trace,
    trusts_kernel: bool,
    /// A slave without messages begins with the last segment, as one of a Java master.
    begins_with_last_segment: bool,
    clock: Arc<ManualClock>,
    now: Timestamp,
    master: Side,
    slave: Side,
    link: Option<Link>,
    oracle: Oracle,
    waiting: Vec<Sent>,
    messages: u64,
    /// How often the master was another one, for the oracle: it wants one master each.
    takeovers: u64,
    crashes: u64,
    /// Whether this slave has had all that was acknowledged: a new one begins with nothing.
    has_caught_up_once: bool,
}

impl Pair {
    fn new(mut random: Random, trace: Trace, trusts_kernel: bool) -> Pair {
        let mut scenario = Scenario::draw(&mut random);
        scenario.is_durable |= trusts_kernel;
        let begins_with_last_segment = random.percent(50);
        let mut side = || Side { disk: SimDisk::new(random.number()), store: None };
        let (master, slave) = (side(), side());
        Pair {
            random,
            scenario,
            trace,
            trusts_kernel,
            begins_with_last_segment,
            clock: Arc::new(ManualClock::new(START)),
            now: START,
            master,
            slave,
            link: None,
            oracle: Oracle::default(),
            waiting: Vec::new(),
            messages: 0,
            takeovers: 0,
            crashes: 0,
            has_caught_up_once: false,
        }
    }

    fn run(&mut self) -> Result<(), Violation> {
        self.start_master()?;
        for _ in 0..self.scenario.steps {
            self.step()?;
        }
        self.heal()
    }

    fn step(&mut self) -> Result<(), Violation> {
        self.pass(10);
        if self.random.percent(self.scenario.trouble) {
            match self.random.below(10) {
                0..3 => self.link = None,
                3..5 => self.crash_slave(),
                5 => self.crash_master()?,
                6..8 => self.inject_into_slave(),
                _ => self.start_slave()?,
            }
        }
        match self.random.below(20) {
            0..6 => self.send(),
            6..15 => self.transmit(),
            15 => self.connect(),
            16..18 => self.background(),
            18 => self.start_slave()?,
            _ => self.start_master()?,
        }
        if self.slave.disk.is_dead() {
            self.crash_slave();
        }
        self.acknowledge()
    }

    fn pass(&mut self, most_ms: u64) {
        let ms = self.random.below(most_ms) as i64;
        self.now = self.now.add_ms(ms);
        self.clock.advance_ms(ms);
    }

    fn open(&self, side: &Side) -> Result<Option<MessageStore>, Violation> {
        let disk: Arc<dyn Disk> = Arc::new(side.disk.clone());
        match MessageStore::open(self.scenario.config.clone(), disk, Arc::clone(&self.clock) as _) {
            Ok((store, _)) => Ok(Some(store)),
            Err(_) if side.disk.is_dead() => Ok(None),
            Err(error) => Err(format!("a store cannot be opened: {error}")),
        }
    }

    fn start_master(&mut self) -> Result<(), Violation> {
        if self.master.store.is_none() {
            self.master.store = self.open(&self.master)?;
        }
        Ok(())
    }

    /// Whatever happened to it: what was acknowledged since it has a log is there.
    fn start_slave(&mut self) -> Result<(), Violation> {
        if self.slave.store.is_some() {
            return Ok(());
        }
        self.slave.store = self.open(&self.slave)?;
        let Some(store) = &self.slave.store else { return Ok(()) };
        let (begin, end) = store.log_range();
        self.trace.line(format_args!("the slave starts: {begin} to {end}"));
        if store.set_replica(true).is_err() {
            return Ok(());
        }
        if !self.has_caught_up_once {
            return Ok(());
        }
        match self.oracle.check_from("the slave", store, begin) {
            // It dies in the midst of being looked at.
            Err(_) if self.slave.disk.is_dead() => Ok(()),
            checked => checked,
        }
    }

    fn send(&mut self) {
        self.messages += 1;
        let message = NewMessage::draw(self.messages, self.scenario.body_max, &mut self.random);
        let epoch = i32::try_from(self.takeovers).unwrap_or(i32::MAX);
        let Some(store) = &self.master.store else { return };
        if let Some(sent) = message.append_to(store, epoch) {
            self.trace.line(format_args!("the master takes {sent:?}"));
            self.waiting.push(sent);
        }
    }

    fn background(&mut self) {
        let side = if self.random.percent(50) { &self.master } else { &self.slave };
        let Some(store) = &side.store else { return };
        // An error is the store's state.
        match self.random.below(3) {
            0 => drop(store.queue_flush_step()),
            1 => drop(store.index_step(4096)),
            _ => drop(store.flush_step()),
        }
    }

    fn connect(&mut self) {
        let Some(store) = self.slave.store.as_ref().filter(|_| self.master.store.is_some()) else { return };
        if self.link.is_some() || (self.scenario.is_durable && store.flush_step().is_err()) {
            return;
        }
        let Ok(end) = store.begin_copy() else { return };
        self.link = Some(Link {
            at_master: MasterSession::open(self.now),
            at_slave: SlaveSession::open(end, self.now),
            outgoing: Outgoing::default(),
            to_master: Vec::new(),
            to_slave: Vec::new(),
        });
    }

    fn transmit(&mut self) {
        let Some(mut link) = self.link.take() else { return };
        if self.at_slave(&mut link) && self.at_master(&mut link) {
            self.link = Some(link);
        }
    }

    /// Whether the connection lives.
    fn at_slave(&mut self, link: &mut Link) -> bool {
        let some = self.random.below(link.to_slave.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_slave.drain(..some).collect();
        let Some(store) = &self.slave.store else { return false };
        if let Err(error) = link.at_slave.receive(&bytes, &mut Log(store), self.now) {
            self.trace.line(format_args!("the slave gives up: {error}"));
            return false;
        }
        let is_durable = self.scenario.is_durable && !self.trusts_kernel;
        if is_durable && store.flush_step().is_err() {
            return false;
        }
        let marks = store.watermarks();
        let has = if is_durable { marks.flushed } else { marks.written };
        let report = link.at_slave.report(has, HEARTBEAT_MS, self.now);
        link.to_master.extend(report.unwrap_or_default());
        link.at_slave.check_silence::<CopyError>(SILENCE_MAX_MS, self.now).is_ok()
    }

    fn at_master(&mut self, link: &mut Link) -> bool {
        let some = self.random.below(link.to_master.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_master.drain(..some).collect();
        let Some(store) = &self.master.store else { return false };
        let (begin, end) = store.log_range();
        let for_empty = if self.begins_with_last_segment { store.last_segment() } else { begin };
        let log = SourceLog { begin, end, for_empty };
        let how = Shipped {
            batch_bytes: self.scenario.batch_bytes,
            heartbeat_ms: HEARTBEAT_MS,
            silence_max_ms: SILENCE_MAX_MS,
            bytes_per_second: None,
        };
        if bytes.is_empty() {
            // Nothing came.
        } else if let Err(error) = link.at_master.receive(&bytes, &log, self.now) {
            self.trace.line(format_args!("the master gives up: {error}"));
            return false;
        }
        match link.at_master.next(&log, &how, self.now) {
            Ok(Next::Wait(_)) => {}
            Ok(Next::SignOfLife(bytes)) => link.outgoing.push(&bytes),
            Ok(Next::Log { from, bytes }) => {
                let read = |at, len, into: &mut Vec<u8>| store.read_raw_log(at, len, into);
                let most = bytes.min(8 * self.scenario.batch_bytes);
                let Ok(sent) = link.outgoing.fill(from, most, how.batch_bytes, read) else { return false };
                link.at_master.sent(sent, self.now);
            }
            Err(error) => {
                self.trace.line(format_args!("the master gives up: {error}"));
                return false;
            }
        }
        link.to_slave.extend_from_slice(link.outgoing.pending());
        let sent = link.outgoing.pending().len();
        link.outgoing.wrote(sent);
        true
    }

    fn acknowledge(&mut self) -> Result<(), Violation> {
        let (Some(store), Some(link)) = (&self.master.store, &self.link) else { return Ok(()) };
        let Some(mut up_to) = link.at_master.acknowledged() else { return Ok(()) };
        if self.scenario.is_durable {
            up_to = up_to.min(store.watermarks().flushed);
        }
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|sent| sent.log_end <= up_to);
        self.waiting = waiting;
        for sent in done {
            self.has_caught_up_once = true;
            self.trace.line(format_args!("{} is acknowledged", sent.id));
            let master = usize::try_from(self.takeovers).unwrap_or(usize::MAX);
            self.oracle.acknowledged(master, sent)?;
        }
        Ok(())
    }

    /// The process dies, or where all is on the disk before it is reported, the power goes.
    fn crash_slave(&mut self) {
        let loses_power = self.scenario.is_durable && self.random.percent(60);
        self.link = None;
        self.slave.store = None;
        self.crashes += 1;
        match loses_power {
            true => self.slave.disk.power_cut(),
            false => self.slave.disk.kill(),
        }
        self.trace.line(format_args!("the slave dies, power cut: {loses_power}"));
    }

    fn inject_into_slave(&mut self) {
        let (after, keep) = (self.random.below(40), self.random.below(2000) as usize);
        self.slave.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(keep) });
    }

    /// The process dies and comes back; or the machine is lost, and the slave is made master where it has all that was
    /// acknowledged. Then there is a new slave with an empty disk.
    fn crash_master(&mut self) -> Result<(), Violation> {
        self.link = None;
        self.master.store = None;
        self.master.disk.kill();
        self.waiting.clear();
        self.crashes += 1;
        if self.random.percent(50) {
            self.trace.line(format_args!("the master dies"));
            return Ok(());
        }
        self.start_slave()?;
        let Some(store) = self.slave.store.as_ref().filter(|_| !self.slave.disk.is_dead()) else {
            return Ok(());
        };
        self.slave.disk.disarm();
        let (begin, end) = store.log_range();
        // A new slave that began with the last segment knows nothing of what lay before: not where the queues ended that have no
        // message in it, either. Nobody makes it master, unless there is no other.
        if begin.0 > 0 || end < self.oracle.acknowledged_end() {
            return Ok(());
        }
        self.trace.line(format_args!("the master is lost, the slave takes over: {begin} to {end}"));
        self.oracle.check_from("the slave that takes over", store, begin)?;
        if store.set_replica(false).is_err() {
            return Ok(());
        }
        self.takeovers += 1;
        self.has_caught_up_once = false;
        let empty = Side { disk: SimDisk::new(self.random.number()), store: None };
        self.slave.disk.disarm();
        self.master = std::mem::replace(&mut self.slave, empty);
        Ok(())
    }

    fn heal(&mut self) -> Result<(), Violation> {
        self.slave.disk.disarm();
        for _ in 0..HEALING_STEPS {
            self.pass(10);
            self.start_master()?;
            self.start_slave()?;
            self.connect();
            self.transmit();
            self.acknowledge()?;
            if self.is_one() {
                let slave = self.slave.store.as_ref();
                return slave.map_or(Ok(()), |store| {
                    self.oracle.check_from("the slave at the end", store, store.log_range().0)
                });
            }
        }
        Err("the slave does not get what the master has".to_owned())
    }

    /// Whether the slave's log is the master's.
    fn is_one(&self) -> bool {
        let (Some(master), Some(slave)) = (&self.master.store, &self.slave.store) else { return false };
        let (begin, end) = slave.log_range();
        end == master.log_range().1 && raw_log(slave, begin, end) == raw_log(master, begin, end)
    }
}
