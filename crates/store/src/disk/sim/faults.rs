//! What can strike an operation: one fault by count, or any by chance.

use std::io::{self, ErrorKind};

use super::world::World;

/// What [`FaultRates`] are parts of.
const MILLION: u64 = 1_000_000;

/// Which operation a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SimOp {
    /// Any that changes something or makes it durable; by itself: clearing the end of a file.
    Change,
    /// Writing into a file.
    Write,
    /// Syncing a file.
    Sync,
    /// Syncing the names of a directory.
    SyncDir,
    /// Creating a file or directory.
    Create,
    /// Removing a file or directory.
    Remove,
    /// Opening a file.
    Open,
    /// Reading from a file, or looking at names and lengths.
    Read,
}

impl SimOp {
    fn changes(self) -> bool {
        !matches!(self, SimOp::Open | SimOp::Read)
    }
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The operation fails and does nothing.
    Fail(ErrorKind),
    /// The same, with an error number of the operating system.
    FailWith(i32),
    /// Of a write the first bytes arrive, then it fails.
    Torn(usize, ErrorKind),
    /// As [`FaultKind::Torn`], and from then on every operation fails: the process is dead.
    Crash(usize),
}

/// A fault that waits for its operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation.
    pub op: SimOp,
    /// How many of these pass before.
    pub after: u64,
    /// What happens.
    pub kind: FaultKind,
}

/// How often what happens by itself, in millionths of the operations of its kind. The default is a disk without fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// Opening a file fails.
    pub open: u32,
    /// Creating a file or directory fails.
    pub create: u32,
    /// A write fails; any part of it arrives. Or: clearing the end of a file fails.
    pub write: u32,
    /// Syncing a file fails.
    pub sync: u32,
    /// Syncing a directory fails.
    pub sync_dir: u32,
    /// Removing fails.
    pub remove: u32,
    /// Reading fails.
    pub read: u32,
    /// The kernel writes back: of all that is not durable a part becomes durable.
    pub write_back: u32,
    /// An operation takes up to [`FaultRates::slow_ms_max`].
    pub slow: u32,
    /// Longest time of a slow operation, in ms; see [`super::SimDisk::set_clock`].
    pub slow_ms_max: u32,
}

impl FaultRates {
    fn of(&self, op: SimOp) -> u32 {
        match op {
            SimOp::Change | SimOp::Write => self.write,
            SimOp::Sync => self.sync,
            SimOp::SyncDir => self.sync_dir,
            SimOp::Create => self.create,
            SimOp::Remove => self.remove,
            SimOp::Open => self.open,
            SimOp::Read => self.read,
        }
    }
}

/// What struck: for a write, how many bytes arrive all the same; and the error.
pub(super) type Struck = (usize, io::Error);

impl World {
    /// Lets an operation pass, or says what strikes it. `len` is that of a write.
    pub(super) fn strike(&mut self, op: SimOp, len: usize) -> Result<(), Struck> {
        if self.dead {
            return Err((0, dead()));
        }
        self.operations += 1;
        if op.changes() {
            self.changes += 1;
            self.pass_time();
        }
        self.strike_by_count(op)?;
        if self.chance(self.rates.of(op)) {
            self.struck += 1;
            let keep = if op == SimOp::Write { self.below(len as u64 + 1) as usize } else { 0 };
            return Err((keep, io::Error::other("injected input/output error")));
        }
        Ok(())
    }

    fn strike_by_count(&mut self, op: SimOp) -> Result<(), Struck> {
        let Some(fault) = &mut self.fault else { return Ok(()) };
        if fault.op != op && !(fault.op == SimOp::Change && op.changes()) {
            return Ok(());
        }
        if fault.after > 0 {
            fault.after -= 1;
            return Ok(());
        }
        let kind = fault.kind;
        self.fault = None;
        self.struck += 1;
        Err(match kind {
            FaultKind::Fail(kind) => (0, kind.into()),
            FaultKind::FailWith(errno) => (0, io::Error::from_raw_os_error(errno)),
            FaultKind::Torn(keep, kind) => (keep, kind.into()),
            FaultKind::Crash(keep) => {
                self.dead = true;
                (keep, dead())
            }
        })
    }

    /// For operations of which no part can arrive.
    pub(super) fn pass(&mut self, op: SimOp) -> io::Result<()> {
        self.strike(op, 0).map_err(|(_, error)| error)
    }

    fn pass_time(&mut self) {
        if self.chance(self.rates.slow) {
            let ms = self.below(u64::from(self.rates.slow_ms_max) + 1);
            if let Some(clock) = &self.clock {
                clock.advance_ms(ms as i64);
            }
        }
        if self.chance(self.rates.write_back) {
            self.write_back();
        }
    }

    fn chance(&mut self, millionths: u32) -> bool {
        // Without a rate nothing is drawn: a run that injects by count keeps its losses when rates are added here.
        millionths > 0 && self.below(MILLION) < u64::from(millionths)
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}
