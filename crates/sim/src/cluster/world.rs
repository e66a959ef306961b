//! Steps of a group: work, the network, trouble, and the end, when all becomes well.

use eruca_message::{Clock, LogOffset, ManualClock, Timestamp};
use eruca_replication::auto_switch::{
    Answer, Ask, Effect, Epochs, Identity, MasterSession, Said, Send, SlaveSession, SourceLog,
};
use eruca_store::disk::{Fault, FaultKind, SimDisk, SimOp};

use super::{
    Violation,
    broker::{Broker, Running},
    controller::Controller,
    copy::StoreLog,
    link::Link,
    message::NewMessage,
    network::{CONTROLLER, Network},
    oracle::{Oracle, raw_log},
    scenario::{BEAT_MS, BROKERS, QUEUES, Scenario, TOPICS},
};
use crate::{clock::START, random::Random, trace::Trace};

/// Steps until all must be well again.
const HEALING_STEPS: u64 = 30_000;
const SIGN_OF_LIFE_MS: i64 = 300;
const QUESTIONS_AT_ONCE: u32 = 3;

type Step = Result<(), Violation>;

pub(super) struct World {
    pub(super) random: Random,
    pub(super) scenario: Scenario,
    pub(super) trace: Trace,
    now: Timestamp,
    brokers: Vec<Broker>,
    pub(super) controller: Controller,
    pub(super) oracle: Oracle,
    network: Network,
    /// Requests to the controller of which the senders expect no answer any more.
    lingering: Vec<(usize, Ask)>,
    beat_at: Vec<Timestamp>,
    links: u64,
    messages: u64,
    /// A fault that is planted: a master takes its own word for that of the set.
    pub(super) trusts_itself: bool,
    pub(super) shows_everything: bool,
    pub(super) crashes: u64,
    pub(super) cuts: u64,
    pub(super) elections: u64,
}

impl World {
    pub(super) fn new(mut random: Random, trace: Trace) -> World {
        let scenario = Scenario::draw(&mut random);
        let brokers = (0..BROKERS).map(|place| {
            let disk = SimDisk::new(random.number());
            Broker::new(place, scenario.config.clone(), disk, ManualClock::new(START))
        });
        World {
            brokers: brokers.collect(),
            random,
            scenario,
            trace,
            now: START,
            controller: Controller::new(START),
            oracle: Oracle::default(),
            network: Network::default(),
            lingering: Vec::new(),
            beat_at: vec![START; BROKERS],
            links: 0,
            messages: 0,
            trusts_itself: false,
            shows_everything: false,
            crashes: 0,
            cuts: 0,
            elections: 0,
        }
    }

    fn any_broker(&mut self) -> usize {
        self.random.below(BROKERS as u64) as usize
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.network.reaches(from, to)
    }

    /// What time it is for a broker.
    fn time_of(&self, at: usize) -> Timestamp {
        self.brokers[at].clock.now()
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now.add_ms(ms as i64);
        self.brokers.iter().for_each(|broker| broker.clock.advance_ms(ms as i64));
    }

    /// One step, and what follows from it.
    pub(super) fn step(&mut self) -> Step {
        let ms = if self.random.percent(1) { self.random.below(1_000) } else { self.random.below(10) };
        self.pass(ms);
        self.beat();
        if self.random.percent(self.scenario.trouble) {
            self.trouble()?;
        } else {
            self.work()?;
        }
        self.after()
    }

    fn work(&mut self) -> Step {
        let at = self.any_broker();
        match self.random.below(100) {
            0..25 => self.send(at),
            25..62 => return self.transmit(at),
            62..74 => return self.ask(at),
            74..79 => return self.notify(at),
            79..84 => self.tick(),
            84..89 => self.background(at),
            89..92 => return self.start_one(),
            92 if self.random.percent(40) => self.network.rejoin(at),
            93 => self.arrive(),
            _ => self.connect(at),
        }
        Ok(())
    }

