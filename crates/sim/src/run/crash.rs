//! Ends and beginnings of the simulated process.

use std::sync::Arc;

use eruca_store::{
    MessageStore, OpenError, WriteState,
    disk::{Fault, FaultKind, FaultRates, SimOp},
};

use super::steps::Run;
use crate::oracle::{self, Crash, Ears, Marks, Verdict, Waiters};

/// Most openings that faults may spoil before the disk is made sound.
const OPENINGS_SPOILED_MAX: u32 = 3;

impl Run {
    /// Arms the end of the process within one of the next operations on the disk, at any byte of a write.
    pub(super) fn crash_soon(&mut self) {
        let after = self.random.below(30);
        let keep = match self.random.below(4) {
            0 => 0,
            1 => usize::MAX,
            _ => self.random.below(3000) as usize,
        };
        self.next_crash = if self.random.percent(50) { Crash::Kill } else { Crash::PowerCut };
        self.disk.inject(Fault { op: SimOp::Change, after, kind: FaultKind::Crash(keep) });
        let crash = self.next_crash;
        self.line(format_args!("{crash:?} after {after} operations"));
    }

    /// The process ends without having a say.
    pub(super) fn crash(&mut self, crash: Crash) -> Verdict {
        // What waiters were told counts, even if it was the last thing that happened.
        self.learn_flushed()?;
        let staged = self.model.cut(self.model.written);
        // Of a write that the process died in, any part may be in the kernel.
        self.model.maybe.extend(staged);
        self.store = None;
        self.end(crash);
        self.open(crash)
    }

    fn end(&mut self, crash: Crash) {
        match crash {
            Crash::PowerCut => self.disk.power_cut(),
            Crash::Kill | Crash::Closed => self.disk.kill(),
        }
        if crash != Crash::Closed {
            self.crashes += 1;
        }
    }

    /// Closes in order, and opens.
    pub(super) fn reopen(&mut self) -> Verdict {
        self.settle()?;
        if self.disk.is_dead() {
            return Ok(());
        }
        let closed = self.store().close();
        self.line(format_args!("closed: {closed:?}"));
        self.learn_flushed()?;
        let crash = match (&closed, self.disk.is_dead()) {
            (Ok(()), _) => Crash::Closed,
            (Err(_), true) => self.next_crash,
            (Err(_), false) => Crash::Kill,
        };
        if crash == Crash::Closed {
            self.model.flushed = self.model.written;
        }
        self.store = None;
        self.end(crash);
        self.open(crash)
    }

    /// Opens the store, by several tries where faults or a full disk spoil them, and compares.
    pub(super) fn open(&mut self, crash: Crash) -> Verdict {
        let mut crash = crash;
        let mut spoiled = 0;
        self.ears = Ears::default();
        self.waiters = Waiters::default();
        self.marks = Marks::default();
        self.state = WriteState::Open;
        loop {
            let sound = spoiled >= OPENINGS_SPOILED_MAX || self.random.percent(50);
            self.disk.set_rates(if sound { FaultRates::default() } else { self.scenario.rates });
            if spoiled < OPENINGS_SPOILED_MAX && self.random.percent(20) {
                self.crash_soon();
            } else {
                self.disk.disarm();
            }
            let (struck, operations) = (self.disk.struck(), self.disk.operations());
            let opened =
                MessageStore::open(self.scenario.config.clone(), self.shared_disk(), self.clock.shared());
            let operations = self.disk.operations() - operations;
            match opened {
                Ok((store, report)) if !self.disk.is_dead() => {
                    self.disk.set_rates(FaultRates::default());
                    self.disk.disarm();
                    self.line(format_args!("opened after {crash:?}, {operations} operations: {report:?}"));
                    store.set_arrival_listener(Arc::new(self.ears.clone()));
                    let segments =
                        (report.log_end.0 - store.log_range().0.0) / self.scenario.config.segment_size_bytes;
                    oracle::bounded(operations, &report, segments + 2)?;
                    oracle::survivors(&store, &mut self.model, crash)?;
                    if !report.was_closed {
                        oracle::second_recovery(&store, &self.disk, &self.scenario.config, &self.clock)?;
                    }
                    self.state = store.write_state();
                    self.store = Some(store);
                    return self.all_visible();
                }
                // It died at the very end: as if it had not opened.
                Ok((store, _)) => drop(store),
                Err(error) => {
                    self.line(format_args!("not opened: {error}"));
                    let full = matches!(&error, OpenError::Disk(error) if error.is_full());
                    if self.disk.struck() == struck && !full {
                        return Err(Run::cannot_open(&error));
                    }
                    if full {
                        self.disk.set_capacity(None);
                    }
                }
            }
            spoiled += 1;
            if self.disk.is_dead() && self.next_crash == Crash::PowerCut {
                crash = Crash::PowerCut;
                self.end(Crash::PowerCut);
            } else {
                // A power cut before a kill has lost what it could; what is left is to survive.
                crash = if crash == Crash::Closed { Crash::Kill } else { crash };
                self.end(Crash::Kill);
            }
        }
    }
}
