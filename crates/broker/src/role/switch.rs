//! Changing the role while the broker runs: what a master alone does is begun and ended, in an order in which no message is
//! delivered out of what is not there yet, and nothing is taken that has no place.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use eruca_message::{LogOffset, Timestamp};
use eruca_store::{MessageStore, WriteStopped};

use super::state::{MasterAddresses, Role, RoleState};
use crate::{
    delay::DelaySchedule,
    dispatch::Settled,
    pop::{PopService, Timers},
    timer::TimerSchedule,
    transaction::Transactions,
};

/// What begins and ends with the role.
#[derive(Debug)]
pub struct RoleParts {
    /// Store and tables.
    pub settled: Settled,
    /// Delay levels.
    pub delay: Arc<DelaySchedule>,
    /// Messages with a time of delivery.
    pub timers: Arc<TimerSchedule>,
    /// Half messages.
    pub transactions: Arc<Transactions>,
    /// What was popped.
    pub pop: Arc<PopService>,
}

/// Changes the role. Its methods block until the change is made: for a thread that may wait for the disk.
#[derive(Debug)]
pub struct RoleSwitch {
    state: Arc<RoleState>,
    parts: RoleParts,
    /// One change after the other.
    turn: Mutex<()>,
    /// Until when this slave dealt with what was popped while it stood in for its master, which has not come back since.
    dealt_until: Mutex<Option<Timestamp>>,
}

/// What a slave did while it stood in for a master that is back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deeds {
    /// How far its timers are (Java's `timercheck`).
    pub(crate) timers: Option<Bytes>,
    /// Until when it dealt with what was popped; `None`: its timers sent that to another group (Java), or it did not stand in.
    pub(crate) dealt_until: Option<Timestamp>,
}

impl RoleSwitch {
    /// For the state that everybody looks at.
    pub fn new(state: Arc<RoleState>, parts: RoleParts) -> Self {
        RoleSwitch { state, parts, turn: Mutex::default(), dealt_until: Mutex::default() }
    }

    /// The role as it is.
    pub fn state(&self) -> &Arc<RoleState> {
        &self.state
    }

    fn store(&self) -> &MessageStore {
        &self.parts.settled.store
    }

