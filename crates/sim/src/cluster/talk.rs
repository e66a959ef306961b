//! Brokers and their controller, and what a broker does that the controller says.

use eruca_replication::auto_switch::{Answer, Effect};

use super::{
    Step,
    scenario::{BEAT_MS, BROKERS, CONTROLLERS},
    world::World,
};

const QUESTIONS_AT_ONCE: u32 = 3;

impl World<'_> {
    /// Signs of life, each in its time.
    pub(super) fn beat(&mut self) {
        for at in 0..BROKERS {
            if self.now < self.beat_at[at] {
                continue;
            }
            let Some((id, candidate)) = self.brokers[at].candidate() else { continue };
            self.beat_at[at] = self.now.add_ms(BEAT_MS);
            for which in (0..CONTROLLERS).filter(|which| self.network.reaches(at, BROKERS + which)) {
                self.controllers.heartbeat(which, id, candidate, self.now);
            }
        }
    }

    /// The controller looks whether the master is there.
    pub(super) fn tick(&mut self) {
        if self.controllers.tick(self.now) {
            self.elections += 1;
            let view = self.controllers.view();
            self.trace.line(format_args!("the controller elects: {view:?}"));
        }
    }

    /// A broker asks the controller all that it has to ask: who is master comes first, and must not keep the rest back.
    pub(super) fn ask(&mut self, at: usize) -> Step {
        (0..QUESTIONS_AT_ONCE).try_for_each(|_| self.ask_once(at))
    }

    /// The question or the answer may be lost, or come late.
    fn ask_once(&mut self, at: usize) -> Step {
        let now = self.time_of(at);
        let leader = self.controllers.place();
        let reaches = self.reaches(at, leader);
        let is_heard = self.reaches(leader, at) && self.random.percent(93);
        let Some(running) = &self.brokers[at].running else { return Ok(()) };
        if running.group.with_member(|member| member.is_chosen()) {
            let (_, epoch) = running.standing();
            self.reign(at, epoch)?;
        }
        let Some(running) = &self.brokers[at].running else { return Ok(()) };
        let end = running.store.log_range().1;
        let ask = running.group.with_member(|member| member.next(end, now));
        running.group.tell();
        let Some(ask) = ask else { return Ok(()) };
        let answer = if !reaches {
            Answer::Silence
        } else if self.random.percent(3) {
            self.lingering.push((at, ask.clone()));
            Answer::Silence
        } else {
            self.controllers.answer(&self.brokers[at].address, &ask, self.now)
        };
        self.trace.line(format_args!("{at} asks {ask:?}: {answer:?}, heard: {is_heard}"));
        let answer = if is_heard { answer } else { Answer::Silence };
        let Some(running) = &self.brokers[at].running else { return Ok(()) };
        let effects = running.group.with_member(|member| member.answered(&ask, answer, now, now));
        self.obey(at, effects)
    }

    /// A request arrives when nobody waits for its answer any more.
    pub(super) fn arrive(&mut self) {
        if let Some((from, ask)) = self.lingering.pop() {
            let answer = self.controllers.answer(&self.brokers[from].address, &ask, self.now);
            self.trace.line(format_args!("late, {from} asks {ask:?}: {answer:?}"));
        }
    }

    /// The controller tells a broker by itself.
    pub(super) fn notify(&mut self, at: usize) -> Step {
        let now = self.time_of(at);
        // One that led before may not know that it leads no more.
        let is_old = self.random.percent(20);
        let view = if is_old { self.controllers.old_view() } else { self.controllers.view() };
        let Some(view) = view.filter(|_| self.reaches(self.controllers.place(), at)) else { return Ok(()) };
        let Some(running) = &self.brokers[at].running else { return Ok(()) };
        let effects = running.group.with_member(|member| member.notified(view, now));
        self.obey(at, effects)
    }

    fn obey(&mut self, at: usize, effects: Vec<Effect>) -> Step {
        self.tell(at);
        for effect in effects {
            match effect {
                Effect::Keep(identity) => self.brokers[at].identity = identity,
                Effect::SetChanged => {}
                Effect::Reign(view) => self.reign(at, view.epoch)?,
                Effect::Follow(view) => {
                    self.role_changes(at);
                    let place = |address: &str| self.brokers.iter().position(|one| one.address == address);
                    let master = view.master.as_ref().and_then(|(_, address)| place(address));
                    self.trace.line(format_args!("{at} follows {master:?} in epoch {}", view.epoch));
                    self.brokers[at].follow(master, view.epoch, self.crew, self.scenario.is_durable);
                }
            }
        }
        self.tell(at);
        Ok(())
    }

    fn tell(&self, at: usize) {
        if let Some(running) = &self.brokers[at].running {
            running.group.tell();
        }
    }

    fn reign(&mut self, at: usize, epoch: i32) -> Step {
        self.role_changes(at);
        let has_begun = self.brokers[at].reign(epoch, self.crew, self.scenario.is_durable)?;
        let broker = &self.brokers[at];
        self.trace.line(format_args!("{at} is master of epoch {epoch}: {has_begun}, {:?}", broker.epochs()));
        let is_newest = self.controllers.group().is_some_and(|group| group.master_epoch == epoch);
        match &broker.running {
            Some(running) if has_begun && is_newest && !broker.disk.is_dead() => {
                self.oracle.check_master(&broker.address, &running.store)
            }
            _ => Ok(()),
        }
    }

    /// Connections of the part that a broker had end, at once or when something comes on them.
    fn role_changes(&mut self, at: usize) {
        if self.random.percent(60) {
            self.close_all(at);
        }
    }
}
