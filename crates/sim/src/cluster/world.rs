//! A group while it is played: work and trouble, and what is looked at after each step.

use eruca_message::{Clock, ManualClock, Timestamp};
use eruca_replication::{auto_switch::Ask, group::ToSlave};
use eruca_store::disk::{Fault, FaultKind, SimDisk, SimOp};

use super::{
    Step,
    broker::Broker,
    controllers::Controllers,
    crew::Crew,
    message::NewMessage,
    network::{Network, PLACES},
    oracle::Oracle,
    scenario::{BROKERS, QUEUES, Scenario, TOPICS},
};
use crate::{clock::START, random::Random, trace::Trace};

pub(super) struct World<'c> {
    pub(super) crew: &'c mut dyn Crew,
    pub(super) random: Random,
    pub(super) scenario: Scenario,
    pub(super) trace: Trace,
    pub(super) now: Timestamp,
    pub(super) brokers: Vec<Broker>,
    pub(super) controllers: Controllers,
    pub(super) oracle: Oracle,
    pub(super) network: Network,
    /// Requests to controllers of which the senders expect no answer any more.
    pub(super) lingering: Vec<(usize, Ask)>,
    /// Masters' ends of connections that are no more, which they do not know yet.
    pub(super) unnoticed: Vec<(usize, ToSlave)>,
    pub(super) beat_at: Vec<Timestamp>,
    /// Who leads the controllers next, and when.
    pub(super) next_leader: Option<(usize, Timestamp)>,
    pub(super) links: u64,
    messages: u64,
    /// Messages that a master acknowledged which it alone may have.
    pub(super) acknowledged_alone: u64,
    pub(super) crashes: u64,
    pub(super) cuts: u64,
    pub(super) elections: u64,
}

