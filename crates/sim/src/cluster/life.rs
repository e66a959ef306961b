//! Processes that die, and that are started.

use super::{Step, scenario::BROKERS, world::World};

impl World<'_> {
    /// The process dies, or the power goes.
    pub(super) fn crash(&mut self, at: usize) {
        self.close_all(at);
        let broker = &mut self.brokers[at];
        let is_dead = broker.disk.is_dead();
        if broker.running.is_none() && !is_dead {
            return;
        }
        self.crashes += 1;
        let id = broker.running.take().and_then(|running| running.group.id());
        self.crew.died(at);
        let loses_power = self.scenario.is_durable && self.random.percent(60);
        if loses_power {
            broker.disk.power_cut();
        } else {
            broker.disk.kill();
        }
        self.trace.line(format_args!("{at} dies, power cut: {loses_power}"));
        // Its connections end, unless the machine just is not there any more.
        if let Some(id) = id.filter(|_| self.random.percent(50)) {
            self.controllers.lost(id, self.now);
        }
    }

    /// Starts one that is down.
    pub(super) fn start_one(&mut self) -> Step {
        let down: Vec<usize> = (0..BROKERS).filter(|at| self.brokers[*at].running.is_none()).collect();
        if down.is_empty() {
            return Ok(());
        }
        let at = *self.random.pick(&down);
        self.start(at)
    }

    /// Starts one, unless it runs.
    pub(super) fn start(&mut self, at: usize) -> Step {
        if self.brokers[at].running.is_some() {
            return Ok(());
        }
        self.brokers[at].start()?;
        if let Some(board) = self.brokers[at].board(self.scenario.is_durable) {
            self.crew.started(board);
        }
        if let Some(running) = &self.brokers[at].running {
            let (range, epochs) = (running.store.log_range(), running.group.epochs());
            self.trace.line(format_args!("{at} starts: {range:?}, {epochs:?}"));
        }
        Ok(())
    }
}
