//! Who leads the controllers, and what becomes of that.

use super::{
    broker::Broker,
    scenario::{BROKERS, CONTROLLERS, DEAD_AFTER_MS},
    world::World,
};

impl World<'_> {
    /// A controller starts anew, or another one leads, at once or when it does not hear the master any more.
    pub(super) fn controllers_change(&mut self) {
        let which = self.random.below(CONTROLLERS as u64) as usize;
        match self.random.below(10) {
            0..4 => self.controllers.restart(which, self.now),
            4..7 => self.controllers.lead(which, self.now),
            _ => self.half_hear_master(which),
        }
        self.trace.line(format_args!("of the controllers {} leads", self.controllers.place() - BROKERS));
    }

    /// The master is heard by the one that leads alone, until another one does.
    fn half_hear_master(&mut self, next: usize) {
        let leader = self.controllers.place();
        let Some(at) = self.master().filter(|_| leader != BROKERS + next) else { return };
        for other in (BROKERS..BROKERS + CONTROLLERS).filter(|other| *other != leader) {
            self.network.break_one(at, other);
            self.network.break_one(other, at);
        }
        let ms = DEAD_AFTER_MS + self.random.below(1_000) as i64;
        self.next_leader = Some((next, self.now.add_ms(ms)));
    }

    /// Another one leads, where its time has come.
    pub(super) fn lead_in_time(&mut self) {
        let now = self.now;
        if let Some((next, _)) = self.next_leader.take_if(|(_, at)| *at <= now) {
            self.controllers.lead(next, now);
            self.trace.line(format_args!("of the controllers {next} leads in turn"));
        }
    }

    /// Place of the broker that is master, as the controllers say.
    pub(super) fn master(&self) -> Option<usize> {
        let master = self.controllers.group()?.master?;
        let is_master =
            |broker: &Broker| broker.running.as_ref().is_some_and(|one| one.group.id() == Some(master));
        self.brokers.iter().position(is_master)
    }
}