    /// The broker is the group's master from now on. The log must have all it will ever have of the former master's, in
    /// its queues: what waits in them (delays, timers, half messages, pops) is taken up from there.
    ///
    /// # Errors
    /// The store cannot write; the broker is master all the same, and takes messages when the store does.
    pub fn become_master(&self, epoch: i64) -> Result<(), WriteStopped> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _following = self.state.stop_following();
        let was = self.state.role();
        if was != Role::Master {
            // A topic that was made just before the former master was lost came with the log, and with no table.
            self.parts.settled.topics.adopt_queues(&self.store().topics_with_queues());
            self.parts.settled.cut_offsets();
            self.take_up(if was == Role::ActingMaster { Timers::PassedOver } else { Timers::Ours }, None);
        }
        let opened = self.store().set_replica(false);
        self.state.update(|standing| {
            (standing.role, standing.broker_id) = (Role::Master, 0);
            (standing.master, standing.epoch) = (None, epoch);
        });
        if was != Role::Master {
            self.begin();
            tracing::info!(
                epoch,
                log_end = self.store().log_range().1.0,
                "this broker is the master of its group now"
            );
        }
        opened
    }

    /// The broker is a slave with this number from now on, of the master where one is known. When this returns, nothing is
    /// appended any more: the log's end stays where it is until the copy goes on.
    ///
    /// # Errors
    /// Something that was appended could not be written: whoever waits for it is told so.
    pub fn become_slave(
        &self,
        broker_id: i64,
        master: Option<MasterAddresses>,
        epoch: i64,
    ) -> Result<(), WriteStopped> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let was = self.state.role();
        // First: what is under way is refused from here on, whoever it is that appends.
        let closed = self.store().set_replica(true);
        if was != Role::Slave {
            self.end();
        }
        self.state.update(|standing| {
            (standing.role, standing.broker_id) = (Role::Slave, broker_id);
            (standing.master, standing.epoch) = (master, epoch);
        });
        if was != Role::Slave {
            let log_end = self.store().log_range().1.0;
            tracing::info!(broker_id, epoch, log_end, "this broker is a slave now");
        }
        closed
    }

    /// The log is about to lose what lies behind `end`, as another master has none of it.
    pub(crate) fn log_will_be_cut(&self, end: LogOffset) {
        self.parts.pop.log_will_be_cut(end);
    }

    /// The log lost its end, as another master has none of it: what was told of that end holds no more.
    pub(crate) fn log_was_cut(&self) {
        self.parts.settled.cut_offsets();
        self.parts.delay.log_was_cut();
        self.parts.timers.log_was_cut();
    }

    /// A master takes no messages for now, so that a slave can have all of its log; whether this broker is one. The next change of
    /// the role ends it, or [`RoleSwitch::resume`].
    ///
    /// # Errors
    /// What was appended could not be written.
    pub(crate) fn pause(&self) -> Result<bool, WriteStopped> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let is_master = self.state.is_master();
        if is_master {
            self.store().set_replica(true)?;
        }
        Ok(is_master)
    }

    /// Ends [`RoleSwitch::pause`] where the broker is still a master.
    ///
    /// # Errors
    /// The store cannot write.
    pub(crate) fn resume(&self) -> Result<(), WriteStopped> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.is_master() { self.store().set_replica(false) } else { Ok(()) }
    }

    /// A slave stands in for its master from now on, or does so no more (Java: `changeSpecialServiceStatus`): delayed messages,
    /// such with times of their own, half messages and pops that are not acknowledged go to another group.
    pub(crate) fn act(&self, is_acting: bool) {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match (self.state.role(), is_acting) {
            (Role::Slave, true) => {
                *self.dealt_until() = None;
                self.take_up(Timers::PassedOver, None);
                self.state.update(|standing| standing.role = Role::ActingMaster);
                self.set_on_duty(true);
                tracing::warn!("the group has no master: this slave stands in for it, it takes no messages");
            }
            (Role::ActingMaster, false) => self.end_acting(),
            // The master is back, and knows.
            (Role::Slave, false) => *self.dealt_until() = None,
            _ => {}
        }
    }

    /// A master that is coming back asks this slave not to stand in for it any more. Until when what was popped is dealt with, where
    /// that is known. Nothing is delivered any more when this returns.
    pub(crate) fn stand_down(&self) -> Option<Timestamp> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.state.role() == Role::ActingMaster {
            self.end_acting();
        }
        *self.dealt_until()
    }

    fn end_acting(&self) {
        // First: nothing is sent to another group from here on.
        self.state.update(|standing| standing.role = Role::Slave);
        self.parts.delay.set_on_duty(false);
        self.parts.timers.set_on_duty(false);
        self.parts.transactions.set_on_duty(false);
        *self.dealt_until() = Some(self.parts.pop.stand_down());
        // What they are asked for is what was brought to the disk.
        self.parts.timers.flush_step();
        tracing::info!("this slave stands in for its master no more");
    }

    /// A master that took nothing since its start goes on, where its slaves have got to by their `deeds`; their offsets are taken over
    /// already.
    ///
    /// # Errors
    /// The store cannot write; the broker goes on all the same when it can.
    pub(crate) fn come_back(&self, deeds: &[Deeds]) -> Result<(), WriteStopped> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.take_up(Timers::Ours, deeds.iter().filter_map(|deeds| deeds.dealt_until).max());
        let opened = self.store().set_replica(false);
        for Deeds { timers, dealt_until } in deeds {
            if let Some(timers) = timers
                && let Err(why) = self.parts.timers.follow(timers, *dealt_until)
            {
                tracing::warn!(why, "messages with times of their own that a slave delivered come again");
            }
        }
        self.set_on_duty(true);
        opened
    }

    fn dealt_until(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.dealt_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What waits is known from the store again, as after a start.
    fn take_up(&self, timers: Timers, dealt_until: Option<Timestamp>) {
        self.parts.delay.take_up();
        self.parts.timers.take_up();
        self.parts.transactions.take_up();
        self.parts.pop.take_up(timers, dealt_until);
    }

    fn set_on_duty(&self, is_on_duty: bool) {
        self.parts.delay.set_on_duty(is_on_duty);
        self.parts.timers.set_on_duty(is_on_duty);
        self.parts.transactions.set_on_duty(is_on_duty);
        self.parts.pop.set_on_duty(is_on_duty);
    }

    fn begin(&self) {
        self.parts.settled.offsets.set_following(false);
        self.set_on_duty(true);
    }

    fn end(&self) {
        self.parts.settled.offsets.set_following(true);
        self.set_on_duty(false);
    }
}

#[cfg(test)]
#[path = "switch_test.rs"]
mod tests;