    fn trouble(&mut self) -> Step {
        let at = self.any_broker();
        let other = self.random.below(BROKERS as u64 + 1) as usize;
        match self.random.below(100) {
            0..12 => self.network.break_one(at, other),
            12..16 => self.network.break_one(other, at),
            16..40 => self.isolate_master(),
            40..48 => self.network.mend_one(&mut self.random),
            48..50 => self.network.rejoin(at),
            50..62 => {
                // With messages that it alone has, where it is the master.
                for _ in 0..self.random.below(4) {
                    self.send(at);
                }
                self.crash(at);
            }
            62..72 => {
                // It dies in the midst of something.
                let (after, keep) = (self.random.below(40), self.random.below(2000) as usize);
                self.brokers[at].disk.inject(Fault {
                    op: SimOp::Change,
                    after,
                    kind: FaultKind::Crash(keep),
                });
            }
            72..84 => self.close(at),
            84..88 => self.controller.restart(self.now),
            88..94 => return self.start(at),
            _ if self.scenario.has_clock_jumps => {
                let ms = self.random.below(20_000) as i64 - 10_000;
                self.trace.line(format_args!("the clock of {at} is set by {ms} ms"));
                self.brokers[at].clock.advance_ms(ms);
            }
            _ => {}
        }
        Ok(())
    }

    /// The master is alone with the messages that come to it; another one is elected meanwhile, or not.
    fn isolate_master(&mut self) {
        let group = self.controller.group().filter(|group| group.sync_state_set.len() > 1);
        let Some(master) = group.and_then(|group| group.master) else { return };
        let is_master = |broker: &Broker| {
            broker.running.as_ref().is_some_and(|running| running.member.id() == Some(master))
        };
        if let Some(at) = self.brokers.iter().position(is_master) {
            self.trace.line(format_args!("{at} is cut off from all others"));
            self.network.isolate(at, &mut self.random);
            for _ in 0..self.random.below(6) {
                self.send(at);
            }
        }
    }

    /// What every broker does at once: notices that it is dead, acknowledges, lets consumers read.
    fn after(&mut self) -> Step {
        for at in 0..BROKERS {
            if self.brokers[at].disk.is_dead() {
                self.crash(at);
            }
        }
        for at in 0..BROKERS {
            self.acknowledge(at)?;
            if self.shows_everything
                && let Some(running) = &self.brokers[at].running
            {
                running.store.set_read_limit(None);
            }
        }
        let at = self.any_broker();
        let topic = *self.random.pick(&TOPICS);
        let queue_id = self.random.below(QUEUES) as i32;
        let Some(running) = &self.brokers[at].running else { return Ok(()) };
        let marks = running.store.watermarks();
        let up_to = if self.scenario.is_durable { marks.flushed } else { marks.written };
        self.oracle.consume(&running.store, (topic, queue_id), up_to, &mut self.random)
    }

