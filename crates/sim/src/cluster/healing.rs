//! The end, when all becomes well.

use eruca_message::LogOffset;
use eruca_replication::auto_switch::Epochs;

use super::{
    Step, Violation,
    broker::Running,
    oracle::raw_log,
    scenario::{BROKERS, QUEUES, TOPICS},
    world::World,
};

/// Steps until all must be well again.
const HEALING_STEPS: u64 = 30_000;

impl World<'_> {
    /// All trouble is over: the logs become one, and all are in sync.
    pub(super) fn heal(&mut self) -> Step {
        self.trace.line(format_args!("all trouble is over"));
        self.network.mend_all();
        self.lingering.clear();
        self.unnoticed.clear();
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

    /// All is well: for how long clocks should go on, until it is asked again, if there is something left to be done.
    pub(super) fn rest(&mut self) -> Result<Option<u64>, Violation> {
        let master = self.master().and_then(|at| self.brokers[at].board(self.scenario.is_durable));
        match master {
            Some(board) => self.crew.rest(board, &mut self.trace),
            None => Ok(None),
        }
    }

    /// What is not yet as it must become.
    fn differs(&mut self) -> Option<String> {
        let group = self.controllers.group()?.clone();
        let ids: Vec<Option<i64>> = self
            .brokers
            .iter()
            .map(|broker| broker.running.as_ref().and_then(|running| running.group.id()))
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
                let running = broker.running.as_ref()?;
                let (begin, end) = running.store.log_range();
                // One in which nothing was written yet comes with its first byte.
                let mut epochs = running.group.epochs();
                epochs.truncate(end);
                Some((begin, raw_log(&running.store, begin, end), epochs))
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
            .position(|broker| broker.running.as_ref().is_none_or(|running| running.confirmed() < end));
        behind.map(|at| format!("{at} was not told that all is confirmed"))
    }

    /// The stores say the same of every queue, and all have what was acknowledged.
    pub(super) fn check_all(&mut self) -> Step {
        let Some(master) = self.controllers.group().and_then(|group| group.master) else { return Ok(()) };
        let running: Vec<&Running> =
            self.brokers.iter().filter_map(|broker| broker.running.as_ref()).collect();
        for one in &running {
            self.oracle.check_master(&format!("{:?}", one.group.id()), &one.store)?;
        }
        let Some(whole) = running.iter().find(|one| one.group.id() == Some(master)) else { return Ok(()) };
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
                            one.group.id()
                        ));
                    }
                }
            }
        }
        Ok(())
    }
}
