//! What works in the brokers of a group beside their logs: played by whoever has it, as `eruca-broker` with its own tables.

use std::sync::Arc;

use eruca_message::ManualClock;
use eruca_replication::group::GroupLog;
use eruca_store::{MessageStore, WriteStopped};

use super::Violation;
use crate::{random::Random, trace::Trace};

/// One broker while it runs.
#[derive(Debug, Clone, Copy)]
pub struct Board<'a> {
    /// Its place in the group, from 0.
    pub at: usize,
    /// Its log and queues.
    pub store: &'a Arc<MessageStore>,
    /// Its part in the group.
    pub group: &'a Arc<GroupLog>,
    /// Its time.
    pub clock: &'a Arc<ManualClock>,
    /// Nothing is acknowledged before the disk has it: the power goes, too.
    pub is_durable: bool,
}

/// What happens to the brokers, told to those who work in them; and when they may work.
pub trait Crew {
    /// Of a hundred steps, in how many it has something to do.
    fn percent(&self) -> u64;
    /// The process has started, as a slave.
    fn started(&mut self, board: Board<'_>);
    /// It died.
    fn died(&mut self, at: usize);
    /// It becomes master: what waits is taken up, and the store is opened.
    ///
    /// # Errors
    /// The store cannot write.
    fn reigns(&mut self, board: Board<'_>, epoch: i32) -> Result<(), WriteStopped>;
    /// It becomes a slave: the store is closed.
    fn follows(&mut self, board: Board<'_>, epoch: i32);
    /// A part of its log was cut off.
    fn was_cut(&mut self, board: Board<'_>);
    /// Some work in this broker. `master`: whom it follows, where it reaches that one.
    ///
    /// # Errors
    /// What must be true and is not.
    fn work(
        &mut self,
        board: Board<'_>,
        master: Option<Board<'_>>,
        random: &mut Random,
        trace: &mut Trace,
    ) -> Result<(), Violation>;
    /// All is well in the group, and this is its master: for how long clocks should go on, in ms, until it is asked again; `None` when
    /// nothing is left to be done.
    ///
    /// # Errors
    /// What must be true and is not.
    fn rest(&mut self, master: Board<'_>, trace: &mut Trace) -> Result<Option<u64>, Violation>;
}

/// Nobody: logs alone.
#[derive(Debug)]
pub(super) struct Nobody;

impl Crew for Nobody {
    fn percent(&self) -> u64 {
        0
    }

    fn started(&mut self, _: Board<'_>) {}

    fn died(&mut self, _: usize) {}

    fn reigns(&mut self, board: Board<'_>, _: i32) -> Result<(), WriteStopped> {
        board.store.set_replica(false)
    }

    fn follows(&mut self, board: Board<'_>, _: i32) {
        // An error is the store's state.
        let _ = board.store.set_replica(true);
    }

    fn was_cut(&mut self, _: Board<'_>) {}

    fn work(
        &mut self,
        _: Board<'_>,
        _: Option<Board<'_>>,
        _: &mut Random,
        _: &mut Trace,
    ) -> Result<(), Violation> {
        Ok(())
    }

    fn rest(&mut self, _: Board<'_>, _: &mut Trace) -> Result<Option<u64>, Violation> {
        Ok(None)
    }
}