    fn acknowledge(&mut self, at: usize) -> Step {
        let Some(running) = &mut self.brokers[at].running else { return Ok(()) };
        let Some(up_to) = running.tell(self.scenario.is_durable, self.trusts_itself) else { return Ok(()) };
        let epoch = running.member.view().epoch;
        let (done, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut running.waiting).into_iter().partition(|sent| sent.log_end <= up_to);
        running.waiting = waiting;
        for sent in done {
            self.trace.line(format_args!("{at} acknowledges {} at {}", sent.id, sent.log_offset));
            self.oracle.acknowledged(at, epoch, sent)?;
        }
        // Whoever is master has it, whichever master acknowledged it.
        let master = self.controller.group().and_then(|group| Some((group.master?, group.master_epoch)));
        for other in 0..BROKERS {
            let broker = &mut self.brokers[other];
            let Some(running) = &mut broker.running else { continue };
            let is_master = running.member.id().zip(Some(running.member.view().epoch)) == master;
            if is_master && running.member.sync().is_some() && self.random.percent(5) {
                self.oracle.check_master(&broker.address, &running.store)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, at: usize) {
        self.messages += 1;
        let message = NewMessage::draw(self.messages, self.scenario.body_max, &mut self.random);
        let Some(running) = &mut self.brokers[at].running else { return };
        if let Some(sent) = running.send(&message) {
            self.trace.line(format_args!("{at} takes {sent:?}"));
            running.waiting.push(sent);
        }
    }

    /// Flushes and the like. An error is the store's state.
    fn background(&mut self, at: usize) {
        let Some(running) = &self.brokers[at].running else { return };
        match self.random.below(4) {
            0 => drop(running.store.queue_flush_step()),
            1 => drop(running.store.index_step(4096)),
            _ => drop(running.store.flush_step()),
        }
    }

    /// Signs of life, each in its time.
    fn beat(&mut self) {
        for at in 0..BROKERS {
            if self.now < self.beat_at[at] || !self.reaches(at, CONTROLLER) {
                continue;
            }
            if let Some((id, candidate)) = self.brokers[at].candidate() {
                self.beat_at[at] = self.now.add_ms(BEAT_MS);
                self.controller.heartbeat(id, candidate, self.now);
            }
        }
    }

    fn tick(&mut self) {
        if self.controller.tick(self.now) {
            self.elections += 1;
            let view = self.controller.view();
            self.trace.line(format_args!("the controller elects: {view:?}"));
        }
    }

    /// A broker asks the controller all that it has to ask: who is master comes first, and must not keep the rest back.
    fn ask(&mut self, at: usize) -> Step {
        (0..QUESTIONS_AT_ONCE).try_for_each(|_| self.ask_once(at))
    }

    /// The question or the answer may be lost, or come late.
    fn ask_once(&mut self, at: usize) -> Step {
        let now = self.time_of(at);
        let reaches = self.reaches(at, CONTROLLER);
        let is_heard = self.reaches(CONTROLLER, at) && self.random.percent(93);
        let Some(running) = &mut self.brokers[at].running else { return Ok(()) };
        if running.member.is_chosen() {
            let epoch = running.member.view().epoch;
            self.reign(at, epoch)?;
        }
        let Some(running) = &mut self.brokers[at].running else { return Ok(()) };
        let end = running.store.log_range().1;
        let Some(ask) = running.member.next(end, now) else { return Ok(()) };
        let answer = if !reaches {
            Answer::Silence
        } else if self.random.percent(3) {
            self.lingering.push((at, ask.clone()));
            Answer::Silence
        } else {
            self.controller.answer(&self.brokers[at].address, &ask, self.now)
        };
        self.trace.line(format_args!("{at} asks {ask:?}: {answer:?}, heard: {is_heard}"));
        let answer = if is_heard { answer } else { Answer::Silence };
        let Some(running) = &mut self.brokers[at].running else { return Ok(()) };
        let effects = running.member.answered(&ask, answer, now, now);
        self.obey(at, effects)
    }

    /// A request arrives when nobody waits for its answer any more.
    fn arrive(&mut self) {
        if let Some((from, ask)) = self.lingering.pop() {
            let answer = self.controller.answer(&self.brokers[from].address, &ask, self.now);
            self.trace.line(format_args!("late, {from} asks {ask:?}: {answer:?}"));
        }
    }

    /// The controller tells a broker by itself.
    fn notify(&mut self, at: usize) -> Step {
        let now = self.time_of(at);
        let Some(view) = self.controller.view().filter(|_| self.reaches(CONTROLLER, at)) else {
            return Ok(());
        };
        let Some(running) = &mut self.brokers[at].running else { return Ok(()) };
        let effects = running.member.notified(view, now);
        self.obey(at, effects)
    }

    fn obey(&mut self, at: usize, effects: Vec<Effect>) -> Step {
        for effect in effects {
            match effect {
                Effect::Keep(identity) => self.brokers[at].identity = identity,
                Effect::SetChanged => {}
                Effect::Reign(view) => self.reign(at, view.epoch)?,
                Effect::Follow(view) => {
                    self.close_all(at);
                    let place = |address: &str| self.brokers.iter().position(|one| one.address == address);
                    let master = view.master.as_ref().and_then(|(_, address)| place(address));
                    self.trace.line(format_args!("{at} follows {master:?} in epoch {}", view.epoch));
                    self.brokers[at].follow(master, view.epoch);
                }
            }
        }
        Ok(())
    }

    fn reign(&mut self, at: usize, epoch: i32) -> Step {
        self.close_all(at);
        let now = self.time_of(at);
        let has_begun = self.brokers[at].reign(epoch, now)?;
        let broker = &self.brokers[at];
        let epochs = &broker.epochs;
        self.trace.line(format_args!("{at} is master of epoch {epoch}: {has_begun}, {epochs:?}"));
        let is_newest = self.controller.group().is_some_and(|group| group.master_epoch == epoch);
        match &broker.running {
            Some(running) if has_begun && is_newest && !broker.disk.is_dead() => {
                self.oracle.check_master(&broker.address, &running.store)
            }
            _ => Ok(()),
        }
    }

    fn connect(&mut self, at: usize) {
        let broker = &mut self.brokers[at];
        let Some(running) = &mut broker.running else { return };
        let Some((master, _)) = running.follows.filter(|_| running.link.is_none()) else { return };
        let Some(id) = running.member.id() else { return };
        if self.scenario.is_durable && running.store.flush_step().is_err() {
            return;
        }
        let Ok(next) = running.store.begin_copy() else { return };
        let (slave, hello) = SlaveSession::open(id, false, false, running.newest_epoch);
        self.links += 1;
        running.link = Some(Link::new(self.links, master, slave, hello, next));
    }

    /// Some bytes move on the connection of a slave, and it and its master work on them.
    fn transmit(&mut self, at: usize) -> Step {
        let Some(mut link) = self.brokers[at].running.as_mut().and_then(|running| running.link.take()) else {
            return Ok(());
        };
        let master = link.master;
        let mut lives = self.brokers[master].running.is_some();
        if lives && self.reaches(at, master) {
            lives = self.at_master(at, &mut link);
        }
        if lives && self.reaches(master, at) {
            lives = self.at_slave(at, &mut link)?;
        }
        if lives {
            if let Some(running) = &mut self.brokers[at].running {
                running.link = Some(link);
            }
        } else {
            self.ended(master, at, link.number);
        }
        Ok(())
    }

    /// The master notices that a connection ended.
    fn ended(&mut self, master: usize, slave: usize, number: u64) {
        let now = self.time_of(master);
        let id = self.brokers[slave].running.as_ref().and_then(|running| running.member.id());
        let Some(id) = id.or(match self.brokers[slave].identity {
            Identity::Own(id) => Some(id),
            _ => None,
        }) else {
            return;
        };
        if let Some(sync) = self.brokers[master].running.as_mut().and_then(|running| running.member.sync()) {
            sync.disconnected(id, number, now);
        }
    }

    /// The master takes what a slave sent, and sends on. Whether the connection lives.
    fn at_master(&mut self, at: usize, link: &mut Link) -> bool {
        let now = self.time_of(link.master);
        let some = self.random.below(link.to_master.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_master.drain(..some).collect();
        let broker = &mut self.brokers[link.master];
        let Some(running) = &mut broker.running else { return false };
        let session = link.at_master.get_or_insert_with(|| MasterSession::open(now));
        let said = match session.receive(&bytes, now) {
            Ok(said) => said,
            Err(error) => {
                self.trace.line(format_args!("{} gives {at} up: {error}", link.master));
                return false;
            }
        };
        let (begin, end) = running.store.log_range();
        let Some(sync) = running.member.sync() else { return false };
        for one in said {
            match one {
                Said::Hello { broker_id, is_learner } => {
                    sync.connected(broker_id, link.number, is_learner, now);
                }
                Said::Has(offset) => {
                    if let Some(id) = session.broker_id() {
                        sync.acknowledged(id, link.number, offset, end, now);
                    }
                }
            }
        }
        let size = self.scenario.config.segment_size_bytes;
        let last_segment = LogOffset(end.0 - end.0 % size).max(begin);
        // What readers at slaves are shown must not be lost with the master's power.
        let safe = if self.scenario.is_durable { running.store.watermarks().flushed } else { end };
        let confirmed = sync.confirm(end).min(safe);
        for _ in 0..4 {
            let source = SourceLog { begin, last_segment, end, epochs: &broker.epochs, confirmed };
            match session.next(&source, self.scenario.batch_bytes, SIGN_OF_LIFE_MS, now) {
                Ok(Some(Send::Bytes(bytes))) => link.to_slave.extend(bytes),
                Ok(Some(Send::Log { header, offset, len })) => {
                    link.to_slave.extend(header);
                    let to = offset.add_bytes(len as u64);
                    link.to_slave.extend(raw_log(&running.store, offset, to));
                }
                Ok(None) => break,
                Err(error) => {
                    self.trace.line(format_args!("{} gives {at} up: {error}", link.master));
                    return false;
                }
            }
        }
        true
    }

    /// The slave takes what its master sent, and reports. Whether the connection lives.
    fn at_slave(&mut self, at: usize, link: &mut Link) -> Result<bool, Violation> {
        let some = self.random.below(link.to_slave.len() as u64 + 1) as usize;
        let bytes: Vec<u8> = link.to_slave.drain(..some).collect();
        let is_due = self.random.percent(15);
        let Broker { running, epochs, address, disk, .. } = &mut self.brokers[at];
        let Some(Running { store, told, .. }) = running else { return Ok(false) };
        let mut log = StoreLog { store, epochs, next: &mut link.next, told, cuts: Vec::new() };
        let received = link.slave.receive(&mut log, &bytes);
        let cuts = std::mem::take(&mut log.cuts);
        for cut in &cuts {
            self.cuts += 1;
            self.trace.line(format_args!("{at} cuts its log: {cut:?}"));
            if !disk.is_dead() {
                self.oracle.check_cut(address, store, cut)?;
            }
        }
        if let Err(error) = received {
            self.trace.line(format_args!("{at} gives its master up: {error}"));
            return Ok(false);
        }
        let has = match self.scenario.is_durable {
            true => store.flush_step().map_err(drop),
            false => Ok(store.log_range().1),
        };
        let Ok(has) = has else { return Ok(false) };
        link.to_master.extend(link.slave.report(has, is_due).unwrap_or_default());
        Ok(true)
    }

    /// The end of a slave's connection; the master notices at once or later.
    fn close(&mut self, at: usize) {
        let notices = self.random.percent(50);
        let link = self.brokers[at].running.as_mut().and_then(|running| running.link.take());
        if let Some(link) = link.filter(|_| notices) {
            self.ended(link.master, at, link.number);
        }
    }

    /// The end of all connections of a broker.
    fn close_all(&mut self, at: usize) {
        self.close(at);
        for broker in &mut self.brokers {
            let Some(running) = &mut broker.running else { continue };
            if running.link.as_ref().is_some_and(|link| link.master == at) {
                running.link = None;
            }
        }
    }

    /// The process dies, or the power goes.
    fn crash(&mut self, at: usize) {
        self.close_all(at);
        let broker = &mut self.brokers[at];
        let is_dead = broker.disk.is_dead();
        if broker.running.is_none() && !is_dead {
            return;
        }
        self.crashes += 1;
        let id = broker.running.take().and_then(|running| running.member.id());
        let loses_power = self.scenario.is_durable && self.random.percent(60);
        if loses_power {
            broker.disk.power_cut();
        } else {
            broker.disk.kill();
        }
        self.trace.line(format_args!("{at} dies, power cut: {loses_power}"));
        // Its connections end, unless the machine just is not there any more.
        if let Some(id) = id.filter(|_| self.random.percent(50)) {
            self.controller.lost(id);
        }
    }

    /// Starts one that is down.
    fn start_one(&mut self) -> Step {
        let down: Vec<usize> = (0..BROKERS).filter(|at| self.brokers[*at].running.is_none()).collect();
        if down.is_empty() {
            return Ok(());
        }
        let at = *self.random.pick(&down);
        self.start(at)
    }

    fn start(&mut self, at: usize) -> Step {
        if self.brokers[at].running.is_some() {
            return Ok(());
        }
        self.brokers[at].start()?;
        if let Some(running) = &self.brokers[at].running {
            let (range, epochs) = (running.store.log_range(), &self.brokers[at].epochs);
            self.trace.line(format_args!("{at} starts: {range:?}, {epochs:?}"));
        }
        Ok(())
    }

    /// All trouble is over: the logs become one, and all are in sync.
    pub(super) fn heal(&mut self) -> Step {
        self.trace.line(format_args!("all trouble is over"));
        self.network.mend_all();
        self.lingering.clear();
        for at in 0..BROKERS {
            self.brokers[at].disk.disarm();
            self.start(at)?;
        }
        for step in 0..HEALING_STEPS {
            let ms = self.random.below(15);
            self.pass(ms);
            self.beat();
            let at = self.any_broker();
            match self.random.below(10) {
                0..5 => self.transmit(at)?,
                5..7 => self.ask(at)?,
                7 => self.tick(),
                8 => self.background(at),
                _ => self.connect(at),
            }
            self.after()?;
            if step % 20 == 0 && self.differs().is_none() {
                return Ok(());
            }
        }
        Err(format!("all is not well again: {}", self.differs().unwrap_or_default()))
    }

    /// What is not yet as it must become.
    fn differs(&mut self) -> Option<String> {
        let group = self.controller.group()?.clone();
        let ids: Vec<Option<i64>> = self
            .brokers
            .iter()
            .map(|broker| broker.running.as_ref().and_then(|running| running.member.id()))
            .collect();
        let Some(master) = ids.iter().position(|id| id.is_some() && *id == group.master) else {
            return Some(format!("there is no master: {group:?}"));
        };
        if group.sync_state_set.len() < BROKERS {
            return Some(format!("not all are in sync: {group:?}"));
        }
        let logs: Vec<Option<(LogOffset, Vec<u8>, Epochs)>> = self
            .brokers
            .iter()
            .map(|broker| {
                let store = &broker.running.as_ref()?.store;
                let (begin, end) = store.log_range();
                // One in which nothing was written yet comes with its first byte.
                let mut epochs = broker.epochs.clone();
                epochs.truncate(end);
                Some((begin, raw_log(store, begin, end), epochs))
            })
            .collect();
        let first = logs.iter().position(|log| *log != logs[master]);
        if let Some(other) = first {
            let text = |at: usize| {
                logs[at].as_ref().map(|(begin, bytes, epochs)| format!("{begin}+{} {epochs:?}", bytes.len()))
            };
            return Some(format!(
                "the logs of {other} and of master {master}: {:?}, {:?}",
                text(other),
                text(master)
            ));
        }
        let end = self.brokers[master].running.as_ref()?.store.log_range().1;
        let behind = self
            .brokers
            .iter()
            .position(|broker| broker.running.as_ref().is_none_or(|running| running.told < end));
        behind.map(|at| format!("{at} was not told that all is confirmed"))
    }

    /// The stores say the same of every queue, and the master has what was acknowledged.
    pub(super) fn check_all(&mut self) -> Step {
        let Some(master) = self.controller.group().and_then(|group| group.master) else { return Ok(()) };
        let running: Vec<&Running> =
            self.brokers.iter().filter_map(|broker| broker.running.as_ref()).collect();
        for one in &running {
            self.oracle.check_master(&format!("{:?}", one.member.id()), &one.store)?;
        }
        let Some(whole) = running.iter().find(|one| one.member.id() == Some(master)) else { return Ok(()) };
        for topic in TOPICS {
            for queue_id in 0..QUEUES as i32 {
                let range = whole.store.queue_range(topic, queue_id);
                let entries = whole.store.queue_entries(topic, queue_id, range.min, 100_000);
                for one in &running {
                    let there = one.store.queue_range(topic, queue_id);
                    let same = one.store.queue_entries(topic, queue_id, there.min, 100_000);
                    if (there, &same) != (range, &entries) {
                        return Err(format!(
                            "{topic} {queue_id} is {there:?} at {:?} and {range:?} at the master",
                            one.member.id()
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