impl<'c> World<'c> {
    pub(super) fn new(mut random: Random, trace: Trace, crew: &'c mut dyn Crew) -> World<'c> {
        let scenario = Scenario::draw(&mut random);
        let brokers = (0..BROKERS).map(|place| {
            let disk = SimDisk::new(random.number());
            Broker::new(place, scenario.config.clone(), disk, ManualClock::new(START))
        });
        World {
            crew,
            brokers: brokers.collect(),
            random,
            scenario,
            trace,
            now: START,
            controllers: Controllers::new(START),
            oracle: Oracle::default(),
            network: Network::default(),
            lingering: Vec::new(),
            unnoticed: Vec::new(),
            beat_at: vec![START; BROKERS],
            next_leader: None,
            links: 0,
            messages: 0,
            acknowledged_alone: 0,
            crashes: 0,
            cuts: 0,
            elections: 0,
        }
    }

    pub(super) fn any_broker(&mut self) -> usize {
        self.random.below(BROKERS as u64) as usize
    }

    pub(super) fn reaches(&self, from: usize, to: usize) -> bool {
        self.network.reaches(from, to)
    }

    /// What time it is for a broker.
    pub(super) fn time_of(&self, at: usize) -> Timestamp {
        self.brokers[at].clock.now()
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now = self.now.add_ms(ms as i64);
        self.brokers.iter().for_each(|broker| broker.clock.advance_ms(ms as i64));
    }

    /// One step, and what follows from it.
    pub(super) fn step(&mut self) -> Step {
        let ms = if self.random.percent(1) { self.random.below(1_000) } else { self.random.below(10) };
        self.pass(ms);
        self.beat();
        self.lead_in_time();
        if self.random.percent(self.scenario.trouble) {
            self.trouble()?;
        } else {
            self.work()?;
        }
        let percent = self.crew.percent();
        if percent > 0 && self.random.percent(percent) {
            self.crew_works()?;
        }
        self.after()
    }

    fn crew_works(&mut self) -> Step {
        let at = self.any_broker();
        let broker = &self.brokers[at];
        let Some(board) = broker.board(self.scenario.is_durable) else { return Ok(()) };
        let follows = broker.running.as_ref().and_then(|running| running.follows);
        let reached = follows.filter(|master| self.reaches(at, *master) && self.reaches(*master, at));
        let master = reached.and_then(|master| self.brokers[master].board(self.scenario.is_durable));
        self.crew.work(board, master, &mut self.random, &mut self.trace)
    }

    fn work(&mut self) -> Step {
        let at = self.any_broker();
        match self.random.below(100) {
            0..25 => return self.send(at),
            25..62 => return self.transmit(at),
            62..74 => return self.ask(at),
            74..79 => return self.notify(at),
            79..84 => self.tick(),
            84..89 => self.background(at),
            89..92 => return self.start_one(),
            92 if self.random.percent(40) => self.network.rejoin(at),
            93 => self.arrive(),
            94 => self.notice_ends(1),
            _ => self.connect(at),
        }
        Ok(())
    }

    fn trouble(&mut self) -> Step {
        let at = self.any_broker();
        let other = self.random.below(PLACES as u64) as usize;
        match self.random.below(100) {
            0..12 => self.network.break_one(at, other),
            12..16 => self.network.break_one(other, at),
            16..40 => return self.isolate_master(),
            40..48 => self.network.mend_one(&mut self.random),
            48..50 => self.network.rejoin(at),
            50..62 => {
                // With messages that it alone has, where it is the master.
                for _ in 0..self.random.below(4) {
                    self.send(at)?;
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
            84..88 => self.controllers_change(),
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
    fn isolate_master(&mut self) -> Step {
        let has_others = self.controllers.group().is_some_and(|group| group.sync_state_set.len() > 1);
        if let Some(at) = self.master().filter(|_| has_others) {
            self.trace.line(format_args!("{at} is cut off from all others"));
            self.network.isolate(at, &mut self.random);
            for _ in 0..self.random.below(6) {
                self.send(at)?;
            }
        }
        Ok(())
    }

    /// What every broker does at once: notices that it is dead, acknowledges, lets consumers read.
    pub(super) fn after(&mut self) -> Step {
        for at in 0..BROKERS {
            if self.brokers[at].disk.is_dead() {
                self.crash(at);
            }
        }
        for at in 0..BROKERS {
            self.acknowledge(at)?;
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
        for sent in self.brokers[at].acknowledged(self.scenario.is_durable) {
            self.trace.line(format_args!("{at} acknowledges {} at {}", sent.id, sent.log_offset));
            self.oracle.acknowledged(at, sent)?;
        }
        // Whoever is master has it, whichever master acknowledged it.
        let master = self.controllers.group().and_then(|group| Some((group.master?, group.master_epoch)));
        let broker = &self.brokers[at];
        let Some(running) = &broker.running else { return Ok(()) };
        let (id, epoch) = running.standing();
        if id.zip(Some(epoch)) == master && running.is_master() && self.random.percent(15) {
            self.oracle.check_master(&broker.address, &running.store)?;
        }
        Ok(())
    }

    fn send(&mut self, at: usize) -> Step {
        self.messages += 1;
        let message = NewMessage::draw(self.messages, self.scenario.body_max, &mut self.random);
        if self.random.percent(20) {
            if let Some(sent) = self.brokers[at].send_alone(&message) {
                self.trace.line(format_args!("{at} takes and acknowledges alone {sent:?}"));
                // Where clocks are set nobody knows how long a lease is.
                if !self.scenario.has_clock_jumps {
                    self.acknowledged_alone += 1;
                    self.oracle.acknowledged_alone(at, sent.epoch)?;
                }
            }
        } else if let Some(sent) = self.brokers[at].send(&message) {
            self.trace.line(format_args!("{at} takes {sent:?}"));
        }
        Ok(())
    }

    /// Flushes and the like. An error is the store's state.
    pub(super) fn background(&mut self, at: usize) {
        let Some(running) = &self.brokers[at].running else { return };
        match self.random.below(4) {
            0 => drop(running.store.queue_flush_step()),
            1 => drop(running.store.index_step(4096)),
            _ => drop(running.store.flush_step()),
        }
    }
}
